// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization
import Testing
import YANG

@testable import Datastore

@Suite struct EventBusTests {
  static func event(_ number: Int64) throws -> Event {
    let fixture = try ConfigurationFixture(
      "module n { yang-version 1.1; namespace 'urn:n'; prefix n; notification up { leaf who { type string; } } }")
    let schema = try #require(fixture.schema.notifications.first)
    return Event(
      schema: schema, content: InteriorNode(schema: schema), time: .init(seconds: number, nanoseconds: 0))
  }

  @Test func givesEventsToEverySubscriberInOrder() throws {
    let bus = EventBus()
    let woken = Atomic(0)
    let first = bus.subscribe { woken.add(1, ordering: .relaxed) }
    let second = bus.subscribe {}
    let event = try Self.event(1)
    for number in 1...200 {
      bus.publish(
        Event(schema: event.schema, content: event.content, time: .init(seconds: Int64(number), nanoseconds: 0)))
    }
    // It is woken once for what came into an empty queue.
    #expect(woken.load(ordering: .relaxed) == 1)
    for subscription in [first, second] {
      for number in 1...200 { #expect(subscription.next()?.time.seconds == Int64(number)) }
      #expect(subscription.next() == nil && subscription.droppedCount == 0)
    }
  }

  @Test func dropsWhatASlowSubscriberDoesNotTakeAndCountsIt() throws {
    let bus = EventBus()
    let subscription = bus.subscribe(capacity: 3) {}
    for _ in 1...5 { bus.publish(try Self.event(1)) }
    #expect(subscription.droppedCount == 2)
    for _ in 1...3 { #expect(subscription.next() != nil) }
    #expect(subscription.next() == nil)
    bus.publish(try Self.event(2))
    #expect(subscription.next()?.time.seconds == 2)
  }

  @Test func endsASubscription() throws {
    let bus = EventBus()
    let subscription = bus.subscribe {}
    bus.cancel(subscription)
    bus.publish(try Self.event(1))
    #expect(subscription.next() == nil && bus.subscriberCount == 0)
  }
}
