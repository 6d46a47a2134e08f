// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// The models by short names, where their own are long or are also those of the engine.
typealias PolicyModel = Models.MACsec.MACsecPolicy.PolicyNames.PolicyName
typealias KeyChainModel = Models.KeyChain.Key.Chains.Chain
typealias KeyModel = KeyChainModel.MACsec.Keys.Key
typealias InterfaceModel = Models.Interface.Interfaces.Interface
typealias InterfaceMACsecModel = InterfaceModel.MACsec
typealias PreconfiguredMACsecModel = Models.Interface.Interfaces.InterfacePreconfigure.MACsec
typealias DeviceModel = Models.MACsec
typealias PortStateModel = AgentdMACsec.MACsecState.Port
typealias MKAInterfaceModel = CryptoMACsecMKAOper.MACsec.MKA.Interfaces.Interface
typealias MKAPolicyModel = CryptoMACsecMKAOper.MACsec.Policies.Policy
typealias SecYInterfaceModel = CryptoMACsecSecYOper.MACsec.SecY.Interfaces.Interface
typealias KeyChainStateModel = LibKeychainOper.Keychain.Keys.Key
typealias EngineKeyChain = MKA.KeyChain
typealias EngineEvent = MKA.Event
