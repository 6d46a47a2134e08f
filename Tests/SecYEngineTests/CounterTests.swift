// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine
import Testing

/// Each count has a frame that makes it count, and only that frame.
@Suite("Counts of a SecY")
struct CounterTests {
  @Test("sent and received, encrypted")
  func encrypted() throws {
    let pair = try Pair()
    let frame = Pair.frame(100)
    let sent = try #require(pair.a.sent(frame))
    #expect(sent.count == frame.count + 32)
    #expect(pair.b.received(sent) == frame)
    let out = pair.a.counts
    #expect(out.transmit.outPktsEncrypted == 1 && out.transmit.outPktsProtected == 0)
    #expect(out.transmit.outOctetsEncrypted == 102 && out.interface.outOctetsEncrypted == 102)
    #expect(out.transmit.associations[0].outPktsEncrypted == 1)
    #expect(out.transmit.associations[0].nextPN == 2)
    let received = pair.b.counts
    #expect(received.receive[0].inPktsOK == 1)
    #expect(received.receive[0].inOctetsDecrypted == 102 && received.interface.inOctetsDecrypted == 102)
    #expect(received.receive[0].associations[0].inPktsOK == 1)
    #expect(received.receive[0].associations[0].nextPN == 2)
  }

  @Test("sent and received, integrity only")
  func integrity() throws {
    let pair = try Pair { $0.confidentiality = .integrityOnly }
    let frame = Pair.frame(100)
    let sent = try #require(pair.a.sent(frame))
    #expect(Array(sent[28..<28 + 102]) == Array(frame[12...]), "readable on the way")
    #expect(pair.b.received(sent) == frame)
    let out = pair.a.counts
    #expect(out.transmit.outPktsProtected == 1 && out.transmit.outPktsEncrypted == 0)
    #expect(out.transmit.outOctetsProtected == 102 && out.interface.outOctetsProtected == 102)
    #expect(out.transmit.associations[0].outPktsProtected == 1)
    let received = pair.b.counts
    #expect(received.receive[0].inOctetsValidated == 102 && received.interface.inOctetsValidated == 102)
    #expect(received.interface.inOctetsDecrypted == 0)
  }

  @Test("no tag: discarded when strict, counted and delivered otherwise")
  func untagged() throws {
    let strict = try Pair()
    #expect(strict.b.received(Pair.frame()) == nil)
    #expect(strict.b.counts.interface.inPktsNoTag == 1 && strict.b.counts.interface.inPktsUntagged == 0)
    let check = try Pair { $0.validation = .check }
    #expect(check.b.received(Pair.frame()) == Pair.frame())
    #expect(check.b.counts.interface.inPktsUntagged == 1 && check.b.counts.interface.inPktsNoTag == 0)
    #expect(check.b.counts.receive[0].inPktsUntaggedHit == 1, "it came from the channel's address")
    var other = Pair.frame()
    other[11] = 0x77
    #expect(check.b.received(other) == other)
    #expect(check.b.counts.receive[0].inPktsUntaggedHit == 1)
  }

  @Test(
    "bad tags",
    arguments: [
      (2, UInt8(0x80), "version 1"), (2, 0x40, "ES beside an SCI"), (2, 0x10, "SCB beside an SCI"),
      (2, 0x04, "E without C"), (3, 0x80, "a reserved bit"), (3, 0x31, "a short length of 49"),
      (3, 0x01, "a short length of 1"),
    ])
  func badTag(_ octet: Int, _ flip: UInt8, _ what: String) throws {
    let pair = try Pair()
    var frame = try #require(pair.a.sent(Pair.frame(100)))
    frame[12 + octet] ^= flip
    #expect(pair.b.received(frame) == nil)
    #expect(pair.b.counts.interface.inPktsBadTag == 1, "\(what)")
  }

  @Test("a tag that is cut, and packet number 0, are bad")
  func badLengthAndNumber() throws {
    let pair = try Pair()
    let frame = try #require(pair.a.sent(Pair.frame(100)))
    #expect(pair.b.received(Array(frame.prefix(14 + 60))) == nil)
    var zero = frame
    zero.replaceSubrange(16..<20, with: [0, 0, 0, 0])
    #expect(pair.b.received(zero) == nil)
    #expect(pair.b.counts.interface.inPktsBadTag == 2)
  }

  @Test("unknown channel: discarded, or delivered when it may be")
  func unknownChannel() throws {
    let strict = try Pair()
    strict.b.removeReceiveChannel(Pair.left)
    #expect(strict.b.received(try #require(strict.a.sent(Pair.frame()))) == nil)
    #expect(strict.b.counts.interface.inPktsNoSCI == 1)
    let check = try Pair {
      $0.validation = .check
      $0.confidentiality = .integrityOnly
    }
    check.b.removeReceiveChannel(Pair.left)
    #expect(check.b.received(try #require(check.a.sent(Pair.frame()))) == Pair.frame())
    #expect(check.b.counts.interface.inPktsUnknownSCI == 1)
    let encrypted = try Pair { $0.validation = .check }
    encrypted.b.removeReceiveChannel(Pair.left)
    #expect(encrypted.b.received(try #require(encrypted.a.sent(Pair.frame()))) == nil, "nobody can read it")
    #expect(encrypted.b.counts.interface.inPktsNoSCI == 1)
  }

  @Test("no key under the number: discarded, or delivered when it may be")
  func unusedAssociation() throws {
    let strict = try Pair()
    strict.b.removeReceiveAssociation(Pair.left, 0, key: strict.key.name)
    #expect(strict.b.received(try #require(strict.a.sent(Pair.frame()))) == nil)
    #expect(strict.b.counts.receive[0].inPktsNotUsingSA == 1)
    #expect(strict.b.counts.receive[0].associations[0].inPktsNotUsingSA == 1)
    let check = try Pair {
      $0.validation = .check
      $0.confidentiality = .integrityOnly
    }
    check.b.removeReceiveAssociation(Pair.left, 0, key: check.key.name)
    #expect(check.b.received(try #require(check.a.sent(Pair.frame()))) == Pair.frame())
    #expect(check.b.counts.receive[0].inPktsUnusedSA == 1)
    #expect(check.b.counts.receive[0].associations[0].inPktsUnusedSA == 1)
  }

  @Test("not authentic: discarded, or delivered when it may be")
  func notAuthentic() throws {
    let strict = try Pair()
    var frame = try #require(strict.a.sent(Pair.frame()))
    frame[frame.count - 1] ^= 1
    #expect(strict.b.received(frame) == nil)
    #expect(strict.b.counts.receive[0].inPktsNotValid == 1)
    #expect(strict.b.counts.receive[0].associations[0].inPktsNotValid == 1)
    let check = try Pair {
      $0.validation = .check
      $0.confidentiality = .integrityOnly
    }
    frame = try #require(check.a.sent(Pair.frame()))
    frame[frame.count - 1] ^= 1
    #expect(check.b.received(frame) == Pair.frame())
    #expect(check.b.counts.receive[0].inPktsInvalid == 1)
    #expect(check.b.counts.receive[0].associations[0].inPktsInvalid == 1)
    #expect(check.b.counts.receive[0].associations[0].nextPN == 1, "its number is not believed")
  }

  @Test("late: discarded with replay protection, delivered as delayed without")
  func late() throws {
    let strict = try Pair()
    let first = try #require(strict.a.sent(Pair.frame()))
    let second = try #require(strict.a.sent(Pair.frame()))
    #expect(strict.b.received(second) != nil)
    #expect(strict.b.received(first) == nil)
    #expect(strict.b.received(second) == nil)
    #expect(strict.b.counts.receive[0].inPktsLate == 2)
    let loose = try Pair { $0.replayProtect = false }
    let early = try #require(loose.a.sent(Pair.frame()))
    #expect(loose.b.received(try #require(loose.a.sent(Pair.frame()))) != nil)
    #expect(loose.b.received(early) == Pair.frame())
    #expect(loose.b.counts.receive[0].inPktsDelayed == 1)
  }

  @Test("unchecked: validation is off and the frame is readable")
  func unchecked() throws {
    let pair = try Pair {
      $0.validation = .disabled
      $0.confidentiality = .integrityOnly
    }
    var frame = try #require(pair.a.sent(Pair.frame()))
    frame[frame.count - 1] ^= 1
    #expect(pair.b.received(frame) == Pair.frame())
    #expect(pair.b.counts.receive[0].inPktsUnchecked == 1)
  }

  @Test("too long for the parent port")
  func tooLong() throws {
    let pair = try Pair()
    pair.a.longestFrame = 1_514
    #expect(pair.a.sent(Pair.frame(1_468)) != nil)
    #expect(pair.a.sent(Pair.frame(1_469)) == nil)
    #expect(pair.a.counts.interface.outPktsTooLong == 1 && pair.a.counts.transmit.outPktsTooLong == 1)
    #expect(pair.a.counts.transmit.associations[0].nextPN == 2, "it took no packet number")
  }

  @Test("in clear, both ways, while the port is unprotected; nothing while it is blocked")
  func portStatus() throws {
    let pair = try Pair()
    pair.a.setPort(.unprotected)
    pair.b.setPort(.unprotected)
    #expect(pair.a.sent(Pair.frame()) == Pair.frame())
    #expect(pair.b.received(Pair.frame()) == Pair.frame())
    #expect(pair.a.counts.interface.outPktsUntagged == 1)
    #expect(pair.b.counts.interface.inPktsUntagged == 1)
    pair.a.setPort(.protected)
    let secured = try #require(pair.a.sent(Pair.frame()))
    #expect(pair.b.received(secured) == Pair.frame(), "the peer may be secured first")
    pair.a.setPort(.blocked)
    pair.b.setPort(.blocked)
    #expect(pair.a.sent(Pair.frame()) == nil)
    #expect(pair.a.counts.interface.outPktsBlocked == 1)
    #expect(pair.b.received(Pair.frame()) == nil)
    #expect(pair.b.counts.interface.inPktsNoTag == 1)
    pair.a.setPort(.protected)
    #expect(pair.b.received(try #require(pair.a.sent(Pair.frame()))) == nil)
    #expect(pair.b.counts.interface.inPktsBlocked == 1)
  }

  @Test("lost by overrun") func overrun() throws {
    let pair = try Pair()
    pair.b.countOverrun(3)
    #expect(pair.b.counts.interface.inPktsOverrun == 3)
  }
}
