// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The messages of nf_tables by which this system's own stack takes nothing from a link: a table of the family `inet`
/// and one of the family `arp`, each with one chain and one rule. Packet sockets, MACsec devices and whatever else sits
/// on the link get frames as before.
enum StackMessages {
  static let chain = "input"
  private static let families: [FilterMessages.Family] = [.inet, .arp]
  /// NF_INET_PRE_ROUTING, and NF_ARP_IN.
  private static let hook: UInt32 = 0
  /// Before anything is looked up or tracked.
  private static let priority: Int32 = -450
  /// NFT_META_IIFNAME
  private static let inputLinkName: UInt32 = 6
  /// IFNAMSIZ
  private static let nameLength = 16

  static func tableName(link: String) -> String { "agentd-parent-\(link)" }

  static func install(link: String, sequence: UInt32) throws(NetlinkError) -> [NetlinkMessage] {
    let table = tableName(link: link)
    let name = Array(try RouteMessages.checked(name: link).utf8)
    let padded = name + [UInt8](repeating: 0, count: nameLength - name.count)
    let expressions = [
      loadInputLinkName, FilterMessages.compare(padded), FilterMessages.expression("counter", []),
      FilterMessages.verdict(FilterMessages.drop),
    ]
    return FilterMessages.batch(
      [
        (.newTable, FilterMessages.named(table)), (.deleteTable, FilterMessages.named(table)),
        (.newTable, FilterMessages.named(table)),
        (
          .newChain,
          FilterMessages.newChain(
            chain, table: table, hook: hook, priority: priority, link: nil, policy: FilterMessages.accept)
        ),
        (.newRule, FilterMessages.newRule(chain, table: table, expressions)),
      ], families: families, sequence: sequence)
  }

  /// Refused with ENOENT when one of them is not there; then the other one stays. So it is made before it is deleted.
  static func remove(link: String, sequence: UInt32) -> [NetlinkMessage] {
    let table = FilterMessages.named(tableName(link: link))
    return FilterMessages.batch(
      [(.newTable, table), (.deleteTable, table)], families: families, sequence: sequence)
  }

  /// For the rules, one request for each family.
  static func getRules(link: String) -> [(UInt32) -> NetlinkMessage] {
    families.map { family in
      { sequence in
        FilterMessages.message(
          .getRule, flags: [.request, .dump], family: family, FilterMessages.named(tableName(link: link)),
          sequence: sequence)
      }
    }
  }

  private static var loadInputLinkName: [UInt8] {
    var data = NetlinkWriter()
    data.attribute(1, FilterMessages.firstRegister.bigEndian)
    data.attribute(2, inputLinkName.bigEndian)
    return FilterMessages.expression("meta", data.bytes)
  }
}
