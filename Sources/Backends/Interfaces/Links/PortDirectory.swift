// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink
import Synchronization

/// Which Linux links stand for an interface of the configuration: the one that it is (by the mapping of
/// agentd-interfaces, else the one of its own name), and the one that carries its layer 3.
///
/// The two differ where a protocol puts a link of its own on top: the addresses of an interface with MACsec are on the
/// controlled port, those of a tunnel of charon's userspace data plane on its TUN device. Whoever makes such a link
/// says so here; the backend of interfaces then moves the addresses. Names are case-sensitive.
public final class PortDirectory: Sendable {
  /// Where the layer 3 of an interface is.
  public enum Carrier: Sendable, Hashable {
    /// On this link, once there is one of that name, which runs on the interface's own (the controlled port of
    /// MACsec): packets become by so many bytes longer on the way down.
    case link(String, overhead: UInt32 = 32)
    /// On a bond, of which this link is a member in the place of the interface's own, which it runs on. The own link
    /// needs an MTU of at least so many bytes.
    case member(String, leastMTU: UInt32)
    /// On this device, once there is one of that name, in the place of a link of the interface's own.
    case device(String)
    /// On a link that is yet to be made: nowhere until then, not on the interface itself.
    case awaited

    /// The link or device; nil while it is awaited.
    public var linkName: String? {
      switch self {
      case .link(let name, _), .member(let name, _), .device(let name): name
      case .awaited: nil
      }
    }
  }

  private struct State {
    var linkNames: [String: String] = [:]
    var interfaces: [String: String] = [:]
    var carriers: [String: Carrier] = [:]
    /// The interfaces of which somebody has said who carries them, be it themselves.
    var settled: Set<String> = []
    var routes: [String: [AddressPrefix]] = [:]
    var onChange: (@Sendable (Set<String>) -> Void)?
    var observers: [@Sendable (Set<String>) -> Void] = []
  }
  private let state = Mutex(State())

  public init() {}

  /// The Linux link that an interface is. It need not exist.
  public func linkName(of interface: String) -> String { state.withLock { $0.linkNames[interface] ?? interface } }

  /// The interface that a Linux link is: the one that is mapped to it, else the one of its own name.
  public func interface(ofLink name: String) -> String { state.withLock { $0.interfaces[name] ?? name } }

  /// The link that has an interface's addresses; nil while it is awaited.
  public func layer3Link(of interface: String) -> String? {
    state.withLock { state in
      if let carrier = state.carriers[interface] { return carrier.linkName }
      return state.linkNames[interface] ?? interface
    }
  }

  /// Where layer 3 is, if it is not on the interface's own link.
  public func carrier(of interface: String) -> Carrier? { state.withLock { $0.carriers[interface] } }

  /// Says which link carries the layer 3 of an interface; nil gives it back to the interface's own link.
  public func carry(_ interface: String, on carrier: Carrier?) {
    change { state in
      guard state.settled.insert(interface).inserted || state.carriers[interface] != carrier else { return [] }
      state.carriers[interface] = carrier
      return [interface]
    }
  }

  /// Whether `carry` has been called for an interface. Until then one that is to be protected gets no address.
  public func isSettled(_ interface: String) -> Bool { state.withLock { $0.settled.contains(interface) } }

  /// The destinations that are routed to an interface besides its own subnets.
  public func routes(of interface: String) -> [AddressPrefix] { state.withLock { $0.routes[interface] ?? [] } }

  /// Says which destinations are routed to an interface besides its own subnets.
  public func route(_ destinations: [AddressPrefix], to interface: String) {
    change { state in
      guard state.routes[interface] ?? [] != destinations else { return [] }
      state.routes[interface] = destinations.isEmpty ? nil : destinations
      return [interface]
    }
  }

  /// Takes the configured mapping: of interfaces to links.
  func map(_ linkNames: [String: String]) {
    change { state in
      let names = Set(linkNames.keys).union(state.linkNames.keys)
      let changed = names.filter { linkNames[$0] != state.linkNames[$0] }
      guard !changed.isEmpty else { return [] }
      state.linkNames = linkNames
      // Of several interfaces on one link, the first by name.
      state.interfaces = Dictionary(linkNames.map { ($0.value, $0.key) }, uniquingKeysWith: min)
      return changed
    }
  }

  /// Calls back after each change with the interfaces that it concerns, on the thread that made it.
  func onChange(_ call: @escaping @Sendable (_ interfaces: Set<String>) -> Void) {
    state.withLock { $0.onChange = call }
  }

  /// The same for others who follow where interfaces are, for as long as this directory lives. It must not wait.
  public func observe(_ call: @escaping @Sendable (_ interfaces: Set<String>) -> Void) {
    state.withLock { $0.observers.append(call) }
  }

  private func change(_ body: (inout State) -> Set<String>) {
    let (interfaces, call, observers) = state.withLock { state in (body(&state), state.onChange, state.observers) }
    guard !interfaces.isEmpty else { return }
    call?(interfaces)
    for observer in observers { observer(interfaces) }
  }
}
