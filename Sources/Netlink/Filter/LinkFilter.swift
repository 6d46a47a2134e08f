// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What may pass a link, in both directions, by EtherType; all else is dropped.
public struct LinkFilter: Sendable, Hashable {
  /// Frames that pass: those with these EtherTypes, in order, after the addresses. All but the last are VLAN tags.
  public struct Pattern: Sendable, Hashable {
    public let etherTypes: [UInt16]

    /// A frame without tags.
    public init(_ etherType: UInt16) { etherTypes = [etherType] }

    /// A frame with VLAN tags of these types, the outermost first; at most two.
    public init(tags: [UInt16], _ etherType: UInt16) { etherTypes = tags + [etherType] }
  }

  /// The link's name.
  public var link: String
  public var patterns: Set<Pattern>

  public init(link: String, patterns: Set<Pattern>) {
    self.link = link
    self.patterns = patterns
  }

  /// A text that is the same for equal filters, kept with the filter in the kernel.
  var comment: String {
    let patterns = patterns.map { pattern in
      pattern.etherTypes.map { Self.hexadecimal($0) }.joined(separator: ">")
    }
    return "agentd 1: " + patterns.sorted().joined(separator: " ")
  }

  private static func hexadecimal(_ value: UInt16) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 4 - digits.count) + digits
  }
}

/// A filter as the kernel has it.
public struct LinkFilterState: Sendable, Hashable {
  /// Both directions are filtered, as asked.
  public var isInPlace: Bool
  /// Frames from outside that were dropped.
  public var droppedIn: UInt64
  /// Frames to the outside that were dropped.
  public var droppedOut: UInt64
}
