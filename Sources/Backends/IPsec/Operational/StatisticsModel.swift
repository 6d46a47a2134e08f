// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models

/// The counters of four directions that the model has for each kind of message.
protocol MessageCounts {
  init(txReq: UInt32?, rxRes: UInt32?, txRes: UInt32?, rxReq: UInt32?)
}

extension IKEv2Node.Stats.IKESAInitCnt: MessageCounts {}
extension IKEv2Node.Stats.IKEAuthCnt: MessageCounts {}
extension IKEv2Node.Stats.CreateChildSACnt: MessageCounts {}
extension IKEv2Node.Stats.InformationalCnt: MessageCounts {}

extension MessageCounts {
  /// The model's counters have 32 bits and go around.
  init(_ exchange: CharonCounters.Exchange) {
    self.init(
      txReq: UInt32(truncatingIfNeeded: exchange.requestsOut), rxRes: UInt32(truncatingIfNeeded: exchange.responsesIn),
      txRes: UInt32(truncatingIfNeeded: exchange.responsesOut), rxReq: UInt32(truncatingIfNeeded: exchange.requestsIn))
  }
}

extension IKEv2Node.Stats {
  /// What charon counts, and what its log tells. What nobody counts is absent, not zero.
  init(_ counters: CharonCounters?, _ failures: FailureCounts) {
    self.init()
    if let counters {
      ikeSAInitCnt = .init(counters.initial)
      ikeAuthCnt = .init(counters.authentication)
      createChildSACnt = .init(counters.createChild)
      informationalCnt = .init(counters.informational)
      createChildSAIKERekeyCnt.txReq = UInt32(truncatingIfNeeded: counters.ikeRekeysBegun)
      createChildSAIKERekeyCnt.txRes = UInt32(truncatingIfNeeded: counters.ikeRekeysAnswered)
      invalidIKESPICnt.rxReq = UInt32(truncatingIfNeeded: counters.invalidSPI)
      invalidSyntaxCnt.rxReq = UInt32(truncatingIfNeeded: counters.invalid)
      let (sent, received) = counters.exchanges.reduce((UInt64(0), UInt64(0))) { sums, exchange in
        (
          sums.0 &+ exchange.requestsOut &+ exchange.responsesOut,
          sums.1 &+ exchange.requestsIn &+ exchange.responsesIn
        )
      }
      txSucc = UInt32(truncatingIfNeeded: sent)
      rxSucc = UInt32(truncatingIfNeeded: received)
    }
    authFailedCnt.rxRes = failures.authenticationFailures
    ppkIDMismatchCnt = failures.ppkIDMismatches
    ppkRetrieveFailCnt = failures.ppkFetchFailures
    ppkAuthFailCnt = failures.ppkAuthenticationFailures
  }
}

extension IKEv2Node.Summary {
  init(_ sessions: [SessionState], _ facts: ConfiguredFacts) {
    var (outgoing, incoming) = (Counts(), Counts())
    var (dynamicCount, manualCount, otherCount): (UInt32, UInt32, UInt32) = (0, 0, 0)
    for session in sessions {
      for sa in session.sas {
        if sa.role == .initiator { outgoing.add(sa) } else { incoming.add(sa) }
      }
      guard let sa = session.sas.last(where: \.isUsable), sa.usesPPK else { continue }
      switch facts.quantumResistance(sa) {
      case .dynamic: dynamicCount += 1
      case .manual: manualCount += 1
      default: otherCount += 1
      }
    }
    self.init(
      fipsMode: facts.configuration.isFIPSMode ? "Enabled" : "Disabled", totalSA: outgoing.total + incoming.total,
      totalSAActive: outgoing.active + incoming.active,
      totalSANegotiating: outgoing.negotiating + incoming.negotiating, totalOutgoingSA: outgoing.total,
      outgoingSAActive: outgoing.active, outgoingSANegotiating: outgoing.negotiating,
      totalIncomingSA: incoming.total, incomingSAActive: incoming.active,
      incomingSANegotiating: incoming.negotiating, ppkTotalSessCnt: dynamicCount + manualCount + otherCount,
      ppkDynamicSessCnt: dynamicCount, ppkManualSessCnt: manualCount)
  }

  private struct Counts {
    var total: UInt32 = 0
    var active: UInt32 = 0
    var negotiating: UInt32 = 0

    mutating func add(_ sa: IKESA) {
      total += 1
      if sa.isUsable { active += 1 }
      if sa.state == "CREATED" || sa.state == "CONNECTING" { negotiating += 1 }
    }
  }
}
