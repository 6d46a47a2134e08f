// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import IPsec
import MKA
import NETCONF

extension Fuzzing {
  static func mkpdu(_ bytes: [UInt8]) {
    _ = try? MKPDU.basicParameterSet(of: bytes[...])
    guard let decoded = try? MKPDU(decoding: bytes[...]), let encoded = try? decoded.encoded() else { return }
    // An ICV of any value stands behind.
    let body = encoded.count % 4 == 0 && encoded.count >= 32 ? encoded : encoded + [UInt8](repeating: 0, count: 16)
    _ = try? MKPDU(decoding: body[...])
  }

  static func lldp(_ bytes: [UInt8]) {
    if let message = try? LLDPDU(decoding: bytes[...]), let encoded = try? message.encoded() {
      require((try? LLDPDU(decoding: encoded[...])) == message, "what is written is not what was read")
    }
    // As a frame from a station, to one that is in its rollover: it may ask and answer, within bounds.
    let header: [UInt8] = [1, 0x80, 0xC2, 0, 0, 0x0E, 2, 0, 0, 0, 0, 2, 0x88, 0xCC]
    let port = SCI(address: MACAddress(rawValue: 0x0200_0000_0001))
    var kay = KaY(configuration: PortConfiguration(sci: port))
    var exchange = CAKExchange(policy: CAKPolicy(), address: port.address, portName: "e", chainName: "q")
    for second in 0..<4 {
      let now = Moment(uptime: .seconds(second * 30), wallClock: .seconds(second * 30))
      exchange.receive(header + bytes, now: now)
      exchange.settle(&kay, now: now)
      require(exchange.takeEffects().count <= 8, "one frame has many effects")
      if let next = exchange.nextTimeout(now: now) { require(next > now.uptime, "a timeout of the past") }
    }
  }

  static func vici(_ bytes: [UInt8]) {
    if let message = try? VICIMessage(decoding: bytes), let encoded = try? message.encoded() {
      require((try? VICIMessage(decoding: encoded)) == message, "what is written is not what was read")
    }
    _ = try? VICIPacket(decoding: bytes[...])
  }

  static func framing(_ bytes: [UInt8]) {
    for framing in [Framing.endOfMessage, .chunked] {
      let whole = content(bytes, framing, pieces: max(1, bytes.count))
      let cut = content(bytes, framing, pieces: bytes.isEmpty ? 1 : 1 + Int(bytes[0] % 7))
      require(whole.messages == cut.messages && whole.isSpent == cut.isSpent, "pieces make other messages")
    }
  }

  /// The messages of a stream that comes in pieces of that many octets.
  private static func content(
    _ bytes: [UInt8], _ framing: Framing, pieces: Int
  ) -> (messages: [[UInt8]], isSpent: Bool) {
    var decoder = FrameDecoder(framing: framing)
    var messages: [[UInt8]] = [[]]
    var start = 0
    while start < bytes.count {
      let end = min(start + pieces, bytes.count)
      let isGood = bytes[start..<end].withUnsafeBytes { piece -> Bool in
        var position = 0
        do {
          while let event = try decoder.next(in: piece, at: &position) {
            switch event {
            case .content(let content): messages[messages.count - 1] += content
            case .endOfMessage: messages.append([])
            }
          }
          return true
        } catch { return false }
      }
      if !isGood { return (messages, true) }
      start = end
    }
    return (messages, false)
  }
}
