// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Whether post-quantum preshared keys protect a session.
public enum QuantumResistance: Sendable, Equatable {
  case disabled
  case manual
  case dynamic

  /// Of an SA, by what its connection was to use: charon says that a PPK was mixed in, not which.
  public init(_ sa: IKESA, _ ppk: DesiredConnection.PPK?) {
    switch ppk {
    case .manual where sa.usesPPK: self = .manual
    case .dynamic where sa.usesPPK: self = .dynamic
    default: self = .disabled
    }
  }

  /// As operators of routers read it.
  public var text: String {
    switch self {
    case .disabled: "Disabled"
    case .manual: "Enabled with manual PPK"
    case .dynamic: "Enabled with dynamic PPK"
    }
  }
}
