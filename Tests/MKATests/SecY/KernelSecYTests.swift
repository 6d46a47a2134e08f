// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import MKA
@testable import Netlink

/// What a KernelSecY asks of the kernel, and what it refuses by itself.
@Suite struct KernelSecYTests {
  static let own = SCI(address: MACAddress(rawValue: 0x0200_0000_0001))
  static let peer = SCI(address: MACAddress(rawValue: 0x0200_0000_0002))
  static let server = MemberIdentifier(high: 1, low: 2)
  let kernel = FakeKernel()

  private func secY() -> KernelSecY {
    KernelSecY(parent: "eth0", sci: Self.own, controlledPortName: "ms-eth0", over: kernel)
  }

  private func configuration(
    _ suite: CipherSuite = .gcmAESXPN256, offset: ConfidentialityOffset = .zero
  ) -> SecYConfiguration {
    SecYConfiguration(cipherSuite: suite, confidentialityOffset: offset, replayProtect: true, replayWindow: 64)
  }

  private func sak(
    _ number: UInt32, an: UInt8 = 0, suite: CipherSuite = .gcmAESXPN256, members: [SCI] = [own, peer]
  ) -> SAK {
    SAK(
      identifier: SAKIdentifier(keyServer: Self.server, number: number),
      associationNumber: AssociationNumber(truncating: an), cipherSuite: suite, confidentialityOffset: .zero,
      key: SecretBytes(copying: [UInt8](repeating: UInt8(number), count: suite.keyLength)), members: members)
  }

  /// Opened, with one SAK in use.
  private func secured(_ suite: CipherSuite = .gcmAESXPN256) throws -> KernelSecY {
    let secY = secY()
    _ = try secY.open(configuration(suite))
    let key = sak(1, suite: suite)
    let failures = secY.perform([
      .setPort(.blocked), .configure(configuration(suite)), .addReceiveChannel(Self.peer),
      .addReceiveAssociation(Self.peer, key), .addTransmitAssociation(key),
      .enableTransmit(key.associationNumber, key.identifier), .setPort(.protected),
    ])
    #expect(failures.isEmpty, "\(failures)")
    return secY
  }

  @Test func makesADormantDeviceThatIsBlocked() throws {
    let state = try secY().open(configuration())
    #expect(state.isEmpty && state.status == .blocked && state.configuration == configuration())
    #expect(kernel.device?.sci == Self.own.rawValue)
    #expect(kernel.device?.settings.protects == true && kernel.device?.settings.validation == .strict)
    let link = try #require(try kernel.link(named: "ms-eth0"))
    #expect(link.operationalState == .dormant && link.flags.contains(.up))
    #expect(kernel.state.withLock { $0.cutOff } == ["eth0"])
  }

  @Test func programsASAK() throws {
    let secY = try secured()
    let state = try secY.state()
    #expect(state.status == .protected && state.transmit.map(\.isInUse) == [true])
    #expect(state.receive[Self.peer]?.map(\.key) == [sak(1).identifier])
    #expect(kernel.state.withLock { $0.keys["transmit 0"] } == [UInt8](repeating: 1, count: 32))
    #expect(try kernel.link(named: "ms-eth0")?.operationalState == .up)
    #expect(try secY.nextPacketNumbers() == [sak(1).identifier: 1])
    // The receive association is active at once, the transmit one when it is enabled, and only then encodes.
    let calls = kernel.calls
    let place = try #require(calls.firstIndex(of: "add receive 0"))
    #expect(
      Array(calls[place...]).filter { !$0.hasPrefix("change") && !$0.hasPrefix("state") }
        == ["add receive 0", "add transmit 0", "activate transmit 0", "encode 0"])
  }

  @Test func deactivatesBeforeItDeletes() throws {
    let secY = try secured()
    kernel.forgetCalls()
    let key = sak(1).identifier
    let failures = secY.perform([
      .removeTransmitAssociation(.zero, key), .removeReceiveAssociation(Self.peer, .zero, key),
      .removeReceiveChannel(Self.peer),
    ])
    #expect(failures.isEmpty)
    #expect(
      kernel.calls == [
        "deactivate transmit 0", "delete transmit 0", "deactivate receive 0", "delete receive 0", "delete channel",
      ])
    #expect(try secY.state().isEmpty)
    // What is gone is no failure, and another key's association is left alone.
    #expect(secY.perform([.removeTransmitAssociation(.zero, key), .removeReceiveChannel(Self.peer)]).isEmpty)
    #expect(secY.perform([.addTransmitAssociation(sak(2))]).isEmpty)
    #expect(secY.perform([.removeTransmitAssociation(.zero, key)]).isEmpty)
    #expect(try secY.state().transmit.map(\.key) == [sak(2).identifier])
  }

  @Test func noSAKIsInstalledTwice() throws {
    let secY = try secured()
    let key = sak(1)
    #expect(secY.perform(secYRemovals(key)).isEmpty)
    let again = secY.perform([
      .addReceiveChannel(Self.peer), .addReceiveAssociation(Self.peer, key), .addTransmitAssociation(key),
    ])
    #expect(again.map(\.error.code) == [.conflict, .conflict])
    // Nor by the next agent, while it is there; nor after the device was lost.
    let second = try secured()
    _ = second
    let next = self.secY()
    _ = try next.open(configuration())
    #expect(next.perform([.addTransmitAssociation(sak(1, an: 1))]).map(\.error.code) == [.conflict])
    kernel.change { state in
      for index in state.devices.keys { state.links[index] = nil }
      state.devices = [:]
    }
    #expect(throws: SecYError(.absent, "")) { try next.nextPacketNumbers() }
    #expect(try next.open(configuration()).isEmpty)
    #expect(next.perform([.addTransmitAssociation(sak(1))]).map(\.error.code) == [.conflict])
    #expect(next.perform([.addTransmitAssociation(sak(2))]).isEmpty)
  }

  private func secYRemovals(_ key: SAK) -> [SecYCommand] {
    [
      .removeTransmitAssociation(key.associationNumber, key.identifier),
      .removeReceiveAssociation(Self.peer, key.associationNumber, key.identifier), .removeReceiveChannel(Self.peer),
    ]
  }

  @Test func adoptsWhatIsInstalled() throws {
    _ = try secured()
    kernel.forgetCalls()
    let next = secY()
    let state = try next.open(configuration(.gcmAES128))
    #expect(state.status == .protected && state.configuration == configuration())
    #expect(state.transmit.map(\.key) == [sak(1).identifier] && state.receive.keys.sorted() == [Self.peer])
    // Nothing was touched.
    #expect(kernel.calls.isEmpty)
    #expect(next.perform(state.removals).isEmpty && kernel.device?.transmit.isEmpty == true)
    #expect(kernel.device?.receive.isEmpty == true)
  }

  @Test func replacesTheDeviceOfAnotherAddress() throws {
    _ = try secY().open(configuration())
    let other = SCI(address: MACAddress(rawValue: 0x0200_0000_0009))
    let secY = KernelSecY(parent: "eth0", sci: other, controlledPortName: "ms-eth0", over: kernel)
    #expect(try secY.open(configuration()).isEmpty && kernel.device?.sci == other.rawValue)
    // But not what is none of ours.
    let foreign = FakeKernel()
    foreign.change { $0.addLink("ms-eth0", mtu: 1_500, kind: "dummy", parent: nil) }
    let blocked = KernelSecY(parent: "eth0", sci: other, controlledPortName: "ms-eth0", over: foreign)
    #expect(throws: SecYError(.conflict, "")) { try blocked.open(configuration()) }
    let lost = KernelSecY(parent: "eth7", sci: other, controlledPortName: "ms-eth7", over: foreign)
    #expect(throws: SecYError(.absent, "")) { try lost.open(configuration()) }
  }

  @Test func anotherSuiteTakesAnotherDevice() throws {
    let secY = try secured()
    try kernel.set(try #require(kernel.device?.index), LinkSettings(mtu: 1_300))
    // Not while it holds a SAK.
    #expect(secY.perform([.configure(configuration(.gcmAES128))]).map(\.error.code) == [.conflict])
    let key = sak(1).identifier
    let failures = secY.perform([
      .removeTransmitAssociation(.zero, key), .removeReceiveAssociation(Self.peer, .zero, key), .setPort(.unprotected),
      .configure(configuration(.gcmAES128)),
    ])
    #expect(failures.isEmpty)
    #expect(kernel.device?.cipherSuite == CipherSuite.gcmAES128.identifier)
    #expect(kernel.device?.receive.map(\.sci) == [Self.peer.rawValue] && kernel.device?.settings.protects == false)
    #expect(try kernel.link(named: "ms-eth0")?.mtu == 1_300)
    #expect(secY.perform([.addTransmitAssociation(sak(2, suite: .gcmAES128))]).isEmpty)
    #expect(secY.perform([.addTransmitAssociation(sak(3, an: 1))]).map(\.error.code) == [.conflict])
  }

  @Test func packetNumbersAreNeverLowered() throws {
    let secY = try secured()
    func raise(to value: UInt64) -> [SecYFailure] { secY.perform([.raiseLowestPN(Self.peer, .zero, value)]) }
    func expected() -> UInt64? { kernel.device?.receive.first?.associations.first?.packetNumber }
    #expect(raise(to: 100).isEmpty && expected() == 164)
    #expect(raise(to: 50).isEmpty && expected() == 164)
    // The kernel is further than what is asked for.
    kernel.change { state in
      for index in state.devices.keys { state.devices[index]?.receive[0].associations[0].packetNumber = 5_000 }
    }
    #expect(raise(to: 200).isEmpty && expected() == 5_000)
    #expect(raise(to: 5_000).isEmpty && expected() == 5_064)
    #expect(
      secY.perform([.raiseLowestPN(Self.own, .zero, 10)]).map(\.error.code) == [.absent])
  }

  @Test func refusesWhatTheKernelCannotDo() throws {
    let secY = secY()
    #expect(throws: SecYError(.unsupported, "")) { try secY.open(configuration(offset: .thirty)) }
    #expect(secY.perform([.setPort(.protected)]).map(\.error.code) == [.absent])
    _ = try secY.open(configuration())
    #expect(secY.perform([.configure(configuration(offset: .fifty))]).map(\.error.code) == [.unsupported])
    // A member that the SAK was not made for.
    let failures = secY.perform([
      .addReceiveChannel(Self.peer), .addReceiveAssociation(Self.peer, sak(1, members: [Self.own])),
      .enableTransmit(.zero, sak(1).identifier),
    ])
    #expect(failures.map(\.error.code) == [.conflict, .absent])
  }

  @Test func goesOnAfterAFailureAndSaysWhatFailed() throws {
    let secY = secY()
    _ = try secY.open(configuration())
    kernel.refuse("add receive")
    let key = sak(1)
    let failures = secY.perform([
      .addReceiveChannel(Self.peer), .addReceiveAssociation(Self.peer, key), .addTransmitAssociation(key),
    ])
    #expect(failures.count == 1 && failures.first?.error.code == .refused)
    guard case .addReceiveAssociation = failures.first?.command else {
      Issue.record("not the command that failed: \(failures)")
      return
    }
    #expect(failures.first?.error.message.contains("SAK") == true)
    #expect(try secY.state().transmit.count == 1)
    // It may be tried again: it was not installed.
    #expect(secY.perform([.addReceiveAssociation(Self.peer, key)]).isEmpty)
  }

  @Test func takesAHalfMadeDeviceAway() throws {
    kernel.refuse("set")
    #expect(throws: SecYError(.refused, "")) { try secY().open(configuration()) }
    #expect(kernel.device == nil)
  }

  @Test func comesBackUpWhenItsParentDoes() throws {
    let secY = try secured()
    let index = try #require(kernel.device?.index)
    kernel.change { $0.links[index]?.operationalState = .dormant }
    _ = try secY.nextPacketNumbers()
    #expect(try kernel.link(index: index)?.operationalState == .up)
    #expect(secY.perform([.setPort(.blocked)]).isEmpty)
    _ = try secY.nextPacketNumbers()
    #expect(try kernel.link(index: index)?.operationalState == .dormant)
  }

  @Test func removesAll() throws {
    let secY = try secured()
    try secY.remove()
    try secY.remove()
    #expect(kernel.device == nil && kernel.state.withLock { $0.cutOff }.isEmpty)
    #expect(secY.perform([.setPort(.protected)]).map(\.error.code) == [.absent])
  }
}
