// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Foundation
import Testing

@testable import KMESimulator

/// openssl's client, over pre-shared keys.
@Suite(.serialized) struct PreSharedKeyClientTests {
  private static let psk = ["-psk_identity", LiveLab.pskIdentity, "-psk", LiveLab.pskDigits]

  @Test(arguments: [
    ["-tls1_2", "-cipher", "ECDHE-PSK-AES128-CBC-SHA256"], ["-tls1_2", "-cipher", "DHE-PSK-AES256-CBC-SHA384"],
    ["-tls1_2", "-cipher", "DHE-PSK-AES256-CBC-SHA"], ["-tls1_2", "-cipher", "PSK-AES256-GCM-SHA384"],
    ["-tls1_2"], ["-tls1_3"], [],
  ])
  func sharesAKey(_ options: [String]) throws {
    let lab = try LiveLab(.psk(.any))
    let made = try lab.openssl("A", "/key?remoteSystemID=Bob", Self.psk + options)
    let id = try #require(object(made.output)["keyId"] as? String, "\(made)")
    let fetched = try lab.openssl("B", "/key/\(id)?remoteSystemID=Alice", Self.psk + options)
    #expect(object(fetched.output)["key"] as? String == object(made.output)["key"] as? String)
    #expect(lab.simulator.requests.map(\.client) == [LiveLab.pskIdentity, LiveLab.pskIdentity])
  }

  /// s_client's -psk is always a SHA-256 key in TLS 1.3; a key of the other hash comes as a session file.
  @Test(arguments: [PreSharedKey.Hash.any, .sha384])
  func takesASHA384Key(_ hash: PreSharedKey.Hash) throws {
    let lab = try LiveLab(.psk(hash))
    let file = lab.folder.path + "/session.pem"
    try writeSession(to: file)
    let options = ["-tls1_3", "-psk_identity", LiveLab.pskIdentity, "-psk_session", file]
    let answer = try lab.openssl("A", "/capabilities", options)
    #expect(object(answer.output)["localSystemID"] as? String == "Alice", "\(answer)")
    let strict = options + ["-ciphersuites", "TLS_AES_256_GCM_SHA384"]
    #expect(object(try lab.openssl("A", "/capabilities", strict).output)["key"] as? Bool == true)
  }

  @Test func theHashCanBeFixed() throws {
    let strict = try LiveLab(.psk(.sha384))
    let wrong = try strict.openssl("A", "/capabilities", Self.psk + ["-tls1_3"])
    #expect(!wrong.output.contains("200 OK"), "a SHA-256 key where SHA-384 is configured")
    #expect(strict.simulator.statistics["A"]?.handshakesFailed == 1)
    #expect(try strict.openssl("A", "/capabilities", Self.psk + ["-tls1_2"]).output.contains("200 OK"))
    let other = try LiveLab(.psk(.sha256))
    try writeSession(to: other.folder.path + "/session.pem")
    let options = [
      "-tls1_3", "-psk_identity", LiveLab.pskIdentity, "-psk_session", other.folder.path + "/session.pem",
    ]
    #expect(try !other.openssl("A", "/capabilities", options).output.contains("200 OK"))
    #expect(try other.openssl("A", "/capabilities", Self.psk + ["-tls1_3"]).output.contains("200 OK"))
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func refusesWhoDoesNotHaveTheKey(_ version: String) throws {
    let lab = try LiveLab(.psk(.any))
    let wrongKey = ["-psk_identity", LiveLab.pskIdentity, "-psk", "ff" + LiveLab.pskDigits.dropFirst(2), version]
    #expect(try !lab.openssl("A", "/capabilities", wrongKey).output.contains("200 OK"))
    let wrongName = ["-psk_identity", "router-2", "-psk", LiveLab.pskDigits, version]
    #expect(try !lab.openssl("A", "/capabilities", wrongName).output.contains("200 OK"))
    #expect(try !lab.openssl("A", "/capabilities", [version]).output.contains("200 OK"), "no key at all")
    #expect(lab.simulator.statistics["A"]?.handshakesFailed == 3)
    #expect(lab.simulator.statistics["A"]?.requests["capabilities"] == 0)
  }

  @Test func speaksOnlyTheVersionsConfigured() throws {
    let old = try LiveLab(.psk(.any), tls: [.tls12])
    #expect(try old.openssl("A", "/capabilities", Self.psk).output.contains("200 OK"))
    #expect(try !old.openssl("A", "/capabilities", Self.psk + ["-tls1_3"]).output.contains("200 OK"))
    let new = try LiveLab(.psk(.any), tls: [.tls13])
    #expect(try new.openssl("A", "/capabilities", Self.psk).output.contains("200 OK"))
    #expect(try !new.openssl("A", "/capabilities", Self.psk + ["-tls1_2"]).output.contains("200 OK"))
  }

  private func writeSession(to path: String) throws {
    let context = try #require(SSL_CTX_new(TLS_client_method()))
    defer { SSL_CTX_free(context) }
    let ssl = try #require(SSL_new(context))
    defer { SSL_free(ssl) }
    let session = try #require(SSL_SESSION_new())
    defer { SSL_SESSION_free(session) }
    let key = try #require(Hexadecimal.decode(LiveLab.pskDigits.utf8))
    let cipher = try #require(SSL_CIPHER_find(ssl, [0x13, 0x02]))
    #expect(SSL_SESSION_set1_master_key(session, key, key.count) == 1)
    #expect(SSL_SESSION_set_cipher(session, cipher) == 1)
    #expect(SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
    let file = try #require(BIO_new_file(path, "w"))
    defer { BIO_free(file) }
    #expect(PEM_write_bio_SSL_SESSION(file, session) == 1)
  }
}
