// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Glibc
import Models
@testable import Netlink
import NetlinkTestSupport
import Testing
import YANG

@testable import Interfaces

/// The product's own modules, compiled as the agent does.
private let productSchema: Schema = {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../yang")
  do { return try Schema.compile(directory: folder.standardizedFileURL.path).schema } catch { fatalError("\(error)") }
}()

/// The backend's doors in a network namespace of its own.
@Suite(.enabled(if: NetworkNamespace.isPermitted, "needs CAP_SYS_ADMIN and CAP_NET_ADMIN for network namespaces"))
struct BackendTests {
  /// A configuration as far as the backend looks at it.
  private struct Configuration {
    var interfaces: [InterfaceModel] = []
    var mappings: [(String, String)] = []

    var root: InteriorNode {
      get throws {
        var slots: [InteriorNode.Slot] = []
        var mapping = AgentdInterfaces.InterfacesMapping()
        for (name, link) in mappings { mapping.interfaceMapping.set(.init(xrName: name, linuxName: link)) }
        let node = try mapping.interiorNode(schema: productSchema)
        if !node.isEmpty { slots.append(.init(node.schema, .container(node))) }
        let list = try #require(productSchema.node(at: "/Cisco-IOS-XR-um-interface-cfg:interfaces/interface"))
        let above = try #require(list.dataParent)
        if !interfaces.isEmpty {
          let entries = ListEntries(schema: list).setting(interfaces.map { $0.interiorNode(list) })
          slots.append(
            .init(above, .container(InteriorNode(schema: above, slots: [.init(list, .list(entries))]))))
        }
        return InteriorNode(schema: productSchema.root, slots: slots.sorted { $0.position < $1.position })
      }
    }
  }

  /// A backend and what it was given last.
  private final class Fixture {
    let ports = PortDirectory()
    let watcher: LinkWatcher
    let backend: InterfacesBackend
    private var running = InteriorNode(schema: productSchema.root)

    init() throws {
      watcher = try LinkWatcher()
      backend = try InterfacesBackend(schema: productSchema, ports: ports, watcher: watcher, events: EventBus())
    }

    func stop() {
      backend.shutdown()
      watcher.stop()
    }

    func changes(_ configuration: Configuration) throws -> ChangeSet {
      ChangeSet(
        subscriptions: backend.subscriptions, from: running, to: try configuration.root, schema: productSchema)
    }

    func commit(_ configuration: Configuration) throws {
      let changes = try changes(configuration)
      let refusals = backend.prepare(changes)
      #expect(refusals.isEmpty, "\(refusals)")
      backend.apply(changes)
      running = changes.newRoot
    }

    func addresses(_ link: String) -> [String] {
      guard let found = try? RTNetlink.link(named: link) else { return [] }
      return ((try? RTNetlink.addresses(of: found)) ?? []).filter { $0.scope != .link }.compactMap(\.text)
    }

    /// Whether the addresses of a link become these.
    func becomes(_ link: String, _ wanted: [String]) -> Bool { waits { self.addresses(link) == wanted } }

    func waits(_ isSo: () -> Bool) -> Bool {
      for _ in 0..<1000 {
        if isSo() { return true }
        usleep(10_000)
      }
      return false
    }

    func state(_ name: String) throws -> AgentdInterfaces.InterfacesState.InterfaceState? {
      let list = try #require(productSchema.node(at: AgentdInterfaces.InterfacesState.InterfaceState.schemaPath))
      return try backend.operational(
        OperationalRequest(path: list.path, schema: list, keys: [.string(name)])
      ).next().map { try AgentdInterfaces.InterfacesState.InterfaceState($0) }
    }
  }

  private static func interface(_ name: String, _ address: String) -> InterfaceModel {
    var model = InterfaceModel(interfaceName: name)
    model.ipv4.addresses.address = .init(address: address, netmask: "255.255.255.0")
    return model
  }

  @Test func itsPathsAreThoseOfTheModels() async throws {
    try await NetworkNamespace.run {
      let fixture = try Fixture()
      defer { fixture.stop() }
      let registry = BackendRegistry([fixture.backend], schema: productSchema)
      #expect(registry.mistakes().isEmpty, "\(registry.mistakes())")
      #expect(!registry.unprovidedPaths().contains { $0.contains("agentd-interfaces") })
    }
  }

  @Test func carriesOutWhatIsCommitted() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "right")))
      let fixture = try Fixture()
      defer { fixture.stop() }
      try fixture.commit(Configuration(interfaces: [Self.interface("left", "192.0.2.1")]))
      #expect(fixture.becomes("left", ["192.0.2.1/24"]))
      #expect(fixture.waits { (try? fixture.state("left"))??.configurationStatus == .applied })
      try fixture.commit(Configuration(interfaces: [Self.interface("left", "192.0.2.9")]))
      #expect(fixture.becomes("left", ["192.0.2.9/24"]))
      try fixture.commit(Configuration())
      #expect(fixture.becomes("left", []))
      #expect(try fixture.state("left") == nil)
    }
  }

  /// The address of a port with MACsec: nowhere, then on the controlled port, then back.
  @Test func addressesFollowTheCarrier() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "port", kind: .veth(peer: "far")))
      try RTNetlink.add(NewLink(name: "controlled", kind: .veth(peer: "tap")))
      let fixture = try Fixture()
      defer { fixture.stop() }
      var model = Self.interface("Te0", "192.0.2.1")
      model.mtu = 1500
      model.macsec.pskKeychain.keychainName = "keys"
      try fixture.commit(Configuration(interfaces: [model], mappings: [("Te0", "port")]))
      // Until something keeps frames in clear off the port it is not even set up.
      #expect(fixture.waits { (try? fixture.state("Te0"))??.configurationStatus == .pending })
      let index = try #require(try RTNetlink.link(named: "port")).index
      #expect(try RTNetlink.link(index: index)?.flags.contains(.up) == false && fixture.addresses("port") == [])
      fixture.ports.carry("Te0", on: .awaited)
      #expect(fixture.waits { (try? RTNetlink.link(index: index))??.flags.contains(.up) == true })
      #expect(fixture.addresses("port") == [])
      fixture.ports.carry("Te0", on: .link("controlled"))
      #expect(fixture.becomes("controlled", ["192.0.2.1/24"]))
      #expect(fixture.waits { (try? fixture.state("Te0"))??.configurationStatus == .applied })
      let state = try #require(try fixture.state("Te0"))
      #expect(state.layer3Link == "controlled" && state.linuxName == "port" && state.address.contains("192.0.2.1/24"))
      #expect(try RTNetlink.link(named: "controlled")?.mtu == 1468)
      fixture.ports.carry("Te0", on: .awaited)
      #expect(fixture.becomes("controlled", []) && fixture.addresses("port") == [])
      fixture.ports.carry("Te0", on: nil)
      #expect(fixture.becomes("port", ["192.0.2.1/24"]))
    }
  }

  @Test func routesLeaveByTheLinkWithTheAddresses() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "ipsec0", kind: .veth(peer: "far")))
      let fixture = try Fixture()
      defer { fixture.stop() }
      func routes() -> [String] {
        ((try? RTNetlink.routes(.ipv4)) ?? []).filter { $0.origin == LinkPlan.origin }.map(\.destination.description)
      }
      let links = KernelTunnelLinks(ports: fixture.ports)
      links.adopt("tunnel-ip1", link: "ipsec0")
      links.route([prefix("198.51.100.0/24"), prefix("203.0.113.0/25")], to: "tunnel-ip1")
      try fixture.commit(Configuration(interfaces: [Self.interface("tunnel-ip1", "172.16.0.1")]))
      #expect(fixture.becomes("ipsec0", ["172.16.0.1/24"]))
      #expect(fixture.waits { Set(routes()) == ["198.51.100.0/24", "203.0.113.0/25"] })
      // Routes that go with a link that is set down come back with it.
      let index = try #require(try RTNetlink.link(named: "ipsec0")).index
      try RTNetlink.set(link: index, LinkSettings(isUp: false))
      #expect(fixture.waits { Set(routes()) == ["198.51.100.0/24", "203.0.113.0/25"] })
      links.route([prefix("203.0.113.0/25")], to: "tunnel-ip1")
      #expect(fixture.waits { routes() == ["203.0.113.0/25"] })
      try links.remove("tunnel-ip1")
      #expect(fixture.becomes("ipsec0", []))
      #expect(fixture.waits { routes().isEmpty })
    }
  }

  @Test func straysAreLinksOfAgentsThatNobodyWants() {
    func link(_ name: String, _ kind: String?, group: UInt32) -> Link {
      Link(
        index: 1, name: name, flags: [], operationalState: .up, mtu: 1500, hardwareAddress: [], kind: kind, group: group
      )
    }
    let ours = KernelTunnelLinks.group
    let links = [
      link("tunnel-ip1", "xfrm", group: ours), link("tunnel-ip2", "xfrm", group: ours),
      link("tunnel-ip3", "xfrm", group: 0), link("dummy0", "dummy", group: ours), link("eth0", nil, group: 0),
    ]
    #expect(KernelTunnelLinks.strays(links, except: ["tunnel-ip1"]).map(\.name) == ["tunnel-ip2"])
  }

  @Test func oneLinkIsOneInterface() async throws {
    try await NetworkNamespace.run {
      let fixture = try Fixture()
      defer { fixture.stop() }
      let configuration = Configuration(
        interfaces: [Self.interface("Te0", "192.0.2.1"), Self.interface("left", "192.0.2.2")],
        mappings: [("Te0", "left")])
      let refusals = fixture.backend.prepare(try fixture.changes(configuration))
      #expect(refusals.count == 1 && refusals.first?.reason.contains("both the Linux link left") == true)
    }
  }
}
