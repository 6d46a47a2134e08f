// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// Our automaton against libxml2, which is the reference.
@Suite struct RegularExpressionTests {
  /// Patterns of published modules, and small ones for each construct.
  static let patterns = [
    #"[\w\-\.:,_@#%$\+=\| ;]+"#, #"[0-9\.]*"#, "[a-zA-Z0-9_.-]+", "[a-zA-Z0-9.:_/-]+", "(!.+)|([^!].+)",
    #"(([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])\.){3}([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"#
      + #"(%[\p{N}\p{L}]+)?"#,
    #"((:|[0-9a-fA-F]{0,4}):)([0-9a-fA-F]{0,4}:){0,5}((([0-9a-fA-F]{0,4}:)?(:|[0-9a-fA-F]{0,4}))|(((25[0-5]|"#
      + #"2[0-4][0-9]|[01]?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])))(%[\p{N}\p{L}]+)?"#,
    #"(([^:]+:){6}(([^:]+:[^:]+)|(.*\..*)))|((([^:]+:)*[^:]+)?::(([^:]+:)*[^:]+)?)(%.+)?"#,
    #"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[\+\-]\d{2}:\d{2})"#,
    #"(([0-1](\.[1-3]?[0-9]))|(2\.(0|([1-9]\d*))))(\.(0|([1-9]\d*)))*"#,
    #"((([a-zA-Z0-9_]([a-zA-Z0-9\-_]){0,61})?[a-zA-Z0-9]\.)*([a-zA-Z0-9_]([a-zA-Z0-9\-_]){0,61})?[a-zA-Z0-9]\.?)|\."#,
    "[0-9a-fA-F]{2}(:[0-9a-fA-F]{2})*", "([0-9a-fA-F]{2}(:[0-9a-fA-F]{2})*)?", "[a-fA-F0-9]{64}",
    #"[xX][mM][lL].*"#, #"[a-zA-Z_][a-zA-Z0-9\-_.]*"#, ".|..|[^xX].*|.[^mM].*|..[^lL].*", #"(([^\.]){1,5}\.)*"#,
    "a", "a|b|", "(a|b)*c", "a?b+c*", "a{2}", "a{2,}", "a{0,2}b", "(ab){1,3}", "()", "", ".", ".*", #"\."#, #"\s\S"#,
    #"\d\D"#, #"\w\W"#, #"\i\c*"#, #"\I"#, #"\C"#, #"[\d]"#, #"[^\d]"#, #"[^a-c]"#, "[-a]", "[a-]", "[^-a]",
    #"[\-a]"#, #"[\n\r\t]"#, #"\n|\r|\t"#, #"\p{Lu}\p{Ll}*"#, #"\P{L}"#, #"[\p{P}\p{S}]"#, #"\p{Nd}|\p{Zs}|\p{Cc}"#,
    #"\p{Pc}\p{Pd}\p{Ps}\p{Pe}\p{Po}"#, #"\p{Sc}|\p{Sm}|\p{Sk}|\p{So}"#, "^a$", "$", #"\^$"#, "a(b(c(d)?)?)?",
    "(a*)*", "((a|b)|(c|d))*", "[a-z]+(-[a-z]+)*", "[+.0-9]", "[ -~]*", "[!-/]", "(on|off|auto)",
  ]

  @Test(arguments: patterns) func agreesWithTheReference(pattern: String) throws {
    var random = SeededRandom(seed: 0x5EED_0001)
    let automaton = try #require(ExpressionSyntax.parse(pattern).flatMap(Automaton.init), "no automaton")
    let reference = ReferenceExpression(pattern)
    #expect(reference.isValid)
    let alphabet = Array(Set(pattern.utf8)).sorted() + Array("ab01:.-%/ _Z".utf8)
    for _ in 0..<1_500 {
      let length = Int.random(in: 0...12, using: &random)
      var text = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
      if Int.random(in: 0..<4, using: &random) == 0, !text.isEmpty {
        text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 1..<128, using: &random)
      }
      if Int.random(in: 0..<4, using: &random) == 0 {
        let more = ["é", "漢", "😀", "\u{660}", "\u{2028}", "–", "\u{A0}"][Int.random(in: 0..<7, using: &random)]
        text.insert(contentsOf: Array(more.utf8), at: Int.random(in: 0...text.count, using: &random))
      }
      let (ours, theirs) = text.withUnsafeBufferPointer { (automaton.matches($0), reference.matches($0)) }
      guard let ours else { continue }
      #expect(ours == theirs, "'\(String(decoding: text, as: UTF8.self))' \(text)")
    }
  }

  /// Every ASCII character by itself, in every class.
  @Test func classesAgreeWithTheReference() throws {
    for pattern in Self.patterns {
      let automaton = try #require(ExpressionSyntax.parse(pattern).flatMap(Automaton.init))
      let reference = ReferenceExpression(pattern)
      for character in UInt8(1)..<128 {
        let text = [character]
        let (ours, theirs) = text.withUnsafeBufferPointer { (automaton.matches($0), reference.matches($0)) }
        guard let ours else { continue }
        #expect(ours == theirs, "\(pattern) on \(character)")
      }
    }
  }

  @Test(arguments: [
    "192.168.1.1", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4%eth0", "",
  ])
  func addresses(text: String) {
    let pattern = RegularExpression(Self.patterns[5])
    let reference = ReferenceExpression(Self.patterns[5])
    var text = text
    text.withUTF8 { #expect(pattern.matches($0) == reference.matches($0)) }
  }

  /// What implementations disagree about is not ours to decide.
  @Test(arguments: [
    "[a-z-[aeiou]]", "[0-9-_]", "a**", "[", "(", "a{3,2}", "[z-a]", #"\q"#, "[é]", "x{2", #"\p{IsGreek}"#,
  ])
  func isLeftToTheReference(pattern: String) {
    #expect(ExpressionSyntax.parse(pattern) == nil)
  }

  @Test func beyondASCIIIsDecidedWhereItCanBe() throws {
    func answer(_ pattern: String, _ text: String) throws -> Bool? {
      let automaton = try #require(ExpressionSyntax.parse(pattern).flatMap(Automaton.init))
      var text = text
      return text.withUTF8 { automaton.matches($0) }
    }
    #expect(try answer("[a-z]*", "aé") == false)
    #expect(try answer("[^:]+", "é漢😀") == true)
    #expect(try answer("..", "é漢") == true)
    #expect(try answer(".", "é漢") == false)
    #expect(try answer(#"\S*"#, "日本") == true)
    #expect(try answer(#"\w*"#, "é") == nil)
    #expect(try answer(#"\d|a"#, "é") == nil)
    #expect(try answer(#"a\w*"#, "é") == false, "no class is asked")
  }

  @Test func beyondASCIIGoesToTheReference() {
    let word = RegularExpression(#"[\w ]+"#)
    for (text, expected) in [("Grüße an alle", true), ("日本", true), ("a–b", false)] {
      var text = text
      #expect(text.withUTF8 { word.matches($0) } == expected, "\(text)")
    }
  }

  @Test func invalidExpressions() {
    #expect(!RegularExpression("[").isValid)
    #expect(!RegularExpression("(a").isValid)
    #expect(RegularExpression("[a-z-[aeiou]]").isValid)
    #expect(!RegularExpression("a\u{0}b").isValid)
  }

  /// The one known difference: libxml2 2.9 wants each turn of a counted group to take a character.
  @Test func countedGroupsMayBeEmpty() {
    let pattern = RegularExpression("(a?){3}")
    for text in ["", "a", "aa", "aaa"] {
      var text = text
      #expect(text.withUTF8 { pattern.matches($0) }, "\(text)")
    }
    var text = "aaaa"
    #expect(!text.withUTF8 { pattern.matches($0) })
  }

  @Test func largeCountsAreLeftToTheReference() {
    let pattern = RegularExpression("[a-fA-F0-9]{4096}")
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 4096)
    #expect(text.withUnsafeBufferPointer { pattern.matches($0) })
    #expect(!text.dropLast().withUnsafeBufferPointer { pattern.matches($0) })
  }
}

/// A small generator whose sequence depends on its seed only.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
