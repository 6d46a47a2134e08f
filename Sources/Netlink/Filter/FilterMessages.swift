// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The messages of nf_tables by which a link is filtered, as values. The numbers are those of
/// linux/netfilter/nf_tables.h. Integers in them are in network order, unlike elsewhere in netlink.
///
/// Each link has a table of its own in the family `netdev`, with one chain at its ingress and one at its egress, so
/// that it is replaced, and goes, as a whole. Ingress comes before the kernel's MACsec takes a frame, before the stack,
/// and before packet sockets bound to an EtherType; egress comes after whatever sends, packet sockets included.
enum FilterMessages {
  private static let subsystem: UInt16 = 10
  /// NFPROTO_
  enum Family: UInt8, CaseIterable {
    case inet = 1
    case arp = 3
    case netdev = 5
  }
  static let accept: UInt32 = 1
  static let drop: UInt32 = 0
  static let firstRegister: UInt32 = 1
  private static let linkHeader: UInt32 = 0
  /// Where the EtherType stands in a frame, and how much further after each tag.
  private static let etherTypeOffset: UInt32 = 12
  private static let tagLength: UInt32 = 4

  /// NFT_MSG_
  enum Kind: UInt16 {
    case newTable = 0
    case getTable = 1
    case deleteTable = 2
    case newChain = 3
    case getChain = 4
    case deleteChain = 5
    case newRule = 6
    case getRule = 7
    case deleteRule = 8

    var type: UInt16 { subsystem << 8 | rawValue }
  }

  /// NFNL_MSG_BATCH_
  private enum Batch {
    static let begin: UInt16 = 16
    static let end: UInt16 = 17
  }

  enum Direction: CaseIterable {
    case ingress, egress

    var name: String { self == .ingress ? "ingress" : "egress" }
    /// NF_NETDEV_
    var hook: UInt32 { self == .ingress ? 0 : 1 }
    /// Before other chains on the way in, after them on the way out.
    var priority: Int32 { self == .ingress ? -1_000 : 1_000 }
  }

  // MARK: Requests

  static func tableName(link: String) -> String { "agentd-port-\(link)" }

  /// Puts a filter in the place of the one that the link has, if any, in one step.
  static func replace(_ filter: LinkFilter, sequence: UInt32) -> [NetlinkMessage] {
    let table = tableName(link: filter.link)
    // A table must exist to be deleted.
    var bodies: [(Kind, [UInt8])] = [
      (.newTable, named(table)), (.deleteTable, named(table)), (.newTable, newTable(filter)),
    ]
    for direction in Direction.allCases {
      bodies.append((.newChain, newChain(direction, table: table, link: filter.link)))
      for pattern in filter.patterns.sorted(by: { $0.etherTypes.lexicographicallyPrecedes($1.etherTypes) }) {
        let expressions = match(pattern) + [verdict(accept)]
        bodies.append((.newRule, newRule(direction.name, table: table, expressions)))
      }
      bodies.append((.newRule, newRule(direction.name, table: table, [expression("counter", []), verdict(drop)])))
    }
    return batch(bodies, sequence: sequence)
  }

  /// Takes the filter of a link away. Refused with ENOENT when there is none.
  static func remove(link: String, sequence: UInt32) -> [NetlinkMessage] {
    batch([(.deleteTable, named(tableName(link: link)))], sequence: sequence)
  }

  static func getTables(sequence: UInt32) -> NetlinkMessage {
    message(.getTable, flags: [.request, .dump], [], sequence: sequence)
  }

  static func getTable(link: String, sequence: UInt32) -> NetlinkMessage {
    message(.getTable, flags: [.request], named(tableName(link: link)), sequence: sequence)
  }

  static func getChain(_ direction: Direction, link: String, sequence: UInt32) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.attribute(1, text: tableName(link: link))
    writer.attribute(3, text: direction.name)
    return message(.getChain, flags: [.request], writer.bytes, sequence: sequence)
  }

  /// All rules of a link's table.
  static func getRules(link: String, sequence: UInt32) -> NetlinkMessage {
    message(.getRule, flags: [.request, .dump], named(tableName(link: link)), sequence: sequence)
  }

  static func batch(
    _ bodies: [(Kind, [UInt8])], families: [Family] = [.netdev], sequence: UInt32
  ) -> [NetlinkMessage] {
    var messages = [marker(Batch.begin, sequence: sequence)]
    for family in families {
      for (kind, body) in bodies {
        var flags: NetlinkMessage.Flags = [.request, .acknowledge]
        if kind != .deleteTable { flags.insert(.create) }
        // A rule goes after those before it.
        if kind == .newRule { flags.insert(.append) }
        let next = sequence &+ UInt32(messages.count)
        messages.append(message(kind, flags: flags, family: family, body, sequence: next))
      }
    }
    return messages + [marker(Batch.end, sequence: sequence &+ UInt32(messages.count))]
  }

  private static func marker(_ type: UInt16, sequence: UInt32) -> NetlinkMessage {
    NetlinkMessage(type: type, flags: [.request], sequence: sequence, payload: header(family: 0, resource: subsystem))
  }

  static func message(
    _ kind: Kind, flags: NetlinkMessage.Flags, family: Family = .netdev, _ body: [UInt8], sequence: UInt32
  ) -> NetlinkMessage {
    NetlinkMessage(
      type: kind.type, flags: flags, sequence: sequence, payload: header(family: family.rawValue, resource: 0) + body)
  }

  /// A struct nfgenmsg.
  private static func header(family: UInt8, resource: UInt16) -> [UInt8] {
    [family, 0, UInt8(truncatingIfNeeded: resource >> 8), UInt8(truncatingIfNeeded: resource)]
  }

  static func named(_ table: String) -> [UInt8] {
    var writer = NetlinkWriter()
    writer.attribute(1, text: table)
    return writer.bytes
  }

  private static func newTable(_ filter: LinkFilter) -> [UInt8] {
    var writer = NetlinkWriter()
    writer.attribute(1, text: tableName(link: filter.link))
    writer.attribute(6, userData(filter.comment))
    return writer.bytes
  }

  /// A comment as `nft` writes and shows it: type 0, length, text and its end.
  static func userData(_ comment: String) -> [UInt8] {
    let text = Array(comment.utf8.prefix(250)) + [0]
    return [0, UInt8(text.count)] + text
  }

  private static func newChain(_ direction: Direction, table: String, link: String) -> [UInt8] {
    newChain(
      direction.name, table: table, hook: direction.hook, priority: direction.priority, link: link, policy: drop)
  }

  /// A chain at a hook; `link` is for those that belong to one.
  static func newChain(
    _ name: String, table: String, hook number: UInt32, priority: Int32, link: String?, policy: UInt32
  ) -> [UInt8] {
    var hook = NetlinkWriter()
    hook.attribute(1, number.bigEndian)
    hook.attribute(2, UInt32(bitPattern: priority).bigEndian)
    if let link { hook.attribute(3, text: link) }
    var writer = NetlinkWriter()
    writer.attribute(1, text: table)
    writer.attribute(3, text: name)
    writer.attribute(4, hook.bytes, nested: true)
    writer.attribute(5, policy.bigEndian)
    writer.attribute(7, text: "filter")
    return writer.bytes
  }

  static func newRule(_ chain: String, table: String, _ expressions: [[UInt8]]) -> [UInt8] {
    var list = NetlinkWriter()
    for expression in expressions { list.attribute(1, expression, nested: true) }
    var writer = NetlinkWriter()
    writer.attribute(1, text: table)
    writer.attribute(2, text: chain)
    writer.attribute(4, list.bytes, nested: true)
    return writer.bytes
  }

  // MARK: Expressions

  static func expression(_ name: String, _ data: [UInt8]) -> [UInt8] {
    var writer = NetlinkWriter()
    writer.attribute(1, text: name)
    writer.attribute(2, data, nested: true)
    return writer.bytes
  }

  /// Each EtherType of the pattern at its place in the frame.
  private static func match(_ pattern: LinkFilter.Pattern) -> [[UInt8]] {
    var offset = etherTypeOffset
    return pattern.etherTypes.flatMap { etherType in
      defer { offset += tagLength }
      return [load(offset), compare(etherType)]
    }
  }

  /// Loads two bytes of the frame.
  private static func load(_ offset: UInt32) -> [UInt8] {
    var data = NetlinkWriter()
    data.attribute(1, firstRegister.bigEndian)
    data.attribute(2, linkHeader.bigEndian)
    data.attribute(3, offset.bigEndian)
    data.attribute(4, UInt32(2).bigEndian)
    return expression("payload", data.bytes)
  }

  private static func compare(_ etherType: UInt16) -> [UInt8] {
    compare(withUnsafeBytes(of: etherType.bigEndian) { Array($0) })
  }

  /// Goes on with the rule only if what was loaded is this.
  static func compare(_ bytes: [UInt8]) -> [UInt8] {
    var value = NetlinkWriter()
    value.attribute(1, bytes)
    var data = NetlinkWriter()
    data.attribute(1, firstRegister.bigEndian)
    data.attribute(2, UInt32(0))  // equal
    data.attribute(3, value.bytes, nested: true)
    return expression("cmp", data.bytes)
  }

  static func verdict(_ code: UInt32) -> [UInt8] {
    var verdict = NetlinkWriter()
    verdict.attribute(1, code.bigEndian)
    var value = NetlinkWriter()
    value.attribute(2, verdict.bytes, nested: true)
    var data = NetlinkWriter()
    data.attribute(1, UInt32(0))  // the verdict register
    data.attribute(2, value.bytes, nested: true)
    return expression("immediate", data.bytes)
  }

  // MARK: Answers

  /// The link that a table filters, and the text kept with it; nil for tables that are not ours.
  static func table(_ message: NetlinkMessage) throws(NetlinkError) -> (link: String, comment: [UInt8])? {
    guard message.type == Kind.newTable.type else { return nil }
    let attributes = try self.attributes(message)
    let prefix = tableName(link: "")
    guard let name = try attributes.text(1), name.hasPrefix(prefix) else { return nil }
    return (String(name.dropFirst(prefix.count)), attributes.bytes(6).map(Array.init) ?? [])
  }

  /// Whether a message tells that a table, chain or rule is gone, whosever it was.
  static func isRemoval(_ message: NetlinkMessage) -> Bool {
    [Kind.deleteTable, .deleteChain, .deleteRule].contains { $0.type == message.type }
  }

  /// The link that a chain is hooked to; nil when it is hooked to none.
  static func hookedLink(_ message: NetlinkMessage) throws(NetlinkError) -> String? {
    guard message.type == Kind.newChain.type, let hook = try attributes(message).nested(4) else { return nil }
    if let name = try hook.text(3) { return name }
    // Newer kernels tell a list of devices.
    guard let bytes = try hook.nested(4)?.list.first else { return nil }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Where a rule is, and the packets that its counter has seen, if it begins with one.
  static func rule(
    _ message: NetlinkMessage
  ) throws(NetlinkError) -> (table: String, chain: String, counted: UInt64?)? {
    guard message.type == Kind.newRule.type else { return nil }
    let attributes = try self.attributes(message)
    guard let table = try attributes.text(1), let chain = try attributes.text(2),
      let expressions = attributes.bytes(4)
    else { return nil }
    // A counter comes first; of expressions, which all have the same type, only the first is looked at.
    var reader = NetlinkReader(expressions)
    let length = Int(try reader.uint16())
    _ = try reader.uint16()
    guard length >= 4, length <= expressions.count else { throw .malformed("an expression of a rule") }
    let first = try NetlinkAttributes(reader.rest.prefix(length - 4))
    guard try first.text(1) == "counter" else { return (table, chain, nil) }
    return (table, chain, try first.nested(2)?.uint64(2)?.bigEndian ?? 0)
  }

  private static func attributes(_ message: NetlinkMessage) throws(NetlinkError) -> NetlinkAttributes {
    var reader = NetlinkReader(message.payload[...])
    _ = try reader.uint32()
    return try NetlinkAttributes(reader.rest)
  }
}
