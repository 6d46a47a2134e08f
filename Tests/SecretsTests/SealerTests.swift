// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Secrets

private func text(_ secret: SecretBytes) -> String { secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

@Suite struct SealerTests {
  let sealer: Sealer

  init() throws { sealer = try Sealer(try MasterKey()) }

  private func seal(_ clear: String) throws -> Sealed { try sealer.seal(SecretBytes(copying: Array(clear.utf8))) }

  @Test func sealsAndOpens() throws {
    let sealed = try seal("correct horse")
    #expect(text(try sealer.open(sealed)) == "correct horse")
    #expect(!sealed.serialized.contains(subsequence: Array("correct".utf8)))
    #expect("\(sealed)" == "<sealed>" && String(reflecting: sealed) == "<sealed>")
    var dumped = ""
    dump(sealed, to: &dumped)
    #expect(!dumped.contains("box"))
  }

  @Test func equalClearTextsAreEqualAlthoughCiphertextsDiffer() throws {
    let one = try seal("a"), two = try seal("a"), other = try seal("b")
    #expect(one == two && one.hashValue == two.hashValue && one.serialized != two.serialized)
    #expect(one != other)
    let elsewhere = try Sealer(try MasterKey()).seal(SecretBytes(copying: [97]))
    #expect(one != elsewhere)
  }

  @Test func serializedFormComesBack() throws {
    let sealed = try seal("x")
    let back = try Sealed(serialized: sealed.serialized)
    #expect(try back == sealed && text(sealer.open(back)) == "x")
  }

  @Test func everyAlteredBitIsFound() throws {
    let serialized = try seal("secret").serialized
    for index in 1..<serialized.count {
      for bit in 0..<8 {
        var altered = serialized
        altered[index] ^= 1 << bit
        let sealed = try Sealed(serialized: altered)
        #expect(throws: SecretsError(.notSealedHere, ""), "byte \(index) bit \(bit)") { try sealer.open(sealed) }
      }
    }
    #expect(throws: SecretsError(.malformed, "")) { try Sealed(serialized: serialized.prefix(40)) }
    #expect(throws: SecretsError(.malformed, "")) { try Sealed(serialized: [2] + serialized.dropFirst()) }
    #expect(throws: SecretsError(.malformed, "")) { try Sealed(serialized: []) }
  }

  @Test func anotherMasterKeyDoesNotOpen() throws {
    let sealed = try seal("x")
    let other = try Sealer(try MasterKey())
    #expect(throws: SecretsError(.notSealedHere, "")) { try other.open(sealed) }
  }

  @Test func lengthLimits() throws {
    #expect(throws: SecretsError(.empty, "")) { try seal("") }
    let longest = String(repeating: "k", count: Sealer.maximumClearTextLength)
    #expect(text(try sealer.open(try seal(longest))) == longest)
    #expect(throws: SecretsError(.tooLong, "")) { try seal(longest + "k") }
  }

  // Type-7 strings of the published guides, with their clear texts.
  @Test(arguments: [
    ("0822455D0A16", "cisco"), ("060506324F41584B56", "cisco123"), ("104D000A061843595F", "cisco123"),
    ("104d000a061843595f", "cisco123"),
  ])
  func typeSevenVectors(written: String, clear: String) throws {
    let sealed = try sealer.parse(written: written, encoding: .type7)
    #expect(text(try sealer.open(sealed)) == clear)
    #expect(try sealed == sealer.parse(written: "!" + clear, encoding: .type7))
    // What was written is what is read, so that a client's comparison finds no difference.
    #expect(try sealer.encoded(sealed, encoding: .type7) == written.uppercased())
    let stored = try Sealed(serialized: sealed.serialized)
    #expect(try sealer.encoded(stored, encoding: .type7) == written.uppercased())
  }

  @Test(arguments: [
    "", "0", "x1AA", "1", "53AA", "99AA", "08224", "08GG", "08 2", "cisco",
  ])
  func malformedTypeSeven(written: String) throws {
    #expect(throws: SecretsError(.malformed, "")) { try sealer.parse(written: written, encoding: .type7) }
  }

  @Test func emptySecretsAreRefused() throws {
    for (written, encoding) in [("00", SecretEncoding.type7), ("!", .type7), ("!", .type6), ("", .opaque)] {
      #expect(throws: SecretsError(.empty, ""), "\(written)") {
        try sealer.parse(written: written, encoding: encoding)
      }
    }
  }

  @Test func typeSevenOfClearTextIsStableAndDecodes() throws {
    for length in [1, 5, 53, 54, 127, 200] {
      let clear = String(repeating: "aB9!", count: length).prefix(length)
      let first = try sealer.parse(written: "!\(clear)", encoding: .type7)
      let second = try sealer.parse(written: "!\(clear)", encoding: .type7)
      let read = try sealer.encoded(first, encoding: .type7)
      #expect(try sealer.encoded(second, encoding: .type7) == read)
      #expect(text(try sealer.open(try sealer.parse(written: read, encoding: .type7))) == clear)
      #expect((Int(read.prefix(2)) ?? 99) < 16)
    }
  }

  @Test func typeSixAcceptsOnlyWhatItProduced() throws {
    let sealed = try sealer.parse(written: "!quantum7", encoding: .type6)
    let read = try sealer.encoded(sealed, encoding: .type6)
    #expect(read.wholeMatch(of: /S[0-9A-F]+/) != nil, "must fit the models' patterns: \(read)")
    #expect(!read.contains("quantum7"))
    #expect(try sealer.encoded(try sealer.parse(written: "!quantum7", encoding: .type6), encoding: .type6) == read)
    let back = try sealer.parse(written: read, encoding: .type6)
    #expect(try back == sealed && text(sealer.open(back)) == "quantum7")
    let foreign = try Sealer(try MasterKey())
    var altered = Array(read)
    altered[10] = altered[10] == "0" ? "1" : "0"
    for wrong in ["", "S", "S01", "quantum7", "0822455D0A16", String(altered), read + "0", String(read.dropLast(2))] {
      #expect(throws: SecretsError(.notSealedHere, ""), "\(wrong)") {
        try sealer.parse(written: wrong, encoding: .type6)
      }
    }
    #expect(throws: SecretsError(.notSealedHere, "")) { try foreign.parse(written: read, encoding: .type6) }
  }

  @Test func typeSixFitsTheModelsLengths() throws {
    // The IKEv2 model has 130 characters for type 7 and 234 for type 6 of the same secrets.
    let clear = String(repeating: "p", count: 64)
    let sealed = try sealer.parse(written: "!" + clear, encoding: .type6)
    #expect(try sealer.encoded(sealed, encoding: .type7).count == 130)
    #expect(try sealer.encoded(sealed, encoding: .type6).count <= 234)
  }

  @Test func opaqueReadsAsADigestThatMeansUnchanged() throws {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"
    let sealed = try sealer.parse(written: pem, encoding: .opaque)
    let read = try sealer.encoded(sealed, encoding: .opaque)
    #expect(read.wholeMatch(of: /\$sealed\$[0-9a-f]{32}/) != nil)
    let same = try sealer.parse(written: read, encoding: .opaque, existing: sealed)
    #expect(same.serialized == sealed.serialized)
    let other = try sealer.parse(written: "other", encoding: .opaque)
    #expect(throws: SecretsError(.unknownReference, "")) {
      try sealer.parse(written: read, encoding: .opaque, existing: other)
    }
    #expect(throws: SecretsError(.unknownReference, "")) { try sealer.parse(written: read, encoding: .opaque) }
  }

  @Test(arguments: SecretEncoding.allCases)
  func writingTheSameAgainKeepsTheStoredValue(encoding: SecretEncoding) throws {
    let written = encoding == .opaque ? "same" : "!same"
    let first = try sealer.parse(written: written, encoding: encoding)
    let second = try sealer.parse(written: written, encoding: encoding, existing: first)
    #expect(second.serialized == first.serialized)
    let read = try sealer.encoded(first, encoding: encoding)
    #expect(try sealer.parse(written: read, encoding: encoding, existing: first).serialized == first.serialized)
    let changed = try sealer.parse(written: written + "x", encoding: encoding, existing: first)
    #expect(changed != first)
  }

  @Test func reportFingerprintTellsEqualKeysOnly() throws {
    let key = SecretBytes(copying: Array("0123456789abcdef".utf8))
    let fingerprint = try sealer.reportFingerprint(of: key)
    #expect(try sealer.reportFingerprint(of: SecretBytes(copying: Array("0123456789abcdef".utf8))) == fingerprint)
    #expect(try sealer.seal(key).fingerprint != fingerprint)
    #expect(fingerprint.description.count == 32)
  }

  @Test func errorsNeverQuoteTheSecret() throws {
    for encoding in [SecretEncoding.type7, .type6] {
      do {
        _ = try sealer.parse(written: "hunter2", encoding: encoding)
        Issue.record("hunter2 was accepted")
      } catch { #expect(!"\(error)".contains("hunter2")) }
    }
  }
}

extension [UInt8] {
  fileprivate func contains(subsequence: [UInt8]) -> Bool {
    indices.contains { self[$0...].starts(with: subsequence) }
  }
}
