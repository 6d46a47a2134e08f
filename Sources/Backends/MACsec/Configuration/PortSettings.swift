// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import MKA
import Models

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

  /// An interface that is yet to come is the same to Linux.
  init?(_ model: PreconfiguredMACsecModel) {
    let keys = model.pskKeychain
    self.init(
      InterfaceMACsecModel(
        pskKeychain: .init(
          keychainName: keys.keychainName, fallbackPSKKeychain: keys.fallbackPSKKeychain, policy: keys.policy)))
  }
}

extension ChangeSet {
  /// The interfaces of which the binding changed, in both lists, with their new bindings. Those that are set come last:
  /// an interface that moves from one list to the other keeps its own.
  var bindings: [(name: String, binding: PortBinding?)] {
    var result: [(name: String, binding: PortBinding?)] = []
    for change in changes[PreconfiguredMACsecModel.schemaPath] ?? [] {
      let model = change.new?.interior.flatMap { try? PreconfiguredMACsecModel($0) }
      result.append((change.path.interfaceName, model.flatMap { PortBinding($0) }))
    }
    for change in changes[InterfaceMACsecModel.schemaPath] ?? [] {
      let model = change.new?.interior.flatMap { try? InterfaceMACsecModel($0) }
      result.append((change.path.interfaceName, model.flatMap { PortBinding($0) }))
    }
    return result.filter { $0.binding == nil } + result.filter { $0.binding != nil }
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
