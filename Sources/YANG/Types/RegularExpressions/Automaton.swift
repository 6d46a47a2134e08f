// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A deterministic automaton made of a regular expression: one table look-up a character.
///
/// Characters beyond ASCII share one column of the table: to a class that has some of them but not all, such as `\w`,
/// the automaton has no answer.
///
/// Made by Thompson's construction and the subset construction, both bounded: an expression whose automaton would be
/// large is left to libxml2.
final class Automaton: Sendable {
  static let maximumNondeterministicStates = 4_000
  static let maximumStates = 1_024
  static let maximumWork = 600_000

  private static let dead: UInt16 = 0
  private static let start: UInt16 = 1
  /// Where a character beyond ASCII leads that only libxml2 can tell.
  private static let undecided = UInt16.max

  /// The class of octets that begin no character of XML: then libxml2 decides.
  private static let foreign: UInt8 = 0xFF
  /// The class of the octets of a character behind its first.
  private static let continuation: UInt8 = 0xFE

  /// The class of each octet. Characters of one class are told apart by no part of the expression.
  private let classes: [UInt8]
  private let classCount: Int
  /// State and class to state, row by row.
  private let table: [UInt16]
  private let accepting: [Bool]

  init?(_ syntax: ExpressionSyntax) {
    var builder = NondeterministicAutomaton()
    guard let (first, last) = builder.add(syntax) else { return nil }
    let (classes, representatives) = builder.characterClasses()
    let beyond = UInt8(representatives.count)
    self.classes = (0..<256).map { octet in
      switch octet {
      case 0x09, 0x0A, 0x0D, 0x20...0x7F: classes[octet]
      case 0x80...0xBF: Self.continuation
      case 0xC2...0xF4: beyond
      default: Self.foreign
      }
    }
    classCount = representatives.count + 1

    var table = [UInt16](repeating: Self.dead, count: classCount)
    var accepting = [false]
    var numbers: [[Int32]: UInt16] = [[]: Self.dead]
    var pending: [[Int32]] = []
    var work = 0
    func number(of states: [Int32]) -> UInt16? {
      if let known = numbers[states] { return known }
      guard accepting.count < Self.maximumStates else { return nil }
      let new = UInt16(accepting.count)
      numbers[states] = new
      accepting.append(states.contains(last))
      pending.append(states)
      return new
    }
    guard number(of: builder.closure(of: [first])) != nil else { return nil }
    while !pending.isEmpty {
      let states = pending.removeFirst()
      for representative in representatives {
        work += states.count
        guard work <= Self.maximumWork else { return nil }
        let next = builder.closure(of: builder.step(states, representative))
        guard let target = number(of: next) else { return nil }
        table.append(target)
      }
      guard let further = builder.stepBeyond(states) else {
        table.append(Self.undecided)
        continue
      }
      guard let target = number(of: builder.closure(of: further)) else { return nil }
      table.append(target)
    }
    self.table = table
    self.accepting = accepting
  }

  /// True when the whole text, which must be UTF-8, matches; nil when it has characters that are not ours to judge.
  func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool? {
    let end = classes.withUnsafeBufferPointer { classes in
      table.withUnsafeBufferPointer { table in Self.run(text, classes, table, classCount) }
    }
    return end.map { accepting[Int($0)] }
  }

  /// The state before any character.
  var initialState: UInt16 { Self.start }

  /// The state that an ASCII character leads to; nil when no match can follow.
  func state(after character: UInt8, from state: UInt16) -> UInt16? {
    let characterClass = classes[Int(character)]
    guard characterClass < Self.continuation else { return nil }
    let next = table[Int(state) * classCount + Int(characterClass)]
    return next == Self.dead || next == Self.undecided ? nil : next
  }

  /// True when a text that ends in this state matches.
  func isAccepting(_ state: UInt16) -> Bool { accepting[Int(state)] }

  /// The state at the end of the text, or the dead one as soon as it is reached: what follows cannot bring the match
  /// back. Nil at an octet that is not ours to judge.
  private static func run(
    _ text: UnsafeBufferPointer<UInt8>, _ classes: UnsafeBufferPointer<UInt8>, _ table: UnsafeBufferPointer<UInt16>,
    _ width: Int
  ) -> UInt16? {
    var state = start
    for byte in text {
      let characterClass = classes[Int(byte)]
      if characterClass >= continuation {
        guard characterClass == continuation else { return nil }
        continue
      }
      state = table[Int(state) * width + Int(characterClass)]
      if state == dead { break }
      if state == undecided { return nil }
    }
    return state
  }
}

/// The automaton in the making: states with a character set or with free moves.
private struct NondeterministicAutomaton {
  private enum State {
    case character(ASCIISet, next: Int32)
    case free([Int32])
  }

  private var states: [State] = []

  private mutating func new(_ state: State) -> Int32? {
    guard states.count < Automaton.maximumNondeterministicStates else { return nil }
    states.append(state)
    return Int32(states.count - 1)
  }

  private mutating func connect(_ from: Int32, to: Int32) {
    guard case .free(let targets) = states[Int(from)] else { return }
    states[Int(from)] = .free(targets + [to])
  }

  /// The first and last state of the part.
  mutating func add(_ syntax: ExpressionSyntax) -> (first: Int32, last: Int32)? {
    switch syntax {
    case .set(let set):
      guard let last = new(.free([])), let first = new(.character(set, next: last)) else { return nil }
      return (first, last)
    case .sequence(let parts):
      guard let first = new(.free([])) else { return nil }
      var last = first
      for part in parts {
        guard let added = add(part) else { return nil }
        connect(last, to: added.first)
        last = added.last
      }
      return (first, last)
    case .choice(let parts):
      guard let first = new(.free([])), let last = new(.free([])) else { return nil }
      for part in parts {
        guard let added = add(part) else { return nil }
        connect(first, to: added.first)
        connect(added.last, to: last)
      }
      return (first, last)
    case .repetition(let part, let least, let most): return repeated(part, least, most)
    }
  }

  private mutating func repeated(_ part: ExpressionSyntax, _ least: Int, _ most: Int?) -> (first: Int32, last: Int32)? {
    guard let first = new(.free([])) else { return nil }
    var last = first
    for _ in 0..<least {
      guard let added = add(part) else { return nil }
      connect(last, to: added.first)
      last = added.last
    }
    guard let end = new(.free([])) else { return nil }
    connect(last, to: end)
    if let most {
      for _ in least..<max(most, least) {
        guard let added = add(part) else { return nil }
        connect(last, to: added.first)
        last = added.last
        connect(last, to: end)
      }
    } else {
      guard let added = add(part), let loop = new(.free([])) else { return nil }
      connect(last, to: loop)
      connect(loop, to: added.first)
      connect(added.last, to: loop)
      connect(loop, to: end)
    }
    return (first, end)
  }

  /// States with a character set that can be reached by free moves, and those without moves, in order.
  func closure(of start: [Int32]) -> [Int32] {
    var seen: Set<Int32> = []
    var pending = start
    while let next = pending.popLast() {
      guard seen.insert(next).inserted else { continue }
      if case .free(let targets) = states[Int(next)] { pending += targets }
    }
    return seen.filter { state in
      if case .free(let targets) = states[Int(state)] { return targets.isEmpty }
      return true
    }.sorted()
  }

  func step(_ from: [Int32], _ character: UInt8) -> [Int32] {
    var result: [Int32] = []
    for state in from {
      if case .character(let set, let next) = states[Int(state)], set.contains(character) { result.append(next) }
    }
    return result
  }

  /// The states after a character beyond ASCII; nil when that takes to know which one it is.
  func stepBeyond(_ from: [Int32]) -> [Int32]? {
    var result: [Int32] = []
    for state in from {
      guard case .character(let set, let next) = states[Int(state)] else { continue }
      switch set.beyond {
      case .none: break
      case .all: result.append(next)
      case .some: return nil
      }
    }
    return result
  }

  /// ASCII characters that every set treats alike share a class.
  func characterClasses() -> (classes: [UInt8], representatives: [UInt8]) {
    var sets: Set<ASCIISet> = []
    for case .character(let set, _) in states { sets.insert(set) }
    let ordered = Array(sets)
    var known: [[Bool]: UInt8] = [:]
    var classes = [UInt8](repeating: 0, count: 128)
    var representatives: [UInt8] = []
    for character in UInt8(0)..<128 {
      let signature = ordered.map { $0.contains(character) }
      if let number = known[signature] {
        classes[Int(character)] = number
      } else {
        let number = UInt8(representatives.count)
        known[signature] = number
        classes[Int(character)] = number
        representatives.append(character)
      }
    }
    return (classes, representatives)
  }
}
