// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// From a configured macsec-policy to what a port does, leaf by leaf (docs/macsec.md).
enum PolicyMapping {
  /// The policy, and all that stands against it.
  static func map(_ model: PolicyModel) -> (policy: PortPolicy, errors: [MACsecConfigurationError]) {
    var policy = PortPolicy(name: model.policyName)
    var errors = unsupported(model)
    if let priority = model.keyServerPriority { policy.mka.keyServerPriority = UInt8(truncatingIfNeeded: priority) }
    policy.mka.cipherSuite = model.cipherSuite.map(CipherSuite.init) ?? .gcmAESXPN256
    policy.mka.confidentialityOffset = model.confOffset.map(ConfidentialityOffset.init) ?? .zero
    policy.mka.replayWindow = model.windowSize ?? 64
    policy.mka.securityPolicy = model.securityPolicy == .shouldSecure ? .shouldSecure : .mustSecure
    policy.mka.includesICVIndicator = model.includeICVIndicator != nil
    policy.mka.delayProtection = model.delayProtection != nil
    policy.mka.usesStandardHeaderInICV = model.useEAPOLPAEInICV != nil
    policy.mka.suspendsOnRequest = model.suspendOnRequest.disable == nil
    policy.mka.suspendsItself = model.suspendFor.disable == nil
    if model.maxAn != nil { policy.mka.maximumAssociationNumber = 1 }
    switch (model.sakRekeyInterval.minutes, model.sakRekeyInterval.seconds) {
    case (let minutes?, nil): policy.mka.sakRekeyInterval = .seconds(Int64(minutes) * 60)
    case (nil, let seconds?): policy.mka.sakRekeyInterval = .seconds(Int64(seconds))
    case (nil, nil): break
    case (_?, _?):
      errors.append(
        MACsecConfigurationError("sak-rekey-interval", "the interval is given in minutes and in seconds: use one"))
    }
    policy.exceptions = ClearExceptions(
      lldp: model.allow.lldpInClear != nil,
      slowProtocols: model.allow.lacpInClear != nil || model.policyException == .lacpInClear,
      pause: model.allow.pauseFrameInClear != nil, vlanTags: Int(model.vlanTagsInClear ?? 0))
    policy.rekeyLogging =
      model.logging.sakRekey.disable != nil
      ? .none : model.logging.sakRekey.summaryInterval.map { .summary(.seconds(Int64($0))) } ?? .each
    mapKeyService(model, to: &policy, errors: &errors)
    return (policy, errors)
  }

  private static func mapKeyService(
    _ model: PolicyModel, to policy: inout PortPolicy, errors: inout [MACsecConfigurationError]
  ) {
    let lifetime = model.keyLifetime
    guard let ppk = model.ppk else {
      if lifetime.maximumAge != nil || lifetime.refreshInterval != nil || lifetime.buffer.sizeOrDefault > 0 {
        errors.append(
          MACsecConfigurationError("key-lifetime", "it is about keys of a key service, but the policy has no ppk"))
      }
      if model.keyService != .init() {
        errors.append(
          MACsecConfigurationError("key-service", "it is about keys of a key service, but the policy has no ppk"))
      }
      return
    }
    guard let profile = ppk.sksProfile else {
      errors.append(MACsecConfigurationError("ppk", "ppk needs an sks-profile"))
      return
    }
    let service = model.keyService
    let timeout = Duration.seconds(Int64(service.requestTimeoutOrDefault))
    let ppkPolicy = PPKPolicy(
      system: service.localSystemID ?? "", remoteSystem: service.remoteSystemID,
      onFailure: service.onFailureOrDefault == .fallBack ? .fallBack : .stall, timeout: timeout,
      retryInterval: .seconds(Int64(service.retryIntervalOrDefault)), attempts: Int(service.attemptsOrDefault))
    policy.keySource = PortPolicy.KeySource(
      profile: profile, localSystem: service.localSystemID, bufferSize: Int(lifetime.buffer.sizeOrDefault),
      bufferMaximumAge: .seconds(Int64(lifetime.buffer.maximumAgeOrDefault)),
      bufferAlarmBelow: Int(lifetime.buffer.alarmBelowOrDefault))
    let refresh = lifetime.refreshInterval.map { Duration.seconds(Int64($0)) }
    let limit = lifetime.maximumAge.map { age in
      KeyLifetime(
        maximumAge: .seconds(Int64(age)), alarmAge: .seconds(Int64(age)) * Int(lifetime.alarmThresholdOrDefault) / 100)
    }
    var renewal = refresh
    if service.modeOrDefault == .cak {
      policy.cak = CAKPolicy(service.cak, ppkPolicy, refresh: refresh, lifetime: limit)
    } else {
      if service.cak != .init() {
        errors.append(MACsecConfigurationError("key-service/cak", "it is about mode cak, which is not set"))
      }
      policy.mka.keyDistribution = .ppk(ppkPolicy)
      policy.mka.keyLifetime = limit
      renewal = [policy.mka.sakRekeyInterval, refresh].compactMap { $0 }.min()
      policy.mka.sakRekeyInterval = renewal
    }
    if let limit, renewal.map({ $0 >= limit.maximumAge }) ?? true {
      errors.append(
        MACsecConfigurationError(
          "key-lifetime/maximum-age",
          "keys would grow too old before they are replaced: a refresh-interval below the maximum age is needed"))
    }
  }

  /// What cannot be done here.
  private static func unsupported(_ model: PolicyModel) -> [MACsecConfigurationError] {
    var errors: [MACsecConfigurationError] = []
    func refuse(_ isPresent: Bool, _ element: String, _ reason: String) {
      if isPresent { errors.append(MACsecConfigurationError(element, reason)) }
    }
    refuse(
      model.enableLegacyFallback != nil, "enable-legacy-fallback",
      "this agent has no earlier way of fallback: fallback keys work as without this leaf")
    refuse(
      model.enableLegacySAKWrite != nil, "enable-legacy-sak-write",
      "this agent has no earlier way of installing SAKs: they are installed as without this leaf")
    refuse(
      model.imposeOverheadOnBundle != nil, "impose-overhead-on-bundle",
      "the MTU of a bond is not changed for MACsec: set the MTU of the bundle interface")
    refuse(
      model.allow.ptpInClear != nil, "allow/ptp-in-clear",
      "PTP frames cannot be kept in clear: only LACP, LLDP and pause")
    refuse(
      model.enableFaultDetection != nil, "enable-fault-detection",
      "no fault is signalled to upper layers: watch the notification mka-event, or the controlled port")
    return errors
  }
}

extension CAKPolicy {
  /// Mode cak, with what it has in common with PPK mode.
  init(
    _ model: PolicyModel.KeyService.CAK, _ common: PPKPolicy, refresh: Duration?, lifetime: KeyLifetime?
  ) {
    let role: Role =
      switch model.roleOrDefault {
      case .automatic: .automatic
      case .taker: .taker
      case .fetcher: .fetcher
      }
    self.init(
      role: role, system: common.system, remoteSystem: common.remoteSystem, onFailure: common.onFailure,
      timeout: common.timeout, retryInterval: common.retryInterval, attempts: common.attempts,
      keyLength: model.cryptographicAlgorithmOrDefault == .aes128Cmac ? 16 : 32, refreshInterval: refresh,
      lifetime: lifetime, transmitInterval: .seconds(Int64(model.lldpIntervalOrDefault)),
      holdMultiplier: Int(model.lldpHoldMultiplierOrDefault))
  }
}

extension CipherSuite {
  init(_ model: PolicyModel.CipherSuite) {
    switch model {
    case .gcmAES128: self = .gcmAES128
    case .gcmAES256: self = .gcmAES256
    case .gcmAESXPN128: self = .gcmAESXPN128
    case .gcmAESXPN256: self = .gcmAESXPN256
    }
  }
}

extension ConfidentialityOffset {
  init(_ model: PolicyModel.ConfOffset) {
    switch model {
    case .confOffset0: self = .zero
    case .confOffset30: self = .thirty
    case .confOffset50: self = .fifty
    }
  }

  /// The octets in clear.
  var octets: UInt32 {
    switch self {
    case .integrityOnly, .zero: 0
    case .thirty: 30
    case .fifty: 50
    }
  }
}
