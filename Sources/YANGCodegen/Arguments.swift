// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The command line: four options, each with a value.
struct Arguments: Equatable {
  struct Problem: Error, Equatable, CustomStringConvertible {
    let description: String
  }

  static let usage = """
    usage: YANGCodegen --modules FOLDER --configuration FILE --output FOLDER [--swift-module NAME]
    """

  var modules: String
  var configuration: String
  var output: String
  var swiftModule: String

  init(_ arguments: [String]) throws(Problem) {
    var values: [String: String] = ["--swift-module": "Models"]
    let known: Set<String> = ["--modules", "--configuration", "--output", "--swift-module"]
    var rest = arguments[...]
    while let option = rest.popFirst() {
      guard known.contains(option) else { throw Problem(description: "unknown option \(option)\n\(Self.usage)") }
      guard let value = rest.popFirst() else { throw Problem(description: "\(option) needs a value\n\(Self.usage)") }
      values[option] = value
    }
    func value(_ option: String) throws(Problem) -> String {
      guard let value = values[option] else { throw Problem(description: "\(option) is missing\n\(Self.usage)") }
      return value
    }
    modules = try value("--modules")
    configuration = try value("--configuration")
    output = try value("--output")
    swiftModule = try value("--swift-module")
  }
}
