// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// get-schema (RFC 6022 section 3.1): the modules' own files.
extension ServerCore {
  func schemaText(_ request: SchemaRequest) -> ReplyBody {
    let matching = SchemaFile.all(of: datastore.schema).filter { file in
      file.identifier == request.identifier && (request.version == nil || file.version == request.version)
    }
    guard let file = matching.first else {
      let version = request.version.map { " of revision \($0)" } ?? ""
      return .error(
        DatastoreError(
          .invalidValue, message: "there is no schema \(request.identifier)\(version)",
          info: [("bad-element", request.version == nil ? "identifier" : "version")]))
    }
    guard matching.count == 1 else {
      let versions = matching.map(\.version).joined(separator: ", ")
      return .error(
        DatastoreError(
          .operationFailed, appTag: "data-not-unique",
          message: "there are several revisions of \(request.identifier): \(versions)"))
    }
    return .content(EscapedText(file.source.bytes, element: "data", namespace: "\(Namespace.monitoring)"))
  }
}

/// A module or submodule that can be handed out.
struct SchemaFile {
  let identifier: String
  /// The revision; empty for a file without one.
  let version: String
  let namespace: String
  let source: SourceText

  /// All of a schema, each once.
  static func all(of schema: Schema) -> [SchemaFile] {
    var files: [SchemaFile] = []
    var seen: Set<String> = []
    func add(_ file: SchemaFile) {
      if seen.insert(file.identifier + "@" + file.version).inserted { files.append(file) }
    }
    for module in schema.modules {
      add(
        SchemaFile(
          identifier: module.name, version: module.revision ?? "", namespace: module.namespace,
          source: module.source))
      for submodule in module.submodules {
        add(
          SchemaFile(
            identifier: submodule.name, version: submodule.revision ?? "", namespace: module.namespace,
            source: submodule.source))
      }
    }
    return files
  }
}

/// One element with text that is escaped as it is pulled.
final class EscapedText: PulledContent {
  private let bytes: [UInt8]
  private let element: String
  private let namespace: String
  private var position = -1

  init(_ bytes: [UInt8], element: String, namespace: String) {
    self.bytes = bytes
    self.element = element
    self.namespace = namespace
  }

  func write(into output: inout [UInt8], limit: Int) -> Bool {
    if position < 0 {
      output.append(markup: "<\(element) xmlns=\"\(namespace)\">")
      position = 0
    }
    // Escaping makes a byte into six at most; what comes out may be a little more than asked for.
    let end = min(bytes.count, position + max(1, limit))
    for index in position..<end { output.append(escaping: bytes[index]) }
    position = end
    guard position == bytes.count else { return true }
    output.append(markup: "</\(element)>")
    return false
  }
}
