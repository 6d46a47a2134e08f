// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Models
import Secrets

/// From a configured key chain to keys with their lifetimes.
struct KeyChainMapping {
  let sealer: Sealer

  /// The chain for MKA, and all that stands against it. Keys that are refused are not in it.
  func map(_ model: KeyChainModel) -> (chain: EngineKeyChain?, errors: [MACsecConfigurationError]) {
    var errors: [MACsecConfigurationError] = []
    if !model.keys.key.isEmpty {
      errors.append(
        MACsecConfigurationError("keys", "keys of routing protocols have no user in this agent: only keys for MACsec"))
    }
    if model.acceptTolerance != .init() {
      errors.append(
        MACsecConfigurationError(
          "accept-tolerance", "it is about keys of routing protocols: MACsec uses each key in its lifetime, no longer"))
    }
    guard let macsec = model.macsec else { return (nil, errors) }
    let isLocal = model.timezone.gmt == nil
    var keys: [EngineKeyChain.Key] = []
    var names: Set<CKN> = []
    for key in macsec.keys.key {
      let place = "macsec/keys/key[\(key.ckn)]"
      do throws(MACsecConfigurationError) {
        let mapped = try map(key, isLocal: isLocal)
        guard names.insert(mapped.ckn).inserted else {
          throw MACsecConfigurationError("", "the chain has this key name twice, in other letters")
        }
        keys.append(mapped)
      } catch {
        errors.append(
          MACsecConfigurationError(error.element.isEmpty ? place : "\(place)/\(error.element)", error.reason))
      }
    }
    do throws(MKAError) { return (try EngineKeyChain(name: model.keyChainName, keys: keys), errors) } catch {
      errors.append(MACsecConfigurationError("macsec/keys", error.message))
      return (nil, errors)
    }
  }

  private func map(_ key: KeyModel, isLocal: Bool) throws(MACsecConfigurationError) -> EngineKeyChain.Key {
    let ckn: CKN
    do throws(MKAError) { ckn = try CKN(hexadecimal: key.ckn) } catch {
      throw MACsecConfigurationError("ckn", "the key name \(key.ckn): \(error.message)")
    }
    guard let string = key.keyString, let sealed = string.password ?? string.password6 else {
      throw MACsecConfigurationError("key-string", "the key has no key-string")
    }
    let bits = string.cryptographicAlgorithm == .aes128Cmac ? 128 : 256
    let digits: SecretBytes
    do throws(SecretsError) { digits = try sealer.open(sealed) } catch {
      throw MACsecConfigurationError("key-string", "the key cannot be opened: \(error.message)")
    }
    guard digits.count == bits / 4 else {
      throw MACsecConfigurationError(
        "key-string", "AES-\(bits)-CMAC needs a key of \(bits / 4) hexadecimal digits, this one has \(digits.count)")
    }
    let cak: CAK
    do throws(MKAError) { cak = try CAK(hexadecimal: digits) } catch {
      throw MACsecConfigurationError("key-string", error.message)
    }
    let (start, end) = try lifetime(key.lifetime, isLocal: isLocal)
    return EngineKeyChain.Key(ckn: ckn, cak: cak, start: start, end: end)
  }

  private func lifetime(
    _ model: KeyModel.Lifetime, isLocal: Bool
  ) throws(MACsecConfigurationError) -> (start: Duration, end: Duration?) {
    guard let begin = model.startTime else {
      throw MACsecConfigurationError("lifetime", "a key without lifetime is never used: give it a start and an end")
    }
    guard
      let start = CalendarTime(
        year: begin.year, month: begin.month.rawValue, day: begin.dayOfMonth, hour: begin.hour, minute: begin.minute,
        second: begin.second
      ).sinceEpoch(isLocal: isLocal)
    else { throw MACsecConfigurationError("lifetime/start-time", "there is no such day") }
    if let duration = model.duration { return (start, start + .seconds(Int64(duration))) }
    guard let finish = model.endTime else { return (start, nil) }
    guard
      let end = CalendarTime(
        year: finish.year, month: finish.month.rawValue, day: finish.dayOfMonth, hour: finish.hour,
        minute: finish.minute, second: finish.second
      ).sinceEpoch(isLocal: isLocal)
    else { throw MACsecConfigurationError("lifetime/end-time", "there is no such day") }
    guard end > start else {
      throw MACsecConfigurationError("lifetime/end-time", "the lifetime ends before it begins")
    }
    return (start, end)
  }
}

/// A day and time of the calendar.
struct CalendarTime: Sendable, Hashable {
  static let months = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
  ]

  var year: UInt32
  /// Its English name in small letters.
  var month: String
  var day: UInt32
  var hour: UInt32
  var minute: UInt32
  var second: UInt32

  /// The time since 1970, in universal or local time; nil for a day that the month does not have.
  func sinceEpoch(isLocal: Bool) -> Duration? {
    guard let month = Self.months.firstIndex(of: month) else { return nil }
    var parts = tm()
    parts.tm_year = Int32(year) - 1_900
    parts.tm_mon = Int32(month)
    parts.tm_mday = Int32(day)
    parts.tm_hour = Int32(hour)
    parts.tm_min = Int32(minute)
    parts.tm_sec = Int32(second)
    parts.tm_isdst = -1
    let seconds = isLocal ? mktime(&parts) : timegm(&parts)
    guard parts.tm_mon == Int32(month), parts.tm_mday == Int32(day), seconds >= 0 else { return nil }
    return .seconds(Int64(seconds))
  }
}
