// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What passes the controlled port. The raw value is its code between an agent and secyd.
public enum ControlledPortStatus: UInt8, Sendable, Hashable, CaseIterable {
  /// Nothing but the protocols that are let through in clear.
  case blocked = 0
  /// Frames in clear, and received frames that an installed association proves.
  case unprotected = 1
  /// Frames protected by MACsec.
  case protected = 2
}

/// What is done with a received frame that is not proved authentic (IEEE 802.1AE-2018 10.7.8).
public enum FrameValidation: UInt8, Sendable, Hashable, CaseIterable {
  /// It is delivered, unless it is encrypted; nothing is checked.
  case disabled = 0
  /// It is delivered and counted, unless it is encrypted.
  case check = 1
  /// It is discarded.
  case strict = 2
}

/// Protocols that pass beside MACsec, in both directions and whatever the port's status.
public struct ClearProtocols: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue & 7 }

  /// EtherType 0x88CC.
  public static let lldp = ClearProtocols(rawValue: 1)
  /// Slow protocols, EtherType 0x8809, of which LACP is one.
  public static let lacp = ClearProtocols(rawValue: 2)
  /// MAC control, EtherType 0x8808.
  public static let pause = ClearProtocols(rawValue: 4)

  @inline(__always)
  func admits(_ etherType: UInt16) -> Bool {
    switch etherType {
    case 0x88CC: contains(.lldp)
    case 0x8809: contains(.lacp)
    case 0x8808: contains(.pause)
    default: false
    }
  }
}

/// How a SecY treats all its frames.
public struct SecYSettings: Sendable, Hashable {
  public var cipherSuite = FrameCipherSuite.gcmAES128
  public var confidentiality = FrameConfidentiality.whole
  public var validation = FrameValidation.strict
  public var replayProtect = true
  /// How far behind the next expected packet number a frame may come, in packets.
  public var replayWindow: UInt32 = 0
  /// Whether each frame names its channel. Without, only frames from the SecY's own address as an end station go unnamed.
  public var includesSCI = true
  public var clearProtocols = ClearProtocols()
  /// How many VLAN tags, 0 to 2, stand in clear before the SecTAG. They are not covered by the ICV: a network in between
  /// may change them.
  public var vlanTagsInClear: UInt8 = 0

  public init() {}
}

/// A key with all that its association needs.
///
/// Only lent: the engine keeps the key in its cipher context and nowhere else.
public struct AssociationKey {
  /// What suites with extended packet numbers mix into the initialization vector.
  public struct Extension: Sendable, Hashable {
    public var ssci: UInt32
    public var salt: (high: UInt32, low: UInt64) { (saltHigh, saltLow) }
    private var saltHigh: UInt32
    private var saltLow: UInt64

    /// Nil unless the salt has 12 octets.
    public init?(ssci: UInt32, salt: some Collection<UInt8>) {
      guard salt.count == 12 else { return nil }
      self.ssci = ssci
      saltHigh = salt.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
      saltLow = salt.dropFirst(4).reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  /// 16 octets that name the key.
  public var identifier: KeyName
  public var bytes: UnsafeRawBufferPointer
  public var `extension`: Extension?

  public init(identifier: KeyName, bytes: UnsafeRawBufferPointer, extension: Extension? = nil) {
    self.identifier = identifier
    self.bytes = bytes
    self.extension = `extension`
  }
}

/// The 128-bit name of a key: no secret.
public struct KeyName: Sendable, Hashable, CustomStringConvertible {
  public let high: UInt64
  public let low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Nil unless there are 16 octets.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  public var bytes: [UInt8] {
    [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * $0)) } }
  }

  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
  }
}
