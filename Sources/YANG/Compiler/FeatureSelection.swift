// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Which features of the modules are supported (RFC 7950 section 7.20.1).
public struct FeatureSelection: Sendable {
  /// For a module named here only these features; all features of every other module.
  public var only: [String: Set<String>]
  /// Features that are not supported, by module.
  public var disabled: [String: Set<String>]
  /// False: no feature of a module that `only` does not name.
  public var enablesOthers: Bool

  public init(
    only: [String: Set<String>] = [:], disabled: [String: Set<String>] = [:], enablesOthers: Bool = true
  ) {
    self.only = only
    self.disabled = disabled
    self.enablesOthers = enablesOthers
  }

  /// Every feature.
  public static let all = FeatureSelection()
  /// No feature at all.
  public static let none = FeatureSelection(enablesOthers: false)

  func selects(_ feature: String, of module: String) -> Bool {
    if disabled[module]?.contains(feature) == true { return false }
    if let only = only[module] { return only.contains(feature) }
    return enablesOthers
  }
}
