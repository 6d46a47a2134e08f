// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Cuts this system's own stack, IPv4, IPv6 and ARP, off from what comes in on a link, in the network namespace of the
/// calling thread. All calls need CAP_NET_ADMIN there. It lasts as ``LinkFilters`` do, and longer than the link.
public enum LinkStack {
  public static func cutOff(link: String) throws(NetlinkError) {
    var socket = try NetlinkSocket(.netfilter)
    try socket.batch { (sequence) throws(NetlinkError) in try StackMessages.install(link: link, sequence: sequence) }
  }

  /// Whether it is cut off.
  public static func isCutOff(link: String) throws(NetlinkError) -> Bool {
    var socket = try NetlinkSocket(.netfilter)
    let table = StackMessages.tableName(link: link)
    for request in StackMessages.getRules(link: link) {
      var count = 0
      do {
        for message in try socket.exchange({ (sequence) throws(NetlinkError) in request(sequence) }) {
          if try FilterMessages.rule(message)?.table == table { count += 1 }
        }
      } catch NetlinkError.refused(errorNumber: ENOENT, _) {
        return false
      }
      if count != 1 { return false }
    }
    return true
  }

  /// No error when it is not cut off.
  public static func reconnect(link: String) throws(NetlinkError) {
    var socket = try NetlinkSocket(.netfilter)
    try socket.batch { StackMessages.remove(link: link, sequence: $0) }
  }
}
