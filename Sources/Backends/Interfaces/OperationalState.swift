// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models
import Netlink

/// The state of an interface in the terms of agentd-interfaces.
struct InterfaceState {
  typealias Model = AgentdInterfaces.InterfacesState.InterfaceState
  typealias OperStatus = AgentdInterfaces.OperStatus

  /// Where facts about links come from.
  enum Source {
    /// Asked for each link: for one interface.
    case kernel
    /// Read before: for many.
    case tables(links: [String: Link], addresses: [UInt32: [LinkAddress]], statistics: [UInt32: LinkStatistics])

    /// All tables of the kernel, which then are asked no more. Of those that cannot be read nothing is known.
    static func reading() -> Source {
      let links = (try? RTNetlink.links()) ?? []
      return .tables(
        links: Dictionary(links.map { ($0.name, $0) }) { first, _ in first },
        addresses: Dictionary(grouping: (try? RTNetlink.addresses()) ?? [], by: \.link),
        statistics: (try? RTNetlink.statistics()) ?? [:])
    }

    /// A link that cannot be looked at is as good as none.
    func link(_ name: String) -> Link? {
      switch self {
      case .kernel: try? RTNetlink.link(named: name)
      case .tables(let links, _, _): links[name]
      }
    }

    func addresses(_ index: UInt32) -> [LinkAddress] {
      switch self {
      case .kernel: (try? RTNetlink.addresses(ofLink: index)) ?? []
      case .tables(_, let addresses, _): addresses[index] ?? []
      }
    }

    func statistics(_ index: UInt32) -> LinkStatistics? {
      switch self {
      case .kernel: try? RTNetlink.statistics(ofLink: index)
      case .tables(_, _, let statistics): statistics[index]
      }
    }
  }

  let source: Source
  let ports: PortDirectory

  /// - Parameter status: how far its configuration is; nil when it has none.
  func model(of name: String, status: Converger.Status?) -> Model {
    let linkName = ports.linkName(of: name)
    let carrierName = ports.layer3Link(of: name)
    // A tunnel's device can be the only link that an interface has.
    let own = source.link(linkName)
    let carrier = carrierName.flatMap { $0 == linkName ? own : source.link($0) }
    var model = Model(
      xrName: name, linuxName: Self.isLinkName(linkName) ? linkName : nil, operStatus: .notPresent)
    if let carrierName, carrierName != linkName { model.layer3Link = carrierName }
    if let link = own ?? carrier {
      let isUp = link.flags.contains(.up)
      model.ifIndex = link.index
      model.operStatus = Self.operStatus(link)
      model.adminStatus = isUp ? .up : .down
      model.macAddress = Self.hexadecimal(link.hardwareAddress)
      model.mtu = link.mtu
      model.description = link.alias
    }
    if let carrier {
      model.address = source.addresses(carrier.index).compactMap(\.text)
    }
    if let statistics = (carrier ?? own).flatMap({ source.statistics($0.index) }) { count(statistics, &model) }
    if let status {
      model.configurationStatus =
        switch status.stage {
        case .applied: .applied
        case .pending: .pending
        case .failed: .failed
        }
      var seen: Set<String> = []
      model.problem = status.problems.filter { seen.insert($0).inserted }
    }
    return model
  }

  private func count(_ statistics: LinkStatistics, _ model: inout Model) {
    model.counters.inOctets = statistics.receivedBytes
    model.counters.inPackets = statistics.receivedPackets
    model.counters.inMulticastPackets = statistics.receivedMulticastPackets
    model.counters.inErrors = statistics.receiveErrors
    model.counters.inDiscards = statistics.receiveDrops
    model.counters.outOctets = statistics.sentBytes
    model.counters.outPackets = statistics.sentPackets
    model.counters.outErrors = statistics.sendErrors
    model.counters.outDiscards = statistics.sendDrops
  }

  /// A link that does not say, such as the loopback, is up when its administrator says so.
  static func operStatus(_ link: Link?) -> OperStatus {
    guard let link else { return .notPresent }
    let isUp = link.flags.contains(.up)
    return link.operationalState == .up || link.operationalState == .unknown && isUp ? .up : .down
  }

  /// Whether the kernel could have a link of that name; those of IOS XR with slots cannot be.
  static func isLinkName(_ name: String) -> Bool {
    (1...15).contains(name.utf8.count) && !name.contains { $0 == "/" || $0 == ":" || $0.isWhitespace }
  }

  /// The form of ietf-yang-types' mac-address; nil for a link without one.
  private static func hexadecimal(_ bytes: [UInt8]) -> String? {
    guard bytes.count == 6 else { return nil }
    return bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: ":")
  }
}
