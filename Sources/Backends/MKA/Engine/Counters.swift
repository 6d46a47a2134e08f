// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// MKPDUs that were refused, or that told something odd; named as in Cisco-IOS-XR-crypto-macsec-mka-oper.
public struct ReceiveFailures: Sendable, Hashable {
  public var icvValidation: UInt32 = 0
  public var packetValidation: UInt32 = 0
  public var badPeerMN: UInt32 = 0
  public var nonRecentPeerListMN: UInt32 = 0
  public var sakUseKNMismatch: UInt32 = 0
  public var sakUseRxNotSet: UInt32 = 0
  public var sakUseKeyMIMismatch: UInt32 = 0
  public var sakUseANNotInUse: UInt32 = 0
  public var sakUseKeyServerRxTxNotSet: UInt32 = 0
  public var ppkIDNAK: UInt32 = 0
  public var ppkIDNotFound: UInt32 = 0

  public init() {}
}

/// MKPDUs of one kind and direction.
public struct MKPDUCounts: Sendable, Hashable {
  public var messages: UInt32 = 0
  public var distributedSAK: UInt32 = 0
  public var distributedPPK: UInt32 = 0
  public var distributedCAK: UInt32 = 0
  public var ppkCapable: UInt32 = 0

  public init() {}
}

/// What went wrong with keys of a key service.
public struct PPKFailures: Sendable, Hashable {
  public var idNullReceived: UInt32 = 0
  public var idMismatch: UInt32 = 0
  public var requestTimeout: UInt32 = 0
  public var tupleFail: UInt32 = 0
  public var retrievalFail: UInt32 = 0
  public var retryFail: UInt32 = 0
  public var transactionMismatch: UInt32 = 0
  public var hashKeyGeneration: UInt32 = 0
  public var idWrap: UInt32 = 0
  public var idUnwrap: UInt32 = 0
  public var connectionDown: UInt32 = 0

  public init() {}
}

/// The counters of one CAK.
public struct ParticipantCounters: Sendable, Hashable {
  public var sent = MKPDUCounts()
  public var received = MKPDUCounts()
  public var failures = ReceiveFailures()
  public var ppkFailures = PPKFailures()
  public var sakGenerated: UInt32 = 0
  public var sakRekeyed: UInt32 = 0
  public var sakReceived: UInt32 = 0
  /// Peers that said that they receive with our SAK.
  public var sakResponses: UInt32 = 0
  public var ppkTupleGenerated: UInt32 = 0
  public var ppkRetrieved: UInt32 = 0

  public init() {}
}

/// The counters of a port.
public struct PortCounters: Sendable, Hashable {
  public var txSuccess: UInt32 = 0
  public var rxSuccess: UInt32 = 0
  public var txFail: UInt32 = 0
  public var txBuildFail: UInt32 = 0
  public var noTxOnInterfaceDown: UInt32 = 0
  public var noRxOnInterfaceDown: UInt32 = 0
  public var txForceSuspended: UInt32 = 0
  public var rxForceSuspended: UInt32 = 0
  public var rxCANotFound: UInt32 = 0
  public var rxError: UInt32 = 0
  public var rxInvalidLength: UInt32 = 0
  public var rxInvalidCKN: UInt32 = 0
  public var rxEtherTypeMismatch: UInt32 = 0
  public var rxSourceMACNull: UInt32 = 0
  public var rxDestinationMACNull: UInt32 = 0
  public var rxPayloadNull: UInt32 = 0
  public var rxUnknownDestination: UInt32 = 0
  public var failures = ReceiveFailures()
  public var ppkFailures = PPKFailures()
  public var sakGenerationFail: UInt32 = 0
  public var hashKeyGenerationFail: UInt32 = 0
  public var sakWrapFail: UInt32 = 0
  public var sakUnwrapFail: UInt32 = 0
  public var rxSCCreationFail: UInt32 = 0
  public var txSCCreationFail: UInt32 = 0
  public var rxSAInstallFail: UInt32 = 0
  public var txSAInstallFail: UInt32 = 0
  public var sakRekeys: UInt32 = 0

  public init() {}
}
