// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The parsed form of a regular expression (XML Schema part 2, appendix F).
indirect enum ExpressionSyntax {
  case set(ASCIISet)
  case sequence([ExpressionSyntax])
  case choice([ExpressionSyntax])
  case repetition(ExpressionSyntax, least: Int, most: Int?)

  /// Not in the part of the language where all implementations agree: left to libxml2, which may also refuse it.
  struct Unsupported: Error {}

  static func parse(_ source: String) -> ExpressionSyntax? {
    var parser = Parser(bytes: Array(source.utf8))
    guard !source.utf8.contains(0), let syntax = try? parser.choice(depth: 0), parser.isAtEnd else { return nil }
    return syntax
  }

  private struct Parser {
    static let maximumDepth = 64
    static let maximumCount = 1_000

    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    private func byte(_ ahead: Int = 0) -> UInt8? {
      position + ahead < bytes.count ? bytes[position + ahead] : nil
    }

    mutating func choice(depth: Int) throws(Unsupported) -> ExpressionSyntax {
      guard depth < Self.maximumDepth else { throw Unsupported() }
      var branches = [try sequence(depth: depth)]
      while byte() == UInt8(ascii: "|") {
        position += 1
        branches.append(try sequence(depth: depth))
      }
      return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence(depth: Int) throws(Unsupported) -> ExpressionSyntax {
      var pieces: [ExpressionSyntax] = []
      while let next = byte(), next != UInt8(ascii: "|"), next != UInt8(ascii: ")") {
        let atom = try atom(depth: depth)
        pieces.append(try quantified(atom))
      }
      return pieces.count == 1 ? pieces[0] : .sequence(pieces)
    }

    private mutating func quantified(_ atom: ExpressionSyntax) throws(Unsupported) -> ExpressionSyntax {
      var result = atom
      switch byte() {
      case UInt8(ascii: "?"): result = .repetition(atom, least: 0, most: 1)
      case UInt8(ascii: "*"): result = .repetition(atom, least: 0, most: nil)
      case UInt8(ascii: "+"): result = .repetition(atom, least: 1, most: nil)
      case UInt8(ascii: "{"): return try counted(atom)
      default: return result
      }
      position += 1
      return try unquantified(result)
    }

    /// A quantifier cannot follow a quantifier.
    private func unquantified(_ piece: ExpressionSyntax) throws(Unsupported) -> ExpressionSyntax {
      switch byte() {
      case UInt8(ascii: "?"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "{"): throw Unsupported()
      default: return piece
      }
    }

    private mutating func counted(_ atom: ExpressionSyntax) throws(Unsupported) -> ExpressionSyntax {
      position += 1
      let least = try number()
      var most: Int? = least
      if byte() == UInt8(ascii: ",") {
        position += 1
        most = byte() == UInt8(ascii: "}") ? nil : try number()
      }
      guard byte() == UInt8(ascii: "}"), most.map({ $0 >= least }) ?? true else { throw Unsupported() }
      position += 1
      return try unquantified(.repetition(atom, least: least, most: most))
    }

    private mutating func number() throws(Unsupported) -> Int {
      var value = 0
      var count = 0
      while let next = byte(), (0x30...0x39).contains(next), count < 5 {
        value = value * 10 + Int(next - 0x30)
        position += 1
        count += 1
      }
      guard count > 0, value <= Self.maximumCount else { throw Unsupported() }
      return value
    }

    private mutating func atom(depth: Int) throws(Unsupported) -> ExpressionSyntax {
      guard let next = byte(), next < 0x80 else { throw Unsupported() }
      position += 1
      switch next {
      case UInt8(ascii: "("):
        let inner = try choice(depth: depth + 1)
        guard byte() == UInt8(ascii: ")") else { throw Unsupported() }
        position += 1
        return inner
      case UInt8(ascii: "["): return .set(try characterClass(depth: depth))
      case UInt8(ascii: "."): return .set(ASCIISet.lineEnds.inverted)
      case UInt8(ascii: "\\"): return .set(try escape().set)
      case UInt8(ascii: "?"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "{"), UInt8(ascii: "}"),
        UInt8(ascii: "]"):
        throw Unsupported()
      default: return .set(ASCIISet([next]))
      }
    }

    /// Behind a backslash. `character` is set when the escape stands for one character.
    private mutating func escape() throws(Unsupported) -> (set: ASCIISet, character: UInt8?) {
      guard let letter = byte() else { throw Unsupported() }
      position += 1
      func one(_ character: UInt8) -> (set: ASCIISet, character: UInt8?) { (ASCIISet([character]), character) }
      switch letter {
      case UInt8(ascii: "n"): return one(0x0A)
      case UInt8(ascii: "r"): return one(0x0D)
      case UInt8(ascii: "t"): return one(0x09)
      case UInt8(ascii: "p"), UInt8(ascii: "P"):
        guard byte() == UInt8(ascii: "{"), let end = bytes[position...].firstIndex(of: UInt8(ascii: "}")) else {
          throw Unsupported()
        }
        let name = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
        guard let set = ASCIISet.category(name) else { throw Unsupported() }
        position = end + 1
        return (letter == UInt8(ascii: "p") ? set : set.inverted, nil)
      default:
        if ASCIISet("\\|.?*+(){}-[]^").contains(letter), letter < 0x80 { return one(letter) }
        guard let set = ASCIISet.escape(letter) else { throw Unsupported() }
        return (set, nil)
      }
    }

    /// Behind `[`, to and with `]`.
    private mutating func characterClass(depth: Int) throws(Unsupported) -> ASCIISet {
      guard depth < Self.maximumDepth else { throw Unsupported() }
      var set = ASCIISet()
      let isNegated = byte() == UInt8(ascii: "^")
      if isNegated { position += 1 }
      var isFirst = true
      while true {
        guard let next = byte() else { throw Unsupported() }
        if next == UInt8(ascii: "]") {
          guard !isFirst else { throw Unsupported() }
          position += 1
          return isNegated ? set.inverted : set
        }
        // Subtraction, and ranges or characters beyond ASCII, are left to libxml2.
        guard next < 0x80, next != UInt8(ascii: "[") else { throw Unsupported() }
        try member(isFirst: isFirst, into: &set)
        isFirst = false
      }
    }

    private mutating func member(isFirst: Bool, into set: inout ASCIISet) throws(Unsupported) {
      guard let next = byte() else { throw Unsupported() }
      position += 1
      var start = next
      if next == UInt8(ascii: "\\") {
        let (escaped, character) = try escape()
        guard let character else {
          set.formUnion(escaped)
          // A class cannot begin a range.
          if byte() == UInt8(ascii: "-"), byte(1) != UInt8(ascii: "]") { throw Unsupported() }
          return
        }
        start = character
      } else if next == UInt8(ascii: "-") {
        // A hyphen stands for itself only at the beginning or the end; what it means between is disputed.
        guard isFirst || byte() == UInt8(ascii: "]"), byte() != UInt8(ascii: "-") else { throw Unsupported() }
        set.insert(next)
        return
      } else if next == UInt8(ascii: "^") {
        throw Unsupported()
      }
      guard byte() == UInt8(ascii: "-"), byte(1) != UInt8(ascii: "]") else {
        set.insert(start)
        return
      }
      position += 1
      guard var end = byte(), end < 0x80, end != UInt8(ascii: "["), end != UInt8(ascii: "-") else {
        throw Unsupported()
      }
      position += 1
      if end == UInt8(ascii: "\\") {
        guard let character = try escape().character else { throw Unsupported() }
        end = character
      }
      guard start <= end else { throw Unsupported() }
      for character in start...end { set.insert(character) }
    }
  }
}
