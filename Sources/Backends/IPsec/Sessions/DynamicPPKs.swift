// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Where dynamic PPKs come from: a key service, by the name of its profile. The remote system is the one that the key is
/// shared with; nil for the one that the profile names, or the only one that it can be.
public protocol DynamicPPKSource: Sendable {
  /// A fresh key and its ID, for a session that this end begins.
  func newPPK(profile: String, remoteSystem: String?) async throws -> (id: String, key: SecretBytes)
  /// The key of an ID that the far end has named. It can be had once.
  func ppk(profile: String, remoteSystem: String?, id: String) async throws -> SecretBytes
}

/// Which dynamic PPKs charon holds for us, and which may be fetched.
///
/// A responder that looks a key up only after charon missed it refuses the first attempt, so an initiator offers a key
/// again for a few attempts before it takes a fresh one. What the far end names is not authenticated yet: look-ups are
/// bounded in number, and an ID is looked up once.
struct DynamicPPKs {
  typealias Instant = ContinuousClock.Instant

  /// What the names of these secrets begin with. Reconciliation, which does not know them, leaves them alone.
  static let prefix = "agentd-dynamic:"
  static let attemptsWithOneKey = 3
  static let mostLookUps = 8
  static let mostRemembered = 1024

  private struct Offered {
    let id: String
    var attempts: Int
  }
  private var offered: [String: Offered] = [:]
  /// Names of loaded secrets by tunnel.
  private var loaded: [String: [String]] = [:]
  private var seen: Set<String> = []
  private var seenInOrder: [String] = []
  private var lookUps = 0
  /// Names of the notes that charon holds, by tunnel.
  private(set) var notes: [String: String] = [:]

  /// The name of a key's secret.
  static func secretName(_ id: String) -> String { prefix + id }

  /// The ID to offer again; nil when a fresh key is needed.
  mutating func idToOfferAgain(_ tunnel: String) -> String? {
    guard var offer = offered[tunnel], offer.attempts < Self.attemptsWithOneKey else { return nil }
    offer.attempts += 1
    offered[tunnel] = offer
    return offer.id
  }

  mutating func offer(_ id: String, _ tunnel: String) {
    offered[tunnel] = Offered(id: id, attempts: 1)
    loaded[tunnel, default: []].append(Self.secretName(id))
  }

  /// Whether the key of an ID may be looked up now; if so, `lookedUp` has to follow.
  mutating func beginLookUp(_ id: String) -> Bool {
    guard lookUps < Self.mostLookUps, seen.insert(id).inserted else { return false }
    lookUps += 1
    seenInOrder.append(id)
    if seenInOrder.count > Self.mostRemembered { seen.remove(seenInOrder.removeFirst()) }
    return true
  }

  mutating func lookedUp(_ id: String, _ tunnel: String, isLoaded: Bool) {
    lookUps -= 1
    if isLoaded { loaded[tunnel, default: []].append(Self.secretName(id)) }
  }

  /// The tunnel is up, or given up: its keys have done their work, and rekeys do not need them.
  ///
  /// - Returns: names of secrets to unload.
  mutating func release(_ tunnel: String) -> [String] {
    offered[tunnel] = nil
    return loaded.removeValue(forKey: tunnel) ?? []
  }

  // MARK: Notes of set-ups

  /// Those that an earlier agent has left.
  mutating func adopt(notes: [String: String]) { self.notes = notes }

  /// charon has ended, and they with it.
  mutating func loseNotes() { notes = [:] }

  /// Another note, or none, takes the place of a tunnel's.
  ///
  /// - Returns: names of secrets to unload.
  mutating func note(_ name: String?, _ tunnel: String) -> [String] {
    let old = notes[tunnel]
    notes[tunnel] = name
    return old.map { $0 == name ? [] : [$0] } ?? []
  }
}
