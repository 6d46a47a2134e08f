// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYControl
import SecYEngine
import Testing

@Suite("The control protocol of secyd")
struct ControlTests {
  private let sci: UInt64 = 0x0200_0000_0001_0001
  private let peer: UInt64 = 0x0200_0000_0002_0001
  private let name = KeyName(high: 1, low: 2)
  private let identity = Identity(
    instance: 77, process: 4711, sci: 0x0200_0000_0001_0001, parent: "eth0", parentIndex: 3, port: "ms-eth0",
    isMemoryLocked: true)

  /// One exchange: the commands, and what the entity's end answers.
  private func perform(_ commands: [ControlCommand], on entity: SecurityEntity) throws -> [CommandFailure] {
    let request = MessageBuffer()
    Exchange.request(.perform, number: 9, to: request)
    request.append(UInt16(commands.count))
    for command in commands { command.write(to: request) }
    let answer = MessageBuffer()
    #expect(!Exchange.answer(request.bytes, entity: entity, identity: identity, to: answer))
    var reader = try Exchange.body(answer.bytes, number: 9)
    return try Exchange.failures(&reader)
  }

  private func report(_ entity: SecurityEntity) throws -> Report {
    let request = MessageBuffer()
    Exchange.request(.report, number: 10, to: request)
    let answer = MessageBuffer()
    #expect(!Exchange.answer(request.bytes, entity: entity, identity: identity, to: answer))
    #expect(!answer.isOverfull)
    var reader = try Exchange.body(answer.bytes, number: 10)
    let report = try Report(&reader)
    try reader.end()
    return report
  }

  private func withKey<Result>(_ body: (AssociationKey) throws -> Result) rethrows -> Result {
    try [UInt8](0..<32).withUnsafeBytes { bytes in
      try body(
        AssociationKey(
          identifier: name, bytes: bytes, extension: .init(ssci: 5, salt: [UInt8](1...12))))
    }
  }

  private var settings: SecYSettings {
    var settings = SecYSettings()
    settings.cipherSuite = .gcmAESXPN256
    settings.confidentiality = .offset30
    settings.validation = .check
    settings.replayProtect = false
    settings.replayWindow = 12_345
    settings.includesSCI = false
    settings.clearProtocols = [.lacp, .pause]
    settings.vlanTagsInClear = 1
    return settings
  }

  @Test("commands arrive and are carried out in their order")
  func commands() throws {
    let entity = SecurityEntity(sci: sci)
    let failures = try withKey { key in
      try perform(
        [
          .configure(settings), .setPort(.protected), .addReceiveChannel(peer), .addReceiveChannel(1),
          .addReceiveAssociation(peer, 2, key, lowestPN: 40), .raiseLowestPN(peer, 2, 50),
          .addTransmitAssociation(3, key, nextPN: 60), .enableTransmit(3, name), .removeReceiveChannel(1),
        ], on: entity)
    }
    #expect(failures.isEmpty)
    let report = try report(entity)
    #expect(report.settings == settings)
    #expect(report.status == .protected)
    #expect(report.counts == entity.counts)
    #expect(report.counts.transmit.associations.map(\.nextPN) == [60])
    #expect(report.counts.transmit.associations.map(\.isEnabled) == [true])
    #expect(report.counts.receive.map(\.sci) == [peer])
    #expect(report.counts.receive[0].associations[2].key == name)
    #expect(report.counts.receive[0].associations[2].nextPN == 50)
    let gone = try perform([.removeReceiveAssociation(peer, 2, name), .removeTransmitAssociation(3, name)], on: entity)
    #expect(gone.isEmpty)
    #expect(entity.counts.transmit.associations.isEmpty)
    #expect(entity.counts.receive[0].associations[2].key == nil)
  }

  @Test("what fails is named by its place, and the rest is carried out")
  func failures() throws {
    let entity = SecurityEntity(sci: sci)
    let failures = try perform(
      [.addReceiveChannel(1), .addReceiveChannel(1), .enableTransmit(0, name), .addReceiveChannel(2)], on: entity)
    #expect(failures.map(\.index) == [1, 2])
    #expect(failures.map(\.error.code) == [.exists, .absent])
    #expect(failures[0].error.description.contains("0000000000000001"))
    #expect(entity.counts.receive.map(\.sci) == [1, 2])
  }

  @Test("a full engine's report and a full list of failures fit a message")
  func largest() throws {
    let entity = SecurityEntity(sci: sci)
    for sci in 0..<SecurityEntity.mostReceiveChannels { try entity.addReceiveChannel(UInt64(sci)) }
    try withKey { key in
      try entity.configure(settings)
      for sci in 0..<UInt64(SecurityEntity.mostReceiveChannels) {
        for number in UInt8(0)..<4 { try entity.addReceiveAssociation(sci, number, key: key) }
      }
    }
    #expect(try report(entity).counts == entity.counts)
    let failures = try perform(
      (0..<Exchange.mostCommands).map { .addReceiveChannel(UInt64($0 % 128)) }, on: entity)
    #expect(failures.count == Exchange.mostCommands)
  }

  @Test("who answers") func identify() throws {
    let request = MessageBuffer()
    Exchange.request(.identify, number: 1, to: request)
    let answer = MessageBuffer()
    _ = Exchange.answer(request.bytes, entity: SecurityEntity(sci: sci), identity: identity, to: answer)
    var reader = try Exchange.body(answer.bytes, number: 1)
    #expect(try Identity(&reader) == identity)
    #expect(throws: ControlError(.value, "")) { try Exchange.body(answer.bytes, number: 2) }
  }

  @Test("removal is answered, and said") func remove() throws {
    let request = MessageBuffer()
    Exchange.request(.remove, number: 1, to: request)
    let answer = MessageBuffer()
    #expect(Exchange.answer(request.bytes, entity: SecurityEntity(sci: sci), identity: identity, to: answer))
    _ = try Exchange.body(answer.bytes, number: 1)
  }

  @Test("a message that ends early, or has something wrong at its end, changes nothing")
  func truncation() throws {
    let entity = SecurityEntity(sci: sci)
    let request = MessageBuffer()
    withKey { key in
      Exchange.request(.perform, number: 9, to: request)
      request.append(UInt16(3))
      for command in [
        ControlCommand.configure(settings), .addReceiveChannel(peer), .addTransmitAssociation(0, key, nextPN: 1),
      ] { command.write(to: request) }
    }
    let whole = Array(request.bytes)
    let answer = MessageBuffer()
    for length in 0..<whole.count {
      whole.withUnsafeBytes {
        let cut = UnsafeRawBufferPointer(rebasing: $0[..<length])
        #expect(!Exchange.answer(cut, entity: entity, identity: identity, to: answer))
      }
      #expect(Array(answer.bytes)[1] == AnswerKind.refused.rawValue, "\(length) octets")
    }
    (whole + [0]).withUnsafeBytes { _ = Exchange.answer($0, entity: entity, identity: identity, to: answer) }
    #expect(Array(answer.bytes)[1] == AnswerKind.refused.rawValue)
    #expect(entity.counts.receive.isEmpty && entity.settings == SecYSettings())
  }

  @Test("a message that is changed is carried out or refused, and never stops it", arguments: 0..<50)
  func mutation(_ seed: Int) throws {
    var generator = Sequence(state: UInt64(seed))
    let request = MessageBuffer()
    withKey { key in
      Exchange.request(.perform, number: 9, to: request)
      request.append(UInt16(6))
      for command in [
        ControlCommand.configure(settings), .addReceiveChannel(peer),
        .addReceiveAssociation(peer, 1, key, lowestPN: 1), .addTransmitAssociation(0, key, nextPN: 1),
        .enableTransmit(0, name), .setPort(.protected),
      ] { command.write(to: request) }
    }
    let whole = Array(request.bytes)
    let answer = MessageBuffer()
    for _ in 0..<100 {
      var changed = whole
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        changed[Int.random(in: 8..<changed.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let entity = SecurityEntity(sci: sci)
      changed.withUnsafeBytes { _ = Exchange.answer($0, entity: entity, identity: identity, to: answer) }
      switch Array(answer.bytes)[1] {
      case AnswerKind.done.rawValue:
        var reader = try Exchange.body(answer.bytes, number: 9)
        _ = try Exchange.failures(&reader)
      case AnswerKind.refused.rawValue:
        #expect(throws: ControlError.self) { try Exchange.body(answer.bytes, number: 9) }
        #expect(entity.counts == SecurityEntity(sci: sci).counts && entity.settings == SecYSettings())
      case let other: Issue.record("answer \(other)")
      }
      #expect(try report(entity).counts == entity.counts)
    }
  }

  @Test("another version is refused")
  func version() throws {
    let entity = SecurityEntity(sci: sci)
    let answer = MessageBuffer()
    [UInt8]([2, 1, 0, 0, 0, 0, 0, 5]).withUnsafeBytes {
      _ = Exchange.answer($0, entity: entity, identity: identity, to: answer)
    }
    #expect(throws: ControlError(.version, "")) { try Exchange.body(answer.bytes, number: 0) }
  }

  /// The same octets for the same seed (SplitMix64).
  private struct Sequence: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
      return value ^ (value >> 31)
    }
  }

  @Test("octets at random never stop it", arguments: 0..<50)
  func noise(_ seed: Int) throws {
    var generator = Sequence(state: UInt64(seed))
    let entity = SecurityEntity(sci: sci)
    let answer = MessageBuffer()
    for _ in 0..<200 {
      var message: [UInt8] = [1, UInt8.random(in: 0...5, using: &generator), 0, 0, 0, 0, 0, 1, 0, 3]
      for _ in 0..<Int.random(in: 0...60, using: &generator) {
        message.append(UInt8.random(in: 0...12, using: &generator))
      }
      message.withUnsafeBytes { _ = Exchange.answer($0, entity: entity, identity: identity, to: answer) }
      #expect(answer.count >= MessageHeader.length)
      if var reader = try? Exchange.body(answer.bytes, number: 1) { _ = try? Report(&reader) }
    }
  }

  @Test("a buffer forgets what it held")
  func wiping() {
    let buffer = MessageBuffer()
    withKey { ControlCommand.addTransmitAssociation(0, $0, nextPN: 1).write(to: buffer) }
    let count = buffer.count
    buffer.wipe()
    #expect(buffer.storage[..<count].allSatisfy { $0 == 0 })
  }
}
