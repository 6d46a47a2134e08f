// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What the engine wants done. Effects are carried out in their order, each before the next.
public enum Effect: Sendable {
  /// Send this frame through the uncontrolled port.
  case send([UInt8])
  /// Program the SecY.
  case secY(SecYCommand)
  /// Tell the operator.
  case event(Event)
  /// Ask the key service.
  case key(KeyRequest)
}

/// What passes the controlled port.
public enum PortStatus: Sendable, Hashable {
  /// Nothing.
  case blocked
  /// Frames in clear.
  case unprotected
  /// Frames protected by MACsec.
  case protected
}

/// How the SecY treats all its frames.
public struct SecYConfiguration: Sendable, Hashable {
  public var cipherSuite: CipherSuite
  public var confidentialityOffset: ConfidentialityOffset
  public var replayProtect: Bool
  public var replayWindow: UInt32

  public init(
    cipherSuite: CipherSuite, confidentialityOffset: ConfidentialityOffset, replayProtect: Bool, replayWindow: UInt32
  ) {
    self.cipherSuite = cipherSuite
    self.confidentialityOffset = confidentialityOffset
    self.replayProtect = replayProtect
    self.replayWindow = replayWindow
  }
}

/// A step in programming a SecY (IEEE 802.1AE-2018 10.7).
public enum SecYCommand: Sendable {
  /// Before the first association. Another cipher suite or offset comes with no association installed; replay
  /// protection may change at any time.
  case configure(SecYConfiguration)
  case setPort(PortStatus)
  case addReceiveChannel(SCI)
  case removeReceiveChannel(SCI)
  /// Install and enable; the lowest acceptable packet number is 1.
  case addReceiveAssociation(SCI, SAK)
  case removeReceiveAssociation(SCI, AssociationNumber, SAKIdentifier)
  /// Take no packet below this number any more. Never lowers.
  case raiseLowestPN(SCI, AssociationNumber, UInt64)
  /// Install with next packet number 1, not yet in use.
  case addTransmitAssociation(SAK)
  /// Transmit with it, and with no other, from the next frame on.
  case enableTransmit(AssociationNumber, SAKIdentifier)
  case removeTransmitAssociation(AssociationNumber, SAKIdentifier)
}
