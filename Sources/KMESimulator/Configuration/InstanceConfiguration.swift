// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// One KME: who it is, what it offers, and where it listens.
public struct InstanceConfiguration: Codable, Equatable, Sendable {
  /// The name by which faults, statistics and the ready lines call it.
  public var name: String
  /// Its localSystemID, 1 to 255 bytes.
  public var localSystemID: String
  /// Its remote systems: names, or patterns as the shell has them.
  public var remoteSystemIDs: [String]
  /// The free text of the capabilities.
  public var algorithm = "QKD"
  /// Whether /key is offered.
  public var offersKey = true
  /// Whether /entropy is offered.
  public var offersEntropy = true
  /// The size of a key when the client names none, in bits.
  public var keyBits = 256
  /// The largest key and the largest amount of entropy, in bits.
  public var maximumBits = 8_192
  /// The length of a key identifier, in bits.
  public var keyIDBits = 128
  /// The letters of keys and random strings.
  public var keyLetters = Hexadecimal.LetterCase.lower
  /// The letters of key identifiers.
  public var keyIDLetters = Hexadecimal.LetterCase.lower
  /// How long a key waits to be fetched, in seconds.
  public var keyLifetimeSeconds = 3_600
  /// How many keys may wait to be fetched.
  public var capacity = 10_000
  /// How many keys its quantum link has in store when it starts; `nil` if keys never run out.
  public var poolSize: Int?
  /// How many keys come into the pool each second.
  public var poolKeysPerSecond = 1
  /// What it needs to answer ETSI GS QKD 014; `nil` if it does not.
  public var etsi: ETSIConfiguration?
  /// Where it listens.
  public var listeners: [ListenerConfiguration]

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case name
    case localSystemID = "local-system-id"
    case remoteSystemIDs = "remote-system-ids"
    case algorithm
    case offersKey = "offers-key"
    case offersEntropy = "offers-entropy"
    case keyBits = "key-bits"
    case maximumBits = "maximum-bits"
    case keyIDBits = "key-id-bits"
    case keyLetters = "key-letters"
    case keyIDLetters = "key-id-letters"
    case keyLifetimeSeconds = "key-lifetime-seconds"
    case capacity
    case poolSize = "pool-size"
    case poolKeysPerSecond = "pool-keys-per-second"
    case etsi = "etsi-014"
    case listeners
  }

  /// Makes an instance with the protocol's default sizes.
  public init(name: String, localSystemID: String, remoteSystemIDs: [String], listeners: [ListenerConfiguration]) {
    self.name = name
    self.localSystemID = localSystemID
    self.remoteSystemIDs = remoteSystemIDs
    self.listeners = listeners
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
    localSystemID = try container.decode(String.self, forKey: .localSystemID)
    name = try container.decodeIfPresent(String.self, forKey: .name) ?? localSystemID
    remoteSystemIDs = try container.decode([String].self, forKey: .remoteSystemIDs)
    listeners = try container.decode([ListenerConfiguration].self, forKey: .listeners)
    func set<Value: Decodable>(_ target: inout Value, _ key: CodingKeys) throws {
      if let value = try container.decodeIfPresent(Value.self, forKey: key) { target = value }
    }
    try set(&algorithm, .algorithm)
    try set(&offersKey, .offersKey)
    try set(&offersEntropy, .offersEntropy)
    try set(&keyBits, .keyBits)
    try set(&maximumBits, .maximumBits)
    try set(&keyIDBits, .keyIDBits)
    try set(&keyLetters, .keyLetters)
    try set(&keyIDLetters, .keyIDLetters)
    try set(&keyLifetimeSeconds, .keyLifetimeSeconds)
    try set(&capacity, .capacity)
    poolSize = try container.decodeIfPresent(Int.self, forKey: .poolSize)
    try set(&poolKeysPerSecond, .poolKeysPerSecond)
    etsi = try container.decodeIfPresent(ETSIConfiguration.self, forKey: .etsi)
  }

  func validate() throws(SimulatorError) {
    func check(_ isRight: Bool, _ rule: String) throws(SimulatorError) {
      if !isRight { throw SimulatorError(.configuration, "instance '\(name)': \(rule)") }
    }
    try check(!name.isEmpty, "the name is empty")
    try check((1...255).contains(localSystemID.utf8.count), "local-system-id is not 1 to 255 bytes long")
    try check((1...256).contains(remoteSystemIDs.count), "there are not 1 to 256 remote-system-ids")
    for id in remoteSystemIDs {
      try check((1...255).contains(id.utf8.count), "one of remote-system-ids is not 1 to 255 bytes long")
    }
    try check((8...65_536).contains(maximumBits), "maximum-bits is not 8 to 65536")
    try check(
      (8...maximumBits).contains(keyBits) && keyBits % 8 == 0, "key-bits is not a multiple of 8 up to maximum-bits")
    try check(
      (32...2_048).contains(keyIDBits) && keyIDBits % 8 == 0, "key-id-bits is not a multiple of 8 of 32 to 2048")
    try check((1...1_000_000_000).contains(keyLifetimeSeconds), "key-lifetime-seconds is not positive")
    try check((1...1_000_000).contains(capacity), "capacity is not 1 to 1000000")
    try check((0...1_000_000).contains(poolSize ?? 0), "pool-size is not 0 to 1000000")
    try check((0...1_000_000).contains(poolKeysPerSecond), "pool-keys-per-second is not 0 to 1000000")
    try etsi?.validate(instance: name)
    try check((1...16).contains(listeners.count), "there are not 1 to 16 listeners")
    for listener in listeners { try listener.validate(instance: name) }
  }
}
