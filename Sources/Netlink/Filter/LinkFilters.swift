// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Filters on links, in the network namespace of the calling thread. All calls need CAP_NET_ADMIN there, and a kernel
/// with nf_tables' ingress and egress hooks (5.16 and later).
///
/// A filter stays when the process ends. It goes with its link, and with a flush of all of nf_tables: who needs it has
/// to look at ``state(of:)`` now and then.
public enum LinkFilters {
  /// Puts the filter in place, instead of the one that the link has; there is no moment without. Refused with ENOENT
  /// when there is no such link, with EOPNOTSUPP when the kernel cannot do it.
  public static func install(_ filter: LinkFilter) throws(NetlinkError) {
    var socket = try NetlinkSocket(.netfilter)
    try socket.batch { FilterMessages.replace(filter, sequence: $0) }
  }

  /// Takes the filter of a link away. No error when there is none.
  public static func remove(link: String) throws(NetlinkError) {
    var socket = try NetlinkSocket(.netfilter)
    do {
      try socket.batch { FilterMessages.remove(link: link, sequence: $0) }
    } catch NetlinkError.refused(errorNumber: ENOENT, _) {
      return
    }
  }

  /// The names of the links that have a filter, also of links that are gone.
  public static func links() throws(NetlinkError) -> Set<String> {
    var socket = try NetlinkSocket(.netfilter)
    var links: Set<String> = []
    for message in try socket.exchange({ (sequence) throws(NetlinkError) in
      FilterMessages.getTables(sequence: sequence)
    }) {
      if let table = try FilterMessages.table(message) { links.insert(table.link) }
    }
    return links
  }

  /// Whether this filter is in place, and what it has dropped since it was put there.
  public static func state(of filter: LinkFilter) throws(NetlinkError) -> LinkFilterState {
    var socket = try NetlinkSocket(.netfilter)
    let none = LinkFilterState(isInPlace: false, droppedIn: 0, droppedOut: 0)
    do {
      var isOurs = false
      for message in try socket.exchange({ (sequence) throws(NetlinkError) in
        FilterMessages.getTable(link: filter.link, sequence: sequence)
      }) {
        guard let table = try FilterMessages.table(message) else { continue }
        isOurs = table.comment == FilterMessages.userData(filter.comment)
      }
      guard isOurs else { return none }
      for direction in FilterMessages.Direction.allCases {
        let chain = try socket.exchange { (sequence) throws(NetlinkError) in
          FilterMessages.getChain(direction, link: filter.link, sequence: sequence)
        }
        guard let message = chain.first, try FilterMessages.hookedLink(message) == filter.link else { return none }
      }
      var rules: [String: Int] = [:]
      var dropped: [String: UInt64] = [:]
      for message in try socket.exchange({ (sequence) throws(NetlinkError) in
        FilterMessages.getRules(link: filter.link, sequence: sequence)
      }) {
        guard let rule = try FilterMessages.rule(message),
          rule.table == FilterMessages.tableName(link: filter.link)
        else { continue }
        rules[rule.chain, default: 0] += 1
        if let counted = rule.counted { dropped[rule.chain] = counted }
      }
      let isWhole = FilterMessages.Direction.allCases.allSatisfy {
        rules[$0.name] == filter.patterns.count + 1 && dropped[$0.name] != nil
      }
      return LinkFilterState(
        isInPlace: isWhole, droppedIn: dropped[FilterMessages.Direction.ingress.name] ?? 0,
        droppedOut: dropped[FilterMessages.Direction.egress.name] ?? 0)
    } catch NetlinkError.refused(errorNumber: ENOENT, _) {
      return none
    }
  }
}
