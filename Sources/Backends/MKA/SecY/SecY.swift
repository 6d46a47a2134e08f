// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A MAC Security Entity (IEEE 802.1AE clause 10) on a parent link: what protects the frames of one port.
///
/// There are two: the kernel's, and `secyd`'s in userspace. Both keep protecting while the agent is away, and are
/// taken over by ``open(_:)``. The calls block for no longer than a local exchange takes, with a limit of a few
/// seconds, and may come from any thread, one at a time in the order in which they are to happen.
///
/// A SecY never installs a SAK a second time and never lowers a packet number. Where it has lost what it held (its
/// link was deleted, its process died), commands fail; the KaY then gives that SAK up and makes a new one.
public protocol SecY: Sendable {
  /// Which one it is, for operational state.
  var kind: SecYKind { get }
  /// What it can do.
  var capability: SecYCapability { get }
  /// The Linux link that is the controlled port: protected frames go in and out there, and the addresses live there.
  var controlledPortName: String { get }

  /// Makes the controlled port, with these settings and blocked; or adopts it as it is found, with all that is
  /// installed. The answer is what it holds now. To be called before anything else, and again after a loss. Cuts the
  /// parent's own stack off (``ParentStack``), until ``remove()``.
  func open(_ initial: SecYConfiguration) throws(SecYError) -> SecYState

  /// Carries out commands in their order, and goes on after a failure. The answer has what failed, for
  /// `KaY.secYFailed`.
  func perform(_ commands: [SecYCommand]) -> [SecYFailure]

  /// The next packet number of each transmit association, for `KaY.update(nextPN:of:)`. May be half a second old.
  func nextPacketNumbers() throws(SecYError) -> [SAKIdentifier: UInt64]

  /// All counters. They start at 0 when the controlled port is made.
  func statistics() throws(SecYError) -> SecYStatistics

  /// What is installed now.
  func state() throws(SecYError) -> SecYState

  /// Takes the controlled port away with everything in it. No error when it is gone already.
  func remove() throws(SecYError)
}

/// Where frames are protected.
public enum SecYKind: String, Sendable, Hashable {
  case kernel
  case userspace
}

/// What a SecY can do.
public struct SecYCapability: Sendable, Hashable {
  public var cipherSuites: Set<CipherSuite>
  public var confidentialityOffsets: Set<ConfidentialityOffset>
  /// How many VLAN tags it can leave in clear before the SecTAG.
  public var maximumVLANTagsInClear: Int

  public init(
    cipherSuites: Set<CipherSuite>, confidentialityOffsets: Set<ConfidentialityOffset>, maximumVLANTagsInClear: Int
  ) {
    self.cipherSuites = cipherSuites
    self.confidentialityOffsets = confidentialityOffsets
    self.maximumVLANTagsInClear = maximumVLANTagsInClear
  }

  /// What is announced to peers.
  public var macsecCapability: MACsecCapability {
    if confidentialityOffsets.isSuperset(of: [.thirty, .fifty]) { return .confidentialityWithOffsets }
    return confidentialityOffsets.contains(.zero) ? .confidentiality : .integrity
  }

  /// Whether it can be set up so.
  public func supports(_ configuration: SecYConfiguration) -> Bool {
    cipherSuites.contains(configuration.cipherSuite)
      && confidentialityOffsets.contains(configuration.confidentialityOffset)
  }
}

/// A command that was not carried out, and why.
public struct SecYFailure: Sendable {
  public var command: SecYCommand
  public var error: SecYError

  public init(command: SecYCommand, error: SecYError) {
    self.command = command
    self.error = error
  }
}

/// Why a SecY did not do what it was asked. The message never holds any part of a key.
public struct SecYError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; the set may grow.
  public enum Code: Sendable, Hashable {
    /// It cannot do that at all: a suite, an offset, or MACsec.
    case unsupported
    /// The parent link, the controlled port, a channel or an association is not there.
    case absent
    /// Something else is there already, or the command would use packet numbers twice.
    case conflict
    /// The kernel or the process refused.
    case refused
    /// The kernel or the process does not answer.
    case unreachable
  }

  public let code: Code
  /// A sentence for the operator.
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { message }

  /// Errors are equal when their codes are.
  public static func == (left: SecYError, right: SecYError) -> Bool { left.code == right.code }
  public func hash(into hasher: inout Hasher) { hasher.combine(code) }
}

/// The names of controlled ports, the same for both SecYs.
public enum ControlledPortName {
  /// `ms-` and the parent's name, or the parent's index where the name has more than 12 bytes.
  public static func of(parent: String, index: UInt32) -> String {
    parent.utf8.count <= 12 ? "ms-\(parent)" : "ms-\(index)"
  }
}
