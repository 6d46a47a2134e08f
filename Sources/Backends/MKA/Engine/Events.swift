// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Something that operators want to know of.
public struct Event: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// A participant began with this CKN.
    case sessionStart
    /// The port is protected.
    case sessionSecured
    case sessionSecuredWithFallbackPSK
    /// A secured port is so no more; the reason.
    case sessionUnsecured(String)
    /// A participant ended; the reason.
    case sessionStop(String)
    /// The ICV of a peer's MKPDUs verifies, under the primary or the fallback key.
    case icvSuccess(peer: SCI, fallback: Bool)
    case icvFailure(peer: SCI, fallback: Bool)
    /// A new SAK is in use.
    case sakRekey(SAKIdentifier, AssociationNumber)
    case peerLost(SCI)
    /// The latest active key of the chain is another one.
    case cakRollover(from: CKN)
    /// No key of the chain is in its lifetime.
    case keyExpired
    /// The SecY or the cryptographic library failed at something.
    case failure(String)
    case suspended(Duration)
    case suspensionEnded
    /// PPK mode: no session, and why.
    case ppkFailure(String)
    /// PPK mode: the session goes on with a key of the CAK alone, as the policy says.
    case ppkFallback(String)
    /// PPK mode: a key of the key service is in use.
    case ppkInUse
    /// CAK mode: a key of the key service is in use as the CAK.
    case cakInUse
    /// PPK mode: the key in use grows old and no other has come.
    case keyAgeAlarm(Duration)
    /// PPK mode: the key in use is older than the policy allows; whether the port is blocked for it.
    case keyExhausted(stalls: Bool)
  }

  public enum Severity: UInt8, Sendable, Comparable {
    case error = 3
    case warning = 4
    case notice = 5
    case information = 6

    public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
  }

  public var kind: Kind
  public var ckn: CKN?

  public init(_ kind: Kind, ckn: CKN? = nil) {
    self.kind = kind
    self.ckn = ckn
  }

  public var severity: Severity {
    switch kind {
    case .icvFailure, .failure, .ppkFailure, .keyExhausted: .error
    case .sessionUnsecured, .peerLost, .keyExpired, .ppkFallback, .keyAgeAlarm: .warning
    case .sessionStart, .sessionSecured, .sessionSecuredWithFallbackPSK, .sessionStop, .cakRollover, .suspended,
      .suspensionEnded:
      .notice
    case .icvSuccess, .sakRekey, .ppkInUse, .cakInUse: .information
    }
  }

  /// It tells whether a station's ICV verifies.
  public var isOfICV: Bool {
    switch kind {
    case .icvSuccess, .icvFailure: true
    default: false
    }
  }

  /// The name that automation looks for.
  public var mnemonic: String {
    switch kind {
    case .sessionStart: "SESSION_START"
    case .sessionSecured: "SESSION_SECURED"
    case .sessionSecuredWithFallbackPSK: "SESSION_SECURED_WITH_FALLBACK_PSK"
    case .sessionUnsecured: "SESSION_UNSECURED"
    case .sessionStop: "SESSION_STOP"
    case .icvSuccess(_, let fallback): fallback ? "FALLBACK_PSK_MKPDU_ICV_SUCCESS" : "MKPDU_ICV_SUCCESS"
    case .icvFailure(_, let fallback): fallback ? "FALLBACK_PSK_MKPDU_ICV_FAILURE" : "MKPDU_ICV_FAILURE"
    case .sakRekey: "SAK_REKEY"
    case .peerLost: "KEEPALIVE_TIMEOUT"
    case .cakRollover: "CAK_REKEY"
    case .keyExpired: "KEY_EXPIRED"
    case .failure: "FAILURE"
    case .suspended: "SUSPENDED"
    case .suspensionEnded: "SUSPENSION_ENDED"
    case .ppkFailure: "PPK_FAILURE"
    case .ppkFallback: "PPK_FALLBACK"
    case .ppkInUse: "PPK_IN_USE"
    case .cakInUse: "CAK_IN_USE"
    case .keyAgeAlarm: "KEY_AGE_ALARM"
    case .keyExhausted: "KEY_LIFETIME_EXHAUSTED"
    }
  }
}

extension Event {
  /// A log line in the form that operators of IOS XR know.
  public func line(interface: String) -> String {
    // Those of ICVs have a form of their own.
    var text = "%L2-MKA-\(severity.rawValue)-\(mnemonic)" + (isOfICV ? ": (\(interface)), " : " : (\(interface)) ")
    switch kind {
    case .sessionStart: text += "MKA session started"
    case .sessionSecured, .sessionSecuredWithFallbackPSK: text += "MKA session secured"
    case .sessionUnsecured(let reason): text += "MKA session no longer secured: \(reason)"
    case .sessionStop(let reason): text += "MKA session stopped: \(reason)"
    case .icvSuccess(let peer, _): text += "ICV verification success for RxSCI(\(peer))"
    case .icvFailure(let peer, _): text += "ICV verification failed for RxSCI(\(peer))"
    case .sakRekey(let key, let number): text += "SAK rekeyed, KN \(key.number), AN \(number)"
    case .peerLost(let peer): text += "peer silent for the MKA life time, RxSCI(\(peer))"
    case .cakRollover(let previous): text += "rolled over from CKN:\(previous)"
    case .keyExpired: text += "key out of its lifetime"
    case .failure(let what): text += what
    case .suspended(let time): text += "MKA suspended for \(time.components.seconds) s"
    case .suspensionEnded: text += "MKA suspension ended"
    case .ppkFailure(let reason): text += "no key from the key service: \(reason)"
    case .ppkFallback(let reason): text += "on the pre-shared key alone: \(reason)"
    case .ppkInUse: text += "SAK made with a key of the key service"
    case .cakInUse: text += "the CAK is a key of the key service"
    case .keyAgeAlarm(let age): text += "the key in use is \(age.components.seconds) s old"
    case .keyExhausted(let stalls):
      text +=
        "the key in use is older than allowed, \(stalls ? "the port is blocked" : "falling back to the pre-shared key")"
    }
    if let ckn { text += isOfICV ? ", CKN(\(ckn))" : ", CKN:\(ckn)" }
    return text
  }
}
