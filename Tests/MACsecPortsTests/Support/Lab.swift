// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Glibc
import Interfaces
import KeyService
import Logging
import MKA
import Models
@testable import Netlink
import Secrets
import Synchronization
import Testing
import YANG

@testable import MACsecPorts

/// The product's own modules, compiled as the agent does.
let productSchema: Schema = {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../yang")
  do { return try Schema.compile(directory: folder.standardizedFileURL.path).schema } catch { fatalError("\(error)") }
}()

/// One end of a pair of sockets that carries frames like a wire.
final class WireSocket: PortSocket {
  let descriptor: Int32
  init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  func receive() throws(MKAError) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 2_048)
    let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    return count > 0 ? Array(buffer.prefix(count)) : nil
  }

  func send(_ frame: [UInt8]) throws(MKAError) {
    _ = Glibc.send(descriptor, frame, frame.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
  }
}

/// The whole configuration of one agent, as far as MACsec looks at it.
struct ConfigurationFixture {
  var policies = Models.MACsec.MACsecPolicy()
  var device = DeviceModel()
  var chains = Models.KeyChain.Key()
  var interfaces: KeyedList<InterfaceModel> = []
  var sks = SKSServer()
  var settings = AgentdSystem.AgentSettings()

  mutating func setPolicy(_ name: String, _ change: (inout PolicyModel) -> Void = { _ in }) {
    var policy = PolicyModel(policyName: name)
    change(&policy)
    policies.policyNames.policyName.set(policy)
  }

  mutating func setChain(_ name: String, _ keys: [KeyModel]) {
    chains.chains.chain.set(
      KeyChainModel(keyChainName: name, macsec: .init(keys: .init(key: KeyedList(keys))), timezone: .init(gmt: .init()))
    )
  }

  mutating func protect(_ interface: String, chain: String?, fallback: String? = nil, policy: String? = nil) {
    interfaces.set(
      InterfaceModel(
        interfaceName: interface,
        macsec: .init(pskKeychain: .init(keychainName: chain, fallbackPSKKeychain: fallback, policy: policy))))
  }

  private var interfaceNode: InteriorNode {
    get throws {
      let list = try #require(productSchema.node(at: InterfaceModel.schemaPath))
      let parent = try #require(list.dataParent)
      guard !interfaces.isEmpty else { return InteriorNode(schema: parent) }
      let entries = ListEntries.make(schema: list, entries: interfaces.map { $0.interiorNode(list) }).list
      return InteriorNode(schema: parent, slots: [InteriorNode.Slot(list, .list(entries))])
    }
  }

  /// The configuration as a data tree.
  var root: InteriorNode {
    get throws {
      var slots: [InteriorNode.Slot] = []
      for var node in [
        try policies.interiorNode(schema: productSchema), try device.interiorNode(schema: productSchema),
        try chains.interiorNode(schema: productSchema), try interfaceNode,
        try sks.interiorNode(schema: productSchema), try settings.interiorNode(schema: productSchema),
      ] where !node.isEmpty {
        while let parent = node.schema.dataParent, parent.kind != .root {
          node = InteriorNode(schema: parent, slots: [InteriorNode.Slot(node.schema, .container(node))])
        }
        slots.append(InteriorNode.Slot(node.schema, .container(node)))
      }
      return InteriorNode(schema: productSchema.root, slots: slots.sorted { $0.position < $1.position })
    }
  }
}

/// A key for MACsec with its secret sealed.
func keyModel(_ sealer: Sealer, ckn: String, cak: String, is128: Bool = false, year: UInt32 = 2020) throws -> KeyModel {
  KeyModel(
    ckn: ckn,
    keyString: .init(
      password: try sealer.seal(SecretBytes(copying: Array(cak.utf8))),
      cryptographicAlgorithm: is128 ? .aes128Cmac : .aes256Cmac),
    lifetime: .init(
      startTime: .init(hour: 0, minute: 0, second: 0, month: .january, dayOfMonth: 1, year: year), infinite: .init()))
}

let cakOfTests = String(repeating: "0123456789abcdef", count: 4)

/// A backend with a link, a SecY that records, and what the two say.
final class AgentFixture: Sendable {
  struct Filters: Sendable { var links: [String: ParentGuard] = [:] }

  let backend: MACsecBackend
  let sealer: Sealer
  let bus = EventBus()
  let events: EventSubscription
  let secYs = Mutex<[String: RecordingSecY]>([:])
  let filters = Mutex(Filters())
  let ports = PortDirectory()
  private let running = Mutex(InteriorNode(schema: productSchema.root))

  /// - Parameters:
  ///   - wires: the sockets of links, taken when a port opens them.
  ///   - secYs: those of an agent that has ended.
  init(
    wires: @escaping @Sendable (String) -> Int32, lldp: (@Sendable (String) -> Int32)? = nil, sealer: Sealer? = nil,
    keys: (any KeyService)? = nil,
    directory: String? = nil, secYs: [String: RecordingSecY] = [:], capability: SecYCapability? = nil,
    kind: SecYKind = .userspace, onSecY: @escaping @Sendable (_ isThere: Bool) -> Void = { _ in },
    link: @escaping @Sendable (UInt32) throws(NetlinkError) -> Link? = { _ in nil },
    setLink: @escaping @Sendable (UInt32, LinkSettings) throws(NetlinkError) -> Void = { _, _ in }
  ) throws {
    self.sealer = try sealer ?? Sealer(try MasterKey())
    self.secYs.withLock { $0 = secYs }
    events = bus.subscribe {}
    let known = UncheckedFixture(kind, onSecY)
    let all = SecYCapability(
      cipherSuites: Set(CipherSuite.allCases), confidentialityOffsets: Set(ConfidentialityOffset.allCases),
      maximumVLANTagsInClear: 2)
    backend = try MACsecBackend(
      schema: productSchema, sealer: self.sealer, events: bus, keys: keys, ports: ports,
      environment: PortEnvironment(
        openSocket: { link in WireSocket(wires(link.name)) },
        makeSecY: { request throws(SecYError) in try known.secY(request) },
        capability: { $0 == .kernel && kind != .kernel ? nil : capability ?? all },
        guardParent: { parent, rule in known.guardParent(parent, rule) }, link: link, setLink: setLink,
        openLLDPSocket: { link throws(MKAError) in
          guard let lldp else { throw MKAError(.system, "this test has no LLDP") }
          return WireSocket(lldp(link.name))
        }),
      directory: directory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    known.fixture.withLock { $0 = Weak(self) }
  }

  deinit { backend.shutdown() }

  private struct Weak: Sendable {
    weak var fixture: AgentFixture?
    init(_ fixture: AgentFixture) { self.fixture = fixture }
  }

  /// Breaks the circle between the fixture and its backend.
  private final class UncheckedFixture: Sendable {
    let fixture = Mutex<Weak?>(nil)
    let kind: SecYKind

    let onSecY: @Sendable (Bool) -> Void

    init(_ kind: SecYKind, _ onSecY: @escaping @Sendable (Bool) -> Void) {
      self.kind = kind
      self.onSecY = onSecY
    }

    func secY(_ request: SecYRequest) throws(SecYError) -> any SecY {
      guard let owner = fixture.withLock({ $0?.fixture }) else { throw SecYError(.absent, "the test is over") }
      return owner.secYs.withLock { secYs in
        if let known = secYs[request.parent.name],
          known.sci == request.sci || known.held.withLock({ $0.isOpen })
        {
          return known
        }
        let made = RecordingSecY(
          name: ControlledPortName.of(parent: request.parent.name, index: request.parent.index), sci: request.sci,
          kind: kind, onChange: onSecY)
        secYs[request.parent.name] = made
        return made
      }
    }

    func guardParent(_ parent: String, _ rule: ParentGuard) {
      fixture.withLock { $0?.fixture }?.filters.withLock { $0.links[parent] = rule == .open ? nil : rule }
    }
  }

  func changes(to configuration: ConfigurationFixture) throws -> ChangeSet {
    ChangeSet(
      subscriptions: backend.subscriptions, from: running.withLock { $0 }, to: try configuration.root,
      schema: productSchema)
  }

  /// The refusals of a change, each as its path and reason.
  func refusals(_ configuration: ConfigurationFixture) throws -> [String] {
    func text(_ step: InstancePath.Step) -> String {
      "/\(step.schema.name)" + step.keys.map { if case .string(let key) = $0 { "[\(key)]" } else { "[?]" } }.joined()
    }
    return backend.prepare(try changes(to: configuration)).map { refusal in
      refusal.path.steps.map(text).joined() + ": \(refusal.reason)"
    }
  }

  /// Commits a configuration that must not be refused.
  func commit(_ configuration: ConfigurationFixture, sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
    let changes = try changes(to: configuration)
    let refusals = backend.prepare(changes)
    #expect(refusals.isEmpty, "\(refusals.map { "\($0.path): \($0.reason)" })", sourceLocation: sourceLocation)
    backend.apply(changes)
    running.withLock { $0 = changes.newRoot }
  }

  func setLink(_ name: String, number: UInt8, isUp: Bool = true, index: UInt32? = nil) {
    var link = Link(
      index: index ?? UInt32(number), name: name, flags: isUp ? [.up, .lowerUp] : [],
      operationalState: isUp ? .up : .down, mtu: 1_500, hardwareAddress: [2, 0, 0, 0, 0, number])
    link.hardwareType = 1
    backend.links([name: link])
  }

  /// Links eth0, eth1 and so on, all up.
  func setLinks(count: Int) {
    var links: [String: Link] = [:]
    for number in 0..<count {
      var link = Link(
        index: UInt32(number + 1), name: "eth\(number)", flags: [.up, .lowerUp], operationalState: .up, mtu: 1_500,
        hardwareAddress: [2, 0, 0, 1, UInt8(number >> 8), UInt8(number & 255)])
      link.hardwareType = 1
      links[link.name] = link
    }
    backend.links(links)
  }

  /// The entries of a list of operational state.
  func state<Entry: TreeRepresentable>(_ type: Entry.Type, key: String? = nil) throws -> [Entry] {
    let schema = try #require(productSchema.node(at: Entry.schemaPath))
    let request = OperationalRequest(path: Entry.schemaPath, schema: schema, keys: key.map { [.string($0)] })
    return try backend.operational(request).map { try Entry($0) }
  }

  func port(_ name: String = "eth0") throws -> PortStateModel? {
    try state(AgentdMACsec.MACsecState.self).first?.port[key: name]
  }

  func secY(_ link: String = "eth0") -> RecordingSecY? { secYs.withLock { $0[link] } }

  /// The events told so far, by their names.
  func eventNames() throws -> [String] {
    var names: [String] = []
    while let event = events.next() { names.append(try AgentdMACsec.MKAEvent(event.content).event.rawValue) }
    return names
  }
}

/// Waits until something holds, at most ten seconds.
func wait(
  _ what: String, sourceLocation: Testing.SourceLocation = #_sourceLocation, until condition: () throws -> Bool
) async throws {
  for _ in 0..<1_000 {
    if try condition() { return }
    try await Task.sleep(for: .milliseconds(10))
  }
  Issue.record("not reached: \(what)", sourceLocation: sourceLocation)
}

/// Two agents, each with the link eth0, joined by a wire.
struct Lab {
  let first: AgentFixture
  let second: AgentFixture

  init(keys: [(any KeyService)?] = [nil, nil]) throws {
    let (wire, lldp) = (try Self.wire(), try Self.wire())
    first = try AgentFixture(wires: { _ in dup(wire.0) }, lldp: { _ in dup(lldp.0) }, keys: keys[0])
    second = try AgentFixture(wires: { _ in dup(wire.1) }, lldp: { _ in dup(lldp.1) }, keys: keys[1])
  }

  private static func wire() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &ends) == 0)
    return (ends[0], ends[1])
  }

  func setLinks() {
    first.setLink("eth0", number: 1)
    second.setLink("eth0", number: 2)
  }

  /// Both protect with the same SAK.
  var isSecured: Bool {
    guard let one = first.secY(), let other = second.secY(), let key = one.transmitting else { return false }
    return key == other.transmitting && one.status == .protected && other.status == .protected
  }
}
