// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import CLinux
import Glibc
import SecYEngine

/// Measures the userspace SecY: the engine alone, and what a secyd is fed with.
@main
struct SecYBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secybench", abstract: "Measures the userspace SecY.", subcommands: [Engine.self, Flood.self])
}

/// How often in a second, by this process's time on a core or by the wall's.
func measure(_ seconds: Double, by clock: clockid_t = CLOCK_PROCESS_CPUTIME_ID, _ body: () -> Int) -> Double {
  func now() -> Double {
    var value = timespec()
    clock_gettime(clock, &value)
    return Double(value.tv_sec) + Double(value.tv_nsec) / 1e9
  }
  let start = now()
  var count = 0
  while now() < start + seconds { count += body() }
  return Double(count) / (now() - start)
}

/// Two ends with the same key.
struct Ends {
  static let sender: UInt64 = 0x0200_0000_0A01_0001
  static let receiver: UInt64 = 0x0200_0000_0B01_0001
  let out = SecurityEntity(sci: Ends.sender, longestFrame: 65_535)
  let into = SecurityEntity(sci: Ends.receiver)

  init(_ suite: FrameCipherSuite, _ confidentiality: FrameConfidentiality) throws {
    var settings = SecYSettings()
    settings.cipherSuite = suite
    settings.confidentiality = confidentiality
    settings.replayProtect = false
    try out.configure(settings)
    try into.configure(settings)
    let key = (0..<suite.keyLength).map { UInt8($0) }
    try into.addReceiveChannel(Self.sender)
    try key.withUnsafeBytes { bytes in
      let mixed =
        suite.hasExtendedPacketNumbers
        ? AssociationKey.Extension(ssci: UInt32(truncatingIfNeeded: Self.sender), salt: [UInt8](0..<12)) : nil
      let key = AssociationKey(identifier: KeyName(high: 1, low: 1), bytes: bytes, extension: mixed)
      try out.addTransmitAssociation(0, key: key)
      try into.addReceiveAssociation(Self.sender, 0, key: key)
    }
    try out.enableTransmit(0, key: KeyName(high: 1, low: 1))
    out.setPort(.protected)
    into.setPort(.protected)
  }

  /// A frame that counts up, at `headroom` in a buffer with room behind it.
  static func buffer(_ length: Int) -> UnsafeMutableRawBufferPointer {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 + length + 64, alignment: 64)
    for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: index) }
    let addresses: [UInt8] = [2, 0, 0, 0, 0x0B, 1, 2, 0, 0, 0, 0x0A, 1, 8, 0]
    UnsafeMutableRawBufferPointer(rebasing: buffer[64..<78]).copyBytes(from: addresses)
    return buffer
  }
}

/// Prints a line of JSON for each measurement.
struct Engine: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "The engine alone, without input and output.")
  @Option(help: "Octets of a frame before it is protected.") var length = 1_400
  @Option(help: "Seconds for each measurement.") var seconds = 1.0

  func run() throws {
    for suite in FrameCipherSuite.allCases {
      for confidentiality in [FrameConfidentiality.whole, .integrityOnly] {
        try run(suite, confidentiality)
      }
    }
  }

  private func run(_ suite: FrameCipherSuite, _ confidentiality: FrameConfidentiality) throws {
    let ends = try Ends(suite, confidentiality)
    let buffer = Ends.buffer(length)
    defer { buffer.deallocate() }
    let protect = measure(seconds) {
      for _ in 0..<256 { _ = ends.out.transmit(buffer, start: 64, length: length) }
      return 256
    }
    report("protect", suite, confidentiality, protect)
    // A frame is decrypted in its place, so each turn takes a copy.
    var start = 0
    var count = 0
    let fresh = Ends.buffer(length)
    defer { fresh.deallocate() }
    if case .pass(let first, let octets) = ends.out.transmit(fresh, start: 64, length: length) {
      start = first
      count = octets
    }
    let validate = measure(seconds) {
      var passed = 0
      for _ in 0..<256 {
        buffer.copyMemory(from: UnsafeRawBufferPointer(fresh))
        if case .pass = ends.into.receive(buffer, start: start, length: count) { passed += 1 }
      }
      return passed
    }
    report("validate", suite, confidentiality, validate)
  }

  private func report(
    _ what: String, _ suite: FrameCipherSuite, _ confidentiality: FrameConfidentiality, _ rate: Double
  ) {
    let gigabits = rate * Double(length) * 8 / 1e9
    print(
      "{\"what\":\"\(what)\",\"suite\":\"\(suite)\",\"confidentiality\":\"\(confidentiality)\",\"octets\":\(length),"
        + "\"frames_per_second\":\(Int(rate)),\"gbit_per_second\":\((gigabits * 100).rounded() / 100)}")
  }
}

/// Sends as fast as it can through one interface.
struct Flood: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Frames from 02:00:00:00:0a:01 to 02:00:00:00:0b:01, as fast as one core sends them.")
  @Option(help: "Where they go out.") var interface: String
  @Option(help: "Octets of a frame before it is protected.") var length = 1_400
  @Option(help: "Seconds.") var seconds = 3.0
  @Option(help: "Protects them first, with suite 1 to 4 and the octets 00 01 02... as the key.") var suite: UInt8?

  func run() throws {
    let descriptor = socket(17, Int32(SOCK_RAW.rawValue), 0)
    var address = [UInt8](repeating: 0, count: 20)
    address.withUnsafeMutableBytes {
      $0.storeBytes(of: 17, as: UInt16.self)
      $0.storeBytes(of: if_nametoindex(interface), toByteOffset: 4, as: UInt32.self)
    }
    let bound = address.withUnsafeBytes { bytes in
      bytes.withMemoryRebound(to: sockaddr.self) { bind(descriptor, $0.baseAddress, socklen_t(bytes.count)) }
    }
    guard descriptor >= 0, bound == 0, let buffer = Ends.buffer(length).baseAddress else {
      throw ValidationError("cannot send through \(interface)")
    }
    let frame = UnsafeMutableRawBufferPointer(start: buffer, count: length + 128)
    let ends = try suite.flatMap(FrameCipherSuite.init(rawValue:)).map { try Ends($0, .whole) }
    var refused = 0
    let rate = measure(seconds, by: CLOCK_MONOTONIC) {
      var sent = 0
      for _ in 0..<256 {
        var start = 64
        var count = length
        if let ends, case .pass(let first, let octets) = ends.out.transmit(frame, start: 64, length: length) {
          start = first
          count = octets
        }
        if send(descriptor, buffer + start, count, 0) == count { sent += 1 } else { refused += 1 }
        if ends != nil { restore(frame) }
      }
      return sent
    }
    print("{\"what\":\"flood\",\"sent_per_second\":\(Int(rate)),\"refused\":\(refused)}")
  }

  /// Protecting moves the addresses and writes over what they were.
  private func restore(_ frame: UnsafeMutableRawBufferPointer) {
    let addresses: [UInt8] = [2, 0, 0, 0, 0x0B, 1, 2, 0, 0, 0, 0x0A, 1, 8, 0]
    UnsafeMutableRawBufferPointer(rebasing: frame[64..<78]).copyBytes(from: addresses)
  }
}
