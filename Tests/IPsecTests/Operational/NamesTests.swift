// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct NamesTests {
  @Test(arguments: [
    ("AES_CBC", "AES-CBC"), ("AES_GCM_16", "AES-GCM"), ("AES_GCM_12", "AES-GCM"), ("3DES_CBC", "3DES-CBC"),
    ("CHACHA20_POLY1305", "CHACHA20-POLY1305"),
  ])
  func encryption(word: String, text: String) { #expect(AlgorithmName.encryption(word) == text) }

  @Test(arguments: [
    ("HMAC_SHA1_96", "SHA1"), ("HMAC_SHA2_256_128", "SHA256"), ("HMAC_SHA2_384_192", "SHA384"),
    ("HMAC_SHA2_512_256", "SHA512"), ("PRF_HMAC_SHA1", "SHA1"), ("PRF_HMAC_SHA2_512", "SHA512"),
    ("AES_XCBC_96", "AES-XCBC-96"),
  ])
  func hash(word: String, text: String) { #expect(AlgorithmName.hash(word) == text) }

  @Test func combinedModesHaveNoHash() {
    #expect(AlgorithmName.hash(nil) == "None")
    #expect(AlgorithmName.espAuthentication(nil) == "None")
  }

  @Test(
    arguments: [
      ("AES_CBC", 128, "ESP_AES"), ("AES_CBC", 192, "ESP_192_AES"), ("AES_CBC", 256, "ESP_256_AES"),
      ("AES_GCM_16", 256, "ESP_256_AES_GCM"), ("NULL", nil, "ESP_NULL"),
    ] as [(String, Int?, String)])
  func esp(word: String, size: Int?, text: String) {
    #expect(AlgorithmName.espEncryption(word, keySize: size) == text)
  }

  @Test(arguments: [
    ("HMAC_SHA1_96", "HMAC_SHA1"), ("HMAC_SHA2_256_128", "HMAC_SHA_256"), ("HMAC_SHA2_384_192", "HMAC_SHA_384"),
    ("HMAC_SHA2_512_256", "HMAC_SHA_512"),
  ])
  func espAuthentication(word: String, text: String) { #expect(AlgorithmName.espAuthentication(word) == text) }

  @Test func groupsHaveTheirNumbers() {
    #expect(
      ["ECP_256", "ECP_384", "ECP_521", "MODP_2048", "NEVER"].map { AlgorithmName.group($0) } == [19, 20, 21, 14, nil])
    #expect(AlgorithmName.group(nil) == nil)
  }

  @Test(arguments: [
    ("0.0.0.0/0", "0.0.0.0/0 - 255.255.255.255/65535"), ("10.1.0.1/32", "10.1.0.1/0 - 10.1.0.1/65535"),
    ("10.1.7.9/22", "10.1.4.0/0 - 10.1.7.255/65535"), ("10.1.0.1", "10.1.0.1/0 - 10.1.0.1/65535"),
    ("10.1.0.1/32[tcp/1000]", "10.1.0.1/1000 - 10.1.0.1/1000"), ("10.1.0.0/24[udp/7-9]", "10.1.0.0/7 - 10.1.0.255/9"),
    ("10.1.0.1..10.1.0.9[gre]", "10.1.0.1/0 - 10.1.0.9/65535"), ("::/0", "::/0"), ("dynamic", "dynamic"),
    ("10.1.0.0/33", "10.1.0.0/33"), ("10.1.0.1/32[tcp/x]", "10.1.0.1/32[tcp/x]"), ("", ""), ("[", "["), ("[]", "[]"),
    ("1.2.3.4..", "1.2.3.4.."), ("1.2.3.4/-1", "1.2.3.4/-1"),
  ])
  func selectors(selector: String, text: String) { #expect(SelectorText.text(selector) == text) }

  @Test func severalSelectorsStandTogether() {
    #expect(SelectorText.text([String]()) == nil)
    #expect(
      SelectorText.text(["10.1.0.1", "10.2.0.1"])
        == "10.1.0.1/0 - 10.1.0.1/65535, 10.2.0.1/0 - 10.2.0.1/65535")
  }
}

@Suite struct SessionNumbersTests {
  @Test func aTunnelHasTheNumberOfItsName() {
    var numbers = SessionNumbers()
    #expect(numbers.number(of: "tunnel-ip3") == 3)
    #expect(numbers.number(of: "tunnel-ip65535") == 65_535)
    #expect(numbers.number(of: "tunnel-ip3") == 3)
  }

  @Test func othersGetFreeOnesFromTheTop() {
    var numbers = SessionNumbers()
    #expect(numbers.number(of: "tunnel-ip0") == 65_535)
    #expect(numbers.number(of: "foreign") == 65_534)
    #expect(numbers.number(of: "tunnel-ip70000") == 65_533)
    #expect(numbers.number(of: "tunnel-ip65534") == 65_532, "its own is taken")
    numbers.keep(only: ["tunnel-ip70000"])
    #expect(numbers.number(of: "another") == 65_535)
    #expect(numbers.number(of: "tunnel-ip70000") == 65_533)
  }

  @Test func thereAreNoMoreThanTheModelHas() {
    var numbers = SessionNumbers()
    for index in 1...65_535 { #expect(numbers.number(of: "tunnel-ip\(index)") == UInt32(index)) }
    #expect(numbers.number(of: "one more") == nil)
  }
}
