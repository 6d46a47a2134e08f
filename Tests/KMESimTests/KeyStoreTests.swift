// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import KMESimulator

struct KeyStoreTests {
  private func entry(
    _ key: UInt8, from remote: String = "Alice", availableFrom: Int = 0, expires: Int = 100
  ) -> KeyStore.Entry {
    KeyStore.Entry(
      remoteSystemID: remote, key: [key], availableFrom: .seconds(availableFrom), expires: .seconds(expires))
  }

  @Test func deliversOnce() {
    var store = KeyStore(capacity: 4)
    #expect(store.deposit([("aB", entry(7))], now: .zero) == true)
    #expect(store.take("ab", remoteSystemID: "Alice", now: .zero) == nil, "the letter case matters")
    #expect(store.take("aB", remoteSystemID: "Bob", now: .zero) == nil, "the remote system matters")
    #expect(store.take("aB", remoteSystemID: "Alice", now: .zero) == [7])
    #expect(store.take("aB", remoteSystemID: "Alice", now: .zero) == nil)
    #expect(store.count == 0)
  }

  @Test func keepsTheFirstOfTwoKeysWithOneIdentifier() {
    var store = KeyStore(capacity: 4)
    #expect(store.deposit([("a", entry(1))], now: .zero) == true)
    #expect(store.deposit([("a", entry(2))], now: .zero) == false)
    #expect(store.take("a", remoteSystemID: "Alice", now: .zero) == [1])
  }

  @Test func holdsAKeyBackUntilItIsAvailable() {
    var store = KeyStore(capacity: 4)
    #expect(store.deposit([("a", entry(1, availableFrom: 10))], now: .zero) == true)
    #expect(store.take("a", remoteSystemID: "Alice", now: .seconds(9)) == nil)
    #expect(store.take("a", remoteSystemID: "Alice", now: .seconds(10)) == [1])
  }

  @Test func forgetsAKeyThatIsOutOfDate() {
    var store = KeyStore(capacity: 4)
    #expect(store.deposit([("a", entry(1, expires: 10))], now: .zero) == true)
    #expect(store.take("a", remoteSystemID: "Alice", now: .seconds(10)) == nil)
    #expect(store.count == 0 && store.expiredCount == 1)
  }

  @Test func isBoundedAndMakesRoomByForgetting() {
    var store = KeyStore(capacity: 2)
    #expect(store.deposit([("a", entry(1, expires: 10))], now: .zero) == true)
    #expect(store.deposit([("b", entry(2, expires: 20))], now: .zero) == true)
    #expect(store.deposit([("c", entry(3))], now: .seconds(5)) == false)
    #expect(store.deposit([("c", entry(3))], now: .seconds(15)) == true)
    #expect(store.identifiers == ["b", "c"])
  }

  @Test func erasesEverything() {
    var store = KeyStore(capacity: 2)
    #expect(store.deposit([("a", entry(1))], now: .zero) == true)
    store.removeAll()
    #expect(store.identifiers.isEmpty)
  }
}

struct HexadecimalTests {
  @Test func codesInBothCases() {
    let bytes: [UInt8] = [0x00, 0xAB, 0xCD, 0xEF]
    #expect(Hexadecimal.encode(bytes) == Array("00abcdef".utf8))
    #expect(Hexadecimal.encode(bytes, letters: .upper) == Array("00ABCDEF".utf8))
    #expect(Hexadecimal.encode(bytes, letters: .mixed) == Array("00aBcDeF".utf8))
    for letters in Hexadecimal.LetterCase.allCases {
      #expect(Hexadecimal.decode(Hexadecimal.encode(bytes, letters: letters)) == bytes)
    }
  }

  @Test(arguments: ["0", "abc", "0g", "0x00", " 00"])
  func refuses(_ text: String) {
    #expect(Hexadecimal.decode(text.utf8) == nil)
  }
}

struct SystemIdentifierPatternTests {
  @Test(arguments: [
    ("Bob", "Bob", true), ("Bob", "bob", false), ("site-*", "site-7", true), ("site-*", "site", false),
    ("?ob", "Bob", true), ("[AB]ob", "Bob", true), ("[!AB]ob", "Bob", false), ("a.c", "abc", false),
  ])
  func matches(_ pattern: String, _ id: String, _ expected: Bool) {
    #expect(SystemIdentifierPattern.matches(pattern, id) == expected)
  }
}
