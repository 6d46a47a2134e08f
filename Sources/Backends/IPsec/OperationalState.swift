// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An IKE SA, as `list-sas` and the events of charon tell it. Times are relative to the moment of asking.
public struct IKESA: Sendable, Equatable {
  public enum Role: Sendable, Equatable {
    case initiator
    case responder
  }
  /// Address and port of one end.
  public struct Endpoint: Sendable, Equatable, CustomStringConvertible {
    public var address: String
    public var port: Int
    public var description: String { "\(address)/\(port)" }
  }

  /// charon's number for it; names repeat, this does not.
  public var uniqueID: UInt32
  /// Name of its connection.
  public var connection: String
  /// charon's word, such as ESTABLISHED.
  public var state: String
  /// The side that began the last negotiation: after a rekey the one that rekeyed.
  public var role: Role
  public var local: Endpoint
  public var remote: Endpoint
  public var localIdentity: String
  public var remoteIdentity: String
  /// 64 bits, in hexadecimal.
  public var initiatorSPI: String
  public var responderSPI: String
  /// Absent before a proposal is chosen.
  public var algorithms: Algorithms?
  /// A post-quantum preshared key was mixed in.
  public var usesPPK: Bool
  /// Since it was established, or rekeyed; nil before.
  public var established: Duration?
  public var rekeysIn: Duration?
  public var isBehindNAT: Bool
  public var children: [ChildSA]

  /// SPI of this side and of the far end.
  public var localSPI: String { role == .initiator ? initiatorSPI : responderSPI }
  public var remoteSPI: String { role == .initiator ? responderSPI : initiatorSPI }
  public var isEstablished: Bool { state == "ESTABLISHED" }
}

/// Algorithms of an SA in charon's words, such as AES_CBC, 256, HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, ECP_384.
public struct Algorithms: Sendable, Equatable {
  public var encryption: String
  /// Bits.
  public var keySize: Int?
  /// Absent for combined modes.
  public var integrity: String?
  /// Only of IKE SAs.
  public var prf: String?
  /// Of a child only where it had an exchange of its own.
  public var group: String?
}

/// A child SA: one in each direction.
public struct ChildSA: Sendable, Equatable {
  public struct Traffic: Sendable, Equatable {
    public var bytes: UInt64
    public var packets: UInt64
    /// Since the last packet; nil if there was none.
    public var idle: Duration?
  }

  public var uniqueID: UInt32
  public var name: String
  /// charon's word, such as INSTALLED.
  public var state: String
  /// ESP or AH.
  public var protocolName: String
  /// 32 bits, in hexadecimal.
  public var inboundSPI: String
  public var outboundSPI: String
  public var isInUDP: Bool
  public var algorithms: Algorithms?
  /// They begin at zero with each rekey.
  public var inbound: Traffic
  public var outbound: Traffic
  public var installed: Duration?
  public var rekeysIn: Duration?
  public var expiresIn: Duration?
  public var interfaceID: UInt32?
  public var localSelectors: [String]
  public var remoteSelectors: [String]

  public var isInstalled: Bool { state == "INSTALLED" }
}

extension IKESA {
  /// Takes the SAs of one `list-sa` event, or of an event that carries SAs in the same shape.
  ///
  /// What lacks a number or state is left out: it cannot be told from others.
  public static func list(_ message: VICIMessage) -> [IKESA] {
    message.sections.compactMap { name, section in IKESA(connection: name, section) }
  }

  /// Nil when the section is no IKE SA.
  public init?(connection: String, _ section: VICIMessage) {
    guard let id = section["uniqueid"].flatMap({ UInt32($0) }), let state = section["state"] else { return nil }
    uniqueID = id
    self.connection = connection
    self.state = state
    role = section.flag("initiator") ? .initiator : .responder
    local = Endpoint(address: section["local-host"] ?? "", port: section.number("local-port") ?? 0)
    remote = Endpoint(address: section["remote-host"] ?? "", port: section.number("remote-port") ?? 0)
    localIdentity = section["local-id"] ?? ""
    remoteIdentity = section["remote-id"] ?? ""
    initiatorSPI = section["initiator-spi"] ?? ""
    responderSPI = section["responder-spi"] ?? ""
    algorithms = Algorithms(section)
    usesPPK = section.flag("ppk")
    established = section.seconds("established")
    rekeysIn = section.seconds("rekey-time")
    isBehindNAT = section.flag("nat-any")
    children = section.section("child-sas")?.sections.compactMap { _, child in ChildSA(child) } ?? []
  }
}

extension ChildSA {
  /// Nil when the section is no child SA.
  public init?(_ section: VICIMessage) {
    guard let id = section["uniqueid"].flatMap({ UInt32($0) }), let state = section["state"] else { return nil }
    uniqueID = id
    self.state = state
    name = section["name"] ?? ""
    protocolName = section["protocol"] ?? ""
    inboundSPI = section["spi-in"] ?? ""
    outboundSPI = section["spi-out"] ?? ""
    isInUDP = section.flag("encap")
    algorithms = Algorithms(section)
    inbound = Traffic(section, "in")
    outbound = Traffic(section, "out")
    installed = section.seconds("install-time")
    rekeysIn = section.seconds("rekey-time")
    expiresIn = section.seconds("life-time")
    interfaceID = section["if-id-in"].flatMap { UInt32($0, radix: 16) }
    localSelectors = section.list("local-ts")
    remoteSelectors = section.list("remote-ts")
  }
}

extension ChildSA.Traffic {
  fileprivate init(_ section: VICIMessage, _ direction: String) {
    bytes = section["bytes-\(direction)"].flatMap { UInt64($0) } ?? 0
    packets = section["packets-\(direction)"].flatMap { UInt64($0) } ?? 0
    idle = section.seconds("use-\(direction)")
  }
}

extension Algorithms {
  fileprivate init?(_ section: VICIMessage) {
    guard let encryption = section["encr-alg"] else { return nil }
    self.encryption = encryption
    keySize = section.number("encr-keysize")
    integrity = section["integ-alg"]
    prf = section["prf-alg"]
    group = section["dh-group"]
  }
}

extension VICIMessage {
  fileprivate func number(_ name: String) -> Int? { self[name].flatMap { Int($0) } }
  fileprivate func flag(_ name: String) -> Bool { self[name] == "yes" }
  fileprivate func seconds(_ name: String) -> Duration? {
    self[name].flatMap { Int32($0) }.map { .seconds(Int64($0)) }
  }
}
