// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Secrets

@testable import IPsec

/// An authority and certificates of hosts, made by the openssl program.
final class CertificateLab {
  static let canBeMade = access("/usr/bin/openssl", X_OK) == 0

  private let directory = TestDirectory()

  init() throws {
    try openssl(
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority", "-days", "2", "-keyout",
      file("ca.key"),
      "-out", file("ca.pem"), "-addext", "basicConstraints=critical,CA:TRUE")
  }

  /// A certificate with that DNS name below example.com, its key and the authority.
  func trustpoint(_ trustpoint: String, _ host: String, _ sealer: Sealer) throws -> Trustpoint {
    let name = "\(host).example.com"
    try openssl(
      "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=\(name)", "-keyout", file("\(host).key"), "-out",
      file("\(host).csr"))
    try Data("subjectAltName=DNS:\(name)\n".utf8).write(to: URL(fileURLWithPath: file("ext")))
    try openssl(
      "x509", "-req", "-in", file("\(host).csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial",
      "-days", "2", "-extfile", file("ext"), "-out", file("\(host).pem"))
    var result = Trustpoint(name: trustpoint)
    result.authorities = [try bytes("ca.pem")]
    let certificate = try bytes("\(host).pem")
    result.certificate = certificate
    result.key = try sealer.seal(SecretBytes(copying: try bytes("\(host).key")))
    result.keyIdentifier = Trustpoint.keyIdentifier(ofCertificate: certificate)
    return result
  }

  func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }

  private func file(_ name: String) -> String { "\(directory.path)/\(name)" }

  private func openssl(_ words: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = words
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CharonError(.system, "openssl \(words)") }
  }
}
