// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models
import Secrets

/// Cisco-IOS-XR-lib-keychain-oper: a key chain and which of its keys are valid now.
enum KeyChainState {
  static func chain(_ model: KeyChainModel, sealer: Sealer, now: Moment) -> KeyChainStateModel {
    let mapped = KeyChainMapping(sealer: sealer).map(model).chain
    var keys: [KeyChainStateModel.Key.KeyID] = []
    for key in model.macsec?.keys.key ?? [] {
      let ckn = try? CKN(hexadecimal: key.ckn)
      let known = mapped?.keys.first { $0.ckn == ckn }
      let string = key.keyString
      let isType6 = string?.password == nil && string?.password6 != nil
      let encoded = (string?.password ?? string?.password6).flatMap {
        try? sealer.encoded($0, encoding: isType6 ? .type6 : .type7)
      }
      let isValid = known.map { $0.start <= now.wallClock && ($0.end.map { now.wallClock < $0 } ?? true) } ?? false
      let start = known.map { StateText.date($0.start) }
      let end = known?.end.map { StateText.date($0) }
      let duration = known.flatMap { key in key.end.map { "\(($0 - key.start).components.seconds)" } }
      keys.append(
        .init(
          macsec: .init(isMACsecKey: true),
          sendLifetime: .init(
            start: start, end: end, duration: duration, isAlwaysValid: known.map { $0.end == nil },
            isValidNow: isValid),
          acceptLifetime: .init(
            start: start, end: end, duration: duration, isAlwaysValid: known.map { $0.end == nil },
            isValidNow: isValid), keyString: encoded, type: isType6 ? .passwordType6 : .passwordType7, keyID: key.ckn,
          cryptographicAlgorithm: algorithm(string?.cryptographicAlgorithm)))
    }
    return .init(
      keyName: model.keyChainName, key: .init(keyID: keys), acceptTolerance: "0",
      timezone: model.timezone.gmt == nil ? .local : .gmt)
  }

  private static func algorithm(
    _ model: KeyModel.KeyString.CryptographicAlgorithm?
  ) -> LibKeychainOper.CrytoAlgo {
    switch model {
    case .aes128Cmac: .aes128Cmac
    case .aes256Cmac: .aes256Cmac
    case nil: .notConfigured
    }
  }
}
