// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import MKA

/// The vectors of IEEE 802.1X-2020 annex G, RFC 3394, RFC 4493 and NIST SP 800-38B.
@Suite struct KeyDerivationTests {
  static let cak128 = "135bd758b0ee5c11c55ff6ab19fdb199"
  static let ckn128 = "96437a93ccf10d9dfe347846cce52c7d"
  static let cak256 = "a29efdb63d6fba73c65daab2295340a837a8886e94a905b5c9c7ef1d9dbb297e"
  static let ckn256 = "7888f5d48ba8b24e96bb95bd8c7304ec"

  @Test(arguments: [
    ("1ab9024fa04a03feb9024fa04a03fe11", 128, "b57a0b05f43e9600c3c4d15c1e3c26e8"),
    (
      "3946ec36f59017f1267e914abed2dbf6633f52ae7e20309d3eefdda4073adfad", 256,
      "0efd01e5b03a0951a6df9bbffe419016ee40fdbfc3335ebf92ea03802214a307"
    ),
  ])
  func derivesAsClauseG1(key: String, bits: Int, expected: String) throws {
    let derived = try KeyDerivation.derive(
      from: secret(key), label: "HI THERE", context: hex("01020104"), bits: bits)
    #expect(derived.hex == expected)
  }

  @Test(arguments: [
    (cak128, ckn128, "8f5a384c15d6ae9302b462e363d03ca6", "8f1c5cb1c8ed2e5f047906e0473aad4d"),
    (
      cak256, ckn256, "71340e454c84a1232aa7977d5ed86f78f250f3f9d53584b9337ff0c6dfdc9f96",
      "98b8544d7390a41e50ef72e25b4a036523c919e812918871949b48123eab526e"
    ),
  ])
  func derivesTheKeysOfClausesG4AndG5(cak: String, ckn: String, kek: String, ick: String) throws {
    let key = try CAK(secret(cak))
    let name = try CKN(hexadecimal: ckn)
    #expect(try key.keyEncryptingKey(ckn: name).secret.hex == kek)
    #expect(try key.integrityCheckKey(ckn: name).secret.hex == ick)
  }

  @Test(arguments: [
    (cak128, "0102030405060708090a0b0c0d0e0f10", "045205925831ae59c14550ed59cc003d"),
    (
      cak256, "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00",
      "bb692568b287484a5f3f4793b09732270d13dd818373c15b3f2793fdc1948a37"
    ),
  ])
  func makesTheSAKsOfClauseG6(cak: String, nonce: String, expected: String) throws {
    let members = [member("cd421cf86ba457938657675b"), member("01020304050607080d1f36cf")]
    let sak = try CAK(secret(cak)).makeSAK(nonce: secret(nonce), members: members, number: 1)
    #expect(sak.hex == expected)
  }

  @Test(arguments: [
    ("2b7e151628aed2a6abf7158809cf4f3c", "", "bb1d6929e95937287fa37d129b756746"),
    (
      "2b7e151628aed2a6abf7158809cf4f3c", "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"
    ),
    (
      "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "", "028962f61b7bf89efc6b551f4667d983"
    ),
    (
      "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "6bc1bee22e409f96e93d7e117393172a",
      "28a7023f452e8f82bd4bf28d8c37c35c"
    ),
  ])
  func authenticates(key: String, message: String, expected: String) throws {
    let icv = try IntegrityCheckKey(secret: secret(key)).icv(of: hex(message))
    #expect(Hex.text(icv, uppercase: false) == expected)
  }

  @Test(arguments: [
    (
      "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
      "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"
    ),
    (
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff",
      "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"
    ),
    (
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
      "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    ),
  ])
  func wraps(kek: String, key: String, expected: String) throws {
    let kek = KeyEncryptingKey(secret: secret(kek))
    #expect(Hex.text(try kek.wrap(secret(key)), uppercase: false) == expected)
    #expect(try kek.unwrap(hex(expected)).hex == key)
    for index in hex(expected).indices {
      var altered = hex(expected)
      altered[index] ^= 0x10
      #expect(throws: MKAError(.integrity, "")) { try kek.unwrap(altered) }
    }
  }

  @Test func saltsAndShortIdentifiersAreThoseOfACapture() {
    let sak = SAK(
      identifier: SAKIdentifier(keyServer: member("3ff84dc0ba352e20585b3064"), number: 1), associationNumber: .zero,
      cipherSuite: .gcmAESXPN128, confidentialityOffset: .zero, key: SecretBytes(copying: []),
      members: [SCI(rawValue: 0x0200_0000_000A_0001), SCI(rawValue: 0x0200_0000_000B_0001)])
    #expect(sak.salt == hex("3ff94dc0ba352e20585b3064"))
    #expect(sak.ssci == [SCI(rawValue: 0x0200_0000_000B_0001): 1, SCI(rawValue: 0x0200_0000_000A_0001): 2])
    let late = SAK(
      identifier: SAKIdentifier(keyServer: member("000000000000000000000000"), number: 0x1234_5678),
      associationNumber: .zero, cipherSuite: .gcmAESXPN256, confidentialityOffset: .zero,
      key: SecretBytes(copying: []), members: [])
    #expect(late.salt == hex("567812340000000000000000"))
  }

  @Test func keysOfWrongSizesAreRefused() {
    for count in [0, 8, 15, 17, 24, 31, 33, 64] {
      #expect(throws: MKAError(.invalidKey, "")) {
        try CAK(SecretBytes(copying: [UInt8](repeating: 1, count: count)))
      }
    }
    for text in ["", "1", "123", "xy", String(repeating: "00", count: 33)] {
      #expect(throws: MKAError(.invalidKey, "")) { try CKN(hexadecimal: text) }
    }
    #expect(throws: MKAError(.invalidKey, "")) {
      try CAK(hexadecimal: SecretBytes(copying: Array("0123456789abcdef0123456789abcdeg".utf8)))
    }
  }

  @Test func aCAKIsReadFromItsDigits() throws {
    let read = try CAK(hexadecimal: SecretBytes(copying: Array(Self.cak128.uppercased().utf8)))
    #expect(read.isEqual(to: try CAK(secret(Self.cak128))))
    #expect(read.algorithm == "AES-128-CMAC")
  }

  @Test func aNameWithTrailingZerosIsAnother() throws {
    let short = try CKN(hexadecimal: "1000")
    #expect(short != short.padded)
    #expect(short.padded.bytes.count == 32)
    #expect(short.derivationContext == short.padded.derivationContext)
  }
}
