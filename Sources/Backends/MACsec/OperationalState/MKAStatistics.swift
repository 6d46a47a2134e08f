// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// Cisco-IOS-XR-crypto-macsec-mka-oper: the counters of an interface. They begin anew when its link does.
enum MKAStatistics {
  typealias Model = MKAInterfaceModel.Statistics

  static func statistics(_ port: Port, _ status: KaYStatus, now: Moment) -> Model {
    let inUse = status.latest.flatMap { $0.transmits ? $0 : status.old }
    return Model(
      sessionStats: .init(
        sakData: .init(
          an: inUse.map { "\($0.associationNumber)" },
          saInstallTime: status.keyInUseSince.map { StateText.timestamp($0.wallClock) }),
        linkSecureUpTime: status.securedSince.map { StateText.span(now.uptime - $0.uptime) },
        sessionUpTime: status.securedSince.map { StateText.span(now.uptime - $0.uptime) }, sakRekeyCountHa: 0,
        sakRekeyCount: status.counters.sakRekeys),
      idbStats: .init(
        mkpduStats: mkpdus(status.counters),
        failureStats: failures(status.counters),
        efdStats: .init(
          shutdownRequest: 0, shutdownSuccess: 0, shutdownFailure: 0, bringupRequest: 0, bringupSuccess: 0,
          bringupFailure: 0)),
      interfaceName: port.name, caStat: status.participants.map(connectivityAssociation))
  }

  private static func mkpdus(_ counters: PortCounters) -> Model.IdbStats.MkpduStats {
    let failures = counters.failures
    return .init(
      txSuccess: counters.txSuccess, rxSuccess: counters.rxSuccess, txForceSuspended: counters.txForceSuspended,
      rxForceSuspended: counters.rxForceSuspended, noTXOnIntfDown: counters.noTxOnInterfaceDown,
      noRXOnIntfDown: counters.noRxOnInterfaceDown, txFail: counters.txFail, txPktBuildFail: counters.txBuildFail,
      rxCANotFound: counters.rxCANotFound, rxError: counters.rxError, rxInvalidLength: counters.rxInvalidLength,
      rxInvalidCKN: counters.rxInvalidCKN, rxICVValidationFail: failures.icvValidation,
      rxPktValidationFail: failures.packetValidation, rxBadPeerMn: failures.badPeerMN,
      rxNonRecentPeerlistMn: failures.nonRecentPeerListMN, rxSAKUseKnMismatch: failures.sakUseKNMismatch,
      rxSAKUseRXNotSet: failures.sakUseRxNotSet, rxSAKUseKeyMiMismatch: failures.sakUseKeyMIMismatch,
      rxSAKUseAnNotInUse: failures.sakUseANNotInUse, rxSAKUseKsRXTXNotSet: failures.sakUseKeyServerRxTxNotSet,
      rxPktSAKUseEthertypeMismatch: counters.rxEtherTypeMismatch, rxPktSourceMACNull: counters.rxSourceMACNull,
      rxPktDestMACNull: counters.rxDestinationMACNull, rxPktPyldNull: counters.rxPayloadNull,
      ppkIDNak: failures.ppkIDNAK, ppkIDNotFound: failures.ppkIDNotFound,
      rxEAPOLDropUnknownDestmac: counters.rxUnknownDestination)
  }

  private static func failures(_ counters: PortCounters) -> Model.IdbStats.FailureStats {
    let ppk = counters.ppkFailures
    return .init(
      sakFailure: .init(
        sakGen: counters.sakGenerationFail, hashKeyGen: counters.hashKeyGenerationFail,
        sakEncrWrap: counters.sakWrapFail, sakDecrUnwrap: counters.sakUnwrapFail),
      ppkFailure: .init(
        ppkIDNullRecv: ppk.idNullReceived, ppkIDMismatch: ppk.idMismatch, ppkReqTimeout: ppk.requestTimeout,
        ppkTupleFail: ppk.tupleFail, ppkRetrievalFail: ppk.retrievalFail, ppkRetryFail: ppk.retryFail,
        ppkTidMismatch: ppk.transactionMismatch, ppkHashKeyGen: ppk.hashKeyGeneration, ppkIDEncrWrap: ppk.idWrap,
        ppkIDDecrUnwrap: ppk.idUnwrap, ppkAipcConnDown: ppk.connectionDown),
      macsecFailure: .init(
        rxScCreation: counters.rxSCCreationFail, txScCreation: counters.txSCCreationFail,
        rxSAInstall: counters.rxSAInstallFail, txSAInstall: counters.txSAInstallFail))
  }

  private static func connectivityAssociation(_ participant: ParticipantStatus) -> Model.CAStat {
    let counters = participant.counters
    let (failures, ppk) = (counters.failures, counters.ppkFailures)
    return .init(
      keyDerivationStats: .init(
        sakGenerated: counters.sakGenerated, sakRekeyed: counters.sakRekeyed, sakReceived: counters.sakReceived,
        sakRespRvcd: counters.sakResponses, ppkTupleGenerated: counters.ppkTupleGenerated,
        ppkRetrieved: counters.ppkRetrieved, pairwiseCAKDerived: 0, pairwiseCAKRekey: 0),
      mkpduStats: .init(
        caTX: .init(
          mkpduTransmitted: counters.sent.messages, distSAK: counters.sent.distributedSAK,
          distPPK: counters.sent.distributedPPK, distCAK: counters.sent.distributedCAK,
          ppkCapable: counters.sent.ppkCapable),
        caRX: .init(
          mkpduReceived: counters.received.messages, distSAK: counters.received.distributedSAK,
          distPPK: counters.received.distributedPPK, distCAK: counters.received.distributedCAK,
          ppkCapable: counters.received.ppkCapable),
        caRXFail: .init(
          rxICVValidationFail: failures.icvValidation, rxPktValidationFail: failures.packetValidation,
          rxBadPeerMn: failures.badPeerMN, rxNonRecentPeerlistMn: failures.nonRecentPeerListMN,
          rxSAKUseKnMismatch: failures.sakUseKNMismatch, rxSAKUseRXNotSet: failures.sakUseRxNotSet,
          rxSAKUseKeyMiMismatch: failures.sakUseKeyMIMismatch, rxSAKUseAnNotInUse: failures.sakUseANNotInUse,
          rxSAKUseKsRXTXNotSet: failures.sakUseKeyServerRxTxNotSet, ppkIDNak: failures.ppkIDNAK,
          ppkIDNotFound: failures.ppkIDNotFound)),
      ppkFailure: .init(
        ppkIDNullRecv: ppk.idNullReceived, ppkIDMismatch: ppk.idMismatch, ppkReqTimeout: ppk.requestTimeout,
        ppkTupleFail: ppk.tupleFail, ppkRetrievalFail: ppk.retrievalFail, ppkRetryFail: ppk.retryFail,
        ppkTidMismatch: ppk.transactionMismatch, ppkAipcConnDown: ppk.connectionDown),
      ckn: "\(participant.ckn)", caType: participant.role.words)
  }
}
