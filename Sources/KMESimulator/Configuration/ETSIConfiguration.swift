// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// What an instance needs to answer ETSI GS QKD 014 beside SKIP.
public struct ETSIConfiguration: Codable, Equatable, Sendable {
  /// The KME's identifier.
  public var kmeID: String
  /// The SAEs that it serves, as their certificates name them.
  public var saes: [String]
  /// The KMEs that it shares keys with, and their SAEs.
  public var peers: [Peer]
  /// How many keys one request may ask for.
  public var maximumKeysPerRequest = 128

  /// Another KME of the network.
  public struct Peer: Codable, Equatable, Sendable {
    /// The other KME's identifier.
    public var kmeID: String
    /// Its local-system-id, which is its address within the simulated network.
    public var systemID: String
    /// The SAEs that it serves.
    public var saes: [String]

    private enum CodingKeys: String, CodingKey, CaseIterable {
      case kmeID = "kme-id"
      case systemID = "system-id"
      case saes
    }

    /// Makes a peer.
    public init(kmeID: String, systemID: String, saes: [String]) {
      self.kmeID = kmeID
      self.systemID = systemID
      self.saes = saes
    }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
      kmeID = try container.decode(String.self, forKey: .kmeID)
      systemID = try container.decode(String.self, forKey: .systemID)
      saes = try container.decode([String].self, forKey: .saes)
    }
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case kmeID = "kme-id"
    case saes, peers
    case maximumKeysPerRequest = "maximum-keys-per-request"
  }

  /// Makes a configuration.
  public init(kmeID: String, saes: [String], peers: [Peer]) {
    self.kmeID = kmeID
    self.saes = saes
    self.peers = peers
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
    kmeID = try container.decode(String.self, forKey: .kmeID)
    saes = try container.decode([String].self, forKey: .saes)
    peers = try container.decode([Peer].self, forKey: .peers)
    maximumKeysPerRequest = try container.decodeIfPresent(Int.self, forKey: .maximumKeysPerRequest) ?? 128
  }

  func validate(instance: String) throws(SimulatorError) {
    let all = saes + peers.flatMap(\.saes)
    guard !kmeID.isEmpty, all.allSatisfy({ (1...255).contains($0.utf8.count) }) else {
      throw SimulatorError(
        .configuration, "instance '\(instance)': an ETSI identifier is empty or longer than 255 bytes")
    }
    guard Set(all).count == all.count else {
      throw SimulatorError(.configuration, "instance '\(instance)': an SAE is named twice")
    }
    guard (1...1_024).contains(maximumKeysPerRequest) else {
      throw SimulatorError(.configuration, "instance '\(instance)': maximum-keys-per-request is not 1 to 1024")
    }
  }
}
