// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Interfaces

/// Brings the world to the committed configuration: links first, then charon, then its tunnels.
///
///     table ──▶ addresses ──▶ mapping ──▶ XFRM interfaces ──▶ charon ──▶ TunnelKeeper
///
/// What does not work now is tried again each `interval`. A tunnel follows the address of its source interface: `follow`
/// says when it may have changed.
actor TunnelRuntime {
  static let interval = Duration.seconds(1)
  /// How long the first convergence waits for source interfaces to have an address: until then an earlier agent's
  /// tunnels are left alone.
  static let startLimit = Duration.seconds(5)

  private let dataPlane: CharonSettings.DataPlane
  private let links: any TunnelLinks
  private let addresses: SourceAddresses
  private let keeper: TunnelKeeper
  private let host: CharonHost
  private let view: IPsecOperationalView
  private let log: IPsecLog
  private var table = ConfigurationTable()
  private var configuration: IPsecConfiguration?
  private var mapping: IPsecMapping?
  private var madeLinks: Set<String> = []
  /// What an earlier agent has left behind is gone.
  private var hasSwept = false
  private var lastWarnings: Set<String> = []
  /// Something could not be done.
  private var isBehind = false
  private var isRunning = true
  private var isConverging = false
  private var needsConvergence = false
  private var ticker: Task<Void, Never>?
  private let started = ContinuousClock.now

  init(
    dataPlane: CharonSettings.DataPlane, links: any TunnelLinks, addresses: SourceAddresses, keeper: TunnelKeeper,
    host: CharonHost, view: IPsecOperationalView, log: @escaping IPsecLog
  ) {
    self.dataPlane = dataPlane
    self.links = links
    self.addresses = addresses
    self.keeper = keeper
    self.host = host
    self.view = view
    self.log = log
  }

  /// What is committed from now on.
  func take(_ table: ConfigurationTable) async {
    self.table = table
    await converge()
    if ticker == nil, isRunning {
      ticker = Task { [weak self] in
        while (try? await Task.sleep(for: Self.interval)) != nil { await self?.tick() }
      }
    }
  }

  /// Stops converging; charon and its tunnels stay as they are.
  func leave() async {
    isRunning = false
    ticker?.cancel()
    await keeper.stop()
    await host.leave()
  }

  private func tick() async {
    guard isBehind else { return }
    await converge()
  }

  /// Links, addresses, or what stands for interfaces may have changed.
  func follow() async {
    guard !table.sourceInterfaces.isEmpty else { return }
    await converge()
  }

  /// One at a time: what comes while one waits for charon is seen by the next round.
  private func converge() async {
    needsConvergence = true
    guard !isConverging else { return }
    isConverging = true
    defer { isConverging = false }
    while needsConvergence, isRunning {
      needsConvergence = false
      await convergeOnce()
    }
  }

  private func convergeOnce() async {
    let configuration = table.configuration(address: addresses.address)
    guard configuration != self.configuration || isBehind else { return }
    if self.mapping == nil, configuration.tunnels.contains(where: \.awaitsAddress),
      started.duration(to: .now) < Self.startLimit
    {
      isBehind = true
      return
    }
    let known = configuration == self.configuration ? self.mapping : nil
    let mapping = known ?? IPsecMapping(configuration, dataPlane: dataPlane)
    if mapping != self.mapping { warn(mapping) }
    self.configuration = configuration
    self.mapping = mapping
    isBehind = false
    view.configure(configuration, mapping)
    makeLinks(mapping, configuration)
    do {
      // A tunnel that cannot be mapped needs no charon, but one whose address comes later would wait for it. From a charon
      // of others the last tunnel has to be taken away, perhaps one that an earlier agent left.
      if host.isOfOthers || configuration.tunnels.contains(where: { !$0.isShutdown }) {
        try await host.begin(configuration.global)
      } else {
        await host.end()
      }
    } catch { behind("charon cannot be had: \(error)") }
    await keeper.assign(mapping)
  }

  // MARK: Links

  private func makeLinks(_ mapping: IPsecMapping, _ configuration: IPsecConfiguration) {
    let carried = mapping.tunnels.filter { !$0.connections.isEmpty }.map(\.name)
    for name in madeLinks.subtracting(configuration.tunnels.map(\.name)) { removeLink(name) }
    switch dataPlane {
    case .userspace:
      // One device for the whole charon, and so for its one tunnel.
      for name in madeLinks.subtracting(carried) { removeLink(name) }
      for name in carried {
        links.adopt(name, link: CharonSettings.userspaceDevice)
        madeLinks.insert(name)
      }
    case .kernel:
      if !hasSwept {
        do throws(TunnelLinkError) {
          try links.removeStrays(except: Set(configuration.tunnels.map(\.name)))
          hasSwept = true
        } catch { behind(error.description) }
      }
      // The interface is there from its configuration on, whether or not the tunnel can be up.
      for tunnel in configuration.tunnels {
        guard let identifier = tunnel.interfaceID else { continue }
        do throws(TunnelLinkError) {
          _ = try links.ensure(tunnel.name, identifier: identifier, underlying: nil)
          madeLinks.insert(tunnel.name)
        } catch { behind(error.description) }
      }
    }
  }

  private func removeLink(_ name: String) {
    do throws(TunnelLinkError) {
      try links.remove(name)
      madeLinks.remove(name)
    } catch { behind(error.description) }
  }

  // MARK: Words

  private func behind(_ reason: String) {
    isBehind = true
    if lastWarnings.insert(reason).inserted { log(.warning, reason) }
  }

  private func warn(_ mapping: IPsecMapping) {
    let current = Set(mapping.corrections.map(\.description))
    for text in current.subtracting(lastWarnings).sorted() { log(.warning, text) }
    lastWarnings = current
  }
}
