// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Dynamic PPKs: a fresh key for each negotiation that this end begins, and the key of an ID that the far end names.
extension TunnelKeeper {
  /// A PPK protects what is derived after it was mixed in: the children, but not the keys of the IKE SA that set them up
  /// (RFC 8784, section 6). Its first rekey makes up for that; the end that began does it.
  func coverIKESA(_ sa: IKESA, _ tunnel: String) async {
    guard sa.usesPPK, sa.role == .initiator, (sa.established ?? .zero) < limits.healthyAfter, let client,
      sessions[tunnel]?.currentSetUp?.isNoted != true
    else { return }
    // If it fails, the rekey at its time does it.
    try? await Driver(client: client, sealer: sealer).rekey(sa.uniqueID)
  }

  /// Begins a negotiation with a key of the key service.
  ///
  /// - Parameter isRenewal: there is an SA, which stays when there is no key, or the far end does not have it.
  func initiateWithFreshPPK(_ wanted: TunnelSession.Wanted, _ tunnel: String, isRenewal: Bool) async {
    guard case .dynamic(let profile, let isRequired, let remoteSystem, _) = connections[wanted.connection]?.ppk else {
      return
    }
    do {
      let id: String
      if let again = dynamicPPKs.idToOfferAgain(tunnel) {
        id = again
      } else {
        await unload(dynamicPPKs.release(tunnel))
        guard let source else { throw VICIError(.refused, "there is no key service") }
        let fresh = try await source.newPPK(profile: profile, remoteSystem: remoteSystem)
        try await load(fresh.id, fresh.key)
        dynamicPPKs.offer(fresh.id, tunnel)
        id = fresh.id
      }
      // The configuration, or charon, may have changed while the key was fetched.
      guard let client, let connection = connections[wanted.connection], connection.childName == wanted.child else {
        return
      }
      try await client.call("load-conn", connection.message(dynamicPPK: id, requiringPPK: isRenewal))
      await begin(wanted, tunnel, isRenewal: isRenewal)
      // The attempt holds on to what it began with. A responder has to take any ID, or two ends that begin at once would
      // each insist on their own.
      _ = try? await client.call("load-conn", connection.message())
      return
    } catch {
      let reason = "no PPK from SKS profile '\(profile)': \(error)"
      onNotice(.ppkFetchFailed(tunnel: tunnel, reason: reason))
      if isRenewal { return await update(tunnel) { session, now in session.renewingFailed(reason, now: now) } }
      guard !isRequired else {
        return await update(tunnel) { session, now in session.initiatingFailed(reason, now: now) }
      }
    }
    await initiate(wanted, tunnel)
  }

  private func begin(_ wanted: TunnelSession.Wanted, _ tunnel: String, isRenewal: Bool) async {
    guard isRenewal else { return await initiate(wanted, tunnel) }
    guard let client else { return }
    do throws(VICIError) {
      try await Driver(client: client, sealer: sealer).initiate(wanted)
    } catch {
      await update(tunnel) { session, now in session.renewingFailed(error.description, now: now) }
    }
  }

  /// The key of an ID that a far end has named, for charon's plugin.
  func answer(_ question: PPKQuestion) async -> PPKAnswer {
    guard let tunnel = Self.tunnel(of: question.connection),
      case .dynamic(let profile, _, let remoteSystem, _) = connections[question.connection]?.ppk,
      PPKIdentifier.fault(ofDynamic: question.id) == nil
    else { return .notFound }
    guard source != nil else { return .unavailable }
    guard let key = await lookUp(question.id, profile, remoteSystem, tunnel) else { return .notFound }
    return .found(key)
  }

  /// Fetches the key of an ID that the far end has named and charon does not have, and loads it, for its next attempts:
  /// the key service gives it once.
  func lookUp(
    _ id: String, _ profile: String, _ remoteSystem: String?, _ tunnel: String
  ) async -> SecretBytes? {
    if let underWay = lookUps[id] { return await underWay.value }
    guard let source, dynamicPPKs.beginLookUp(id) else { return nil }
    let lookUp = Task { () -> SecretBytes? in
      do {
        let key = try await source.ppk(profile: profile, remoteSystem: remoteSystem, id: id)
        dynamicPPKs.lookedUp(id, tunnel, isLoaded: true)
        // Who asks does not wait for charon: a command before this one may itself wait for the IKE SA that the plugin
        // asks for.
        Task { await loadForLater(id, key, profile, tunnel) }
        return key
      } catch {
        dynamicPPKs.lookedUp(id, tunnel, isLoaded: false)
        onNotice(.ppkFetchFailed(tunnel: tunnel, reason: "no PPK of that ID from SKS profile '\(profile)': \(error)"))
        return nil
      }
    }
    lookUps[id] = lookUp
    defer { lookUps[id] = nil }
    return await lookUp.value
  }

  private func loadForLater(_ id: String, _ key: SecretBytes, _ profile: String, _ tunnel: String) async {
    do throws(VICIError) { try await load(id, key) } catch {
      onNotice(.ppkFetchFailed(tunnel: tunnel, reason: "the PPK from SKS profile '\(profile)' is not usable: \(error)"))
    }
  }

  private func load(_ id: String, _ key: SecretBytes) async throws(VICIError) {
    if let fault = PPKIdentifier.fault(ofDynamic: id) { throw VICIError(.refused, fault) }
    guard !key.isEmpty else { throw VICIError(.refused, "the key is empty") }
    guard let client else { throw VICIError(.disconnected, "charon's VICI socket is not connected") }
    var message = VICIMessage()
    message.add("id", DynamicPPKs.secretName(id))
    message.add("type", "ppk")
    message.add("data", key)
    message.add("owners", PPKIdentifier.owners(id))
    try await client.call("load-shared", message)
  }

  func unload(_ names: [String]) async {
    for name in names {
      var message = VICIMessage()
      message.add("id", name)
      // With charon gone, its secrets are too.
      _ = try? await client?.call("unload-shared", message)
    }
  }

  // MARK: Notes for a later agent

  /// Leaves in charon when and how the tunnel was set up, for as long as charon, and so the SA, lives.
  func note(_ sa: IKESA, _ tunnel: String) async {
    guard connections[sa.connection]?.ppk?.lifetime != nil, let client,
      let setUp = sessions[tunnel]?.currentSetUp, let secret = try? SecretBytes.random(count: 32)
    else { return }
    let name = SetUpNote(age: setUp.since.duration(to: .now), isOurs: setUp.isOurs).name(of: tunnel)
    guard dynamicPPKs.notes[tunnel] != name else { return }
    var message = VICIMessage()
    message.add("id", name)
    message.add("type", "ppk")
    message.add("data", secret)
    message.add("owners", ["keyid:agentd note"])
    // Without it a later agent goes by the last rekey.
    guard (try? await client.call("load-shared", message)) != nil else { return }
    await unload(dynamicPPKs.note(name, tunnel))
  }
}
