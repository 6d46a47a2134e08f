// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Synchronization
import Threads

/// Follows the links and addresses of a network namespace: the one of the thread that makes it.
///
/// Subscribers are called on the watcher's own thread, in the order of the events, and should return soon: a slow one
/// delays the others, not the kernel. When the kernel's queue overflows meanwhile, the tables are read anew and the
/// difference is told.
public final class LinkWatcher: Sendable {
  /// Names a subscription; for `cancel`.
  public struct Subscription: Sendable, Hashable {
    fileprivate let number: UInt64
  }

  fileprivate struct State {
    var table = LinkTable()
    var nextNumber: UInt64 = 0
    var subscribers: [UInt64: @Sendable ([LinkEvent]) -> Void] = [:]
    /// Those that have not been told yet what there is.
    var newcomers: [UInt64] = []
    var isStopped = false
  }
  fileprivate let state = Mutex(State())
  fileprivate let wakeReader: Int32
  private let wakeWriter: Int32
  private let thread = Mutex<SystemThread?>(nil)

  /// Starts the thread. The table is filled when this returns.
  ///
  /// - Throws: when the kernel gives no socket, no thread, or no answer.
  public init() throws(NetlinkError) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw .system(call: "socketpair", errorNumber: errno)
    }
    (wakeReader, wakeWriter) = (ends[0], ends[1])
    let loop = try WatcherLoop(self)
    try loop.resynchronize()
    do throws(SystemThread.Failure) {
      let started = try SystemThread("netlink") { loop.run() }
      thread.withLock { $0 = started }
    } catch {
      throw .system(call: "pthread_create", errorNumber: error.errorNumber)
    }
  }

  deinit {
    close(wakeReader)
    close(wakeWriter)
  }

  /// What there is at present.
  public var table: LinkTable { state.withLock { $0.table } }

  /// Calls back with everything that happens; first, soon, with `appeared` and `addressAdded` for all that is there.
  public func subscribe(_ call: @escaping @Sendable ([LinkEvent]) -> Void) -> Subscription {
    let number = state.withLock { state in
      state.nextNumber += 1
      state.subscribers[state.nextNumber] = call
      state.newcomers.append(state.nextNumber)
      return state.nextNumber
    }
    wake()
    return Subscription(number: number)
  }

  /// Ends a subscription. A call that is under way may still end after this.
  public func cancel(_ subscription: Subscription) {
    state.withLock { state in
      state.subscribers[subscription.number] = nil
      state.newcomers.removeAll { $0 == subscription.number }
    }
  }

  /// Ends the thread and waits for it. It must be called before the last reference goes, and not by a subscriber.
  public func stop() {
    guard let running = thread.withLock({ $0.take() }) else { return }
    state.withLock { $0.isStopped = true }
    wake()
    running.join()
  }

  private func wake() {
    var byte: UInt8 = 1
    _ = write(wakeWriter, &byte, 1)
  }
}

/// The watcher's thread and its sockets, which are opened by the thread that makes the watcher: sockets belong to the
/// network namespace in which they were opened.
private final class WatcherLoop {
  /// RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR.
  private static let groups: [Int32] = [1, 5, 9]
  /// How many datagrams are taken before subscribers are told of them.
  private static let batchLength = 256
  /// How many datagrams are thrown away at a time; a queue holds fewer.
  private static let maximumDiscard = 1 << 16
  /// Milliseconds between attempts to read tables that could not be read.
  private static let retryInterval: Int32 = 1000

  private let watcher: LinkWatcher
  private let events: NetlinkSocket
  private var requests: NetlinkSocket
  private var needsTables = false

  init(_ watcher: LinkWatcher) throws(NetlinkError) {
    self.watcher = watcher
    events = try NetlinkSocket(.route, groups: Self.groups)
    requests = try NetlinkSocket(.route)
  }

  func run() {
    var descriptors = [
      pollfd(fd: events.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: watcher.wakeReader, events: Int16(POLLIN), revents: 0),
    ]
    while !watcher.state.withLock({ $0.isStopped }) {
      let count = poll(&descriptors, nfds_t(descriptors.count), needsTables ? Self.retryInterval : -1)
      if count < 0, errno != EINTR { return }
      if descriptors[1].revents != 0 {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(watcher.wakeReader, &bytes, bytes.count) > 0 {}
      }
      if descriptors[0].revents != 0 { takeWaiting() }
      if needsTables { try? resynchronize() }
      greetNewcomers()
    }
  }

  /// Takes what waits on the socket and tells of it.
  private func takeWaiting() {
    var messages: [NetlinkMessage] = []
    do {
      for _ in 0..<Self.batchLength {
        guard let datagram = try events.receiveWaiting() else { break }
        messages += try NetlinkMessage.decode(datagram)
      }
    } catch {
      // Lost or not understood: what is true now is in the tables. What still waits is older than the loss and would
      // undo them.
      needsTables = true
      discardWaiting()
    }
    let told = watcher.state.withLock { state -> [LinkEvent] in
      var told: [LinkEvent] = []
      for message in messages {
        do { told += try state.table.take(message) } catch { needsTables = true }
      }
      return told
    }
    tell(told)
  }

  private func discardWaiting() {
    for _ in 0..<Self.maximumDiscard {
      do { if try events.receiveWaiting() == nil { return } } catch { continue }
    }
  }

  /// Reads the tables, and tells what is different from what was known.
  func resynchronize() throws(NetlinkError) {
    var links: [Link] = []
    for message in try requests.exchange({ (sequence) throws(NetlinkError) in
      try RouteMessages.getLink(named: nil, sequence: sequence)
    }) {
      if let link = try RouteMessages.link(message) { links.append(link) }
    }
    var addresses: [LinkAddress] = []
    for message in try requests.exchange({ (sequence) throws(NetlinkError) in
      RouteMessages.getAddresses(link: 0, sequence: sequence)
    }) {
      if let address = try RouteMessages.address(message) { addresses.append(address) }
    }
    let (allLinks, allAddresses) = (links, addresses)
    needsTables = false
    tell(watcher.state.withLock { $0.table.resynchronize(links: allLinks, addresses: allAddresses) })
  }

  private func tell(_ events: [LinkEvent]) {
    guard !events.isEmpty else { return }
    let receivers = watcher.state.withLock { state in
      state.subscribers.filter { !state.newcomers.contains($0.key) }.sorted { $0.key < $1.key }.map(\.value)
    }
    for receiver in receivers { receiver(events) }
  }

  private func greetNewcomers() {
    let (table, receivers) = watcher.state.withLock { state in
      let receivers = state.newcomers.compactMap { state.subscribers[$0] }
      state.newcomers = []
      return (state.table, receivers)
    }
    guard !receivers.isEmpty else { return }
    var events: [LinkEvent] = []
    for link in table.links.values.sorted(by: { $0.index < $1.index }) {
      events.append(.appeared(link))
      events += table.addresses(ofLink: link.index).map { .addressAdded($0) }
    }
    for receiver in receivers { receiver(events) }
  }
}
