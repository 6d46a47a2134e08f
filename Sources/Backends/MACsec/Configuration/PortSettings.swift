// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA

/// What an interface's configuration names.
struct PortBinding: Sendable, Hashable {
  var primary: String
  var fallback: String?
  var policy: String?

  /// Nil without a primary key chain: then the interface has no MACsec.
  init?(_ model: InterfaceMACsecModel) {
    guard let primary = model.pskKeychain.keychainName else { return nil }
    self.primary = primary
    fallback = model.pskKeychain.fallbackPSKKeychain
    policy = model.pskKeychain.policy
  }
}

/// What a port is to do.
struct PortSettings: Sendable {
  var binding: PortBinding
  var primary: EngineKeyChain?
  var fallback: EngineKeyChain?
  var policy: PortPolicy
  /// MACsec is off on the device.
  var isShutDown: Bool
  var dataPlane: DataPlaneChoice
  /// Names that stand for nothing, as a sentence; the port is blocked while there is one.
  var missing: String?
}

/// Which SecY is asked for.
enum DataPlaneChoice: Sendable, Hashable {
  case automatic, kernel, userspace
}
