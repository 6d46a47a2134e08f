// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// The subscription of one session (RFC 5277): events of the agent's bus, filtered, as notification messages.
///
/// The bus holds a bounded number of events for it; what comes while that is full is dropped and counted, so a
/// session that does not read costs no more than that.
final class NotificationSubscription {
  private let bus: EventBus
  private let subscription: EventSubscription
  private let filter: SubtreeFilter?
  private let server: ServerCore
  private var reportedDrops: UInt64 = 0

  /// - Parameter wake: called from any thread when there may be something to take.
  init(
    bus: EventBus, filter: SubtreeFilter?, server: ServerCore, capacity: Int, wake: @escaping @Sendable () -> Void
  ) {
    self.bus = bus
    self.filter = filter
    self.server = server
    subscription = bus.subscribe(capacity: capacity, wake: wake)
  }

  func cancel() { bus.cancel(subscription) }

  /// How many events were lost because the session did not keep up.
  var droppedCount: UInt64 { subscription.droppedCount }

  /// The next event that the filter lets pass, as a message to be written.
  func next() -> (any PulledContent)? {
    while let event = subscription.next() {
      if let content = server.message(of: event, filter: filter) { return content }
    }
    return nil
  }

  /// How many events were lost since this was last asked.
  func takeDrops() -> UInt64 {
    let count = subscription.droppedCount
    defer { reportedDrops = count }
    return count - reportedDrops
  }
}
