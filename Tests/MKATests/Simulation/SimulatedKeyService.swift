// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

@testable import MKA

/// A key service whose keys all stations share, and that can be made to fail.
struct SimulatedKeyService {
  enum Mode {
    case working
    /// Takes questions and never answers.
    case silent
    case unavailable
    case failing
    /// Knows no identifier.
    case forgetful
    /// Answers with another key than it gave.
    case lying
    /// Answers with another identifier than asked for.
    case confused
    /// Gives keys of 128 bits.
    case short
  }

  /// What it is to each station; working where nothing is said.
  var modes: [Int: Mode] = [:]
  var delay = Duration.milliseconds(80)
  private var keys: [[UInt8]: [UInt8]] = [:]

  mutating func answer(
    _ request: KeyRequest, from station: Int, using generator: inout SeededGenerator
  ) -> KeyAnswer? {
    let mode = modes[station] ?? .working
    switch mode {
    case .silent: return nil
    case .unavailable: return .unavailable("no connection")
    case .failing: return .failed("error 500")
    case .working, .forgetful, .lying, .confused, .short: break
    }
    switch request.kind {
    case .new:
      let identifier = generator.bytes(16)
      let key = generator.bytes(mode == .short ? 16 : request.bits / 8)
      keys[identifier] = key
      return .key(identifier: identifier, secret: SecretBytes(copying: key))
    case .byIdentifier(let identifier):
      guard mode != .forgetful, let key = keys.removeValue(forKey: identifier) else { return .notFound }
      let given = mode == .lying ? generator.bytes(32) : mode == .short ? Array(key.prefix(16)) : key
      return .key(
        identifier: mode == .confused ? generator.bytes(16) : identifier, secret: SecretBytes(copying: given))
    }
  }
}
