// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The timers of MKA (IEEE 802.1X-2020 table 9-3).
public struct Timers: Sendable, Hashable {
  /// The period of MKPDUs.
  public var hello: Duration = .seconds(2)
  /// The period of MKPDUs with delay protection.
  public var boundedHello: Duration = .milliseconds(500)
  /// How long a peer lives without a message; also how long the key server waits for all to receive.
  public var life: Duration = .seconds(6)
  /// How long the old SAK is kept for receiving.
  public var retire: Duration = .seconds(3)
  /// The longest suspension.
  public var suspensionLimit: Duration = .seconds(120)
  /// How long before its start the next key of a chain begins to find its peers.
  public var rolloverLead: Duration = .seconds(60)
  /// How long after a rollover the key before it is preferred to the fallback key, while the new one has no peer.
  public var rolloverGrace: Duration = .seconds(12)

  public init() {}
}

/// What becomes of frames while MKA has not secured the port.
public enum SecurityPolicy: Sendable, Hashable {
  /// None goes in or out.
  case mustSecure
  /// They pass in clear.
  case shouldSecure
}

/// How a port is to be secured: what operators write as a macsec-policy.
public struct Policy: Sendable, Hashable {
  /// Lower wins; 255 never serves.
  public var keyServerPriority: UInt8 = 16
  /// The suite that this port chooses as key server.
  public var cipherSuite = CipherSuite.gcmAESXPN256
  public var confidentialityOffset = ConfidentialityOffset.zero
  /// The suites accepted from a key server.
  public var acceptableCipherSuites = Set(CipherSuite.allCases)
  public var replayProtect = true
  /// How many packets out of order are taken.
  public var replayWindow: UInt32 = 64
  public var securityPolicy = SecurityPolicy.mustSecure
  public var includesICVIndicator = false
  public var delayProtection = false
  /// The ICV is made as if destination and EtherType were the standard's.
  public var usesStandardHeaderInICV = false
  /// The age at which a SAK is replaced; nil for no limit.
  public var sakRekeyInterval: Duration?
  /// As key server, grants suspension to members that ask.
  public var suspendsOnRequest = true
  /// Asks for suspension itself, and honours what the key server grants.
  public var suspendsItself = true
  /// The highest association number to use, 1 or 3.
  public var maximumAssociationNumber: UInt8 = 3
  public var announcesCipherSuites = true
  public var keyDistribution = KeyDistribution.sak
  /// How old a key of the key service may grow in use; nil for no limit. Without such keys it has no effect.
  public var keyLifetime: KeyLifetime?

  public init() {}
}

/// How long a key of the key service may protect a port.
public struct KeyLifetime: Sendable, Hashable {
  /// At this age the key is exhausted: what follows is the failure action of PPK mode.
  public var maximumAge: Duration
  /// At this age the operator is warned.
  public var alarmAge: Duration

  public init(maximumAge: Duration, alarmAge: Duration) {
    self.maximumAge = maximumAge
    self.alarmAge = alarmAge
  }
}

/// A port as MKA needs to know it.
public struct PortConfiguration: Sendable, Hashable {
  /// The port's own secure channel.
  public var sci: SCI
  public var capability = MACsecCapability.confidentialityWithOffsets
  /// Where MKPDUs are sent to.
  public var destination = MACAddress.paeGroup
  public var etherType = MKPDUFrame.etherType
  /// The MKA version that is sent.
  public var version: UInt8 = 3
  public var policy: Policy
  public var timers = Timers()

  public init(sci: SCI, policy: Policy = Policy()) {
    self.sci = sci
    self.policy = policy
  }
}
