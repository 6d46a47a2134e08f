// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine
import Testing

@Suite("Frames through two SecYs")
struct FrameTests {
  @Test("every suite, offset and length comes through", arguments: FrameCipherSuite.allCases)
  func roundTrip(_ suite: FrameCipherSuite) throws {
    for confidentiality in FrameConfidentiality.allCases {
      for includesSCI in [true, false] {
        let pair = try Pair(suite) {
          $0.confidentiality = confidentiality
          $0.includesSCI = includesSCI
        }
        for length in [0, 1, 27, 28, 29, 45, 46, 47, 48, 49, 64, 1_000] {
          let frame = Pair.frame(length)
          let sent = try #require(pair.a.sent(frame))
          let tag = includesSCI ? 16 : 8
          #expect(sent.count == frame.count + tag + 16)
          #expect(sent[15] == (length + 2 < 48 ? UInt8(length + 2) : 0), "the short length")
          let clear = min([length + 2, 0, 30, 50][Int(confidentiality.rawValue)], length + 2)
          #expect(Array(sent[(12 + tag)..<(12 + tag + clear)]) == Array(frame[12..<12 + clear]))
          if length + 2 - clear >= 8 {
            let hidden = (12 + tag + clear)..<(12 + tag + length + 2)
            #expect(Array(sent[hidden]) != Array(frame[(12 + clear)...]), "\(suite) \(confidentiality) \(length)")
          }
          #expect(pair.b.received(sent) == frame, "\(suite) \(confidentiality) \(length)")
        }
      }
    }
  }

  @Test("the padding of a short frame is taken off")
  func padding() throws {
    let pair = try Pair { $0.includesSCI = false }
    let frame = Pair.frame(2)
    let sent = try #require(pair.a.sent(frame))
    #expect(sent.count < 60)
    #expect(pair.b.received(sent + [UInt8](repeating: 0, count: 60 - sent.count)) == frame)
  }

  @Test("a frame whose source is not the SecY's own names the channel")
  func bridged() throws {
    let pair = try Pair { $0.includesSCI = false }
    var frame = Pair.frame()
    frame[11] = 0x99
    let sent = try #require(pair.a.sent(frame))
    #expect(sent[14] & 0x60 == 0x20)
    #expect(pair.b.received(sent) == frame)
  }

  @Test("a frame that names no channel belongs to the only one")
  func onlyChannel() throws {
    let pair = try Pair(.gcmAES128)
    // As end station flag off: made by hand from an integrity-only frame would not be authentic, so only the count shows.
    var frame = try #require(pair.a.sent(Pair.frame()))
    frame.removeSubrange(20..<28)
    frame[14] &= ~0x60
    #expect(pair.b.received(frame) == nil)
    #expect(pair.b.counts.receive[0].inPktsNotValid == 1, "it was tried with the only channel's key")
    try pair.b.addReceiveChannel(42)
    #expect(pair.b.received(frame) == nil)
    #expect(pair.b.counts.interface.inPktsNoSCI == 1)
  }

  @Test("protocols in clear pass whatever the status, and only those", arguments: ControlledPortStatus.allCases)
  func clearProtocols(_ status: ControlledPortStatus) throws {
    for (admitted, etherType) in [
      (ClearProtocols.lldp, [UInt8(0x88), 0xCC]), (.lacp, [0x88, 0x09]), (.pause, [0x88, 0x08]),
    ] {
      let with = try Pair { $0.clearProtocols = admitted }
      let without = try Pair { $0.clearProtocols = ClearProtocols([.lldp, .lacp, .pause]).subtracting(admitted) }
      for pair in [with, without] {
        pair.a.setPort(status)
        pair.b.setPort(status)
      }
      let frame = Pair.frame(46, etherType: etherType)
      #expect(with.a.sent(frame) == frame)
      #expect(with.b.received(frame) == frame)
      guard status != .unprotected else { continue }
      #expect(without.a.sent(frame) != frame)
      #expect(without.b.received(frame) == nil)
    }
  }

  @Test("EAPOL is never delivered in clear: it belongs to the uncontrolled port")
  func eapol() throws {
    let pair = try Pair()
    pair.b.setPort(.unprotected)
    #expect(pair.b.received(Pair.frame(46, etherType: [0x88, 0x8E])) == nil)
    #expect(pair.b.counts.interface.inPktsUntagged == 0)
  }

  @Test("VLAN tags in clear stand before the SecTAG, and may be changed on the way", arguments: [UInt8(1), 2])
  func vlan(_ count: UInt8) throws {
    for suite in FrameCipherSuite.allCases {
      let pair = try Pair(suite) { $0.vlanTagsInClear = count }
      let tags: [UInt8] = count == 1 ? [0x81, 0, 0, 10] : [0x88, 0xA8, 0, 20, 0x81, 0, 0, 10]
      let plain = Pair.frame(100)
      let frame = Array(plain[..<12]) + tags + plain[12...]
      var sent = try #require(pair.a.sent(frame))
      #expect(Array(sent[12..<12 + tags.count]) == tags)
      #expect(Array(sent[12 + tags.count..<14 + tags.count]) == [0x88, 0xE5])
      sent[15] = 99
      let received = try #require(pair.b.received(sent))
      #expect(received[15] == 99)
      #expect(Array(received[(12 + tags.count)...]) == Array(plain[12...]))
      #expect(pair.b.received(try #require(pair.a.sent(plain))) == plain, "without a tag it goes too")
    }
  }

  @Test("without tags in clear a VLAN tag is encrypted, and one before the SecTAG is no MACsec frame")
  func vlanInside() throws {
    let pair = try Pair()
    let plain = Pair.frame(100)
    let frame = Array(plain[..<12]) + [0x81, 0, 0, 10] + plain[12...]
    let sent = try #require(pair.a.sent(frame))
    #expect(Array(sent[12..<14]) == [0x88, 0xE5])
    #expect(pair.b.received(sent) == frame)
    #expect(pair.b.received(Array(sent[..<12]) + [0x81, 0, 0, 10] + sent[12...]) == nil)
    #expect(pair.b.counts.interface.inPktsNoTag == 1)
  }

  @Test("packet numbers end: the last is used, then nothing is sent", arguments: FrameCipherSuite.allCases)
  func exhaustion(_ suite: FrameCipherSuite) throws {
    let last = suite.lastPacketNumber
    let pair = try Pair(suite, nextPN: last - 1)
    #expect(pair.b.received(try #require(pair.a.sent(Pair.frame()))) != nil)
    #expect(pair.b.received(try #require(pair.a.sent(Pair.frame()))) != nil)
    #expect(pair.a.sent(Pair.frame()) == nil)
    #expect(pair.a.sent(Pair.frame()) == nil)
    #expect(pair.a.counts.transmit.associations[0].nextPN == last + 1)
    #expect(pair.a.counts.interface.outPktsBlocked == 2)
  }

  @Test("extended packet numbers pass 32 bits", arguments: [FrameCipherSuite.gcmAESXPN128, .gcmAESXPN256])
  func passes32Bits(_ suite: FrameCipherSuite) throws {
    let pair = try Pair(suite, nextPN: 0x1_FFFF_FFFD) { $0.replayWindow = 4 }
    var frames: [[UInt8]] = []
    for _ in 0..<8 { frames.append(try #require(pair.a.sent(Pair.frame()))) }
    for index in [1, 0, 4, 3, 2, 5, 7, 6] { #expect(pair.b.received(frames[index]) != nil, "frame \(index)") }
    #expect(pair.b.counts.receive[0].associations[0].nextPN == 0x2_0000_0005)
    #expect(pair.b.received(frames[0]) == nil)
    #expect(pair.b.counts.receive[0].inPktsNotValid == 1, "its 32 bits mean a number far ahead by now (10.6.2)")
    #expect(pair.b.received(frames[3]) == nil)
    #expect(pair.b.counts.receive[0].inPktsLate == 1)
  }

  @Test("what does not fit the buffer is discarded")
  func buffers() throws {
    let pair = try Pair()
    var buffer = [UInt8](repeating: 0, count: 64)
    buffer.withUnsafeMutableBytes { bytes in
      for (start, length) in [(0, 60), (16, 48), (-1, 20), (60, 14), (0, 65), (16, 13), (.max, 14), (0, .max)] {
        #expect(pair.a.transmit(bytes, start: start, length: length) == .discard)
        #expect(pair.b.receive(bytes, start: start, length: length) == .discard)
      }
    }
    #expect(pair.a.counts.transmit.associations[0].nextPN == 1)
  }
}
