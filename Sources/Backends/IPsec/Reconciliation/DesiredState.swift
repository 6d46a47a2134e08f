// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Secrets

/// What charon should have loaded: all of it ours, since the names tell.
///
/// charon keeps no notes for us, so the names carry what a later agent has to know: a connection's child is named after
/// a digest of the connection, a secret after a digest of itself. What is loaded under the name that it should have is
/// equal, and is left alone, whoever loaded it.
public struct DesiredState: Sendable, Equatable {
  public var connections: [DesiredConnection] = []
  public var secrets: [DesiredSecret] = []
  public var keys: [DesiredKey] = []

  public init() {}

  /// What the names of our connections and secrets begin with.
  public static let prefix = "agentd:"
}

/// A connection of charon: one tunnel with one way to identify and authenticate its far end.
public struct DesiredConnection: Sendable, Equatable {
  /// How a PPK is used.
  public enum PPK: Sendable, Equatable {
    case manual(id: String, isRequired: Bool)
    /// The ID is a new one for each IKE SA, and not part of the digest. Nor is the system that keys are shared with,
    /// which the key service knows under that name, nor how long they are used.
    case dynamic(sksProfile: String, isRequired: Bool, remoteSystem: String? = nil, lifetime: PPKLifetime = .init())

    /// Of a dynamic one.
    var lifetime: PPKLifetime? { if case .dynamic(_, _, _, let lifetime) = self { lifetime } else { nil } }
    var isRequired: Bool {
      switch self {
      case .manual(_, let isRequired), .dynamic(_, let isRequired, _, _): isRequired
      }
    }
  }

  public let name: String
  public let tunnel: String
  /// Whether this side starts negotiations with it.
  public let initiates: Bool
  public let ppk: PPK?
  /// What the far end protects is routed to the tunnel; not part of the digest.
  public let addsReverseRoute: Bool
  private let settings: VICIMessage
  private let child: VICIMessage
  public let childName: String

  init(
    tunnel: String, number: Int, initiates: Bool, ppk: PPK?, addsReverseRoute: Bool = false, settings: VICIMessage,
    child: VICIMessage
  ) throws(VICIError) {
    self.addsReverseRoute = addsReverseRoute
    name = "\(DesiredState.prefix)\(tunnel):\(number)"
    self.tunnel = tunnel
    self.initiates = initiates
    self.ppk = ppk
    self.settings = settings
    self.child = child
    var whole = settings
    Self.add(ppk, to: &whole, dynamicPPK: nil)
    whole.add("child", child)
    childName = "\(tunnel).\(Digest.text(of: try whole.encoded()))"
  }

  /// The message of `load-conn`.
  ///
  /// - Parameters:
  ///   - dynamicPPK: the ID of the key for the next IKE SA, where a dynamic PPK is used.
  ///   - requiringPPK: whatever the configuration says, as for a session that has one already.
  public func message(dynamicPPK: String? = nil, requiringPPK: Bool = false) -> VICIMessage {
    var connection = settings
    Self.add(ppk, to: &connection, dynamicPPK: dynamicPPK, requiringPPK: requiringPPK)
    connection.add("children", VICIMessage([.section(name: childName, child)]))
    return VICIMessage([.section(name: name, connection)])
  }

  private static func add(
    _ ppk: PPK?, to connection: inout VICIMessage, dynamicPPK: String?, requiringPPK: Bool = false
  ) {
    switch ppk {
    case .manual(let id, let isRequired):
      connection.add("ppk_id", id)
      connection.add("ppk_required", isRequired)
    case .dynamic(_, let isRequired, _, _):
      if let dynamicPPK { connection.add("ppk_id", PPKIdentifier.dynamicIdentity(dynamicPPK)) }
      connection.add("ppk_required", isRequired || requiringPPK)
    case nil: break
    }
  }
}

/// A preshared key or PPK.
public struct DesiredSecret: Sendable, Equatable {
  public enum Kind: String, Sendable {
    case ike
    case ppk
  }
  public enum Content: Sendable, Equatable {
    case sealed(Sealed)
    /// Nobody has to know it.
    case random
  }

  /// charon's name for it.
  public let id: String
  public let kind: Kind
  public let owners: [String]
  public let content: Content
  /// Secrets of a group are loaded together and in order: of several that fit alike, charon takes the one loaded last.
  public let group: String

  init(kind: Kind, label: String, group: String? = nil, owners: [String], content: Content) {
    self.kind = kind
    self.owners = owners
    self.content = content
    var bytes = Array(([kind.rawValue] + owners).joined(separator: "\n").utf8)
    if case .sealed(let sealed) = content { bytes += sealed.fingerprint.bytes }
    id = "\(DesiredState.prefix)\(kind.rawValue):\(label):\(Digest.text(of: bytes))"
    self.group = group ?? id
  }

  /// The message of `load-shared`, with the clear text.
  ///
  /// - Throws: `SecretsError` when the secret cannot be opened.
  public func message(opening sealer: Sealer) throws(SecretsError) -> VICIMessage {
    var message = VICIMessage()
    message.add("id", id)
    message.add("type", kind.rawValue)
    switch content {
    case .sealed(let sealed): message.add("data", try sealer.open(sealed))
    case .random: message.add("data", try SecretBytes.random(count: 32))
    }
    message.add("owners", owners)
    return message
  }
}

/// A private key of a trustpoint.
public struct DesiredKey: Sendable, Equatable {
  /// charon's name for it: SHA-1 of the public key's bits, in hexadecimal.
  public let identifier: String
  /// PEM.
  public let key: Sealed

  /// The message of `load-key`, with the clear text.
  public func message(opening sealer: Sealer) throws(SecretsError) -> VICIMessage {
    var message = VICIMessage()
    message.add("type", "any")
    message.add("data", try sealer.open(key))
    return message
  }
}

enum Digest {
  /// The first 8 bytes of SHA-256, in hexadecimal: enough that no two configurations of one name meet by accident.
  static func text(of bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    SHA256(bytes, bytes.count, &digest)
    return digest.prefix(8).map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }
}
