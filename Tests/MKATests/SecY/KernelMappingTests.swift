// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA
@testable import Netlink

@Suite struct KernelMappingTests {
  static let key = SAKIdentifier(keyServer: MemberIdentifier(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C), number: 7)
  static let peer = SCI(address: MACAddress(rawValue: 0x0200_0000_0002))
  static let configuration = SecYConfiguration(
    cipherSuite: .gcmAESXPN256, confidentialityOffset: .zero, replayProtect: true, replayWindow: 64)

  private func counters(_ values: ClosedRange<UInt16>, plus base: UInt64) -> MACsecCounters {
    MACsecCounters(values: Dictionary(uniqueKeysWithValues: values.map { ($0, base + UInt64($0)) }))
  }

  private func device(_ settings: MACsecSettings, isActive: Bool = true) -> MACsecDevice {
    func association(_ number: UInt8, _ base: UInt64) -> MACsecDevice.Association {
      MACsecDevice.Association(
        number: number, isActive: isActive, packetNumber: base, keyIdentifier: Self.key.bytes,
        counters: counters(1...7, plus: base))
    }
    return MACsecDevice(
      index: 3, sci: 0x0200_0000_0001_0001, cipherSuite: CipherSuite.gcmAESXPN256.identifier, settings: settings,
      encodingAssociation: 2, counters: counters(1...8, plus: 100), transmitCounters: counters(1...4, plus: 200),
      transmit: [association(2, 300)],
      receive: [
        MACsecDevice.ReceiveChannel(
          sci: Self.peer.rawValue, isActive: true, counters: counters(1...10, plus: 400),
          associations: [association(2, 500)])
      ])
  }

  @Test func readsBackWhatWasInstalled() {
    let state = SecYState(device(MACsecSettings(Self.configuration, .protected)))
    #expect(state.configuration == Self.configuration && state.status == .protected)
    let association = SecYState.Association(
      number: AssociationNumber(truncating: 2), key: Self.key, isInUse: true, nextPN: 300)
    #expect(state.transmit == [association])
    #expect(state.receive[Self.peer]?.first?.nextPN == 500)
    #expect(SecYState(device(MACsecSettings(Self.configuration, .unprotected))).status == .unprotected)
    #expect(SecYState(device(MACsecSettings(Self.configuration, .protected), isActive: false)).status == .blocked)
  }

  @Test func aBlockedPortIsStrictAndSendsNothingInClear() {
    let blocked = MACsecSettings(Self.configuration, .blocked)
    #expect(blocked.protects && blocked.validation == .strict)
    let unprotected = MACsecSettings(Self.configuration, .unprotected)
    #expect(!unprotected.protects && unprotected.validation == .check)
    var integrity = Self.configuration
    integrity.confidentialityOffset = .integrityOnly
    #expect(!MACsecSettings(integrity, .protected).encrypts && MACsecSettings(Self.configuration, .protected).encrypts)
  }

  /// Every counter of the kernel at its place, told apart by its value.
  @Test func placesEveryCounter() {
    let statistics = SecYStatistics(device(MACsecSettings(Self.configuration, .protected)))
    let interface = statistics.interface
    #expect(
      [
        interface.outPacketsUntagged, interface.inPacketsUntagged, interface.outPacketsTooLong,
        interface.inPacketsNoTag, interface.inPacketsBadTag, interface.inPacketsUnknownSCI, interface.inPacketsNoSCI,
        interface.inPacketsOverrun,
      ] == Array(101...108))
    #expect(interface.inOctetsValidated == 401 && interface.inOctetsDecrypted == 402)
    #expect(interface.outOctetsProtected == 203 && interface.outOctetsEncrypted == 204)
    let transmit = statistics.transmit
    #expect(transmit.sci.rawValue == 0x0200_0000_0001_0001 && transmit.outPacketsTooLong == 103)
    #expect(
      [
        transmit.outPacketsProtected, transmit.outPacketsEncrypted, transmit.outOctetsProtected,
        transmit.outOctetsEncrypted,
      ] == Array(201...204))
    let outgoing = transmit.associations.first
    #expect(outgoing?.outPacketsProtected == 306 && outgoing?.outPacketsEncrypted == 307 && outgoing?.nextPN == 300)
    let channel = statistics.receive.first
    #expect(
      [
        channel?.inOctetsValidated, channel?.inOctetsDecrypted, channel?.inPacketsUnchecked, channel?.inPacketsDelayed,
        channel?.inPacketsOK, channel?.inPacketsInvalid, channel?.inPacketsLate, channel?.inPacketsNotValid,
        channel?.inPacketsNotUsingSA, channel?.inPacketsUnusedSA,
      ] == Array(401...410))
    let incoming = channel?.associations.first
    #expect(
      [
        incoming?.inPacketsOK, incoming?.inPacketsInvalid, incoming?.inPacketsNotValid, incoming?.inPacketsNotUsingSA,
        incoming?.inPacketsUnusedSA,
      ] == Array(501...505))
    #expect(incoming?.nextPN == 500)
  }

  @Test func lowestPacketNumbersLeaveRoomForTheWindow() {
    #expect(KernelPacketNumber.next(forLowest: 1_000, window: 64, isExtended: false) == 1_064)
    #expect(KernelPacketNumber.next(forLowest: 1_000, window: 0, isExtended: true) == 1_000)
    // Not across a half of an extended number, and not beyond the last.
    #expect(KernelPacketNumber.next(forLowest: 0xFFFF_FFF0, window: 64, isExtended: true) == 0xFFFF_FFF0)
    #expect(KernelPacketNumber.next(forLowest: 0xFFFF_FFF0, window: 64, isExtended: false) == 0xFFFF_FFF0)
    #expect(KernelPacketNumber.next(forLowest: .max, window: 64, isExtended: true) == .max)
    #expect(KernelPacketNumber.next(forLowest: 1 << 32, window: 0, isExtended: false) == nil)
    #expect(KernelPacketNumber.next(forLowest: 0, window: 0, isExtended: false) == nil)
  }

  @Test func aSAKComesOnce() {
    func key(_ server: UInt32, _ number: UInt32) -> SAKIdentifier {
      SAKIdentifier(keyServer: MemberIdentifier(high: 0, low: server), number: number)
    }
    var history = SAKHistory()
    history.noteTransmit(key(1, 5))
    #expect(history.hasTransmitted(key(1, 5)) && history.hasTransmitted(key(1, 4)))
    #expect(!history.hasTransmitted(key(1, 6)) && !history.hasTransmitted(key(2, 5)))
    history.noteTransmit(key(1, 3))
    #expect(history.hasTransmitted(key(1, 5)))
    history.noteReceive(key(1, 5), Self.peer)
    #expect(history.hasReceived(key(1, 5), Self.peer) && !history.hasReceived(key(1, 5), SCI(rawValue: 9)))
    // Bounded: the key server that came first is the first to be forgotten.
    for server in 2...UInt32(SAKHistory.maximumKeyServers + 1) { history.noteTransmit(key(server, 1)) }
    #expect(!history.hasTransmitted(key(1, 5)) && history.hasTransmitted(key(2, 1)))
  }

  @Test func keyIdentifiersComeBack() {
    #expect(SAKIdentifier(Self.key.bytes) == Self.key)
    #expect(SAKIdentifier(Self.key.bytes.dropLast()) == nil)
  }

  @Test func offsetsAreNotTheKernels() {
    var configuration = Self.configuration
    #expect(KernelSecY.capability.supports(configuration))
    #expect(KernelSecY.capability.macsecCapability == .confidentiality)
    configuration.confidentialityOffset = .thirty
    #expect(!KernelSecY.capability.supports(configuration))
  }
}
