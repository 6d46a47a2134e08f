// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// A folder with the authority, server and client certificates of a lab.
///
/// For each name there are NAME.pem and NAME-key.pem; the authority is ca.pem and ca-key.pem. Keys have mode 0600.
public struct CertificateFolder: Sendable {
  /// The folder.
  public var path: String

  /// Names a folder; `write` makes it.
  public init(path: String) {
    self.path = path
  }

  /// The certificate file of a name.
  public func certificate(of name: String) -> String { "\(path)/\(name).pem" }
  /// The private key file of a name.
  public func key(of name: String) -> String { "\(path)/\(name)-key.pem" }
  /// The authority's certificate file.
  public var authority: String { certificate(of: "ca") }

  /// Makes a new authority and a key with its certificate for every name, and writes all of it, replacing what was
  /// there.
  /// - Parameters:
  ///   - servers: common names of servers; a name that a client also has would overwrite its files and is refused.
  ///   - clients: common names of clients.
  ///   - hosts: DNS names and IP addresses that every server certificate is good for.
  ///   - lifetimeInSeconds: how long server and client certificates last; below zero they have run out already.
  /// - Returns: the files written, in order.
  @discardableResult
  public func write(
    servers: [String], clients: [String], hosts: [String] = ["localhost", "127.0.0.1", "::1"],
    lifetimeInSeconds: Int = 365 * 86_400
  ) throws(SimulatorError) -> [String] {
    let names = servers + clients
    for name in names where !Self.isFileName(name) || name == "ca" {
      throw SimulatorError(
        .configuration, "'\(name)' cannot be a name here: letters, digits, '.', '_' and '-' make one, and 'ca' is taken"
      )
    }
    guard Set(names).count == names.count else {
      throw SimulatorError(.configuration, "a name is given twice; servers and clients need different ones")
    }
    guard servers.isEmpty || !hosts.isEmpty else {
      throw SimulatorError(.configuration, "server certificates need at least one host")
    }
    for host in hosts where SocketAddress(host: host, port: 0) == nil && !Self.isFileName(host) {
      throw SimulatorError(.configuration, "'\(host)' is neither an address nor a DNS name")
    }
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw SimulatorError(.system, "cannot make the folder '\(path)': \(systemErrorText())")
    }
    let authority = try CertificateAuthority(commonName: "kmesim lab authority", lifetimeInSeconds: 3_650 * 86_400)
    var files = try write(authority.identity, "ca")
    for name in servers {
      files += try write(authority.issue(name, .server(hosts: hosts), lifetimeInSeconds: lifetimeInSeconds), name)
    }
    for name in clients {
      files += try write(authority.issue(name, .client, lifetimeInSeconds: lifetimeInSeconds), name)
    }
    return files
  }

  private func write(_ identity: CertifiedKey, _ name: String) throws(SimulatorError) -> [String] {
    try write(identity.certificatePEM(), to: certificate(of: name), mode: 0o644)
    var key = try identity.keyPEM()
    defer { wipe(&key) }
    try write(key, to: self.key(of: name), mode: 0o600)
    return [certificate(of: name), self.key(of: name)]
  }

  private func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(SimulatorError) {
    unlink(path)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw SimulatorError(.system, "cannot write '\(path)': \(systemErrorText())") }
    defer { close(descriptor) }
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw SimulatorError(.system, "cannot write '\(path)': \(systemErrorText())")
    }
  }

  private static func isFileName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 64 && !name.hasPrefix(".") && !name.hasPrefix("-")
      && name.utf8.allSatisfy { $0.isTokenCharacter && !"!#$%&'*+^`|~".utf8.contains($0) }
  }
}
