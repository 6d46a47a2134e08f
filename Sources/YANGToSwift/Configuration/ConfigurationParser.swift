// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Reads a generator configuration: lines of words, `#` starts a comment.
///
///     module NAME                   everything of a module
///     root PATH                     the subtree at a schema path
///     without PATH                  leave this subtree out
///     acronyms WORD…                words with a spelling of their own
///     namespace PATTERN REPLACEMENT how a module's name is shortened
///     name PATH SWIFTNAME           a name chosen by hand
public struct ConfigurationParser {
  private let file: String
  public private(set) var diagnostics: [Diagnostic] = []

  public init(file: String) { self.file = file }

  public mutating func parse(_ text: String) -> Configuration {
    var configuration = Configuration()
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
      guard let keyword = words.first else { continue }
      let arguments = Array(words.dropFirst())
      if let subject = arguments.first, configuration.locations[subject] == nil {
        configuration.locations[subject] = location(line: index + 1)
      }
      switch (keyword, arguments.count) {
      case ("module", 1): configuration.wants.append(.module(arguments[0]))
      case ("root", 1): configuration.wants.append(.subtree(arguments[0]))
      case ("without", 1): configuration.exclusions.append(arguments[0])
      case ("acronyms", 1...): configuration.acronyms += arguments
      case ("namespace", 2):
        configuration.namespaceRules.append(.init(pattern: arguments[0], replacement: arguments[1]))
      case ("name", 2):
        if configuration.names.updateValue(arguments[1], forKey: arguments[0]) != nil {
          report("\(arguments[0]) has been given a name before", line: index + 1)
        }
      case ("module", _), ("root", _), ("without", _), ("acronyms", _), ("namespace", _), ("name", _):
        report("wrong number of arguments for '\(keyword)': \(arguments.count)", line: index + 1)
      default:
        report(
          "unknown keyword '\(keyword)', expected module, root, without, acronyms, namespace or name", line: index + 1)
      }
    }
    return configuration
  }

  private mutating func report(_ message: String, line: Int) {
    diagnostics.append(Diagnostic(location: location(line: line), message: message))
  }

  private func location(line: Int) -> String { "\(file):\(line):1" }
}
