// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@testable import SKS

private func body(_ text: String) -> SecretBytes { SecretBytes(copying: Array(text.utf8)) }
private func hex(_ secret: SecretBytes) -> String {
  secret.withUnsafeBytes { $0.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
}

@Suite struct SKIPAnswerTests {
  static let capabilities = """
    {"entropy": true, "key": false, "algorithm": "PRF", "localSystemID": "KP-A", "remoteSystemID": ["KP-B", "x*"]}
    """
  static let key64 = String(repeating: "0aB1", count: 16)

  @Test func capabilities() throws {
    let answer = try SKIPAnswer.capabilities(body(Self.capabilities))
    #expect(
      answer
        == KeyServiceCapabilities(
          offersEntropy: true, offersKeys: false, algorithm: "PRF", localSystem: "KP-A",
          remoteSystems: ["KP-B", "x*"]))
  }

  @Test func unknownMembersEscapesAndSpaceAreFine() throws {
    let text = """
      \t{ "vendor" : {"a":[1,-2.5e+3,null,{"b":[]}],"c":"\\u00e9\\n"} , "entropy":false,\r
      "\\u006bey":true,"algorithm":"P\\u0052F\\/\\ud83d\\ude00","localSystemID":"\\"é","remoteSystemID":["b"]} \n
      """
    let answer = try SKIPAnswer.capabilities(body(text))
    #expect(answer.algorithm == "PRF/😀" && answer.localSystem == "\"é" && answer.offersKeys)
  }

  @Test(arguments: [
    ("", "it is not a JSON object"),
    ("[]", "it is not a JSON object"),
    ("null", "it is not a JSON object"),
    ("{", "a member's name is missing"),
    ("{}", "remoteSystemID is not a list of at least one name"),
    (#"{"a":1}x"#, "something follows the JSON object"),
    (#"{"a":1,}"#, "a member's name is missing"),
    (#"{"a" 1}"#, "a colon is missing"),
    (#"{"a":1 "b":2}"#, "an object is not closed"),
    (#"{"a":[1,2}"#, "an array is not closed"),
    (#"{"a":tru}"#, "an unknown word stands for a value"),
    (#"{"a":}"#, "a value is malformed"),
    (#"{"a":01}"#, "an object is not closed"),
    (#"{"a":1.}"#, "a value is malformed"),
    (#"{"a":1e}"#, "a value is malformed"),
    (#"{"a":-}"#, "a value is malformed"),
    (#"{"a":"#, "it ends too early"),
    (#"{"a":"x"#, "a string is not closed"),
    (#"{"a":"\"#, "a string is not closed"),
    (#"{"a":"\x"}"#, "a string's escape is malformed"),
    (#"{"a":"\u12G4"}"#, "a string's escape is malformed"),
    ("{\"a\":\"\u{1}\"}", "a string holds a control character"),
    (#"{"a":1,"a":2}"#, "a member occurs twice"),
    (#"{"a":1,"\u0061":2}"#, "a member occurs twice"),
    (#"{"\ud800":1}"#, "a string holds half a surrogate pair"),
    (#"{"remoteSystemID":[]}"#, "remoteSystemID is not a list of at least one name"),
    (#"{"remoteSystemID":"b"}"#, "remoteSystemID is not a list of at least one name"),
    (#"{"remoteSystemID":[1]}"#, "remoteSystemID holds no string"),
    (#"{"remoteSystemID":[""]}"#, "remoteSystemID does not have 1 to 1024 bytes"),
    (#"{"remoteSystemID":["b"]}"#, "entropy is not a boolean"),
    (#"{"remoteSystemID":["b"],"entropy":"true"}"#, "entropy is not a boolean"),
    (#"{"remoteSystemID":["b"],"entropy":true,"key":1}"#, "key is not a boolean"),
    (#"{"remoteSystemID":["b"],"entropy":true,"key":true}"#, "algorithm is not a string"),
    (#"{"remoteSystemID":["b"],"entropy":true,"key":true,"algorithm":"a"}"#, "localSystemID is not a string"),
    (
      #"{"remoteSystemID":["b"],"entropy":true,"key":true,"algorithm":"a\u0000","localSystemID":"c"}"#,
      "algorithm holds a control character"
    ),
  ])
  func invalidCapabilities(text: String, reason: String) {
    #expect(throws: SKIPAnswerError(reason), "\(text)") { try SKIPAnswer.capabilities(body(text)) }
  }

  @Test func invalidUTF8() {
    let bytes = Array(#"{"remoteSystemID":[""#.utf8) + [0xFF] + Array(#""]}"#.utf8)
    #expect(throws: SKIPAnswerError("a string is not UTF-8")) {
      try SKIPAnswer.capabilities(SecretBytes(copying: bytes))
    }
  }

  @Test func depthAndMembersAreBounded() {
    let deep = #"{"a":"# + String(repeating: "[", count: 60_000)
    #expect(throws: SKIPAnswerError("it is nested too deep")) { try SKIPAnswer.capabilities(body(deep)) }
    let wide = "{" + (0..<300).map { "\"m\($0)\":1" }.joined(separator: ",") + "}"
    #expect(throws: SKIPAnswerError("it has too many members")) { try SKIPAnswer.capabilities(body(wide)) }
  }

  /// Every prefix of a valid answer is refused, and never traps.
  @Test func everyTruncationIsRefused() {
    let full = Array(Self.capabilities.utf8)
    for length in 0..<full.count {
      #expect(throws: SKIPAnswerError.self, "first \(length) bytes") {
        try SKIPAnswer.capabilities(SecretBytes(copying: Array(full[..<length])))
      }
    }
  }

  /// Any single byte put anywhere gives an answer or an error, and never traps.
  @Test func everyAlteredByteIsSurvived() {
    let full = Array(Self.capabilities.utf8)
    for position in full.indices {
      for byte in [0, 0x22, 0x5C, 0x5B, 0x5D, 0x7B, 0x7D, 0x2C, 0x3A, 0x80, 0xFF] as [UInt8] {
        var altered = full
        altered[position] = byte
        _ = try? SKIPAnswer.capabilities(SecretBytes(copying: altered))
      }
    }
  }

  @Test func newKey() throws {
    let identifier = "D6d60Ffb7e98f4ffd9ad2b9fdf2b1b4a7c5d0b1c2a3f4e5d"
    let answer = try SKIPAnswer.key(
      body(#"{"keyId":"\#(identifier)","key":"\#(Self.key64)"}"#), expected: nil, sizeInBits: 256, remote: "KP-B")
    #expect(answer.identifier == KeyIdentifier(identifier), "the case of an identifier is kept")
    #expect(hex(answer.secret) == Self.key64.lowercased(), "the case of key digits does not matter")
    #expect(answer.remoteSystem == "KP-B" && answer.sizeInBits == 256)
  }

  @Test(arguments: [
    (#"{"key":"aa"}"#, "keyId is not a string"),
    (#"{"keyId":7,"key":"aa"}"#, "keyId is not a string"),
    (#"{"keyId":"","key":"aa"}"#, "keyId is not 1 to 512 hexadecimal digits"),
    (#"{"keyId":"../x","key":"aa"}"#, "keyId is not 1 to 512 hexadecimal digits"),
    (#"{"keyId":"AA","key":"aa"}"#, "keyId AA came instead of aa"),
    (#"{"keyId":"aa"}"#, "key is not a string"),
    (#"{"keyId":"aa","key":null}"#, "key is not a string"),
    (#"{"keyId":"aa","key":""}"#, "key is not an even number of hexadecimal digits"),
    (#"{"keyId":"aa","key":"abc"}"#, "key is not an even number of hexadecimal digits"),
    (#"{"keyId":"aa","key":"zz"}"#, "key is not an even number of hexadecimal digits"),
    (#"{"keyId":"aa","key":"0011223344556677"}"#, "the key has 64 bits instead of 128"),
  ])
  func invalidKey(text: String, reason: String) {
    #expect(throws: SKIPAnswerError(reason), "\(text)") {
      try SKIPAnswer.key(body(text), expected: KeyIdentifier("aa"), sizeInBits: 128, remote: "B")
    }
  }

  @Test func identifiersOfAnyPlausibleLengthPass() throws {
    for length in [1, 31, 32, 48, 512] {
      let identifier = String(repeating: "f", count: length)
      let answer = try SKIPAnswer.key(
        body(#"{"keyId":"\#(identifier)","key":"\#(Self.key64)"}"#), expected: nil, sizeInBits: nil, remote: "B")
      #expect(answer.identifier.bytes.count == length)
    }
    let long = String(repeating: "f", count: 513)
    #expect(throws: SKIPAnswerError.self) {
      try SKIPAnswer.key(
        body(#"{"keyId":"\#(long)","key":"\#(Self.key64)"}"#), expected: nil, sizeInBits: nil, remote: "B")
    }
  }

  @Test func keyOfUnaskedSizeMustBePlausible() {
    #expect(throws: SKIPAnswerError("the key has 8 bits, outside 64 to 8192")) {
      try SKIPAnswer.key(body(#"{"keyId":"aa","key":"00"}"#), expected: nil, sizeInBits: nil, remote: "B")
    }
  }

  @Test func entropy() throws {
    let answer = try SKIPAnswer.entropy(body(#"{"randomStr":"00FFaa11","minentropy":32}"#), bits: 32)
    #expect(hex(answer) == "00ffaa11")
  }

  @Test(arguments: [
    (#"{"randomStr":"00FFaa11"}"#, "minentropy is not an integer"),
    (#"{"randomStr":"00FFaa11","minentropy":"32"}"#, "minentropy is not an integer"),
    (#"{"randomStr":"00FFaa11","minentropy":32.5}"#, "minentropy is not an integer"),
    (#"{"randomStr":"00FFaa11","minentropy":1e99}"#, "minentropy is not an integer"),
    (#"{"randomStr":"00FFaa11","minentropy":31}"#, "minentropy is 31 instead of 32"),
    (#"{"randomStr":"00FFaa","minentropy":32}"#, "randomStr has 24 bits instead of 32"),
    (#"{"minentropy":32}"#, "randomStr is not a string"),
  ])
  func invalidEntropy(text: String, reason: String) {
    #expect(throws: SKIPAnswerError(reason), "\(text)") { try SKIPAnswer.entropy(body(text), bits: 32) }
  }
}
