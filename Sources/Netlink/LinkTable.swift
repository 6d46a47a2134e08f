// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What happened to a link or its addresses.
public enum LinkEvent: Sendable, Hashable {
  case appeared(Link)
  /// Renamed, set up or down, or with another state, MTU, MAC address, master…
  case changed(from: Link, to: Link)
  case vanished(Link)
  case addressAdded(LinkAddress)
  case addressRemoved(LinkAddress)

  /// The index of the link that it is about.
  public var link: UInt32 {
    switch self {
    case .appeared(let link), .vanished(let link): link.index
    case .changed(_, let link): link.index
    case .addressAdded(let address), .addressRemoved(let address): address.link
    }
  }
}

/// All links and addresses of a network namespace, kept up by the kernel's messages. A value without I/O: messages go
/// in, what they changed comes out.
///
/// Messages may be lost when they come faster than they are read; then the tables are read anew and `resynchronize`
/// finds the difference, so that every change is told, if not every step of it.
public struct LinkTable: Sendable {
  /// By index.
  public private(set) var links: [UInt32: Link] = [:]
  private var addresses: [UInt32: [LinkAddress]] = [:]

  public init() {}

  /// The link of a name.
  public func link(named name: String) -> Link? { links.values.first { $0.name == name } }

  /// The addresses of a link in the order in which they were told.
  public func addresses(ofLink index: UInt32) -> [LinkAddress] { addresses[index] ?? [] }

  /// Takes a message of the groups for links and addresses; others change nothing.
  mutating func take(_ message: NetlinkMessage) throws(NetlinkError) -> [LinkEvent] {
    typealias MessageType = RouteMessages.MessageType
    switch message.type {
    case MessageType.newLink:
      guard let link = try RouteMessages.link(payload: message.payload) else { return [] }
      return set(link)
    case MessageType.deleteLink:
      guard let link = try RouteMessages.link(payload: message.payload) else { return [] }
      return remove(link.index)
    case MessageType.newAddress:
      guard let address = try RouteMessages.address(payload: message.payload) else { return [] }
      return set(address)
    case MessageType.deleteAddress:
      guard let address = try RouteMessages.address(payload: message.payload) else { return [] }
      return remove(address)
    default: return []
    }
  }

  /// Takes whole tables in the place of what is known.
  mutating func resynchronize(links: [Link], addresses: [LinkAddress]) -> [LinkEvent] {
    var events: [LinkEvent] = []
    let present = Set(links.map(\.index))
    for index in self.links.keys.sorted() where !present.contains(index) { events += remove(index) }
    for link in links { events += set(link) }
    let held = Dictionary(grouping: addresses, by: \.link)
    for index in self.addresses.keys.sorted() {
      let now = Set((held[index] ?? []).map(Identity.init))
      for address in self.addresses[index] ?? [] where !now.contains(Identity(address)) { events += remove(address) }
    }
    for address in addresses { events += set(address) }
    return events
  }

  /// What makes an address another one, and not the same in another state.
  private struct Identity: Hashable {
    let bytes: [UInt8]
    let prefixLength: UInt8
    init(_ address: LinkAddress) {
      bytes = address.bytes
      prefixLength = address.prefixLength
    }
  }

  private mutating func set(_ link: Link) -> [LinkEvent] {
    guard let old = links.updateValue(link, forKey: link.index) else { return [.appeared(link)] }
    return old == link ? [] : [.changed(from: old, to: link)]
  }

  private mutating func remove(_ index: UInt32) -> [LinkEvent] {
    var events = (addresses.removeValue(forKey: index) ?? []).map { LinkEvent.addressRemoved($0) }
    if let link = links.removeValue(forKey: index) { events.append(.vanished(link)) }
    return events
  }

  private mutating func set(_ address: LinkAddress) -> [LinkEvent] {
    var held = addresses[address.link] ?? []
    if let place = held.firstIndex(where: { Identity($0) == Identity(address) }) {
      guard held[place] != address else { return [] }
      held[place] = address
    } else {
      held.append(address)
    }
    addresses[address.link] = held
    return [.addressAdded(address)]
  }

  private mutating func remove(_ address: LinkAddress) -> [LinkEvent] {
    guard let place = addresses[address.link]?.firstIndex(where: { Identity($0) == Identity(address) }) else {
      return []
    }
    return addresses[address.link]?.remove(at: place) == nil ? [] : [.addressRemoved(address)]
  }
}
