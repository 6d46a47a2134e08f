// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Makes texts that a string type takes: random walks through the automata of its patterns together, which go only
/// where all of them can still accept and the length can still be met.
///
/// Texts are of printable ASCII. Where an expression has no automaton here, or is inverted, texts are tried against it.
public struct TextSampler: Sendable {
  private static let maximumStates = 20_000
  private static let attempts = 40

  private let patterns: [Pattern]
  private let lengths: [ClosedRange<Int>]
  private let automata: [Automaton]
  /// The number of characters from a joint state to the nearest one that accepts; states that cannot are not in it.
  private let distances: [[UInt16]: Int]

  /// For the patterns and lengths of a string type.
  public init(_ type: SchemaType) {
    patterns = type.patterns
    lengths =
      type.lengths.isEmpty
      ? [0...40]
      : type.lengths.map { interval in
        let lower = Int(clamping: interval.lower)
        return lower...max(lower, Int(clamping: interval.upper))
      }
    automata = type.patterns.filter { !$0.isInverted }.compactMap(\.expression.automaton)
    distances = Self.distances(automata)
  }

  /// A text that the type takes; nil when none was found, which does not mean that there is none.
  ///
  /// - Parameter preferredLength: about how long it is to be, where the type leaves the choice.
  public func sample(using random: inout some RandomNumberGenerator, preferredLength: Int = 8) -> String? {
    for attempt in 0..<Self.attempts {
      guard let bounds = lengths.randomElement(using: &random) else { return nil }
      let wanted = min(
        bounds.upperBound, max(bounds.lowerBound, Int.random(in: 0...(preferredLength + attempt), using: &random)))
      guard let text = walk(bounds, wanted, &random) else { continue }
      if patterns.allSatisfy({ $0.accepts(text) }) { return text }
    }
    return nil
  }

  private func walk(_ bounds: ClosedRange<Int>, _ wanted: Int, _ random: inout some RandomNumberGenerator) -> String? {
    var states = automata.map(\.initialState)
    guard let nearest = distances[states], nearest <= bounds.upperBound else { return nil }
    var text: [UInt8] = []
    while true {
      let accepts = zip(automata, states).allSatisfy { $0.isAccepting($1) }
      if accepts, text.count >= bounds.lowerBound, text.count >= wanted { break }
      let left = bounds.upperBound - text.count
      // Past the wanted length the way goes straight to the end.
      let hurried = text.count >= max(wanted, bounds.lowerBound)
      var choices: [[UInt16]: [UInt8]] = [:]
      for character in UInt8(0x20)..<0x7F {
        guard let next = Self.step(automata, states, character), let distance = distances[next], distance < left else {
          continue
        }
        if hurried, distance >= distances[states] ?? 0 { continue }
        choices[next, default: []].append(character)
      }
      guard let next = choices.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }).randomElement(using: &random),
        let character = Self.pick(choices[next] ?? [], &random)
      else {
        // Nothing goes on: what is there may be enough.
        if accepts, bounds.contains(text.count) { break }
        return nil
      }
      text.append(character)
      states = next
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Letters and digits more often than signs.
  private static func pick(_ characters: [UInt8], _ random: inout some RandomNumberGenerator) -> UInt8? {
    let plain = characters.filter { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
    return Int.random(in: 0..<4, using: &random) > 0 && !plain.isEmpty
      ? plain.randomElement(using: &random) : characters.randomElement(using: &random)
  }

  private static func step(_ automata: [Automaton], _ states: [UInt16], _ character: UInt8) -> [UInt16]? {
    var next: [UInt16] = []
    for (automaton, state) in zip(automata, states) {
      guard let after = automaton.state(after: character, from: state) else { return nil }
      next.append(after)
    }
    return next
  }

  private static func distances(_ automata: [Automaton]) -> [[UInt16]: Int] {
    let start = automata.map(\.initialState)
    var origins: [[UInt16]: Set<[UInt16]>] = [start: []]
    var pending = [start]
    while let states = pending.popLast(), origins.count <= maximumStates {
      for character in UInt8(0x20)..<0x7F {
        guard let next = step(automata, states, character) else { continue }
        if origins[next] == nil { pending.append(next) }
        origins[next, default: []].insert(states)
      }
    }
    var distances: [[UInt16]: Int] = [:]
    var front = origins.keys.filter { zip(automata, $0).allSatisfy { $0.isAccepting($1) } }
    for states in front { distances[states] = 0 }
    var distance = 0
    while !front.isEmpty {
      distance += 1
      var next: [[UInt16]] = []
      for states in front {
        for origin in origins[states] ?? [] where distances[origin] == nil {
          distances[origin] = distance
          next.append(origin)
        }
      }
      front = next
    }
    return distances
  }
}
