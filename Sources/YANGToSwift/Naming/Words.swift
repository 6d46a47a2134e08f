// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The words of a YANG identifier or enum name: the first step of every translation of a name.
///
/// Letters and digits make words; `-`, `_`, `.`, `/`, `:`, `,` and white space part them; any other character is a word
/// of its own, named: `+` is "plus".
struct Words: Equatable {
  var list: [String]

  init(_ name: String) {
    var list: [String] = []
    var word = ""
    func finish() {
      if !word.isEmpty { list.append(word) }
      word = ""
    }
    for (offset, character) in name.unicodeScalars.enumerated() {
      if Self.isInWord(character) {
        word.unicodeScalars.append(character)
        continue
      }
      finish()
      // A minus sign in front is part of the meaning, as in the enum "-1".
      if offset == 0, character == "-" { list.append("minus") }
      if !Self.separators.contains(character) {
        list.append(Self.symbolNames[character] ?? "u" + String(character.value, radix: 16))
      }
    }
    finish()
    // A name written in capitals throughout has no words that mean to be capitals.
    if !name.unicodeScalars.contains(where: { $0.properties.isLowercase }) { list = list.map { $0.lowercased() } }
    self.list = list
  }

  /// True for letters and digits.
  static func isInWord(_ character: Unicode.Scalar) -> Bool {
    switch character {
    case "a"..."z", "A"..."Z", "0"..."9": true
    case "\0"..."\u{7f}": false
    default: character.properties.isAlphabetic || character.properties.numericType == .decimal
    }
  }

  private static let separators: Set<Unicode.Scalar> = ["-", "_", ".", "/", ":", ",", " ", "\t", "\n"]

  private static let symbolNames: [Unicode.Scalar: String] = [
    "+": "plus", "*": "star", "&": "and", "=": "equal", "<": "less", ">": "greater", "#": "hash", "%": "percent",
    "@": "at", "!": "not", "?": "question", "(": "open", ")": "close", "[": "open", "]": "close", "|": "or",
    "~": "tilde", "^": "caret", "'": "quote", "\"": "quote", ";": "semicolon", "$": "dollar", "\\": "backslash",
  ]
}
