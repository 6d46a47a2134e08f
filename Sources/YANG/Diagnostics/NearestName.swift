// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Finds the name that somebody probably meant.
public enum NearestName {
  /// More candidates than this are not searched: a suggestion is not worth a second of time.
  static let maximumCandidates = 2_000

  /// The candidate with the least edit distance to `name`, if it is near enough to be a slip of the fingers.
  public static func of(_ name: String, among candidates: some Sequence<String>) -> String? {
    let target = Array(name.utf8.prefix(64))
    let limit = max(1, target.count / 3)
    var best: (distance: Int, name: String)?
    for candidate in candidates.prefix(maximumCandidates) where candidate != name {
      let bytes = Array(candidate.utf8.prefix(64))
      guard abs(bytes.count - target.count) <= limit else { continue }
      let distance = editDistance(target, bytes)
      guard distance <= limit else { continue }
      if let known = best, (known.distance, known.name) <= (distance, candidate) { continue }
      best = (distance, candidate)
    }
    return best?.name
  }

  /// `did you mean 'x'?`, or nil.
  static func hint(_ name: String, among candidates: some Sequence<String>) -> String? {
    of(name, among: candidates).map { "did you mean '\($0)'?" }
  }

  /// Insertions, deletions, substitutions and exchanges of neighbours that make one of the other.
  private static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforePrevious = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    var current = previous
    for (i, x) in a.enumerated() {
      current[0] = i + 1
      for (j, y) in b.enumerated() {
        var best = min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1)
        if i > 0, j > 0, x == b[j - 1], a[i - 1] == y { best = min(best, beforePrevious[j - 1] + 1) }
        current[j + 1] = best
      }
      (beforePrevious, previous, current) = (previous, current, beforePrevious)
    }
    return previous[b.count]
  }
}
