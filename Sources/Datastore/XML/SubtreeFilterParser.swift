// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Compiles the content of a `filter` element of type subtree. Enter it for that element.
///
/// An element without a namespace stands for any namespace (RFC 6241 section 6.2.1). What the schema does not have
/// selects nothing and is no error. Attributes are not looked at, since data has none.
public final class SubtreeFilterParser: XMLHandler {
  private let reader: ValueReader
  private unowned let tokenizer: XMLTokenizer
  private var frames: [Frame]
  private var count = 0
  private var failure: DatastoreError?
  private var result: SubtreeFilter?

  /// The most elements of one filter.
  public static let maximumElements = 10_000

  /// The most elements that look for entries of a list otherwise than by all keys: each costs a look at every entry.
  public static let maximumScans = 128
  private var scans = 0

  /// One open element. A name without namespace may stand for several schema nodes.
  private struct Frame {
    var contexts: [Context]
    var text: [UInt8] = []
    var hasElements = false
  }

  private struct Context {
    let schema: SchemaNode
    var matches: [(leaf: SchemaNode, value: Value)] = []
    var children: [Int: [FilterChild]] = [:]
    /// Something other than content matches was in it, known to the schema or not.
    var hasSelections = false
    var isImpossible = false

    init(_ schema: SchemaNode) { self.schema = schema }

    var group: FilterGroup {
      FilterGroup(matches: matches, children: children, selectsAll: !hasSelections, isImpossible: isImpossible)
    }
  }

  public init(reader: ValueReader, tokenizer: XMLTokenizer) {
    self.reader = reader
    self.tokenizer = tokenizer
    frames = [Frame(contexts: [Context(reader.schema.root)])]
  }

  /// The filter, once its element has ended.
  public func filter() throws(DatastoreFailure) -> SubtreeFilter {
    if let failure { throw DatastoreFailure(failure) }
    return result ?? SubtreeFilter(root: frames[0].contexts[0].group)
  }

  public func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    count += 1
    guard count <= Self.maximumElements else {
      failure = DatastoreError(
        .tooBig, layer: .protocol, message: "a filter has at most \(Self.maximumElements) elements")
      return .skip
    }
    let parents = frames[frames.count - 1].contexts
    frames[frames.count - 1].hasElements = true
    frames.append(Frame(contexts: parents.flatMap { nodes(tag, in: $0.schema) }.map(Context.init)))
    return .descend
  }

  private func nodes(_ tag: XMLTag, in parent: SchemaNode) -> [SchemaNode] {
    let name = tag.nameText
    var candidates = parent.dataChildren(named: name)
    if parent.kind == .root { candidates += reader.schema.notifications.filter { $0.name == name } }
    guard let namespace = tag.namespaceText else { return candidates }
    return candidates.filter { $0.module.namespace == namespace }
  }

  public func characters(_ text: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    let index = frames.count - 1
    guard index > 0, !frames[index].hasElements else { return }
    guard frames[index].text.count + text.count <= tokenizer.limits.tokenBytes else {
      throw XMLError(
        .tooBig, line: tokenizer.line, column: tokenizer.column,
        message: "a filter's text is longer than \(tokenizer.limits.tokenBytes) bytes")
    }
    frames[index].text.append(contentsOf: text)
  }

  public func endElement() throws(XMLError) {
    guard frames.count > 1, let frame = frames.popLast() else { return }
    let isContentMatch = !frame.hasElements && frame.text.contains { !isBlank($0) }
    for index in frames[frames.count - 1].contexts.indices {
      let parent = frames[frames.count - 1].contexts[index].schema
      let own = frame.contexts.filter { ($0.schema.dataParent ?? reader.schema.root) === parent }
      if isContentMatch {
        addMatch(own.map(\.schema), frame.text, to: &frames[frames.count - 1].contexts[index])
      } else {
        frames[frames.count - 1].contexts[index].hasSelections = true
        for context in own {
          let child = FilterChild(group: frame.hasElements ? context.group : nil)
          if let group = child.group, context.schema.kind == .list, group.fixedKeys(of: context.schema) == nil {
            countScan()
          }
          frames[frames.count - 1].contexts[index].children[context.schema.id, default: []].append(child)
        }
      }
    }
  }

  private func countScan() {
    scans += 1
    guard scans > Self.maximumScans, failure == nil else { return }
    failure = DatastoreError(
      .tooBig, layer: .protocol,
      message: "a filter has at most \(Self.maximumScans) elements that look through a list")
  }

  private func addMatch(_ nodes: [SchemaNode], _ text: [UInt8], to context: inout Context) {
    for node in nodes {
      // Whether a secret has some value is nobody's business.
      guard node.type != nil, node.type?.secretEncoding == nil, let value = read(text, node) else { continue }
      context.matches.append((node, value))
      return
    }
    context.isImpossible = true
  }

  /// White space around the text does not count (RFC 6241 section 6.2.5), unless the text is a value with it.
  private func read(_ text: [UInt8], _ node: SchemaNode) -> Value? {
    let start = text.firstIndex { !isBlank($0) } ?? text.endIndex
    let end = text.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
    return text[start..<end].withUnsafeBufferPointer { bytes in
      do throws(DatastoreError) {
        return try reader.read(
          bytes, for: node, at: { .root }, namespace: { tokenizer.namespace(forPrefix: $0) })
      } catch { return nil }
    }
  }

  public func finish() throws(XMLError) {
    var root = frames[0].contexts[0]
    // An empty filter selects nothing (RFC 6241 section 6.4.2).
    root.hasSelections = true
    result = SubtreeFilter(root: root.group)
  }
}
