// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// Cisco-IOS-XR-crypto-macsec-secy-oper: the counters that the SecY tells.
extension SecYInterfaceModel.Stats {
  init(_ statistics: SecYStatistics) {
    let interface = statistics.interface
    let transmit = statistics.transmit
    self.init(
      intfStats: .init(
        inPktsUntagged: interface.inPacketsUntagged, inPktsNoTag: interface.inPacketsNoTag,
        inPktsBadTag: interface.inPacketsBadTag, inPktsUnknownSCI: interface.inPacketsUnknownSCI,
        inPktsNoSCI: interface.inPacketsNoSCI, inPktsOverrun: interface.inPacketsOverrun,
        inOctetsValidated: interface.inOctetsValidated, inOctetsDecrypted: interface.inOctetsDecrypted,
        outPktsUntagged: interface.outPacketsUntagged, outPktsTooLong: interface.outPacketsTooLong,
        outOctetsProtected: interface.outOctetsProtected, outOctetsEncrypted: interface.outOctetsEncrypted),
      txScStats: .init(
        txSCI: transmit.sci.rawValue, outPktsProtected: transmit.outPacketsProtected,
        outPktsEncrypted: transmit.outPacketsEncrypted, outOctetsProtected: transmit.outOctetsProtected,
        outOctetsEncrypted: transmit.outOctetsEncrypted, outPktsTooLong: transmit.outPacketsTooLong,
        txsaStat: transmit.associations.map {
          .init(
            outPktsProtected: $0.outPacketsProtected, outPktsEncrypted: $0.outPacketsEncrypted, nextPN: $0.nextPN)
        }), rxScStats: statistics.receive.map(RXScStats.init))
  }
}

extension SecYInterfaceModel.Stats.RXScStats {
  init(_ channel: SecYStatistics.ReceiveChannel) {
    self.init(
      rxSCI: channel.sci.rawValue, inPktsUnchecked: channel.inPacketsUnchecked,
      inPktsDelayed: channel.inPacketsDelayed, inPktsLate: channel.inPacketsLate, inPktsOk: channel.inPacketsOK,
      inPktsInvalid: channel.inPacketsInvalid, inPktsNotValid: channel.inPacketsNotValid,
      inPktsNotUsingSA: channel.inPacketsNotUsingSA, inPktsUnusedSA: channel.inPacketsUnusedSA,
      inPktsUntaggedHit: channel.inPacketsUntaggedHit, inOctetsValidated: channel.inOctetsValidated,
      inOctetsDecrypted: channel.inOctetsDecrypted,
      rxsaStat: channel.associations.map {
        .init(
          inPktsOk: $0.inPacketsOK, inPktsInvalid: $0.inPacketsInvalid, inPktsNotValid: $0.inPacketsNotValid,
          inPktsNotUsingSA: $0.inPacketsNotUsingSA, inPktsUnusedSA: $0.inPacketsUnusedSA, nextPN: $0.nextPN)
      })
  }
}
