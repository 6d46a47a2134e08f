// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What the `version` command answers.
public struct VICIVersion: Sendable, Equatable, CustomStringConvertible {
  /// The daemon, such as `charon-systemd`.
  public let daemon: String
  /// strongSwan's version, such as `5.9.8`.
  public let version: String
  /// The numbers of the version, as far as they go.
  public let numbers: [Int]

  /// The oldest version whose VICI this program knows: the mapping needs `ppk_id` of 5.7 and was tested from here on.
  public static let oldest = [5, 9]

  /// - Throws: `incompatible` when this is no charon, or one that is too old.
  public init(_ answer: VICIMessage) throws(VICIError) {
    guard let daemon = answer["daemon"], let version = answer["version"] else {
      throw VICIError(.incompatible, "the answer to 'version' names no daemon or no version")
    }
    guard daemon.hasPrefix("charon") else {
      throw VICIError(.incompatible, "the daemon on the socket is '\(daemon.prefix(64))', not charon")
    }
    self.daemon = daemon
    self.version = version
    numbers = version.prefix(32).split(separator: ".").prefix(4).map { part in
      Int(part.prefix { $0.isASCII && $0.isNumber }) ?? 0
    }
    guard !numbers.lexicographicallyPrecedes(Self.oldest) else {
      throw VICIError(.incompatible, "strongSwan \(version.prefix(32)) is too old, 5.9 is needed")
    }
  }

  public var description: String { "\(daemon) \(version)" }
}
