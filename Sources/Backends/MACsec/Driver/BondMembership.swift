// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink

/// How an interface with MACsec is a member of a Linux bond: by its controlled port, in the place of its link.
///
/// Linux has it no other way: the kernel's MACsec and a bond both want all frames of the link. So a link that is found
/// in a bond is taken out of it, the controlled port goes in, and the link goes back when MACsec is taken off it. A
/// member that may not pass frames is set down, which is what bonds look at. Without I/O: what the system tells of the
/// links goes in, what is to be changed comes out.
struct BondMembership: Sendable, Hashable {
  /// A change of the link with this index.
  struct Step: Sendable, Hashable {
    var link: UInt32
    var settings: LinkSettings
    init(_ link: UInt32, _ settings: LinkSettings) {
      self.link = link
      self.settings = settings
    }
  }

  /// What MACsec adds to a frame.
  static let overhead: UInt32 = 32

  /// The name of the bond that the interface belongs to.
  private(set) var bond: String?
  /// The interface's own link is in it, not its controlled port.
  private(set) var isParentMember = false
  /// The link was taken out of the bond, so it is to go back.
  private(set) var hasLeft = false
  private var member: UInt32?

  /// - Parameter bond: of which an earlier process knew.
  init(bond: String? = nil) {
    self.bond = bond
    hasLeft = bond != nil
  }

  /// Takes what the system says now.
  ///
  /// - Parameter bond: the master of either link, if that is a bond; else the bond that is remembered, if it is there.
  mutating func see(parent: Link?, controlled: Link?, bond: Link?) {
    let wasParentMember = isParentMember
    isParentMember = bond != nil && parent?.master == bond?.index
    let isMember = bond != nil && controlled != nil && controlled?.master == bond?.index
    if isParentMember || isMember {
      self.bond = bond?.name
      // A link that still seems to be in it may be what was told before it left.
      hasLeft = hasLeft || isMember
    } else if wasParentMember, !hasLeft {
      // Somebody took the link out of the bond.
      self.bond = nil
    } else if let controlled, controlled.index == member {
      // Somebody took the controlled port out of it; a new one was never in it.
      self.bond = nil
      hasLeft = false
    }
    if isMember { member = controlled?.index } else if controlled?.index == member { member = nil }
  }

  /// Takes the link out of the bond. The kernel then gives it its own address again and sets it down.
  mutating func leave(parent: Link) -> [Step] {
    hasLeft = true
    var steps = [Step(parent.index, LinkSettings(master: 0))]
    if parent.flags.contains(.up) { steps.append(Step(parent.index, LinkSettings(isUp: true))) }
    return steps
  }

  /// Makes the controlled port the member, which is up while it may pass frames.
  ///
  /// - Parameters:
  ///   - isOpen: it may pass frames; nil where the port's carrier tells by itself.
  func join(parent: Link, controlled: Link, bond: Link, isOpen: Bool?) -> [Step] {
    guard self.bond == bond.name, !isParentMember, parent.flags.contains(.up) else { return [] }
    let isMember = controlled.master == bond.index
    var steps: [Step] = []
    if !isMember {
      steps.append(Step(controlled.index, LinkSettings(isUp: false)))
      // The bond sets it up.
      steps.append(Step(controlled.index, LinkSettings(master: bond.index)))
    }
    if let isOpen, (isMember ? controlled.flags.contains(.up) : true) != isOpen {
      steps.append(Step(controlled.index, LinkSettings(isUp: isOpen)))
    }
    return steps
  }

  /// Gives the link back to the bond, after its controlled port is gone.
  mutating func giveBack(parent: Link, bond: Link) -> [Step] {
    guard hasLeft, self.bond == bond.name else { return [] }
    self = BondMembership()
    guard parent.master == nil else { return [] }
    return [Step(parent.index, LinkSettings(isUp: false)), Step(parent.index, LinkSettings(master: bond.index))]
  }
}

extension SecYRequest {
  /// Why the kernel's MACsec cannot be what is asked for as a member of that bond.
  var kernelRefusal: String? { BondMembership.kernelRefusal(bond, exceptions) }
}

extension BondMembership {
  /// Why a port of the kernel's MACsec cannot be a member of a bond; nil where it can, or there is none.
  static func kernelRefusal(_ bond: Link?, _ exceptions: ClearExceptions) -> String? {
    guard let bond else { return nil }
    if bond.bondMode?.needsSpeed == true {
      return
        "\(bond.name) uses members only that tell their speed (802.3ad, balance-tlb, balance-alb), which the kernel's "
        + "MACsec does not: it takes secyd, or another mode"
    }
    return exceptions.slowProtocols ? "LACP in clear on a member of \(bond.name) takes secyd" : nil
  }
}
