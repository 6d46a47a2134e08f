// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Interfaces
import KeyService
import Logging
import MKA
import Models
import Netlink
import Secrets
import Synchronization
import YANG

/// The backend of MACsec: Cisco-IOS-XR-um-macsec-cfg, -um-key-chain-cfg and what agentd-macsec adds.
///
/// A change of a policy or a key chain is carried to the interfaces that name it, and to no other. Ports and their data
/// planes outlive the agent: ``shutdown()`` leaves them, and the next process goes on with them.
public final class MACsecBackend: Backend {
  public let name = "macsec"
  public let subscriptions = [
    InterfaceMACsecModel.schemaPath, PreconfiguredMACsecModel.schemaPath, InterfaceModel.Eap.schemaPath,
    InterfaceModel.MACsecService.schemaPath,
    PolicyModel.schemaPath, KeyChainModel.schemaPath, DeviceModel.schemaPath, SKSServer.Profiles.Profile.schemaPath,
    AgentdInterfaces.InterfacesMapping.InterfaceMapping.schemaPath,
  ]
  public let operationalPaths = [
    MKAPolicyModel.schemaPath, MKAInterfaceModel.schemaPath, SecYInterfaceModel.schemaPath,
    KeyChainStateModel.schemaPath, AgentdMACsec.MACsecState.schemaPath,
  ]
  public let operations: [String] = []

  private struct State {
    /// The configuration that was applied last.
    var root: InteriorNode?
    var bindings: [String: PortBinding] = [:]
    var clients: [String: KeyClientRegistration] = [:]
  }
  private let state = Mutex(State())
  private let view: ConfigurationView
  private let sealer: Sealer
  private let environment: PortEnvironment
  private let driver: PortDriver
  private let keys: (any KeyService)?
  private let watcher: LinkWatcher?
  private let subscription: LinkWatcher.Subscription?

  /// Starts the driver, with no port.
  ///
  /// - Parameters:
  ///   - keys: the key service for PPK mode.
  ///   - directory: of what ports need to be resumed; nil to begin anew each time.
  ///   - watcher: tells of links; nil where `links` is called instead.
  public init(
    schema: Schema, sealer: Sealer, events: EventBus, keys: (any KeyService)?, ports: PortDirectory,
    environment: PortEnvironment, directory: String? = nil, watcher: LinkWatcher? = nil,
    logger: Logger = Logger(label: "macsec")
  ) throws {
    view = try ConfigurationView(schema)
    self.sealer = sealer
    self.environment = environment
    self.keys = keys
    let store = try directory.map { (path) throws(MKAError) in try PortStore(directory: path, sealer: sealer) }
    let driver = try PortDriver(
      world: PortWorld(environment: environment, store: store), keys: keys, directory: ports,
      listener: EventReport.listener(schema: schema, events: events, logger: logger))
    self.driver = driver
    self.watcher = watcher
    subscription = watcher.map { watcher in
      watcher.subscribe { [weak driver, weak watcher] _ in
        guard let driver, let watcher else { return }
        driver.links(Dictionary(watcher.table.links.values.map { ($0.name, $0) }, uniquingKeysWith: { one, _ in one }))
      }
    }
  }

  /// All links that there are, where no watcher tells.
  public func links(_ links: [String: Link]) { driver.links(links) }

  /// Ends the driver. Ports and their data planes stay as they are.
  public func shutdown() {
    if let subscription { watcher?.cancel(subscription) }
    driver.stop()
  }

  // MARK: Configuration

  public func prepare(_ changes: ChangeSet) -> [Refusal] {
    ConfigurationCheck(
      view: view, sealer: sealer, capability: { [environment] in environment.capability($0.requested) },
      bond: { [driver] in driver.bond(of: $0) }
    ).refusals(changes, bindings: bindings(after: changes))
  }

  /// The bindings as they will be.
  private func bindings(after changes: ChangeSet) -> [String: PortBinding] {
    var bindings = state.withLock { $0.bindings }
    for change in changes.bindings { bindings[change.name] = change.binding }
    return bindings
  }

  public func apply(_ changes: ChangeSet) {
    let before = state.withLock { $0.bindings }
    let after = bindings(after: changes)
    var touched = Set(changes.bindings.map(\.name))
    func names(_ path: String) -> Set<String> { Set((changes.changes[path] ?? []).map(\.path.lastKey)) }
    var cache = PolicyCache(view: view, root: changes.newRoot)
    let (policies, chains) = (names(PolicyModel.schemaPath), names(KeyChainModel.schemaPath))
    let profiles = names(SKSServer.Profiles.Profile.schemaPath)
    let isDeviceChanged = changes.changes[DeviceModel.schemaPath] != nil
    for (name, binding) in after {
      let isNamed =
        binding.policy.map(policies.contains) ?? false || chains.contains(binding.primary)
        || binding.fallback.map(chains.contains) ?? false
      let isProfileChanged =
        !profiles.isEmpty
        && binding.policy.flatMap { cache[$0]?.keySource?.profile }.map(profiles.contains) ?? false
      if isNamed || isDeviceChanged || isProfileChanged { touched.insert(name) }
    }
    let isFirst = state.withLock { state in
      defer {
        state.root = changes.newRoot
        state.bindings = after
      }
      return state.root == nil
    }
    if isFirst || before != after || !policies.isEmpty { registerClients(changes.newRoot, bindings: after) }
    let device = (try? DeviceModel.read(from: changes.newRoot)) ?? DeviceModel()
    driver.configure(
      touched.sorted().map { name in
        (name, after[name].map { settings($0, device: device, root: changes.newRoot, policies: &cache) })
      })
    for gone in Set(before.keys).subtracting(after.keys) where !touched.contains(gone) {
      driver.configure([(gone, nil)])
    }
    if isFirst { driver.openUnconfigured() }
    if changes.changes[AgentdInterfaces.InterfacesMapping.InterfaceMapping.schemaPath] != nil { driver.namesChanged() }
  }

  private func settings(
    _ binding: PortBinding, device: DeviceModel, root: InteriorNode, policies: inout PolicyCache
  ) -> PortSettings {
    let mapping = KeyChainMapping(sealer: sealer)
    let primary = view.chain(binding.primary, in: root)
    let fallback = binding.fallback.flatMap { view.chain($0, in: root) }
    let policy = binding.policy.flatMap { policies[$0] }
    var missing: [String] = []
    if primary == nil { missing.append("key chain \(binding.primary)") }
    if let name = binding.fallback, fallback == nil { missing.append("key chain \(name)") }
    if let name = binding.policy, policy == nil { missing.append("MACsec policy \(name)") }
    if let source = policy?.keySource, !view.hasProfile(source.profile, in: root) {
      missing.append("SKS profile \(source.profile)")
    }
    return PortSettings(
      binding: binding, primary: missing.isEmpty ? primary.flatMap { mapping.map($0).chain } : nil,
      fallback: missing.isEmpty ? fallback.flatMap { mapping.map($0).chain } : nil,
      policy: policy ?? PortPolicy(name: binding.policy ?? PortPolicy.defaultName),
      isShutDown: device.shutdown != nil, dataPlane: DataPlaneChoice(device.dataPlaneOrDefault),
      missing: missing.isEmpty ? nil : "there is no " + missing.joined(separator: " and no "))
  }

  /// Each policy in use that takes keys of a profile is a client of that profile.
  private func registerClients(_ root: InteriorNode, bindings: [String: PortBinding]) {
    guard let keys else { return }
    let used = Set(bindings.values.compactMap(\.policy))
    var profiles: [String: String] = [:]
    for policy in view.policies(in: root) where used.contains(policy.policyName) {
      if let profile = policy.ppk?.sksProfile { profiles[policy.policyName] = profile }
    }
    state.withLock { state in
      state.clients = state.clients.filter { profiles[$0.key] == $0.value.profile }
      for (policy, profile) in profiles where state.clients[policy] == nil {
        state.clients[policy] = keys.register(KeyClient(kind: .macsecPolicy, name: policy), profile: profile)
      }
    }
  }

  // MARK: State

  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    let wanted = request.keys?.first?.text
    switch request.path {
    case MKAInterfaceModel.schemaPath:
      return entries(request, wanted ?? nil) { port, now in
        MKAState.interface(port, now: now)?.interiorNode(request.schema)
      }
    case SecYInterfaceModel.schemaPath: return secYs(request, wanted)
    case AgentdMACsec.MACsecState.schemaPath:
      let now = SystemClock.now()
      var state = AgentdMACsec.MACsecState(kernelSupport: environment.hasKernelMACsec)
      for name in driver.names {
        if let port = driver.read(name, { PortState.port($0, now: now) }) { state.port.set(port) }
      }
      return AnyIterator(CollectionOfOne(state.interiorNode(request.schema)).makeIterator())
    case MKAPolicyModel.schemaPath: return policies(request, wanted)
    case KeyChainStateModel.schemaPath: return chains(request, wanted)
    default: return AnyIterator { nil }
    }
  }

  private func entries(
    _ request: OperationalRequest, _ wanted: String?,
    _ make: @escaping @Sendable (Port, Moment) -> InteriorNode?
  ) -> AnyIterator<InteriorNode> {
    var names = (wanted.map { [$0] } ?? driver.names).makeIterator()
    return AnyIterator { [driver] in
      while let name = names.next() {
        if let entry = driver.read(name, { make($0, SystemClock.now()) }) ?? nil { return entry }
      }
      return nil
    }
  }

  /// Counters come from the SecY, which is asked without holding up the driver.
  private func secYs(_ request: OperationalRequest, _ wanted: String?) -> AnyIterator<InteriorNode> {
    var names = (wanted.map { [$0] } ?? driver.names).makeIterator()
    return AnyIterator { [driver] in
      while let name = names.next() {
        guard let secY = driver.read(name, { $0.active?.secY }) ?? nil, let statistics = try? secY.statistics() else {
          continue
        }
        return SecYInterfaceModel(name: name, stats: .init(statistics)).interiorNode(request.schema)
      }
      return nil
    }
  }

  private func policies(_ request: OperationalRequest, _ wanted: String?) -> AnyIterator<InteriorNode> {
    guard let root = state.withLock({ $0.root }) else { return AnyIterator { nil } }
    let models = wanted.map { view.policy($0, in: root).map { [$0] } ?? [] } ?? view.policies(in: root)
    var rest = models.makeIterator()
    return AnyIterator { rest.next().map { MKAPolicyModel($0).interiorNode(request.schema) } }
  }

  private func chains(_ request: OperationalRequest, _ wanted: String?) -> AnyIterator<InteriorNode> {
    guard let root = state.withLock({ $0.root }) else { return AnyIterator { nil } }
    let models = wanted.map { view.chain($0, in: root).map { [$0] } ?? [] } ?? view.chains(in: root)
    var rest = models.makeIterator()
    return AnyIterator { [sealer] in
      rest.next().map { KeyChainState.chain($0, sealer: sealer, now: SystemClock.now()).interiorNode(request.schema) }
    }
  }
}
