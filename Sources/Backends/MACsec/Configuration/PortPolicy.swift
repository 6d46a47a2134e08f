// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA

/// What a macsec-policy asks of a port, in the terms of the engine, the SecY and the driver.
struct PortPolicy: Sendable, Hashable {
  /// How new SAKs are logged.
  enum RekeyLogging: Sendable, Hashable {
    case each
    case none
    /// Their number, once in so long.
    case summary(Duration)
  }

  /// Keys of a key service.
  struct KeySource: Sendable, Hashable {
    var profile: String
    /// The name of this system at the key service, where it is configured.
    var localSystem: String?
    /// Keys held ready, and for how long one may wait.
    var bufferSize = 0
    var bufferMaximumAge = Duration.seconds(3_600)
    var bufferAlarmBelow = 0
  }

  /// As operators see it where no policy is named.
  static let defaultName = "*DEFAULT POLICY*"

  var name = defaultName
  var mka = Policy()
  var exceptions = ClearExceptions()
  var keySource: KeySource?
  var rekeyLogging = RekeyLogging.each
  /// Keys of the key service are CAKs.
  var cak: CAKPolicy?

  /// What passes the parent link in clear: in CAK mode LLDP too.
  var guardExceptions: ClearExceptions {
    var exceptions = exceptions
    if cak != nil { exceptions.lldp = true }
    return exceptions
  }

  /// The SecY's settings before the first SAK.
  var initialConfiguration: SecYConfiguration {
    SecYConfiguration(
      cipherSuite: mka.cipherSuite, confidentialityOffset: mka.confidentialityOffset,
      replayProtect: mka.replayProtect, replayWindow: mka.replayWindow)
  }
}
