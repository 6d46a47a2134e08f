// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct VICICodingTests {
  @Test func aRequestHasTheBytesThatCharonReads() throws {
    let packet = VICIPacket.request(command: "version", VICIMessage())
    #expect(try packet.framed() == [0, 0, 0, 9, 0, 7, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e])
  }

  @Test func everyKindOfElementSurvivesTheWire() throws {
    var child = VICIMessage()
    child.add("local_ts", ["10.1.0.1/32", ""])
    child.add("rekey_time", 3600)
    var message = VICIMessage()
    message.add("version", 2)
    message.add("mobike", false)
    message.add("children", VICIMessage([.section(name: "c1", child), .section(name: "c1", VICIMessage())]))
    let decoded = try VICIMessage(decoding: try message.encoded())
    #expect(decoded == message)
    #expect(decoded["mobike"] == "no")
    #expect(decoded.section("children")?.sections.count == 2)
    #expect(decoded.section("children")?.section("c1")?.list("local_ts") == ["10.1.0.1/32", ""])
  }

  @Test func everyKindOfPacketSurvivesAnyCutOfTheStream() throws {
    var message = VICIMessage()
    message.add("name", "tun1")
    let packets: [VICIPacket] = [
      .request(command: "list-sas", message), .response(message), .unknownCommand, .register(event: "list-sa"),
      .unregister(event: "list-sa"), .confirmed, .unknownEvent, .event("ike-updown", message),
    ]
    let stream = try packets.flatMap { packet in try packet.framed() }
    for size in 1...stream.count {
      var reader = VICIPacketReader()
      var seen: [VICIPacket] = []
      for start in Swift.stride(from: 0, to: stream.count, by: size) {
        reader.feed(stream[start..<min(start + size, stream.count)])
        while let packet = try reader.next() { seen.append(packet) }
      }
      #expect(seen == packets)
    }
  }

  @Test func whatDoesNotFitIsRefused() {
    let long = String(repeating: "x", count: 256)
    var name = VICIMessage()
    name.add(long, "")
    #expect(throws: VICIError(.tooLong, "")) { try name.encoded() }
    let value = VICIMessage([.value(name: "v", [UInt8](repeating: 0, count: 65536))])
    #expect(throws: VICIError(.tooLong, "")) { try value.encoded() }
    #expect(throws: VICIError(.tooLong, "")) { try VICIPacket.register(event: long).framed() }
    let many = VICIMessage((0..<9).map { .value(name: "\($0)", [UInt8](repeating: 0, count: 65535)) })
    #expect(throws: VICIError(.tooLong, "")) { try VICIPacket.response(many).framed() }
  }

  @Test(
    arguments: [
      [2], [6], [5, 0, 0], [9], [3], [3, 5, 0x61], [3, 1, 0x61, 0, 9, 1], [4, 1, 0x61], [4, 1, 0x61, 3, 0, 0, 0],
      [1, 1, 0x61], [3, 1, 0xff, 0, 0], Array(repeating: [1, 0], count: 40).flatMap { $0 },
    ] as [[UInt8]]
  )
  func whatIsNoMessageIsRefused(bytes: [UInt8]) {
    #expect(throws: VICIError(.malformed, "")) { try VICIMessage(decoding: bytes) }
  }

  @Test func aPacketLargerThanTheLimitIsRefusedBeforeItComes() {
    var reader = VICIPacketReader()
    reader.feed([0, 8, 0, 1] as [UInt8])
    #expect(throws: VICIError(.malformed, "")) { try reader.next() }
  }

  @Test func anyBytesGiveAMessageOrAnError() throws {
    var generator = SystemRandomNumberGenerator()
    var message = VICIMessage()
    message.add("a", ["b", "c"])
    message.add("d", message)
    let valid = try message.encoded()
    for _ in 0..<20_000 {
      var bytes = valid
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...8, using: &generator)
      }
      if let decoded = try? VICIMessage(decoding: bytes) {
        #expect(try VICIMessage(decoding: try decoded.encoded()) == decoded, "\(bytes)")
      }
    }
  }

  @Test func aDescriptionHasNoValues() {
    var message = VICIMessage()
    message.add("secret", "s3cr3t")
    #expect(!"\(message)".contains("s3cr3t"))
  }
}
