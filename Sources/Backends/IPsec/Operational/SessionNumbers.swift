// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The numbers by which the model of IKEv2 knows sessions, 1 to 65535.
///
/// A tunnel interface has the number of its name, so that tunnel-ip3 is session 3 whoever restarts. What has no such number
/// gets a free one from the top, for as long as it is there.
struct SessionNumbers: Sendable {
  static let range: ClosedRange<UInt32> = 1...65_535

  private var numbers: [String: UInt32] = [:]
  private var taken: [UInt32: String] = [:]

  /// The number of an owner of SAs; nil when there is none left.
  mutating func number(of owner: String) -> UInt32? {
    if let number = numbers[owner] { return number }
    if let own = Self.own(owner), taken[own] == nil { return take(own, owner) }
    var candidate = Self.range.upperBound
    while taken[candidate] != nil {
      guard candidate > Self.range.lowerBound else { return nil }
      candidate -= 1
    }
    return take(candidate, owner)
  }

  /// Frees the numbers of all others.
  mutating func keep(only owners: some Sequence<String>) {
    let kept = Set(owners)
    numbers = numbers.filter { kept.contains($0.key) }
    taken = taken.filter { kept.contains($0.value) }
  }

  private mutating func take(_ number: UInt32, _ owner: String) -> UInt32 {
    numbers[owner] = number
    taken[number] = owner
    return number
  }

  private static func own(_ owner: String) -> UInt32? {
    let prefix = "tunnel-ip"
    guard owner.hasPrefix(prefix), let number = UInt32(owner.dropFirst(prefix.count)), range.contains(number) else {
      return nil
    }
    return number
  }
}
