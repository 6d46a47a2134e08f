// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// Cisco-IOS-XR-crypto-macsec-mka-oper: a policy with the values that are in force.
extension MKAPolicyModel {
  init(_ model: PolicyModel) {
    let policy = PolicyMapping.map(model).policy
    let logging = model.logging.sakRekey
    self.init(
      name: model.policyName,
      detail: .init(
        policyName: model.policyName, macsecCipherSuite: .init(policy.mka.cipherSuite),
        ksPriority: UInt32(policy.mka.keyServerPriority), windowSize: policy.mka.replayWindow,
        confOffset: policy.mka.confidentialityOffset.octets, replayProtect: policy.mka.replayProtect,
        delayProtect: policy.mka.delayProtection, mustSecure: policy.mka.securityPolicy == .mustSecure ? 1 : 0,
        vlanTagsInClear: UInt32(policy.exceptions.vlanTags), lacpInClear: policy.exceptions.slowProtocols,
        pauseFrameInClear: policy.exceptions.pause, lldpInClear: policy.exceptions.lldp,
        sakRekeyInterval: policy.mka.sakRekeyInterval.map { "\($0.components.seconds) seconds" } ?? "OFF",
        icvIndicator: policy.mka.includesICVIndicator, disableSuspendOnRequest: !policy.mka.suspendsOnRequest,
        useEAPOLPAEInICV: policy.mka.usesStandardHeaderInICV, disableSuspendFor: !policy.mka.suspendsItself,
        enableLegacyFallback: false, enableLegacySAKWrite: false, sksProfileName: policy.keySource?.profile,
        maxAn: UInt32(policy.mka.maximumAssociationNumber), imposeOverheadOnBundle: false,
        disableSAKRekeyLogging: logging.disable != nil, sakRekeySummaryLogInterval: logging.summaryInterval,
        ptpInClear: false, enableFaultDetection: false))
  }
}
