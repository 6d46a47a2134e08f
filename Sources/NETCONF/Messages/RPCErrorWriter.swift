// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// Writes errors as the `rpc-error` elements of RFC 6241 section 4.3.
enum RPCErrorWriter {
  /// Appends one `rpc-error`; the default namespace is that of the base protocol.
  static func append(_ error: DatastoreError, to output: inout [UInt8]) {
    output.append(markup: "<rpc-error>" as StaticString)
    output.append(element: "error-type", text: error.layer.rawValue)
    output.append(element: "error-tag", text: error.tag.rawValue)
    output.append(element: "error-severity", text: "error")
    if let appTag = error.appTag { output.append(element: "error-app-tag", text: appTag) }
    if let path = error.path {
      let (text, namespaces) = path.prefixed()
      output.append(markup: "<error-path")
      appendDeclarations(namespaces, to: &output)
      output.append(markup: ">")
      output.append(escaping: text)
      output.append(markup: "</error-path>")
    }
    if !error.message.isEmpty {
      output.append(markup: "<error-message xml:lang=\"en\">" as StaticString)
      output.append(escaping: error.message)
      output.append(markup: "</error-message>" as StaticString)
    }
    if !error.info.isEmpty { append(info: error.info, to: &output) }
    output.append(markup: "</rpc-error>" as StaticString)
  }

  private static func append(info: [(name: String, text: String)], to output: inout [UInt8]) {
    output.append(markup: "<error-info>" as StaticString)
    for (name, text) in info {
      // RFC 7950 sections 15.1 and 15.7 put theirs in a namespace of their own.
      let isOfYANG = name == "non-unique" || name == "missing-choice"
      output.append(markup: isOfYANG ? "<\(name) xmlns=\"\(Namespace.yang)\">" : "<\(name)>")
      output.append(escaping: text)
      output.append(markup: "</\(name)>")
    }
    output.append(markup: "</error-info>" as StaticString)
  }

  static func appendDeclarations(_ namespaces: [(prefix: String, namespace: String)], to output: inout [UInt8]) {
    for (prefix, namespace) in namespaces {
      output.append(markup: " xmlns:\(prefix)=\"")
      output.append(escaping: namespace)
      output.append(markup: "\"")
    }
  }
}
