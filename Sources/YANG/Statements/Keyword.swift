// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The keywords of YANG (RFC 7950 section 14), and one for all extension statements.
enum Keyword: String, Sendable, CaseIterable {
  case action, anydata, anyxml, argument, augment, base
  case belongsTo = "belongs-to"
  case bit, `case`, choice, config, contact, container
  case `default`, description, deviate, deviation
  case `enum`
  case errorAppTag = "error-app-tag"
  case errorMessage = "error-message"
  case `extension`, feature
  case fractionDigits = "fraction-digits"
  case grouping, identity
  case ifFeature = "if-feature"
  case `import`, include, input, key, leaf
  case leafList = "leaf-list"
  case length, list, mandatory
  case maxElements = "max-elements"
  case minElements = "min-elements"
  case modifier, module, must, namespace, notification
  case orderedBy = "ordered-by"
  case organization, output, path, pattern, position, prefix, presence, range, reference, refine
  case requireInstance = "require-instance"
  case revision
  case revisionDate = "revision-date"
  case rpc, status, submodule, type, typedef, unique, units, uses, value, when
  case yangVersion = "yang-version"
  case yinElement = "yin-element"
  /// A statement with a prefixed keyword: the use of an extension (RFC 7950 section 7.19).
  case unknown = "extension statement"

  /// Keywords by their text.
  static let byText: [String: Keyword] = {
    var table: [String: Keyword] = [:]
    for keyword in Keyword.allCases where keyword != .unknown { table[keyword.rawValue] = keyword }
    return table
  }()

  /// True for the statements that define nodes of the data tree (RFC 7950 section 14, data-def-stmt).
  var definesData: Bool {
    switch self {
    case .container, .leaf, .leafList, .list, .choice, .anydata, .anyxml, .uses: true
    default: false
    }
  }
}
