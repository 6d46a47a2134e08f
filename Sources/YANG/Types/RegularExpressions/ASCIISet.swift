// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What a character class of a regular expression means: which ASCII characters are in it, and what is known of the
/// characters beyond ASCII.
struct ASCIISet: Hashable, Sendable {
  /// Of the characters beyond ASCII the class has none or all, or some, which takes tables of Unicode to tell.
  enum Beyond: Sendable { case none, all, some }

  private var low: UInt64 = 0
  private var high: UInt64 = 0
  private(set) var beyond = Beyond.none

  init() {}

  init(_ characters: some Sequence<UInt8>) {
    for character in characters { insert(character) }
  }

  init(_ text: StaticString) {
    text.withUTF8Buffer { for byte in $0 { insert(byte) } }
  }

  static let all: ASCIISet = {
    var set = ASCIISet()
    set.low = .max
    set.high = .max
    set.beyond = .all
    return set
  }()

  var inverted: ASCIISet {
    var set = self
    set.low = ~low
    set.high = ~high
    set.beyond = beyond == .none ? .all : beyond == .all ? .none : .some
    return set
  }

  /// The same ASCII characters, and some beyond.
  private var withSomeBeyond: ASCIISet {
    var set = self
    set.beyond = .some
    return set
  }

  mutating func insert(_ character: UInt8) {
    if character < 64 { low |= 1 << UInt64(character) } else if character < 128 { high |= 1 << UInt64(character - 64) }
  }

  mutating func formUnion(_ other: ASCIISet) {
    low |= other.low
    high |= other.high
    if beyond == .all || other.beyond == .all {
      beyond = .all
    } else if other.beyond == .some {
      beyond = .some
    }
  }

  /// Takes ASCII characters out.
  private mutating func subtract(_ other: ASCIISet) {
    low &= ~other.low
    high &= ~other.high
  }

  func contains(_ character: UInt8) -> Bool {
    character < 64 ? low >> UInt64(character) & 1 == 1 : high >> UInt64(character - 64) & 1 == 1
  }

  // MARK: The classes of XML Schema part 2, appendix F, cut to ASCII

  static let digits = ASCIISet("0123456789")
  static let upper = ASCIISet("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
  static let lower = ASCIISet("abcdefghijklmnopqrstuvwxyz")
  static let space = ASCIISet([0x20, 0x09, 0x0A, 0x0D])
  static let lineEnds = ASCIISet([0x0A, 0x0D])
  static let control = ASCIISet(Array(0..<0x20) + [0x7F])

  /// The general categories of Unicode that have ASCII characters.
  private static let categories: [String: ASCIISet] = [
    "Lu": upper, "Ll": lower, "Nd": digits, "Zs": ASCIISet(" "), "Cc": control, "Pc": ASCIISet("_"),
    "Pd": ASCIISet("-"), "Ps": ASCIISet("([{"), "Pe": ASCIISet(")]}"), "Po": ASCIISet("!\"#%&'*,./:;?@\\"),
    "Sc": ASCIISet("$"), "Sm": ASCIISet("+<=>|~"), "Sk": ASCIISet("^`"),
  ]
  private static let emptyCategories: Set<String> = [
    "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nl", "No", "Zl", "Zp", "Cf", "Co", "Cn", "Pi", "Pf", "So", "M",
  ]

  /// `\p{name}`; nil for a name that is unknown here, such as that of a block.
  static func category(_ name: String) -> ASCIISet? {
    if let set = categories[name] { return set.withSomeBeyond }
    if emptyCategories.contains(name) { return ASCIISet().withSomeBeyond }
    guard ["L", "N", "Z", "C", "P", "S"].contains(name) else { return nil }
    var set = ASCIISet()
    for (category, members) in categories where category.hasPrefix(name) { set.formUnion(members) }
    return set.withSomeBeyond
  }

  /// `\w`: everything but punctuation, separators and control characters.
  static let word: ASCIISet = {
    var set = ASCIISet.all
    for name in ["P", "Z", "C"] { set.subtract(category(name) ?? ASCIISet()) }
    return set
  }()

  /// `\i` and `\c`: the first and the other characters of an XML name.
  static let nameStart: ASCIISet = {
    var set = ASCIISet("_:")
    set.formUnion(upper)
    set.formUnion(lower)
    return set
  }()
  static let namePart: ASCIISet = {
    var set = ASCIISet("-.")
    set.formUnion(nameStart)
    set.formUnion(digits)
    return set
  }()

  /// The class of a one-letter escape, nil for other letters.
  static func escape(_ letter: UInt8) -> ASCIISet? {
    switch letter {
    case UInt8(ascii: "d"): digits.withSomeBeyond
    case UInt8(ascii: "D"): digits.withSomeBeyond.inverted
    case UInt8(ascii: "s"): space
    case UInt8(ascii: "S"): space.inverted
    case UInt8(ascii: "w"): word.withSomeBeyond
    case UInt8(ascii: "W"): word.withSomeBeyond.inverted
    case UInt8(ascii: "i"): nameStart.withSomeBeyond
    case UInt8(ascii: "I"): nameStart.withSomeBeyond.inverted
    case UInt8(ascii: "c"): namePart.withSomeBeyond
    case UInt8(ascii: "C"): namePart.withSomeBeyond.inverted
    default: nil
    }
  }
}
