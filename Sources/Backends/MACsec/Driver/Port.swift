// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import MKA
import Netlink
import Secrets

/// One interface with MACsec: its KaY, its sockets and its SecY, as far as its link is there.
///
/// It carries out what the engine wants, and decides nothing about MKA. What takes long or concerns others comes out as
/// ``Output``. All calls are made by the driver's thread, or by readers that only look.
struct Port: Sendable {
  /// What the driver is to do for the port.
  enum Output: Sendable {
    case event(EngineEvent, isLogged: Bool)
    /// So many new SAKs since the last such line.
    case rekeySummary(Int)
    case ask(KeyRequest, KeyQuestion)
    /// Fetch a key for the buffer.
    case prefetch(remoteSystem: String?, KeyQuestion)
    /// Find out how the key service knows this system.
    case askSystem(profile: String)
    case bufferLow(level: Int)
    case bufferRestored
    case restarted(isResumed: Bool, reason: String?)
    case watch(any PortSocket)
    case unwatch(any PortSocket)
    /// Where layer 3 of the interface is.
    case carry(Carrier)
  }

  enum Carrier: Sendable, Hashable {
    case link(String)
    /// The controlled port is a member of a bond, for which the parent needs this MTU.
    case member(String, leastMTU: UInt32)
    case awaited
    case own
  }

  /// Whom a key is asked of, and for which life of the port.
  struct KeyQuestion: Sendable {
    var profile: String
    var generation: UInt64
    var timeout: Duration
    /// The size of a key that is fetched beforehand.
    var bits = KeyRequest.sizeInBits
  }

  /// A port whose link is there.
  struct Active: Sendable {
    var kay: KaY
    let link: Link
    let socket: any PortSocket
    let secY: any SecY
    var nextPoll: Duration
    var mark = 0
    var isKept = false
    var buffer = KeyBuffer()
    /// How the key service knows this system, once found out.
    var system: String?
    /// CAK mode: the exchange, its socket, the profile that it takes keys of, and what was kept of it last.
    var exchange: CAKExchange?
    var lldp: (any PortSocket)?
    var profile: String?
    var exchangeMark = 0
  }

  /// How long after a failure to open the SecY or socket the next attempt is made.
  static let retryInterval = Duration.seconds(5)
  /// How often what guards the parent link is looked after.
  static let guardCheckInterval = Duration.seconds(30)
  /// The most frames taken in one go, so that no port keeps others waiting.
  static let maximumFramesAtOnce = 64

  let name: String
  var settings: PortSettings
  var linkName: String
  var link: Link?
  var active: Active?
  /// Why it cannot be brought up.
  var problem: String?
  var retryAt: Duration?
  var restarts = PortStore.Restarts()
  var filter = EventFilter()
  var generation: UInt64 = 0
  var isRestored = false
  /// What the parent link lets pass, if it has been told.
  var guarded: Guarded?
  var guardProblem: String?
  var nextGuardCheck = Duration.zero
  /// CAK mode: the keys, while the port is down.
  var keptKeys: SecretBytes?
  /// Its controlled port, as the system tells of it.
  var controlled: Link?
  /// The bond that the link or its controlled port belongs to.
  var bond: Link?
  var membership = BondMembership()
  /// Whether it is known what an earlier process knew.
  var isBondRead = false
  var bondProblem: String?
  var nextBondTry = Duration.zero

  struct Guarded: Sendable, Hashable {
    var link: UInt32
    var name: String
    var rule: ParentGuard
  }

  init(name: String, settings: PortSettings, linkName: String) {
    self.name = name
    self.settings = settings
    self.linkName = linkName
  }

  /// When `run` is due.
  func due(now: Moment) -> Duration? {
    guard let active else { return retryAt }
    let hello = active.kay.nextTimeout(now: now)
    let exchange = active.exchange?.nextTimeout(now: now)
    return [hello, exchange, active.nextPoll, filter.summaryDue, active.buffer.retryAt].compactMap { $0 }.min()
  }

  // MARK: Up and down

  /// Brings the port to what its settings and its link ask for.
  mutating func converge(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard !settings.isShutDown else {
      problem = "MACsec is shut down on this device"
      takeDown(world, now: now, &outputs)
      keptKeys = nil
      openParent(world)
      returnToBond(world, now: now, &outputs)
      return outputs.append(.carry(.own))
    }
    guard let link, link.isEthernet, link.hardwareAddress.count == 6 else {
      problem = link == nil ? "there is no link \(linkName)" : "the link \(linkName) carries no Ethernet frames"
      takeDown(world, now: now, &outputs)
      return outputs.append(.carry(.awaited))
    }
    if let active,
      active.link.index != link.index || active.link.hardwareAddress != link.hardwareAddress
        || active.link.name != link.name
    {
      takeDown(world, now: now, &outputs)
    }
    if active?.secY.kind == .kernel, BondMembership.kernelRefusal(bond, settings.policy.exceptions) != nil {
      // It was put into a bond that it cannot be in.
      takeDown(world, now: now, &outputs)
    }
    let isGuarded = guardParent(link, world, now: now)
    if membership.isParentMember {
      outputs.append(.carry(.awaited))
      guard isGuarded || settings.policy.mka.securityPolicy == .shouldSecure else {
        retryAt = now.uptime + Self.retryInterval
        return
      }
      // The kernel tells when it has its own address again.
      return leaveBond(world, now: now)
    }
    if active == nil {
      outputs.append(.carry(.awaited))
      guard retryAt.map({ now.uptime >= $0 }) ?? true else { return }
      guard isGuarded || settings.policy.mka.securityPolicy == .shouldSecure else {
        retryAt = now.uptime + Self.retryInterval
        return
      }
      bringUp(link, world, now: now, &outputs)
    } else {
      let policy = enginePolicy
      active?.kay.setPolicy(policy, now: now)
      if active?.exchange == nil {
        active?.kay.setKeyChains(primary: settings.primary, fallback: settings.fallback, now: now)
      } else {
        configureExchange(isUp: link.isUsable)
      }
      active?.kay.setLink(isUp: link.isUsable, now: now)
    }
    if let carrier { outputs.append(.carry(carrier)) }
    carryOut(world, now: now, &outputs)
  }

  /// The policy with what is known of the system and the SecY.
  var enginePolicy: Policy {
    var policy = settings.policy.mka
    if case .ppk(var ppk) = policy.keyDistribution, settings.policy.keySource?.localSystem == nil {
      ppk.system = active?.system ?? ""
      policy.keyDistribution = .ppk(ppk)
    }
    if let capability = active?.secY.capability { policy.acceptableCipherSuites = capability.cipherSuites }
    return policy
  }
}

/// What a port needs of its driver.
struct PortWorld: Sendable {
  let environment: PortEnvironment
  let store: PortStore?
}

extension Link {
  /// Frames can go in and out: it has been set up and has a carrier, where it can tell.
  var isUsable: Bool { flags.contains(.up) && (operationalState == .up || operationalState == .unknown) }
}

extension DataPlaneChoice {
  var requested: SecYRequest.Choice {
    switch self {
    case .automatic: .automatic
    case .kernel: .kernel
    case .userspace: .userspace
    }
  }
}
