// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Interfaces
import KeyService
import Models
import Netlink
import Secrets
import Synchronization
import Testing
import YANG

@testable import IPsec

/// A key service that has no keys, and knows who registered.
final class EmptyKeyService: KeyService {
  let clients = KeyClientRegistry()

  func register(_ client: KeyClient, profile: String) -> KeyClientRegistration {
    clients.register(client, profile: profile)
  }
  func capabilities(profile: String, deadline: Duration) async throws(KeyServiceError) -> KeyServiceCapabilities {
    throw .unknownProfile(profile)
  }
  func newKey(_ request: NewKeyRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    throw .unknownProfile(profile)
  }
  func key(_ request: KeyByIdentifierRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    throw .keyNotFound(request.identifier)
  }
  func entropy(_ request: EntropyRequest, profile: String) async throws(KeyServiceError) -> SecretBytes {
    throw .unknownProfile(profile)
  }
}

/// Links that are only written down.
final class NotedLinks: TunnelLinks {
  let hasXFRMInterfaces: Bool
  let made = Mutex<[String: UInt32]>([:])

  init(hasXFRMInterfaces: Bool) { self.hasXFRMInterfaces = hasXFRMInterfaces }

  func ensure(_ tunnel: String, identifier: UInt32, underlying: String?) throws(TunnelLinkError) -> String {
    made.withLock { $0[tunnel] = identifier }
    return tunnel
  }
  func adopt(_ tunnel: String, link: String) { made.withLock { $0[tunnel] = 0 } }
  let strays = Mutex<[Set<String>]>([])
  let routes = Mutex<[String: [AddressPrefix]]>([:])
  func route(_ destinations: [AddressPrefix], to tunnel: String) { routes.withLock { $0[tunnel] = destinations } }
  func removeStrays(except tunnels: Set<String>) throws(TunnelLinkError) { strays.withLock { $0.append(tunnels) } }
  func remove(_ tunnel: String) throws(TunnelLinkError) { made.withLock { $0[tunnel] = nil } }
}

@Suite struct BackendTests {
  private let sealer: Sealer
  private var fixture: ModelFixture
  private let service = EmptyKeyService()
  private let links = NotedLinks(hasXFRMInterfaces: true)

  init() throws {
    sealer = try Sealer(MasterKey())
    fixture = ModelFixture(sealer: sealer)
  }

  private func backend(_ charon: CharonChoice) -> IPsecBackend {
    IPsecBackend(
      schema: productSchema, sealer: sealer, events: EventBus(), service: service, ports: PortDirectory(), links: links,
      charon: charon)
  }

  private func refusals(_ backend: IPsecBackend, _ fixture: ModelFixture) throws -> [String] {
    backend.prepare(try fixture.changes()).map { "\($0.path): \($0.reason)" }
  }

  /// A socket that nobody serves.
  private let nowhere = CharonChoice.shared(socket: "/nonexistent/charon.vici")

  @Test mutating func allRefusalsComeTogetherWithTheirPlaces() async throws {
    try fixture.addTunnel()
    fixture.tunnels["tunnel-ip1"]?.model.protection.ipsec.profile = "missing"
    fixture.ipsec.transformSets.transformSet.set(
      TransformSetModel(transformSetName: "half", transform: .init(espAES: .init())))
    let backend = backend(nowhere)
    let refusals = try refusals(backend, fixture)
    #expect(refusals.count == 2, "\(refusals)")
    #expect(
      refusals.contains { $0.contains("interface-name='tunnel-ip1'") && $0.contains("profile: there is no IPsec") },
      "\(refusals)")
    #expect(refusals.contains { $0.contains("transform-set-name='half'") }, "\(refusals)")
    fixture.ikev2.referenceCheck = .warn
    #expect(try self.refusals(backend, fixture).count == 1)
    await backend.leave()
  }

  @Test mutating func withoutCharonTunnelsAreRefusedAndTheRestIsTaken() async throws {
    try fixture.addTunnel()
    for (choice, reason) in [
      (CharonChoice.none, "--charon none"),
      (.own(missingProgram), "charon is not installed (/nonexistent/charon; Debian: charon-systemd"),
    ] {
      let backend = backend(choice)
      let told = try refusals(backend, fixture)
      #expect(told.contains { $0.contains(reason) }, "\(told)")
      var shut = fixture
      shut.tunnels["tunnel-ip1"]?.isShutdown = true
      #expect(try self.refusals(backend, shut).isEmpty)
      await backend.leave()
    }
  }

  private var missingProgram: CharonSettings {
    var settings = CharonSettings(directory: "/nonexistent/charon-directory")
    settings.program = "/nonexistent/charon"
    return settings
  }

  @Test mutating func keyringPeersAreClientsOfTheKeyService() async throws {
    try fixture.addTunnel()
    var keyring = try #require(fixture.keyrings.keyring[key: "k1"])
    var peer = try #require(keyring.peers.peer[key: "init"])
    peer.ppk.dynamic.sksProfile = "kme"
    keyring.peers.peer.set(peer)
    fixture.keyrings.keyring.set(keyring)
    let backend = backend(nowhere)
    backend.apply(try fixture.changes())
    #expect(service.clients.clients(profile: "kme") == [KeyClient(kind: .keyringPeer, name: "k1/init")])
    let before = try fixture.root
    peer.ppk.dynamic.sksProfile = "other"
    keyring.peers.peer.set(peer)
    fixture.keyrings.keyring.set(keyring)
    backend.apply(try fixture.changes(from: before))
    #expect(service.clients.count(profile: "kme") == 0)
    #expect(service.clients.count(profile: "other") == 1)
    await backend.leave()
  }

  @Test mutating func tunnelsHaveLinksOfTheirNumbersAndLoseThemWhenTheyGo() async throws {
    try fixture.addTunnel(7)
    try fixture.addTunnel(8, destination: "10.10.10.2")
    let backend = backend(nowhere)
    backend.apply(try fixture.changes())
    #expect(await eventually { self.links.made.withLock { $0 } == ["tunnel-ip7": 7, "tunnel-ip8": 8] })
    let before = try fixture.root
    fixture.tunnels["tunnel-ip8"] = nil
    backend.apply(try fixture.changes(from: before))
    #expect(await eventually { self.links.made.withLock { $0 } == ["tunnel-ip7": 7] })
    await backend.leave()
    #expect(links.made.withLock { $0 } == ["tunnel-ip7": 7], "an agent that ends leaves links as they are")
  }

  @Test mutating func linksOfAnEarlierAgentAreSweptOnceAtTheStart() async throws {
    try fixture.addTunnel(7)
    let backend = backend(nowhere)
    backend.apply(try fixture.changes())
    #expect(await eventually { self.links.strays.withLock { $0 } == [["tunnel-ip7"]] })
    let before = try fixture.root
    try fixture.addTunnel(8, destination: "10.10.10.2")
    backend.apply(try fixture.changes(from: before))
    #expect(await eventually { self.links.made.withLock { $0.count } == 2 })
    #expect(links.strays.withLock { $0.count } == 1)
    await backend.leave()
  }

  @Test(arguments: [
    (["10.2.0.0/24", "10.3.0.1/32"], ["10.2.0.0/24", "10.3.0.1/32"]), (["0.0.0.0/0"], []),
    (["10.2.0.0/24[tcp/80]", "10.2.0.0..10.2.0.9", "2001:db8::/32", "10.0.0.0/33", "x/8", "10.0.0.0", ""], []),
    (["10.2.0.0/24", "10.2.0.0/24"], ["10.2.0.0/24"]),
  ])
  func whatTheFarEndProtectsBecomesRoutes(selectors: [String], destinations: [String]) {
    #expect(ReverseRoutes.destinations(selectors).map(\.description) == destinations)
  }

  @Test(arguments: [
    ("the far end refuses our authentication", "authentication"),
    ("the far end has another preshared key, or another PPK", "authentication"),
    ("a PPK is required and the far end does not use PPKs", "ppk"),
    ("no PPK from SKS profile 'x': the key management entity was not reached", "ppk"),
    ("the far end accepts none of our proposals", "proposal"), ("the far end does not answer", "no-answer"),
    ("something else", "other"),
  ])
  func failuresAreOfAKind(reason: String, kind: String) {
    #expect(TunnelNotifications.kind(reason).rawValue == kind)
  }

  @Test func noticesBecomeNotificationsOfTheModel() throws {
    let notifications = TunnelNotifications(productSchema)
    let notices: [(TunnelKeeper.Notice, String?)] = [
      (.down(tunnel: "tunnel-ip1", reason: "r"), "tunnel-down"),
      (.negotiationFailed(tunnel: "tunnel-ip1", reason: "r", count: 3), "negotiation-failed"),
      (.ppkFallback(tunnel: "tunnel-ip1"), "ppk-fallback"),
      (.ppkFetchFailed(tunnel: "tunnel-ip1", reason: "r"), "ppk-fetch-failed"), (.convergenceFailed("r"), nil),
      (.ppkRenewalFailed(tunnel: "tunnel-ip1", reason: "r", count: 2), "ppk-renewal-failed"),
      (.ppkAged(tunnel: "tunnel-ip1", .seconds(90), isExhausted: true), "ppk-age-alarm"),
      (.protected(tunnel: "tunnel-ip1", ["10.0.0.0/8"]), nil),
    ]
    for (notice, name) in notices {
      let event = notifications.event(notice)
      #expect(event?.schema.name == name)
      if let event { #expect(event.content.leaf("interface-name") == .string("tunnel-ip1")) }
    }
  }

  @Test mutating func whatCharonTellsIsServed() async throws {
    try fixture.addTunnel()
    let directory = TestDirectory()
    let charon = try FakeCharon(path: directory.path + "/vici", tunnels: 2) { _ in .default }
    defer { charon.stop() }
    let backend = backend(.shared(socket: charon.path))
    #expect(Set(backend.refreshedPaths).isSubset(of: backend.operationalPaths))
    for path in backend.operationalPaths { #expect(productSchema.node(at: path) != nil, "\(path)") }
    func shown<T: TreeRepresentable>(_ path: String, _ type: T.Type) async throws -> [T] {
      await backend.refresh(Set(backend.refreshedPaths))
      let request = OperationalRequest(path: path, schema: try #require(productSchema.node(at: path)), keys: nil)
      return try Array(backend.operational(request)).map { try T($0) }
    }
    let tunnels = IPsecOperationalView.Paths.tunnel
    #expect(try await shown(tunnels, TunnelStateModel.self).isEmpty)
    backend.apply(try fixture.changes())
    #expect(
      await eventually { (try? await shown(IPsecOperationalView.Paths.session, SessionModel.self).count) == 2 })
    let tunnel = try #require(try await shown(tunnels, TunnelStateModel.self).first)
    #expect(tunnel.name == "tunnel-ip1")
    #expect(tunnel.status == .up)
    #expect(tunnel.traffic.inOctets == 100)
    await backend.leave()
  }
}
