// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Synchronization
import YANG

/// One event, in the shape of a YANG notification (RFC 7950 section 7.16).
public struct Event: Sendable {
  /// Seconds and nanoseconds since 1970-01-01T00:00:00Z.
  public struct Time: Sendable, Hashable {
    public let seconds: Int64
    /// 0 to 999,999,999.
    public let nanoseconds: Int32
    public init(seconds: Int64, nanoseconds: Int32) {
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }

    /// The time of day.
    public static var now: Time {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return Time(seconds: Int64(time.tv_sec), nanoseconds: Int32(truncatingIfNeeded: time.tv_nsec))
    }
  }

  /// The notification statement's node.
  public let schema: SchemaNode
  /// Its content, below `schema`.
  public let content: InteriorNode
  /// For a notification inside the data tree: the instance that it is about.
  public let target: InstancePath?
  /// When it happened (eventTime of RFC 5277).
  public let time: Time

  public init(schema: SchemaNode, content: InteriorNode, target: InstancePath? = nil, time: Time) {
    self.schema = schema
    self.content = content
    self.target = target
    self.time = time
  }
}

/// Carries events from whoever knows of them to whoever asked for them. Publishing never waits: each subscriber has a
/// queue of bounded length, and one that does not keep up loses events and is told how many.
public final class EventBus: Sendable {
  private struct State {
    var nextIdentifier: UInt64 = 1
    var subscriptions: [UInt64: EventSubscription] = [:]
  }
  private let state = Mutex(State())

  public init() {}

  /// Begins a subscription.
  /// - Parameters:
  ///   - capacity: how many events may wait, at least 1.
  ///   - wake: called after an event entered an empty queue, on the publisher's thread: must return at once.
  public func subscribe(capacity: Int = 1000, wake: @escaping @Sendable () -> Void) -> EventSubscription {
    state.withLock { state in
      let subscription = EventSubscription(identifier: state.nextIdentifier, capacity: max(1, capacity), wake: wake)
      state.subscriptions[state.nextIdentifier] = subscription
      state.nextIdentifier += 1
      return subscription
    }
  }

  /// Ends a subscription. What waits in its queue can still be taken.
  public func cancel(_ subscription: EventSubscription) {
    state.withLock { _ = $0.subscriptions.removeValue(forKey: subscription.identifier) }
  }

  /// How many subscriptions there are.
  public var subscriberCount: Int { state.withLock { $0.subscriptions.count } }

  /// Gives an event to every subscriber.
  public func publish(_ event: Event) {
    let receivers = state.withLock { Array($0.subscriptions.values) }
    for receiver in receivers { receiver.offer(event) }
  }
}

/// One subscriber's queue.
public final class EventSubscription: Sendable {
  private struct Queue {
    var events: [Event] = []
    var head = 0
    var droppedCount: UInt64 = 0
  }
  let identifier: UInt64
  private let capacity: Int
  private let wake: @Sendable () -> Void
  private let queue = Mutex(Queue())

  init(identifier: UInt64, capacity: Int, wake: @escaping @Sendable () -> Void) {
    self.identifier = identifier
    self.capacity = capacity
    self.wake = wake
  }

  /// The oldest event that waits, taken out; nil when none does.
  public func next() -> Event? {
    queue.withLock { queue in
      guard queue.head < queue.events.count else { return nil }
      let event = queue.events[queue.head]
      queue.head += 1
      if queue.head == queue.events.count {
        queue.events.removeAll(keepingCapacity: true)
        queue.head = 0
      } else if queue.head > 64, queue.head * 2 > queue.events.count {
        queue.events.removeFirst(queue.head)
        queue.head = 0
      }
      return event
    }
  }

  /// How many events were lost since the subscription began because the queue was full.
  public var droppedCount: UInt64 { queue.withLock { $0.droppedCount } }

  func offer(_ event: Event) {
    let wasEmpty = queue.withLock { queue in
      guard queue.events.count - queue.head < capacity else {
        queue.droppedCount += 1
        return false
      }
      queue.events.append(event)
      return queue.events.count - queue.head == 1
    }
    if wasEmpty { wake() }
  }
}
