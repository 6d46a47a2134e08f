// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import KeyService
import Models
import YANG

typealias ProfileStatModel = SKSServerOper.SKS.ProfileStats.ProfileStat
typealias ProfileStateModel = SKSServerOper.SKS.Profiles.Profile

extension ProfileStatModel {
  /// The statistics of a profile; of one that is not of type remote there are none.
  init(_ state: ProfileOperationalState, isRemote: Bool) {
    self.init(profileName: state.profileName, profileNameXR: state.profileName)
    guard isRemote else { return }
    myIdentifier = state.capabilities?.localSystem
    remoteProfileInfo = RemoteProfileInfo(state)
    let counters = state.statistics
    httpCounters = HTTPCounters(
      requestTotal: counters.requestTotal, requestFailed: counters.requestFailed,
      requestSuccess: counters.requestSuccess, responseTotal: counters.responseTotal,
      responseFailed: counters.responseFailed, responseSuccess: counters.responseSuccess,
      retryCount: counters.retryCount, ignoredCount: counters.ignoredCount, cancelCount: counters.cancelCount,
      validationFailed: counters.validationFailed)
    httpTransactionRequestCounters = HTTPTransactionRequestCounters(
      getCapability: counters.requests.capability, getKey: counters.requests.key,
      getKeyWithID: counters.requests.keyWithID, getEntropy: counters.requests.entropy)
    httpTransactionResponseCounters = HTTPTransactionResponseCounters(
      getCapability: counters.responses.capability, getKey: counters.responses.key,
      getKeyWithID: counters.responses.keyWithID, getEntropy: counters.responses.entropy)
    let times = counters.responseTimes
    responseTime = ResponseTime(
      maxTime: times.maximum, minTime: times.minimum, avgTime: times.average, lastTime: times.last)
    let last = counters.lastTransaction
    lastTranInfo = LastTranInfo(
      tid: last.number, transType: SKSServerOper.SKSHTTPCTransaction(last.type), status: last.clientStatus,
      statusCode: last.statusCode, statusString: last.statusText.isEmpty ? nil : last.statusText)
  }
}

extension ProfileStatModel.RemoteProfileInfo {
  init(_ state: ProfileOperationalState) {
    self.init(
      serverAddr: state.server?.host.text, serverPort: state.server?.port, serverVRF: state.vrf,
      serverIntf: state.sourceInterface, state: SKSServerOper.SKSHTTPCServerConnectionStatus(state.status),
      reason: SKSServerOper.SKSHTTPCServerRefreshReason(state.reason))
    if let offered = state.capabilities {
      capability = Capability(
        entropySupported: offered.offersEntropy, keySupported: offered.offersKeys, algorithm: offered.algorithm,
        localIdentifier: offered.localSystem,
        remoteID: offered.remoteSystems.map { Capability.RemoteID(remoteIdentifier: $0) })
    }
    if let proxy = state.proxy {
      httpProxy = HTTPProxy(httpProxyHostName: proxy.host.text, httpProxyPort: proxy.port)
    }
    authInfo = AuthInfo(
      pskAuth: .init(pskIdentity: state.pskIdentity), authType: SKSServerOper.SKSTLSAuth(state.authentication))
  }
}

extension ProfileStateModel {
  /// The state of a profile; `profile-type-unknown` if it is not of type remote.
  init(_ state: ProfileOperationalState, isRemote: Bool) {
    self.init(
      profileName: state.profileName, profileNameXR: state.profileName, regClientCount: state.clientCount,
      profileType: isRemote ? .profileTypeRemote : .profileTypeUnknown)
    guard isRemote else { return }
    myIdentifier = state.capabilities?.localSystem
    remoteProfileInfo = RemoteProfileInfo(state)
  }
}

extension ProfileStateModel.RemoteProfileInfo {
  init(_ state: ProfileOperationalState) {
    self.init(
      serverAddr: state.server?.host.text, serverPort: state.server?.port, serverVRF: state.vrf,
      serverIntf: state.sourceInterface, state: SKSServerOper.SKSHTTPCServerConnectionStatus(state.status),
      reason: SKSServerOper.SKSHTTPCServerRefreshReason(state.reason))
    if let offered = state.capabilities {
      capability = Capability(
        entropySupported: offered.offersEntropy, keySupported: offered.offersKeys, algorithm: offered.algorithm,
        localIdentifier: offered.localSystem,
        remoteID: offered.remoteSystems.map { Capability.RemoteID(remoteIdentifier: $0) })
    }
    if let proxy = state.proxy {
      httpProxy = HTTPProxy(httpProxyHostName: proxy.host.text, httpProxyPort: proxy.port)
    }
    authInfo = AuthInfo(
      pskAuth: .init(pskIdentity: state.pskIdentity), authType: SKSServerOper.SKSTLSAuth(state.authentication))
    client = Client(state)
  }
}

extension ProfileStateModel.RemoteProfileInfo.Client {
  init(_ state: ProfileOperationalState) {
    let known = state.diagnostics
    let clock = DayClock()
    func time(_ seconds: Int64) -> String { Event.Time(seconds: seconds, nanoseconds: 0).dateAndTime }
    self.init(
      connectedSince: known.connectedSince.map(clock.dateAndTime), lastError: known.lastError,
      lastErrorTime: known.lastErrorTime.map(clock.dateAndTime), consecutiveFailures: known.consecutiveFailures,
      nextAttempt: known.nextAttempt.map(clock.dateAndTime),
      capabilityTime: known.capabilitiesReceived.map(clock.dateAndTime),
      tls: TLS(
        version: known.tls?.version, cipherSuite: known.tls?.cipherSuite,
        serverCertificateExpiry: known.tls?.certificateExpiry.map(time),
        clientCertificateExpiry: state.certificateExpiry.map(time)))
    switch state.remote {
    case .configured(let name, let pattern)?:
      (remoteSystemID, remoteSystemSource, remoteSystemPattern) = (name, .configured, pattern)
    case .inferred(let name)?: (remoteSystemID, remoteSystemSource, remoteSystemPattern) = (name, .inferred, name)
    case .ambiguous?: remoteSystemSource = .ambiguous
    case .notServed?: remoteSystemSource = .notServed
    case RemoteSelection.Finding.none?: remoteSystemSource = .none_
    case nil: break
    }
  }
}

// MARK: Enumerations

extension SKSServerOper.SKSHTTPCServerConnectionStatus {
  init(_ status: ConnectionStatus) {
    switch status {
    case .unknown: self = .stateUnknown
    case .connecting: self = .stateConnecting
    case .connected: self = .stateConnected
    case .capabilityRefresh: self = .stateCapabilityRefresh
    case .capabilityFailed: self = .stateCapabilityFailed
    case .registrationFailed: self = .stateRegistrationFailed
    }
  }
}

extension SKSServerOper.SKSHTTPCServerRefreshReason {
  init(_ reason: RefreshReason) {
    switch reason {
    case .unknown: self = .refreshUnknown
    case .vrfUpdate: self = .refreshVRFUpdate
    case .serverUpdate: self = .refreshServerUpdate
    case .serverRemoved: self = .refreshServerRemoved
    case .sourceInterfaceUpdate: self = .refreshSrcInterfaceUpdate
    case .sourceInterfaceRemoved: self = .refreshSrcInterfaceRemoved
    case .clientRegistrationFailed: self = .refreshHTTPCRegistrationFailed
    case .sendRequestFailed: self = .refreshHTTPCSendReqFailed
    case .sendRequest: self = .refreshHTTPCSendReq
    case .receiveResponseFailed: self = .refreshHTTPCRecvResFailed
    case .receiveResponse: self = .refreshHTTPCRecvRes
    case .receiveKeyResponseFailed: self = .refreshHTTPCRecvKeyResFailed
    case .clientDown: self = .refreshHTTPCDown
    case .clientUp: self = .refreshHTTPCUp
    case .proxyUpdate: self = .refreshProxyUpdate
    case .proxyRemoved: self = .refreshProxyRemoved
    case .tlsPSKUpdate: self = .refreshTLSPSKUpdate
    case .tlsPSKRemoved: self = .refreshTLSPSKRemoved
    }
  }
}

extension SKSServerOper.SKSHTTPCTransaction {
  init(_ type: TransactionType) {
    switch type {
    case .unknown: self = .transactionUnknown
    case .getCapability: self = .transactionGetCapability
    case .getKey: self = .transactionGetKey
    case .getKeyWithID: self = .transactionGetKeyWithID
    case .getEntropy: self = .transactionGetEntropy
    }
  }
}

extension SKSServerOper.SKSTLSAuth {
  init(_ authentication: TLSAuthentication) {
    switch authentication {
    case .unknown: self = .sksTLSAuthUnknown
    case .psk: self = .sksTLSAuthPSK
    case .certificate: self = .sksTLSAuthCert
    }
  }
}
