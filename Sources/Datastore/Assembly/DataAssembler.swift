// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What the parsers of all encodings do alike: puts tree nodes together from the events of a document, and collects what
/// does not fit the schema.
///
/// Stacks shared by all levels keep what the open nodes have so far; when one ends, its part of the stacks becomes the
/// object that the datastore will hold.
///
/// The stacks are changed for every node; run-time checks for overlapping access would cost as much as the parsing.
/// They are off: events come one at a time, and no method lends a stack to anything that calls back.
public class DataAssembler {
  /// What the content may be.
  public enum Purpose: Sendable {
    /// Configuration with operations: the content of `<config>`.
    case edit
    /// Configuration as it is, such as the content of a stored document.
    case configuration
    /// The input of an rpc or action, a notification, state data: all kinds of nodes.
    case message
  }

  final let schema: SchemaNode
  final let reader: ValueReader
  final private(set) var errors: [DatastoreError] = []

  /// More errors than these are not of use to anyone.
  static let maximumErrors = 100

  /// One open node. The schema outlives the parser, which holds it by `reader`.
  struct Frame {
    unowned(unsafe) let schema: SchemaNode
    let isInterior: Bool
    let hasAttributes: Bool
    /// Where this node's part of each stack begins.
    let slots: Int
    let entries: Int
    let values: Int
    let edits: Int
    /// Set when something inside was refused: then it is not handed up.
    var isBroken = false
  }
  @exclusivity(unchecked) final var frames: [Frame] = []
  @exclusivity(unchecked) final var slots: [InteriorNode.Slot] = []
  @exclusivity(unchecked) final var entries: [Item] = []
  @exclusivity(unchecked) final var values: [(schema: SchemaNode, value: Value)] = []
  @exclusivity(unchecked) final var edits: [EditNode] = []
  /// Of the open nodes with annotations in or below them, the outermost first.
  @exclusivity(unchecked) final var annotationStack: [AnnotationLevel] = []
  /// The annotations that the document has; nil when there are none.
  public final internal(set) var annotations: Annotations?

  /// An entry of a list, in document order among those with operations.
  enum Item {
    case plain(InteriorNode)
    case edit(EditNode)
    var schema: SchemaNode {
      switch self {
      case .plain(let node): node.schema
      case .edit(let edit): edit.schema
      }
    }
  }

  /// What a node has become.
  enum Finished {
    case plain(InteriorNode)
    case edit(EditNode)
  }

  /// Reads children of `schema`: the root, or the input of an rpc.
  init(schema: SchemaNode, reader: ValueReader) {
    self.schema = schema
    self.reader = reader
    open(schema, hasAttributes: false)
  }

  /// Begins a node.
  @inline(__always) final func open(_ schema: SchemaNode, hasAttributes: Bool) {
    frames.append(
      Frame(
        schema: schema, isInterior: schema.isInterior, hasAttributes: hasAttributes, slots: slots.count,
        entries: entries.count, values: values.count, edits: edits.count))
  }

  /// Gives what a container or entry has become to the node around it.
  @inline(__always) final func hand(up finished: Finished?, _ schema: SchemaNode) {
    switch finished {
    case .plain(let node)?:
      if schema.kind == .list {
        entries.append(.plain(node))
      } else if !(node.isEmpty && schema.isNonPresenceContainer) {
        slots.append(InteriorNode.Slot(schema, .container(node)))
      }
    case .edit(let edit)?:
      if schema.kind == .list { entries.append(.edit(edit)) } else { edits.append(edit) }
    case nil: break
    }
  }

  // MARK: What is wrong

  /// The line that the parsing has come to, from 1.
  var currentLine: Int { 0 }

  final func report(_ error: DatastoreError) {
    if errors.count < Self.maximumErrors {
      var error = error
      error.line = currentLine
      errors.append(error)
    }
    for index in frames.indices { frames[index].isBroken = true }
  }

  /// The path of the innermost node, with the keys that have been read so far.
  final func path(to child: SchemaNode? = nil) -> InstancePath {
    var steps: [InstancePath.Step] = []
    for (index, frame) in frames.enumerated().dropFirst() {
      var keys: [Value] = []
      if frame.schema.kind == .list {
        let end = index + 1 < frames.count ? frames[index + 1].slots : slots.count
        let own = slots[frame.slots..<end]
        keys = frame.schema.keys.compactMap { key in
          own.first { Int($0.position) == key.position }?.node.leafValue
        }
        if keys.count < frame.schema.keys.count { keys = [] }
      }
      steps.append(.init(schema: frame.schema, keys: keys))
    }
    if let child { steps.append(.init(schema: child)) }
    return InstancePath(steps)
  }

  /// A name from outside as an error may repeat it: a reply must not grow with what was refused.
  static func shortened(_ name: String) -> String { name.utf8.count <= 256 ? name : name.prefix(100) + "…" }

  /// State where only configuration may be.
  final func stateRefused(_ child: SchemaNode) -> DatastoreError {
    DatastoreError(
      .badElement, path: path(to: child), message: "\(child.path) is state, not configuration",
      info: [("bad-element", child.name)])
  }
}

func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
