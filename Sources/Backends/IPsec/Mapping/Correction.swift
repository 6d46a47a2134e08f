// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Something that is wrong, or unwise, in the configuration, at a place that its writer knows.
public struct Correction: Sendable, Equatable, CustomStringConvertible {
  public enum Severity: Sendable, Equatable {
    /// The commit is refused.
    case error
    /// A reference to what does not exist: refused, or with `reference-check warn` the reason of a tunnel that is down.
    case reference
    /// The commit is taken, and the log says so.
    case warning
  }

  public let severity: Severity
  /// Instance path of the node.
  public let path: String
  public let reason: String

  public var description: String { "\(path): \(reason)" }
}

/// Instance paths of the models.
enum ModelPath {
  private static let ikev2 = "/Cisco-IOS-XR-um-ikev2-cfg:ikev2"
  private static let ipsec = "/Cisco-IOS-XR-um-ipsec-cfg:ipsec"

  static func proposal(_ name: String) -> String {
    "\(ikev2)/proposal/ikev2-proposal-names/ikev2-proposal-name[ikev2-proposal-name=\(quoted(name))]"
  }
  static func policy(_ name: String) -> String {
    "\(ikev2)/policy/ikev2-policy-names/ikev2-policy-name[ikev2-policy-name=\(quoted(name))]"
  }
  static func profile(_ name: String) -> String {
    "\(ikev2)/profile/ikev2-profile-names/ikev2-profile-name[ikev2-profile-name=\(quoted(name))]"
  }
  static func keyring(_ name: String) -> String {
    "/Cisco-IOS-XR-um-ikev2-cfg:keyrings/keyring[ikev2-keyring-name=\(quoted(name))]"
  }
  static func peer(_ keyring: String, _ name: String) -> String {
    "\(Self.keyring(keyring))/peers/peer[peer-name=\(quoted(name))]"
  }
  static func transformSet(_ name: String) -> String {
    "\(ipsec)/transform-sets/transform-set[transform-set-name=\(quoted(name))]"
  }
  static func ipsecProfile(_ name: String) -> String {
    "\(ipsec)/profiles/profile[profile-name=\(quoted(name))]/set"
  }
  static func tunnel(_ name: String) -> String {
    "/Cisco-IOS-XR-um-interface-cfg:interfaces/interface[interface-name=\(quoted(name))]"
      + "/Cisco-IOS-XR-um-if-tunnel-cfg:tunnel"
  }

  private static func quoted(_ text: String) -> String { text.contains("'") ? "\"\(text)\"" : "'\(text)'" }
}
