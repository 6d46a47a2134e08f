// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One entry of a key management entity's list of remote systems: a name, or a pattern of the POSIX shell
/// (`*`, `?`, `[list]`, `[!list]`, and `\` before a character that stands for itself).
struct RemotePattern: Sendable, Hashable {
  private enum Element: Sendable, Hashable {
    case literal(Unicode.Scalar)
    case any
    case anyRun
    case set(ranges: [ClosedRange<Unicode.Scalar>], isNegated: Bool)
  }

  let text: String
  private let elements: [Element]

  init(_ text: String) {
    self.text = text
    var elements: [Element] = []
    let scalars = Array(text.unicodeScalars)
    var index = 0
    while index < scalars.count {
      switch scalars[index] {
      case "*":
        if elements.last != .anyRun { elements.append(.anyRun) }
      case "?": elements.append(.any)
      case "\\" where index + 1 < scalars.count:
        index += 1
        elements.append(.literal(scalars[index]))
      case "[":
        if let (set, end) = Self.set(scalars, after: index) {
          elements.append(set)
          index = end
        } else {
          elements.append(.literal("["))  // not closed: an ordinary character
        }
      default: elements.append(.literal(scalars[index]))
      }
      index += 1
    }
    self.elements = elements
  }

  /// Whether the entry can only be one name; if so, that name.
  var literalName: String? {
    var name = String.UnicodeScalarView()
    for element in elements {
      guard case .literal(let scalar) = element else { return nil }
      name.append(scalar)
    }
    return String(name)
  }

  /// Whether the name fits. Time is at most the product of both lengths.
  func matches(_ name: String) -> Bool {
    let scalars = Array(name.unicodeScalars)
    var element = 0
    var scalar = 0
    var retry: (element: Int, scalar: Int)?
    while scalar < scalars.count {
      if element < elements.count, elements[element] == .anyRun {
        element += 1
        retry = (element, scalar)
      } else if element < elements.count, Self.fits(elements[element], scalars[scalar]) {
        element += 1
        scalar += 1
      } else if let (from, at) = retry {
        element = from
        scalar = at + 1
        retry = (from, at + 1)
      } else {
        return false
      }
    }
    return elements[element...].allSatisfy { $0 == .anyRun }
  }

  private static func fits(_ element: Element, _ scalar: Unicode.Scalar) -> Bool {
    switch element {
    case .literal(let literal): literal == scalar
    case .any: true
    case .anyRun: false
    case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
    }
  }

  /// A bracket expression whose `[` stands at `start`, and where its `]` is. A `]` in first place is a member.
  private static func set(_ scalars: [Unicode.Scalar], after start: Int) -> (Element, Int)? {
    var index = start + 1
    let isNegated = index < scalars.count && scalars[index] == "!"
    if isNegated { index += 1 }
    let first = index
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    while index < scalars.count {
      if scalars[index] == "]", index > first { return (.set(ranges: ranges, isNegated: isNegated), index) }
      if let (members, end) = characterClass(scalars, at: index) {
        ranges += members
        index = end
        continue
      }
      if scalars[index] == "\\", index + 1 < scalars.count { index += 1 }
      let low = scalars[index]
      if index + 2 < scalars.count, scalars[index + 1] == "-", scalars[index + 2] != "]" {
        index += 2
        if scalars[index] == "\\", index + 1 < scalars.count { index += 1 }
        if low <= scalars[index] { ranges.append(low...scalars[index]) }
      } else {
        ranges.append(low...low)
      }
      index += 1
    }
    return nil
  }

  private static let classes: [String: [ClosedRange<Unicode.Scalar>]] = [
    "alpha": ["a"..."z", "A"..."Z"], "digit": ["0"..."9"], "alnum": ["a"..."z", "A"..."Z", "0"..."9"],
    "upper": ["A"..."Z"], "lower": ["a"..."z"], "xdigit": ["0"..."9", "a"..."f", "A"..."F"],
    "punct": ["!"..."/", ":"..."@", "["..."`", "{"..."~"], "space": [" "..." ", "\t"..."\r"],
    "blank": [" "..." ", "\t"..."\t"], "print": [" "..."~"], "graph": ["!"..."~"],
  ]

  /// `[:name:]` inside a bracket expression, for the characters of ASCII.
  private static func characterClass(
    _ scalars: [Unicode.Scalar], at start: Int
  ) -> ([ClosedRange<Unicode.Scalar>], Int)? {
    guard start + 1 < scalars.count, scalars[start] == "[", scalars[start + 1] == ":" else { return nil }
    var name = ""
    var index = start + 2
    while index + 1 < scalars.count, scalars[index] != ":" {
      name.unicodeScalars.append(scalars[index])
      index += 1
    }
    guard index + 1 < scalars.count, scalars[index + 1] == "]", let members = classes[name] else { return nil }
    return (members, index + 2)
  }
}
