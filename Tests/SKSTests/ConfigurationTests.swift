// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@testable import SKS

@Suite struct ConfigurationTests {
  @Test func hostsAreChecked() throws {
    #expect(try Host(ipv4: "192.0.2.34").urlText == "192.0.2.34")
    #expect(try Host(ipv6: "2001:db8::1").urlText == "[2001:db8::1]")
    #expect(try Host(hostname: "kme_1.example-lab").urlText == "kme_1.example-lab")
    for wrong in ["", "192.0.2", "192.0.2.34/x", "2001:db8::1"] {
      #expect(throws: SKSConfigurationError.self, "\(wrong)") { try Host(ipv4: wrong) }
    }
    for wrong in ["", "::g", "fe80::1%eth0", "192.0.2.1", "]::1"] {
      #expect(throws: SKSConfigurationError.self, "\(wrong)") { try Host(ipv6: wrong) }
    }
    for wrong in ["", "a b", "a/b", "a:1", "a@b", "ä", String(repeating: "a", count: 256)] {
      #expect(throws: SKSConfigurationError.self, "\(wrong)") { try Host(hostname: wrong) }
    }
  }

  @Test func credentialsAreChecked() throws {
    let sealed = try Sealer(try MasterKey()).seal(SecretBytes(copying: [1]))
    for identity in ["", String(repeating: "i", count: 128), "a\0b"] {
      #expect(throws: SKSConfigurationError.self) { try PreSharedKey(identity: identity, key: sealed) }
    }
    #expect(throws: SKSConfigurationError.self) { try CertificateCredentials(authorities: []) }
    #expect(throws: SKSConfigurationError.self) { try CertificateCredentials(authorities: [1], chain: [1]) }
    #expect(throws: SKSConfigurationError.self) { try CertificateCredentials(authorities: [1], privateKey: sealed) }
  }

  @Test func settingsHaveRanges() throws {
    _ = try ProfileSettings()
    #expect(throws: SKSConfigurationError.self) { try ProfileSettings(connectTimeout: .zero) }
    #expect(throws: SKSConfigurationError.self) { try ProfileSettings(requestTimeout: .seconds(601)) }
    #expect(throws: SKSConfigurationError.self) {
      try ProfileSettings(minimumBackOff: .seconds(10), maximumBackOff: .seconds(9))
    }
    #expect(throws: SKSConfigurationError.self) { try ProfileSettings(maximumAttempts: 0) }
    #expect(try ProfileSettings() == .standard)
  }

  @Test func noSecretIsPrinted() throws {
    let sealed = try Sealer(try MasterKey()).seal(SecretBytes(copying: Array("hunter2".utf8)))
    let configuration = ProfileConfiguration(authentication: .psk(try PreSharedKey(identity: "r1", key: sealed)))
    var dumped = ""
    dump(configuration, to: &dumped)
    #expect(!dumped.contains("hunter2") && dumped.contains("<sealed>"))
  }
}
