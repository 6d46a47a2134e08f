// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Writes a tree as XML with its annotations, and indented when people are to read it. What is sent to clients goes
/// through `XMLWriter` instead, which pauses.
public struct XMLPrinter {
  private let sealer: Sealer?
  private let indentation: Int?
  private let schema: Schema
  private let flush: ([UInt8]) -> Void
  private var output: [UInt8] = []

  /// - Parameters:
  ///   - indentation: the blanks of one level; nil writes no white space.
  ///   - flush: gets what is written, in pieces.
  public init(schema: Schema, sealer: Sealer?, indentation: Int? = nil, flush: @escaping ([UInt8]) -> Void) {
    self.schema = schema
    self.sealer = sealer
    self.indentation = indentation
    self.flush = flush
  }

  /// Writes the children of a root, as elements beside each other.
  public mutating func print(content: InteriorNode, annotations: Annotations? = nil) {
    children(of: content, annotations, 0, declaring: true)
    flush(output)
    output.removeAll()
  }

  /// Writes one element. `name` is the node that it is called after, for the input of an rpc the rpc.
  public mutating func print(element: InteriorNode, name: SchemaNode, annotations: Annotations? = nil) {
    write(element, name, annotations, 0, declaring: true)
    flush(output)
    output.removeAll()
  }

  private mutating func children(of node: InteriorNode, _ annotations: Annotations?, _ depth: Int, declaring: Bool) {
    for slot in node.slots {
      let child = node.schema.dataChildren[Int(slot.position)]
      let declaring = declaring || child.module !== node.schema.module
      let step = InstancePath.Step(schema: child)
      switch slot.node {
      case .leaf(let value): leaf(value, child, annotations?.below[step]?.own, depth, declaring)
      case .leafList(let values):
        for value in values {
          leaf(value, child, annotations?.below[.init(schema: child, keys: [value])]?.own, depth, declaring)
        }
      case .container(let inner): write(inner, child, annotations?.below[step], depth, declaring: declaring)
      case .list(let entries):
        for entry in entries {
          let below = annotations?.below[.init(schema: child, keys: entry.keys)]
          write(entry, child, below, depth, declaring: declaring)
          if output.count > 65_536 {
            flush(output)
            output.removeAll(keepingCapacity: true)
          }
        }
      case .any(let content):
        start(child, declaring, annotations?.below[step]?.own, depth)
        output.append(UInt8(ascii: ">"))
        switch content.form {
        case .xml: output.append(contentsOf: content.text.utf8)
        case .json: output.append(contentsOf: AnyConversion(schema: schema).xml(fromJSON: content.text).utf8)
        }
        end(child)
      }
    }
  }

  private mutating func write(
    _ node: InteriorNode, _ name: SchemaNode, _ annotations: Annotations?, _ depth: Int, declaring: Bool
  ) {
    start(name, declaring, annotations?.own, depth)
    guard !node.isEmpty else {
      output.append(contentsOf: "/>".utf8)
      return newLine()
    }
    output.append(UInt8(ascii: ">"))
    newLine()
    children(of: node, annotations, depth + 1, declaring: false)
    indent(depth)
    end(name)
  }

  private mutating func leaf(
    _ value: Value, _ leaf: SchemaNode, _ annotations: [Annotation]?, _ depth: Int, _ declaring: Bool
  ) {
    start(leaf, declaring, annotations, depth)
    let (text, declared) = LeafWriter.namespacedText(value, of: leaf, sealer: sealer)
    for (prefix, module) in declared { attribute("xmlns:\(prefix)", module.namespace) }
    guard !text.isEmpty else {
      output.append(contentsOf: "/>".utf8)
      return newLine()
    }
    output.append(UInt8(ascii: ">"))
    text.withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: false) }
    end(leaf)
  }

  // MARK: Tags

  private mutating func start(_ node: SchemaNode, _ declaring: Bool, _ annotations: [Annotation]?, _ depth: Int) {
    indent(depth)
    output.append(UInt8(ascii: "<"))
    output.append(contentsOf: node.name.utf8)
    if declaring { attribute("xmlns", node.module.namespace) }
    var declared: [String: String] = [:]
    for annotation in annotations ?? [] {
      // Prefixes that a value declares are those of modules too; one that is taken gets another letter.
      var prefix = "a-" + annotation.module.prefix
      while let other = declared[prefix], other != annotation.namespace { prefix += "x" }
      if declared.updateValue(annotation.namespace, forKey: prefix) == nil {
        attribute("xmlns:\(prefix)", annotation.namespace)
      }
      attribute("\(prefix):\(annotation.name)", annotation.value.text)
    }
  }

  private mutating func attribute(_ name: String, _ value: String) {
    output.append(contentsOf: " \(name)=\"".utf8)
    Array(value.utf8).withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: true) }
    output.append(UInt8(ascii: "\""))
  }

  private mutating func end(_ node: SchemaNode) {
    output.append(contentsOf: "</\(node.name)>".utf8)
    newLine()
  }

  private mutating func indent(_ depth: Int) {
    if let indentation { output.append(contentsOf: repeatElement(0x20, count: depth * indentation)) }
  }

  private mutating func newLine() {
    if indentation != nil { output.append(0x0A) }
  }
}
