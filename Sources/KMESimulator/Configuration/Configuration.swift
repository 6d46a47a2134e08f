// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// Everything a simulator process does from its start: its KMEs, how they are reached, and how keys get between them.
public struct Configuration: Codable, Equatable, Sendable {
  /// Where the control interface listens; `nil` for none.
  public var control: Endpoint?
  /// How this process shares keys with KMEs in other processes; `nil` when all KMEs are in this one.
  public var network: NetworkLink?
  /// The KMEs.
  public var instances: [InstanceConfiguration]
  /// Faults in force from the start.
  public var faults: [Fault]

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case control, network, instances, faults
  }

  /// Makes a configuration.
  public init(
    instances: [InstanceConfiguration], control: Endpoint? = nil, network: NetworkLink? = nil, faults: [Fault] = []
  ) {
    self.control = control
    self.network = network
    self.instances = instances
    self.faults = faults
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
    control = try container.decodeIfPresent(Endpoint.self, forKey: .control)
    network = try container.decodeIfPresent(NetworkLink.self, forKey: .network)
    instances = try container.decode([InstanceConfiguration].self, forKey: .instances)
    faults = try container.decodeIfPresent([Fault].self, forKey: .faults) ?? []
  }

  /// Reads a configuration from JSON text; relative file names in it are taken from the working directory.
  public init(json: [UInt8]) throws(SimulatorError) {
    self = try decodeJSON(Configuration.self, from: json)
    try validate()
  }

  /// Checks what one part alone cannot show.
  public func validate() throws(SimulatorError) {
    guard !instances.isEmpty else { throw SimulatorError(.configuration, "there is no instance") }
    guard instances.count <= 256 else { throw SimulatorError(.configuration, "there are more than 256 instances") }
    guard Set(instances.map(\.name)).count == instances.count else {
      throw SimulatorError(.configuration, "two instances have the same name")
    }
    guard Set(instances.map(\.localSystemID)).count == instances.count else {
      throw SimulatorError(.configuration, "two instances have the same local-system-id")
    }
    for instance in instances { try instance.validate() }
    guard faults.count <= FaultTable.capacity else {
      throw SimulatorError(.configuration, "there are more than \(FaultTable.capacity) faults")
    }
    for fault in faults {
      if let name = fault.instance, !instances.contains(where: { $0.name == name }) {
        throw SimulatorError(.configuration, "a fault names the instance '\(name)', which does not exist")
      }
    }
    if let control, !control.isLocal {
      throw SimulatorError(
        .configuration, "the control interface has no authentication: it may listen on loopback only")
    }
    switch network {
    case .listen(let endpoint), .join(let endpoint):
      guard case .unix = endpoint else {
        throw SimulatorError(.configuration, "keys between processes go over a Unix socket only: unix:/path")
      }
    case nil: break
    }
  }
}

/// The two ends of the socket over which processes of one QKD network exchange keys.
public enum NetworkLink: Codable, Equatable, Sendable {
  /// This process is the hub.
  case listen(Endpoint)
  /// This process connects to the hub, and connects again when the hub went away.
  case join(Endpoint)

  private enum Key: String, CodingKey, CaseIterable { case listen, join }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: Key.self)
    if let endpoint = try container.decodeIfPresent(Endpoint.self, forKey: .listen), !container.contains(.join) {
      self = .listen(endpoint)
    } else if let endpoint = try container.decodeIfPresent(Endpoint.self, forKey: .join), !container.contains(.listen) {
      self = .join(endpoint)
    } else {
      throw SimulatorError(.configuration, "'network' needs exactly one of 'listen' and 'join'")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .listen(let endpoint): try container.encode(endpoint, forKey: .listen)
    case .join(let endpoint): try container.encode(endpoint, forKey: .join)
    }
  }
}

/// An address to listen on or to connect to: `127.0.0.1:10001`, `[::1]:10001` or `unix:/path`.
public enum Endpoint: Equatable, Sendable, CustomStringConvertible, Codable {
  /// An IPv4 or IPv6 address literal and a port; port 0 asks for any free one.
  case tcp(host: String, port: UInt16)
  /// The path of a Unix stream socket.
  case unix(path: String)

  /// Reads an endpoint's text form.
  public init(parsing text: String) throws(SimulatorError) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty, path.utf8.count < 108 else {
        throw SimulatorError(.configuration, "the path of '\(text)' is empty or longer than 107 bytes")
      }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      throw SimulatorError(.configuration, "'\(text)' is not of the form ADDRESS:PORT, [ADDRESS]:PORT or unix:/path")
    }
    var host = String(text[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard SocketAddress(host: host, port: port) != nil else {
      throw SimulatorError(.configuration, "'\(host)' is not an IPv4 or IPv6 address")
    }
    self = .tcp(host: host, port: port)
  }

  public init(from decoder: any Decoder) throws {
    try self.init(parsing: decoder.singleValueContainer().decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  public var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  /// Whether only this machine reaches the endpoint.
  var isLocal: Bool {
    switch self {
    case .unix: true
    case .tcp(let host, _): host == "::1" || host.hasPrefix("127.")
    }
  }
}
