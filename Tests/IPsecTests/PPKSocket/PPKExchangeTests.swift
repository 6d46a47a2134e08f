// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

@Suite struct PPKExchangeTests {
  private static func question(_ id: [UInt8], _ connection: [UInt8]) -> [UInt8] {
    func field(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xff)] + bytes }
    let rest = field(id) + field(connection)
    return [1, UInt8(rest.count >> 8), UInt8(rest.count & 0xff)] + rest
  }

  @Test func aQuestionIsReadWhereverItIsCut() {
    let whole = Self.question(Array("key-1".utf8), Array("agentd:tunnel-ip1:0".utf8))
    for length in 0..<whole.count { #expect(PPKQuestion.decode(Array(whole.prefix(length))) == .incomplete) }
    #expect(PPKQuestion.decode(whole) == .question(PPKQuestion(id: "key-1", connection: "agentd:tunnel-ip1:0")))
    #expect(PPKQuestion.decode(whole + [0]) == .malformed, "one question a connection")
  }

  @Test(arguments: [
    [2], [1, 0xff, 0xff], [1, 0, 0], [1, 0, 4, 0, 0, 0, 0], [1, 0, 5, 0, 2, 65, 0, 0], [1, 0, 5, 0, 1, 0xff, 0, 0],
    [1, 0, 6, 0, 1, 65, 0, 0, 7],
  ])
  func whatIsNoQuestionIsTold(_ bytes: [UInt8]) { #expect(PPKQuestion.decode(bytes) == .malformed) }

  @Test func fieldsAreBounded() {
    let most = [UInt8](repeating: 65, count: PPKQuestion.mostOfField)
    guard case .question(let question) = PPKQuestion.decode(Self.question(most, most)) else {
      Issue.record("the longest question is one")
      return
    }
    #expect(question.id.utf8.count == PPKQuestion.mostOfField)
    #expect(PPKQuestion.decode(Self.question(most + [65], [])) == .malformed)
  }

  @Test func damageIsNeverMoreThanMalformed() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(seed: seed)
    let whole = Self.question(Array("key-1".utf8), Array("agentd:tunnel-ip1:0".utf8))
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0 ... .max, using: &random)
      }
      bytes.removeLast(Int.random(in: 0..<3, using: &random))
      if case .question(let question) = PPKQuestion.decode(bytes) {
        #expect(!question.id.isEmpty && question.id.utf8.count <= PPKQuestion.mostOfField, "seed \(seed)")
      }
    }
  }

  @Test func answersHaveTheirForm() {
    func bytes(_ answer: PPKAnswer) -> [UInt8] { answer.encoded().withUnsafeBytes { Array($0) } }
    #expect(bytes(.found(SecretBytes(copying: [7, 8, 9]))) == [1, 0, 0, 3, 7, 8, 9])
    #expect(bytes(.notFound) == [1, 1, 0, 0])
    #expect(bytes(.unavailable) == [1, 2, 0, 0])
    #expect(bytes(.found(SecretBytes(copying: []))) == [1, 2, 0, 0])
    let long = [UInt8](repeating: 1, count: PPKAnswer.mostOfKey + 1)
    #expect(bytes(.found(SecretBytes(copying: long))) == [1, 2, 0, 0])
  }
}
