// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine
import Testing

@Suite("Cutting frames into TCP segments")
struct SegmentedFrameTests {
  /// A frame as the host would hand it over.
  private func frame(_ isIPv6: Bool, payload: Int, tags: Int = 0, options: Int = 12, flags: UInt8 = 0x99) -> [UInt8] {
    var frame = [UInt8](1...12)
    for _ in 0..<tags { frame += [0x81, 0, 0, 7] }
    let tcpLength = 20 + options + payload
    if isIPv6 {
      frame += [0x86, 0xDD, 0x60, 0, 0, 0, UInt8(truncatingIfNeeded: tcpLength >> 8), UInt8(tcpLength & 255), 6, 64]
      frame += [UInt8](100..<132)
    } else {
      let total = 20 + tcpLength
      frame += [0x08, 0, 0x45, 0, UInt8(truncatingIfNeeded: total >> 8), UInt8(total & 255), 0xFF, 0xFE, 0x40, 0]
      frame += [64, 6, 0xAA, 0xAA, 10, 0, 0, 1, 10, 0, 0, 2]
    }
    frame += [0x10, 0x00, 0x20, 0x00, 0xFF, 0xFF, 0xFF, 0x00, 0, 0, 0, 1, UInt8((20 + options) * 4), flags]
    frame += [0x40, 0x00, 0xBB, 0xBB, 0, 0] + [UInt8](repeating: 1, count: options)
    return frame + (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 31) }
  }

  private func offload(_ isIPv6: Bool, tags: Int, size: Int) -> FrameOffload {
    FrameOffload(
      needsChecksum: true, kind: isIPv6 ? 4 : 1, segmentSize: size, checksumStart: 14 + 4 * tags + (isIPv6 ? 40 : 20),
      checksumOffset: 16)
  }

  private func segments(_ frame: [UInt8], _ offload: FrameOffload) -> [[UInt8]]? {
    frame.withUnsafeBytes { bytes in
      guard let segmented = SegmentedFrame(bytes, offload) else { return nil }
      return (0..<segmented.count).map { index in
        var target = [UInt8](repeating: 0xEE, count: segmented.longest)
        let length = target.withUnsafeMutableBytes { segmented.write(index, to: $0) }
        return Array(target.prefix(length))
      }
    }
  }

  /// Word by word, as RFC 1071 has it.
  private func sum(_ bytes: some Collection<UInt8>) -> UInt16 {
    var total = 0
    for (index, byte) in bytes.enumerated() { total += index % 2 == 0 ? Int(byte) << 8 : Int(byte) }
    while total > 0xFFFF { total = (total & 0xFFFF) + (total >> 16) }
    return UInt16(total)
  }

  private func word(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }

  @Test("segments are whole packets and give the payload", arguments: [false, true], [0, 1, 2])
  func cuts(_ isIPv6: Bool, _ tags: Int) throws {
    let whole = frame(isIPv6, payload: 10_001, tags: tags)
    let network = 14 + 4 * tags
    let transport = network + (isIPv6 ? 40 : 20)
    let headers = transport + 32
    let made = try #require(segments(whole, offload(isIPv6, tags: tags, size: 1_400)))
    #expect(made.count == 8)
    var payload: [UInt8] = []
    for (index, segment) in made.enumerated() {
      let isLast = index == made.count - 1
      #expect(segment.count == headers + (isLast ? 10_001 - 7 * 1_400 : 1_400))
      #expect(Array(segment[..<network]) == Array(whole[..<network]))
      let tcpLength = segment.count - transport
      if isIPv6 {
        #expect(word(segment, network + 4) == tcpLength)
      } else {
        #expect(word(segment, network + 2) == segment.count - network)
        #expect(word(segment, network + 4) == (0xFFFE + index) & 0xFFFF)
        #expect(sum(segment[network..<transport]) == 0xFFFF)
      }
      let sequence = segment[transport + 4..<transport + 8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      #expect(sequence == 0xFFFF_FF00 &+ UInt32(index * 1_400))
      #expect(segment[transport + 13] == (index == 0 ? 0x90 : isLast ? 0x19 : 0x10))
      let addresses = isIPv6 ? segment[network + 8..<network + 40] : segment[network + 12..<network + 20]
      let pseudo = Array(addresses) + [0, 0, UInt8(tcpLength >> 8), UInt8(tcpLength & 255), 0, 6]
      #expect(sum(pseudo + segment[transport...]) == 0xFFFF, "segment \(index)")
      payload += segment[headers...]
    }
    #expect(payload == Array(whole[headers...]))
  }

  @Test("a checksum left open is completed", arguments: [60, 61, 1_399])
  func completes(_ length: Int) throws {
    var frame = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    frame.replaceSubrange(50..<52, with: [0x12, 0x34])
    let offload = FrameOffload(needsChecksum: true, kind: 0, segmentSize: 0, checksumStart: 34, checksumOffset: 16)
    let before = sum(frame[34...])
    #expect(frame.withUnsafeMutableBytes { offload.complete($0) })
    #expect(word(frame, 50) == Int(~before))
  }

  @Test("a sum of 0 is 0xFFFF to UDP")
  func completesUDP() throws {
    var frame = [UInt8](repeating: 0, count: 60)
    frame.replaceSubrange(40..<42, with: [0xFF, 0xFF])
    let offload = FrameOffload(needsChecksum: true, kind: 0, segmentSize: 0, checksumStart: 34, checksumOffset: 6)
    #expect(frame.withUnsafeMutableBytes { offload.complete($0) })
    #expect(word(frame, 40) == 0xFFFF)
  }

  @Test("the header is read as the kernel writes it")
  func header() {
    let octets: [UInt8] = [1, 0x81, 54, 0, 0x78, 0x05, 34, 0, 16, 0]
    let offload = octets.withUnsafeBytes { FrameOffload($0.baseAddress!) }
    #expect(
      offload == FrameOffload(needsChecksum: true, kind: 1, segmentSize: 1_400, checksumStart: 34, checksumOffset: 16))
  }

  @Test("what is not TCP as it says is refused, and no octets make it stop", arguments: seeds(100))
  func damage(_ seed: Int) {
    var random = Seeded(UInt64(seed))
    let isIPv6 = seed % 2 == 0
    for _ in 0..<50 {
      var whole = frame(isIPv6, payload: Int.random(in: 0...3_000, using: &random), options: 0)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        whole[Int.random(in: 0..<min(80, whole.count), using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      whole.removeLast(Int.random(in: 0...whole.count - 14, using: &random))
      var damaged = offload(isIPv6, tags: 0, size: Int.random(in: 0...1_500, using: &random))
      if Bool.random(using: &random) { damaged.checksumStart = Int.random(in: 0...70_000, using: &random) }
      if Bool.random(using: &random) { damaged.checksumOffset = Int.random(in: 0...70_000, using: &random) }
      if let made = segments(whole, damaged) {
        #expect(made.allSatisfy { !$0.isEmpty && $0.count <= whole.count })
      }
      _ = whole.withUnsafeMutableBytes { damaged.complete($0) }
    }
  }
}
