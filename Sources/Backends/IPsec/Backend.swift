// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc
import Interfaces
import KeyService
import Netlink
import Secrets
import Synchronization
import YANG

/// The backend of IPsec: tunnels of Cisco-IOS-XR-um-ikev2-cfg, -um-ipsec-cfg and -um-if-tunnel-cfg, carried by charon.
///
/// `prepare` maps what would be committed and tells all that is wrong with it; `apply` hands the committed configuration
/// to the runtime, which converges to it in its own time.
public final class IPsecBackend: Backend {
  public let name = "ipsec"
  public let subscriptions = ConfigurationTable.subscriptions
  public let operationalPaths = IPsecOperationalView.paths
  public let refreshedPaths = IPsecOperationalView.refreshedPaths
  public let operations: [String] = []

  private struct State {
    var table = ConfigurationTable()
    var keyClients = KeyClients()
  }
  private let state = Mutex(State())
  private let charon: CharonChoice
  private let dataPlane: CharonSettings.DataPlane
  private let addresses: SourceAddresses
  private let service: any KeyService
  private let resolver: ModelPathResolver
  private let log: IPsecLog
  private let keeper: TunnelKeeper
  private let view: IPsecOperationalView
  private let host: CharonHost
  private let inbox: AsyncStream<ConfigurationTable>.Continuation
  private let runner: Task<Void, Never>
  private let changes: AsyncStream<Void>.Continuation
  private let follower: Task<Void, Never>
  private let watcher: LinkWatcher?
  private let subscription: LinkWatcher.Subscription?
  private let runtime: TunnelRuntime

  /// Starts nothing: a charon is there while tunnels are configured.
  ///
  /// - Parameters:
  ///   - service: where dynamic PPKs come from.
  ///   - ports: which Linux links interfaces are.
  ///   - links: makes the links of tunnels.
  ///   - watcher: tells when addresses of source interfaces may have changed; nil where `follow` is called instead.
  public init(
    schema: Schema, sealer: Sealer, events: EventBus, service: any KeyService, ports: PortDirectory,
    links: any TunnelLinks, watcher: LinkWatcher? = nil, charon: CharonChoice, log: @escaping IPsecLog = { _, _ in }
  ) {
    dataPlane = links.hasXFRMInterfaces ? .kernel : .userspace
    var charon = charon
    if case .own(var settings) = charon {
      settings.dataPlane = dataPlane
      charon = .own(settings)
    }
    self.charon = charon
    self.service = service
    self.log = log
    resolver = ModelPathResolver(schema)
    addresses = SourceAddresses(ports)
    let notifications = TunnelNotifications(schema)
    let view = IPsecOperationalView { tunnel, _ in Self.link(of: tunnel, ports) }
    self.view = view
    keeper = TunnelKeeper(
      sealer: sealer, source: KeyServicePPKSource(service), sharesCharon: charon.isOfOthers
    ) { notice in
      view.take(notice)
      let line = notice.line
      log(line.level, line.text)
      if let event = notifications.event(notice) { events.publish(event) }
      if case .protected(let tunnel, let selectors) = notice {
        links.route(ReverseRoutes.destinations(selectors), to: tunnel)
      }
    }
    view.follow(keeper)
    host = CharonHost(charon, keeper: keeper, view: view, log: log)
    runtime = TunnelRuntime(
      dataPlane: dataPlane, links: links, addresses: addresses, keeper: keeper, host: host, view: view, log: log)
    // Only the last of what was committed matters.
    let (stream, inbox) = AsyncStream.makeStream(of: ConfigurationTable.self, bufferingPolicy: .bufferingNewest(1))
    self.inbox = inbox
    runner = Task { [runtime] in
      for await table in stream { await runtime.take(table) }
    }
    // However many changes come at once, they are looked at once.
    let (signals, changes) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.changes = changes
    follower = Task { [runtime] in
      for await _ in signals { await runtime.follow() }
    }
    self.watcher = watcher
    subscription = watcher?.subscribe { events in
      if events.contains(where: \.mayMoveAddresses) { changes.yield() }
    }
    ports.observe { _ in changes.yield() }
  }

  /// Links, addresses, or what stands for interfaces may have changed.
  public func follow() { changes.yield() }

  /// Lets go of charon and its tunnels, which live on; to be called before the process exits.
  public func leave() async {
    if let subscription { watcher?.cancel(subscription) }
    changes.finish()
    await follower.value
    inbox.finish()
    await runner.value
    await runtime.leave()
  }

  // MARK: Configuration

  public func prepare(_ changes: ChangeSet) -> [Refusal] {
    var table = state.withLock { $0.table }
    do throws(DatastoreError) { try table.take(changes) } catch {
      return [Refusal(path: .root, reason: error.message)]
    }
    let configuration = table.configuration(address: addresses.address)
    let mapping = IPsecMapping(configuration, dataPlane: dataPlane)
    var refusals = mapping.refusals(table.referenceCheck).map {
      Refusal(path: resolver.path($0.path), reason: $0.reason)
    }
    if let tunnel = configuration.tunnels.first(where: { !$0.isShutdown }), let reason = reasonWithoutCharon {
      refusals.append(Refusal(path: resolver.path(ModelPath.tunnel(tunnel.name)), reason: reason))
    }
    return refusals
  }

  public func apply(_ changes: ChangeSet) {
    let table = state.withLock { state -> ConfigurationTable? in
      do throws(DatastoreError) { try state.table.take(changes) } catch { return nil }
      state.keyClients.become(state.table.keyClients, with: service)
      return state.table
    }
    guard let table else { return log(.warning, "the configuration of IPsec cannot be read") }
    inbox.yield(table)
  }

  /// Why no tunnel can be carried here.
  private var reasonWithoutCharon: String? {
    switch charon {
    case .none: return "the agent was started without charon (--charon none), which carries the tunnels"
    case .shared: return nil
    case .own(let settings):
      guard access(settings.program, X_OK) == 0 else {
        return "charon is not installed (\(settings.program); Debian: charon-systemd, strongswan-swanctl)"
      }
      let plugin = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"
      guard dataPlane == .kernel || access(plugin, R_OK) == 0 else {
        return "the kernel has no XFRM interfaces, and charon's userspace data plane is not installed "
          + "(Debian: libcharon-extra-plugins)"
      }
      return nil
    }
  }

  // MARK: State

  public func refresh(_ paths: Set<String>) async { await view.refresh(paths) }

  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> { view.operational(request) }

  /// The link of a tunnel; nil when none carries it and there is none of its name.
  private static func link(of tunnel: String, _ ports: PortDirectory) -> TunnelLink? {
    guard let name = ports.layer3Link(of: tunnel) else { return nil }
    let index = if_nametoindex(name)
    guard index != 0 || ports.carrier(of: tunnel) != nil else { return nil }
    return TunnelLink(name: name, index: index == 0 ? nil : index)
  }

  /// How the tunnels are, by the names of their interfaces.
  public var tunnelStates: [String: TunnelKeeper.State] { get async { await keeper.states } }

  /// charon's client, while there is a charon.
  public var viciClient: VICIClient? { get async { await host.client } }

  /// The charon of our own, while there is one.
  public var ownCharon: Charon? { get async { await host.charon } }
}

extension LinkEvent {
  /// Whether an interface may have another address after it.
  fileprivate var mayMoveAddresses: Bool {
    switch self {
    case .appeared, .vanished, .addressAdded, .addressRemoved: true
    case .changed(let before, let after): before.name != after.name
    }
  }
}
