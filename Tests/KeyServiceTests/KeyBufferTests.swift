// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@Suite struct KeyBufferTests {
  private func key(_ number: UInt8, fetched: Duration, for remote: String? = "peer") -> KeyBuffer.Key {
    KeyBuffer.Key(
      identifier: [number], secret: SecretBytes(copying: [UInt8](repeating: number, count: 32)), remoteSystem: remote,
      fetched: fetched)
  }

  @Test func keysComeInOrderAndNotTooOld() {
    var buffer = KeyBuffer()
    #expect(buffer.take(for: "peer", maximumAge: .seconds(10), now: .zero) == nil)
    buffer.add(key(1, fetched: .zero))
    buffer.add(key(2, fetched: .seconds(5)))
    buffer.add(key(3, fetched: .seconds(6)))
    #expect(buffer.take(for: "peer", maximumAge: .seconds(10), now: .seconds(8))?.identifier == [1])
    #expect(buffer.take(for: "peer", maximumAge: .seconds(10), now: .seconds(15))?.identifier == [3])
    #expect(buffer.take(for: "peer", maximumAge: .seconds(10), now: .seconds(15)) == nil)
  }

  @Test func keysForAnotherPeerAreForgotten() {
    var buffer = KeyBuffer()
    _ = buffer.take(for: "peer", maximumAge: .seconds(10), now: .zero)
    buffer.add(key(1, fetched: .zero))
    buffer.add(key(2, fetched: .zero, for: "other"))
    #expect(buffer.level == 1)
    #expect(buffer.take(for: "other", maximumAge: .seconds(10), now: .zero) == nil)
    #expect(buffer.level == 0)
  }

  @Test func theAlarmComesOnceAndEndsWhenFull() {
    var buffer = KeyBuffer()
    _ = buffer.take(for: "peer", maximumAge: .seconds(100), now: .zero)
    #expect(buffer.alarm(size: 3, below: 2) == nil, "not before it was full once")
    for number in 1...3 { buffer.add(key(UInt8(number), fetched: .zero)) }
    #expect(buffer.alarm(size: 3, below: 2) == nil)
    for _ in 0..<2 { _ = buffer.take(for: "peer", maximumAge: .seconds(100), now: .zero) }
    #expect(buffer.alarm(size: 3, below: 2) == true)
    #expect(buffer.alarm(size: 3, below: 2) == nil)
    buffer.add(key(4, fetched: .zero))
    #expect(buffer.alarm(size: 3, below: 2) == nil)
    buffer.add(key(5, fetched: .zero))
    #expect(buffer.alarm(size: 3, below: 2) == false)
  }

  @Test func oneIsFetchedAtATimeAndNotAtOnceAfterAFailure() {
    var buffer = KeyBuffer()
    #expect(buffer.wantsKey(size: 2, now: .zero))
    #expect(!buffer.wantsKey(size: 0, now: .zero))
    buffer.isFetching = true
    #expect(!buffer.wantsKey(size: 2, now: .zero))
    buffer.isFetching = false
    buffer.retryAt = .seconds(10)
    #expect(!buffer.wantsKey(size: 2, now: .seconds(9)))
    #expect(buffer.wantsKey(size: 2, now: .seconds(10)))
  }
}
