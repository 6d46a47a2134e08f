// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYControl
import SecYEngine
import Secrets
import Testing

@testable import MKA

@Suite("MKA's commands in secyd's words")
struct UserspaceMappingTests {
  private let a = SCI(rawValue: 0x0200_0000_0001_0001)
  private let b = SCI(rawValue: 0x0200_0000_0002_0001)

  private func sak(_ suite: CipherSuite, number: UInt32 = 7) throws -> SAK {
    SAK(
      identifier: SAKIdentifier(keyServer: try #require(MemberIdentifier([UInt8](1...12))), number: number),
      associationNumber: AssociationNumber(truncating: 2), cipherSuite: suite, confidentialityOffset: .thirty,
      key: SecretBytes(copying: [UInt8](0..<UInt8(suite.keyLength))), members: [a, b])
  }

  /// What secyd does with these commands.
  private func carryOut(_ commands: [SecYCommand], own: SCI, on entity: SecurityEntity) throws -> [CommandFailure] {
    let request = MessageBuffer()
    Exchange.request(.perform, number: 1, to: request)
    request.append(UInt16(commands.count))
    for command in commands {
      #expect(command.write(to: request, own: own, exceptions: ClearExceptions(lldp: true, vlanTags: 1)))
    }
    let answer = MessageBuffer()
    let identity = Identity(
      instance: 1, process: 1, sci: own.rawValue, parent: "", parentIndex: 0, port: "", isMemoryLocked: false)
    _ = Exchange.answer(request.bytes, entity: entity, identity: identity, to: answer)
    var reader = try Exchange.body(answer.bytes, number: 1)
    return try Exchange.failures(&reader)
  }

  @Test("two secyds programmed by MKA's commands understand each other", arguments: CipherSuite.allCases)
  func twoEnds(_ suite: CipherSuite) throws {
    let sak = try sak(suite)
    let configuration = SecYConfiguration(
      cipherSuite: suite, confidentialityOffset: .thirty, replayProtect: true, replayWindow: 64)
    let ends = [(a, b), (b, a)].map { ($0.0, $0.1, SecurityEntity(sci: $0.0.rawValue)) }
    for (own, peer, entity) in ends {
      let failures = try carryOut(
        [
          .configure(configuration), .addReceiveChannel(peer), .addReceiveAssociation(peer, sak),
          .addTransmitAssociation(sak), .enableTransmit(sak.associationNumber, sak.identifier), .setPort(.protected),
          .raiseLowestPN(peer, sak.associationNumber, 1),
        ], own: own, on: entity)
      #expect(failures.isEmpty)
    }
    var buffer = [UInt8](repeating: 7, count: 200)
    buffer.withUnsafeMutableBytes { bytes in
      guard case .pass(let start, let length) = ends[0].2.transmit(bytes, start: 16, length: 100) else {
        Issue.record("not sent")
        return
      }
      #expect(ends[1].2.receive(bytes, start: start, length: length) == .pass(start: 16, length: 100))
    }
    let report = Report(settings: ends[1].2.settings, status: ends[1].2.status, counts: ends[1].2.counts)
    let state = SecYState(report)
    #expect(state.configuration == configuration)
    #expect(state.status == .protected)
    #expect(state.transmit.map(\.key) == [sak.identifier] && state.transmit.map(\.isInUse) == [true])
    #expect(state.receive[a]?.map(\.nextPN) == [2])
    #expect(state.receive[a]?.map(\.key) == [sak.identifier])
    #expect(report.settings.clearProtocols == .lldp && report.settings.vlanTagsInClear == 1)
    let statistics = SecYStatistics(ends[1].2.counts)
    #expect(statistics.receive.map(\.inPacketsOK) == [1])
    #expect(statistics.receive[0].associations.map(\.number.rawValue) == [2])
    let removal = try carryOut(
      [
        .removeReceiveAssociation(a, sak.associationNumber, sak.identifier),
        .removeTransmitAssociation(sak.associationNumber, sak.identifier), .removeReceiveChannel(a), .setPort(.blocked),
      ], own: b, on: ends[1].2)
    #expect(removal.isEmpty)
    #expect(ends[1].2.counts.receive.isEmpty && ends[1].2.counts.transmit.associations.isEmpty)
  }

  @Test("the name of a key is its identifier's 16 octets")
  func names() throws {
    let identifier = try sak(.gcmAES128, number: 0xDEAD_BEEF).identifier
    #expect(KeyName(identifier).bytes == identifier.bytes)
    #expect(SAKIdentifier(KeyName(identifier)) == identifier)
  }

  @Test("a SAK that does not know its channel is not sent")
  func withoutShortIdentifier() throws {
    let sak = try sak(.gcmAESXPN128)
    let stranger = SCI(rawValue: 42)
    let buffer = MessageBuffer()
    #expect(!SecYCommand.addReceiveAssociation(stranger, sak).write(to: buffer, own: a, exceptions: ClearExceptions()))
    #expect(buffer.count == 0)
  }

  @Test("without a secyd every call says what is missing")
  func absent() throws {
    let secY = try UserspaceSecY(
      parent: "lo", sci: a, controlledPortName: "ms-none",
      settings: SecydSettings(program: "/nonexistent/secyd", directory: "/nonexistent/directory"))
    #expect(secY.kind == .userspace && secY.controlledPortName == "ms-none")
    #expect(throws: SecYError(.absent, "")) { try secY.state() }
    #expect(secY.perform([.addReceiveChannel(b), .setPort(.blocked)]).map(\.error.code) == [.absent, .absent])
    #expect(throws: SecYError(.refused, "")) {
      try secY.open(
        SecYConfiguration(
          cipherSuite: .gcmAES128, confidentialityOffset: .zero, replayProtect: true, replayWindow: 0))
    }
    for name in ["", "a/b", "..", String(repeating: "x", count: 100)] {
      #expect(throws: SecYError(.refused, "")) {
        try UserspaceSecY(
          parent: "lo", sci: a, controlledPortName: name, settings: SecydSettings(program: "/x", directory: "/run/x"))
      }
    }
  }
}
