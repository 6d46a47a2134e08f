// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANGToSwift

@Suite struct SpellingTests {
  private let spelling = Spelling(acronyms: ["HTTP", "ID", "IPv4", "TLS", "PSK", "KaY"])

  @Test(arguments: [
    ("http-proxy", "HTTPProxy"), ("profile", "Profile"), ("ipv4", "IPv4"), ("Sks-tls-auth", "SksTLSAuth"),
    ("SKS-TLS-AUTH", "SksTLSAuth"), ("ifIndex", "IfIndex"), ("802.1X", "_802_1x"), ("a_b.c", "ABC"), ("kay", "KaY"),
  ])
  func types(_ name: String, _ expected: String) {
    #expect(spelling.typeName(name) == expected)
  }

  @Test(arguments: [
    ("http-proxy", "httpProxy"), ("get-key-with-id", "getKeyWithID"), ("ipv4", "ipv4"), ("psk-id", "pskID"),
    ("KEY", "key"), ("ADMIN-DOWN", "adminDown"), ("GCM-Aes", "gcmAes"), ("10-gig", "_10Gig"), ("a-1-2", "a1_2"),
    ("-1", "minus1"), ("+", "plus"), ("c++", "cPlusPlus"), ("", "_"), ("Profile", "profile"), ("1.1", "_1_1"),
  ])
  func members(_ name: String, _ expected: String) {
    #expect(spelling.memberName(name) == expected)
  }

  @Test func casesThatWouldBeEqualAreToldApart() {
    #expect(spelling.caseNames(["m", "M", "k"]) { ["10", "20", "30"][$0] } == ["m_10", "m_20", "k"])
  }

  @Test func keywordsAreEscaped() {
    #expect(ReservedNames.member("default") == "`default`")
    #expect(ReservedNames.member("none") == "none_")
    #expect(ReservedNames.member("port") == "port")
  }
}
