// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Which profiles refer to which trustpoints and source interfaces. Profiles that refer to nothing cost nothing.
struct ReferenceIndex: Sendable {
  /// Names of things that profiles refer to.
  struct Names: Sendable {
    var trustpoints: Set<String> = []
    var sourceInterfaces: Set<String> = []
  }

  private var references: [String: ProfileReferences] = [:]
  private var byTrustpoint: [String: Set<String>] = [:]
  private var bySourceInterface: [String: Set<String>] = [:]

  /// Notes what a profile refers to now; nil when there is no such profile.
  mutating func set(_ profile: String, _ new: ProfileReferences?) {
    let old = references[profile]
    let new = new.flatMap { $0.trustpoint == nil && $0.sourceInterface == nil ? nil : $0 }
    guard old != new else { return }
    references[profile] = new
    Self.move(profile, from: old?.trustpoint, to: new?.trustpoint, in: &byTrustpoint)
    Self.move(profile, from: old?.sourceInterface, to: new?.sourceInterface, in: &bySourceInterface)
  }

  private static func move(
    _ profile: String, from old: String?, to new: String?, in index: inout [String: Set<String>]
  ) {
    guard old != new else { return }
    if let old {
      index[old]?.remove(profile)
      if index[old]?.isEmpty == true { index[old] = nil }
    }
    if let new { index[new, default: []].insert(profile) }
  }

  /// The profiles that refer to any of these, in order.
  func profiles(_ names: Names) -> [String] {
    var found: Set<String> = []
    for name in names.trustpoints { found.formUnion(byTrustpoint[name] ?? []) }
    for name in names.sourceInterfaces { found.formUnion(bySourceInterface[name] ?? []) }
    return found.sorted()
  }

  /// Whether any profile refers to the trustpoint.
  func refersTo(trustpoint: String) -> Bool { byTrustpoint[trustpoint] != nil }
}
