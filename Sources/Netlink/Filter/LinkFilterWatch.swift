// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Synchronization

/// Tells when somebody has taken something out of nf_tables, a filter of ours perhaps, in the network namespace of the
/// thread that makes this. Needs CAP_NET_ADMIN there.
public final class LinkFilterWatch: Sendable {
  /// NFNLGRP_NFTABLES
  private static let group: Int32 = 7
  /// The most datagrams taken at a time.
  private static let maximumDatagrams = 4_096

  private struct Source: ~Copyable {
    let socket: NetlinkSocket
  }

  /// To be polled for reading; owned by this object.
  public let descriptor: Int32
  private let source: Mutex<Source>

  public init() throws(NetlinkError) {
    let socket = try NetlinkSocket(.netfilter, groups: [Self.group])
    descriptor = socket.descriptor
    source = Mutex(Source(socket: socket))
  }

  /// Takes what has been told since the last call. Whether something may have been taken out: also when more was told
  /// than the queue held.
  public func takeRemovals() -> Bool {
    source.withLock { source in
      var isAffected = false
      for _ in 0..<Self.maximumDatagrams {
        do throws(NetlinkError) {
          guard let datagram = try source.socket.receiveWaiting() else { return isAffected }
          let messages = try NetlinkMessage.decode(datagram)
          if messages.contains(where: { FilterMessages.isRemoval($0) }) { isAffected = true }
        } catch {
          // An overrun, or something that is not understood.
          isAffected = true
        }
      }
      return true
    }
  }
}
