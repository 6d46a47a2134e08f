// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

/// curl as the client, over certificates.
@Suite(.serialized) struct CertificateClientTests {
  @Test(arguments: ["--tlsv1.3", "--tls-max=1.2"])
  func sharesAKey(_ version: String) throws {
    let lab = try LiveLab(.certificate(.required))
    let options = version == "--tlsv1.3" ? ["--tlsv1.3"] : ["--tls-max", "1.2"]
    let capabilities = try lab.curl("A", "/capabilities", options)
    #expect(object(capabilities.output)["localSystemID"] as? String == "Alice", "\(capabilities)")
    let made = object(try lab.curl("A", "/key?remoteSystemID=Bob&size=512", options).output)
    let id = try #require(made["keyId"] as? String)
    #expect((made["key"] as? String)?.count == 128)
    let fetched = object(try lab.curl("B", "/key/\(id)?remoteSystemID=Alice", options).output)
    #expect(fetched["key"] as? String == made["key"] as? String && fetched["keyId"] as? String == id)
    let again = try lab.curl(
      "B", "/key/\(id)?remoteSystemID=Alice", options + ["-w", "%{http_code}", "-o", "/dev/null"])
    #expect(again.output == "400")
    let entropy = object(try lab.curl("A", "/entropy?minentropy=128", options).output)
    #expect((entropy["randomStr"] as? String)?.count == 32)
    #expect(lab.simulator.requests.allSatisfy { $0.client == "sae" })
  }

  @Test func wantsACertificateAsConfigured() throws {
    let strict = try LiveLab(.certificate(.required))
    let refused = try strict.curl("A", "/capabilities", showsCertificate: false)
    #expect(refused.status != 0 && refused.output.isEmpty)
    #expect(strict.simulator.statistics["A"]?.handshakesFailed == 1)
    #expect(strict.simulator.statistics["A"]?.requests["capabilities"] == 0)
    let tolerant = try LiveLab(.certificate(.optional))
    #expect(object(try tolerant.curl("A", "/capabilities", showsCertificate: false).output)["key"] as? Bool == true)
    #expect(object(try tolerant.curl("A", "/capabilities").output)["key"] as? Bool == true)
    #expect(tolerant.simulator.requests.map(\.client) == [nil, "sae"])
    let foreign = try LiveLab(.certificate(.none))
    let stranger = try run([
      "curl", "-sS", "-m", "5", "--cert", foreign.certificates.certificate(of: "sae"), "--key",
      foreign.certificates.key(of: "sae"), "--cacert", tolerant.certificates.authority,
      "https://127.0.0.1:\(tolerant.port("A"))/capabilities",
    ])
    #expect(stranger.status != 0, "a certificate of another authority, where one is optional")
  }

  @Test func keepsAConnectionForManyRequests() throws {
    let lab = try LiveLab(.certificate(.none))
    let url = "https://127.0.0.1:\(try lab.port("A"))/capabilities"
    let result = try lab.curl("A", "/entropy", [url, url, url, "-w", "%{num_connects}", "-o", "/dev/null"])
    #expect(result.status == 0)
    #expect(lab.simulator.statistics["A"]?.connections == 1)
    #expect(lab.simulator.requests.count == 4 && Set(lab.simulator.requests.map(\.connection)).count == 1)
    let closing = try LiveLab(.certificate(.none), keepsAlive: false)
    let other = "https://127.0.0.1:\(try closing.port("A"))/capabilities"
    #expect(try closing.curl("A", "/entropy", [other, "-o", "/dev/null", "-o", "/dev/null"]).status == 0)
    #expect(closing.simulator.statistics["A"]?.connections == 2)
  }

  @Test func certificatesCanHaveRunOut() throws {
    let folder = try TemporaryFolder()
    let certificates = CertificateFolder(path: folder.path)
    try certificates.write(servers: ["old"], clients: [], lifetimeInSeconds: -86_400)
    let check = try run(["openssl", "verify", "-CAfile", certificates.authority, certificates.certificate(of: "old")])
    #expect(check.status != 0 && (check.output + check.errors).contains("expired"))
    try certificates.write(servers: ["new"], clients: ["client"])
    for name in ["new", "client"] {
      let check = try run([
        "openssl", "verify", "-x509_strict", "-CAfile", certificates.authority, certificates.certificate(of: name),
      ])
      #expect(check.status == 0, "\(check)")
    }
    let attributes = try FileManager.default.attributesOfItem(atPath: certificates.key(of: "new"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }

  @Test(arguments: ["", "ca", "a/b", "../x", ".x", "-x", "a b"])
  func namesAreNoPaths(_ name: String) throws {
    let folder = try TemporaryFolder()
    #expect(throws: SimulatorError.self) {
      try CertificateFolder(path: folder.path + "/x").write(servers: [name], clients: [])
    }
  }
}
