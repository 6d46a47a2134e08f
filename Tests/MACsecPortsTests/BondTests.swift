// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Models
import Synchronization
import Testing

@testable import MACsecPorts
@testable import Netlink

/// Links and a bond with the constraints that Linux was seen to have: none is enslaved that is up or has no room for the
/// bond's MTU or carries MACsec, the bond sets members up and gives them its address, and one that leaves is down.
private final class BondedLinks: Sendable {
  private static let bondAddress: [UInt8] = [2, 0, 0, 0, 0, 0xBB]
  private struct State {
    var links: [UInt32: Link] = [:]
    var steps: [String] = []
    var next: UInt32 = 100
  }
  private let state = Mutex(State())

  init(mtu: UInt32 = 1_532) {
    state.withLock { state in
      var bond = Link(
        index: 50, name: "bond7", flags: .up, operationalState: .up, mtu: 1_500, hardwareAddress: Self.bondAddress)
      bond.kind = "bond"
      var own = Link(
        index: 1, name: "eth0", flags: [.up, .lowerUp], operationalState: .up, mtu: mtu,
        hardwareAddress: Self.bondAddress)
      own.master = 50
      (bond.hardwareType, own.hardwareType) = (1, 1)
      state.links = [50: bond, 1: own]
    }
  }

  var byName: [String: Link] {
    state.withLock { Dictionary(uniqueKeysWithValues: $0.links.values.map { ($0.name, $0) }) }
  }

  /// What was refused begins with a mark of exclamation.
  var steps: [String] { state.withLock { $0.steps } }

  func change(_ name: String, _ body: (inout Link) -> Void) {
    state.withLock { state in
      for index in state.links.keys where state.links[index]?.name == name { body(&state.links[index]!) }
    }
  }

  func set(_ index: UInt32, _ settings: LinkSettings) throws(NetlinkError) {
    let refusal = state.withLock { state -> Int32? in
      guard var link = state.links[index] else { return ENODEV }
      if let isUp = settings.isUp {
        if isUp { link.flags.insert(.up) } else { link.flags.remove(.up) }
        link.operationalState = isUp ? .up : .down
        state.steps.append("\(link.name) \(isUp ? "up" : "down")")
      }
      if let master = settings.master, master == 0, link.master != nil {
        link.master = nil
        link.flags.remove(.up)
        link.operationalState = .down
        link.hardwareAddress = [2, 0, 0, 0, 0, 1]
        state.steps.append("\(link.name) out")
      } else if let master = settings.master, master != 0, link.master != master {
        guard let bond = state.links[master] else { return ENODEV }
        let isCarrying = state.links.values.contains { $0.parent == index }
        let room = link.parent.flatMap { state.links[$0] }.map { $0.mtu - 32 } ?? link.mtu
        guard !link.flags.contains(.up), !isCarrying, room >= bond.mtu else {
          state.steps.append("!\(link.name) in")
          return link.flags.contains(.up) ? EPERM : isCarrying ? EBUSY : ERANGE
        }
        link.master = master
        link.flags.insert(.up)
        link.operationalState = .up
        link.hardwareAddress = Self.bondAddress
        link.mtu = bond.mtu
        state.steps.append("\(link.name) in")
      }
      state.links[index] = link
      return nil
    }
    if let refusal { throw .refused(errorNumber: refusal, reason: nil) }
  }

  /// A controlled port is made on eth0, which must not be in a bond, or goes.
  func setControlled(_ isThere: Bool) {
    state.withLock { state in
      state.links = state.links.filter { $0.value.name != "ms-eth0" }
      guard isThere else { return }
      #expect(state.links[1]?.master == nil, "MACsec on a member of a bond")
      var link = Link(
        index: state.next, name: "ms-eth0", flags: [.up], operationalState: .dormant, mtu: 1_468,
        hardwareAddress: state.links[1]?.hardwareAddress ?? [])
      link.hardwareType = 1
      link.parent = 1
      state.links[state.next] = link
      state.next += 1
    }
  }
}

/// An agent whose eth0 is a member of bond7, and its peer.
private struct BondLab {
  let links: BondedLinks
  let lab: (first: AgentFixture, second: AgentFixture)

  init(mtu: UInt32 = 1_532, kind: SecYKind = .kernel) throws {
    let links = BondedLinks(mtu: mtu)
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &ends) == 0)
    let pair = (ends[0], ends[1])
    self.links = links
    lab = (
      try AgentFixture(
        wires: { _ in dup(pair.0) }, kind: kind, onSecY: { links.setControlled($0) },
        link: { index in links.byName.values.first { $0.index == index } },
        setLink: { index, settings throws(NetlinkError) in try links.set(index, settings) }),
      try AgentFixture(wires: { _ in dup(pair.1) })
    )
    lab.second.setLink("eth0", number: 2)
  }

  /// Tells the agent of the links, as the kernel does again and again.
  func tell() { lab.first.backend.links(links.byName) }

  func wait(_ what: String, until condition: () throws -> Bool) async throws {
    try await MACsecPortsTests.wait(what) {
      tell()
      return try condition()
    }
  }

  var isSecured: Bool {
    guard let one = lab.first.secY(), let other = lab.second.secY(), let key = one.transmitting else { return false }
    return key == other.transmitting && one.status == .protected && other.status == .protected
  }

  var member: Link? { links.byName["ms-eth0"].flatMap { $0.master == 50 ? $0 : nil } }
}

@Suite struct BondTests {
  @Test func theControlledPortTakesThePlaceOfItsLinkInTheBond() async throws {
    let bonded = try BondLab()
    try bonded.lab.first.commit(PortTests.configuration(bonded.lab.first))
    try await bonded.wait("the controlled port in the bond") { bonded.member != nil }
    // Blocked: what bonds look at says that it is down.
    try await bonded.wait("down") { bonded.member?.flags.contains(.up) == false }
    #expect(bonded.links.steps.prefix(2) == ["eth0 out", "eth0 up"])
    try bonded.lab.second.commit(PortTests.configuration(bonded.lab.second))
    try await bonded.wait("secured") { bonded.isSecured && bonded.member?.flags.contains(.up) == true }
    let port = try #require(try bonded.lab.first.port())
    #expect(port.bond == "bond7" && port.isSecured && port.reason == nil)
    let shown = try #require(try bonded.lab.first.state(MKAInterfaceModel.self).first).info.bundleInfo
    #expect(shown.bundleID == 7 && shown.status == "Member of bond7" && shown.overheadEnabled == false)
    // The SCI has the link's own address, not the one that the bond gave it.
    #expect(bonded.lab.first.secY()?.sci == SCI(address: MACAddress(rawValue: 0x0200_0000_0001)))
    #expect(bonded.lab.first.ports.carrier(of: "eth0") == .member("ms-eth0", leastMTU: 1_532))
    // Another suite takes another device: it is put into the bond again.
    let index = bonded.member?.index
    bonded.links.setControlled(true)
    try await bonded.wait("the new device in the bond") { bonded.member.map { $0.index != index } ?? false }
    // Without MACsec the link is the member.
    try bonded.lab.first.commit(ConfigurationFixture())
    try await bonded.wait("the link back") { bonded.links.byName["eth0"]?.master == 50 }
    #expect(bonded.links.byName["ms-eth0"] == nil && bonded.links.byName["eth0"]?.flags.contains(.up) == true)
    #expect(bonded.lab.first.filters.withLock { $0.links.isEmpty })
  }

  @Test func aShutDownGivesTheLinkBackAndTakesItAgain() async throws {
    let bonded = try BondLab()
    var configuration = try PortTests.configuration(bonded.lab.first)
    try bonded.lab.first.commit(configuration)
    try await bonded.wait("in the bond") { bonded.member != nil }
    configuration.device.shutdown = .init()
    try bonded.lab.first.commit(configuration)
    try await bonded.wait("the link back") { bonded.links.byName["eth0"]?.master == 50 }
    configuration.device.shutdown = nil
    try bonded.lab.first.commit(configuration)
    try await bonded.wait("out of the bond") { bonded.links.byName["eth0"]?.master == nil }
    // The bond gave it its MTU; the backend of interfaces makes room again.
    #expect(bonded.links.byName["eth0"]?.mtu == 1_500)
    bonded.links.change("eth0") { $0.mtu = 1_532 }
    try await bonded.wait("in the bond again") { bonded.member != nil && bonded.links.byName["eth0"]?.master == nil }
  }

  @Test func aBondWithoutRoomIsTold() async throws {
    let bonded = try BondLab(mtu: 1_500)
    try bonded.lab.first.commit(PortTests.configuration(bonded.lab.first))
    try await bonded.wait("the reason") {
      try bonded.lab.first.port()?.reason == "bond7 has an MTU of 1500, for which eth0 needs 1532"
    }
    // What the backend of interfaces does with the carrier that it is told.
    bonded.links.change("eth0") { $0.mtu = 1_532 }
    try await bonded.wait("in the bond") { bonded.member != nil }
    try await bonded.wait("no reason any more") { try bonded.lab.first.port()?.reason?.contains("MTU") != true }
  }

  @Test func theKernelsPortIsNoMemberWhereTheBondWantsToKnowItsSpeed() throws {
    var bond = Link(
      index: 5, name: "bond1", flags: [], operationalState: .up, mtu: 1_500, hardwareAddress: [], kind: "bond")
    for (mode, isRefused) in [
      (Link.BondMode.roundRobin, false), (.activeBackup, false), (.xor, false), (.broadcast, false), (.lacp, true),
      (.transmitLoadBalancing, true), (.adaptiveLoadBalancing, true),
    ] {
      bond.bondMode = mode
      #expect((BondMembership.kernelRefusal(bond, ClearExceptions()) != nil) == isRefused, "\(mode)")
      #expect(BondMembership.kernelRefusal(bond, ClearExceptions(slowProtocols: true)) != nil)
    }
    #expect(BondMembership.kernelRefusal(nil, ClearExceptions(slowProtocols: true)) == nil)
    // At commit, where the bond is known.
    let bonded = try BondLab()
    bonded.links.change("bond7") { $0.bondMode = .lacp }
    bonded.tell()
    var configuration = try PortTests.configuration(bonded.lab.first)
    #expect(try bonded.lab.first.refusals(configuration) == [])
    configuration.device.dataPlane = .kernel
    let refusals = try bonded.lab.first.refusals(configuration)
    #expect(refusals.count == 1 && refusals[0].contains("psk-keychain/policy: bond7 uses members only"), "\(refusals)")
  }

  @Test func whoTakesThePortOutOfTheBondIsObeyed() async throws {
    let bonded = try BondLab(kind: .userspace)
    try bonded.lab.first.commit(PortTests.configuration(bonded.lab.first))
    try await bonded.wait("in the bond") { bonded.member != nil }
    // A TAP interface stays up: its carrier tells.
    #expect(bonded.member?.flags.contains(.up) == true)
    // The agent may not have been told yet that it is in there: then it takes this for a port that is yet to be put in.
    try await bonded.wait("forgotten") {
      bonded.links.change("ms-eth0") { $0.master = nil }
      return try bonded.lab.first.port()?.bond == nil
    }
    #expect(bonded.lab.first.ports.carrier(of: "eth0") == .link("ms-eth0"))
    try bonded.lab.first.commit(ConfigurationFixture())
    try await bonded.wait("gone") { try bonded.lab.first.port() == nil }
    #expect(bonded.links.byName["eth0"]?.master == nil, "the link is nobody's now")
  }

  @Test func aNewAgentKnowsTheBond() throws {
    let folder =
      "\(String(cString: getenv("TMPDIR") ?? strdup("/tmp")))/bond-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let sealer = try AgentFixture(wires: { _ in -1 }).sealer
    defer { rmdir(folder) }
    let store = try PortStore(directory: folder, sealer: sealer, boot: "one")
    store.keep(bond: "bond7", port: "HundredGigE0/0/0/1")
    #expect(store.bond(port: "HundredGigE0/0/0/1") == "bond7" && store.bond(port: "HundredGigE0/0/0/2") == nil)
    #expect(try PortStore(directory: folder, sealer: sealer, boot: "two").bond(port: "HundredGigE0/0/0/1") == nil)
    store.remove(port: "HundredGigE0/0/0/1")
    #expect(store.bond(port: "HundredGigE0/0/0/1") == nil)
  }
}
