// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Which substatements a statement may have, how often, and what its argument looks like
/// (the tables of RFC 7950 section 7; for YANG 1 those of RFC 6020).
struct GrammarRule: Sendable {
  struct Substatement: Sendable {
    let isRequired: Bool
    let mayRepeat: Bool
    /// Unknown to YANG 1.
    let isNew: Bool
    /// May repeat in YANG 1.1 only.
    let repeatIsNew: Bool
  }

  let argument: ArgumentSyntax
  let substatements: [Keyword: Substatement]

  /// `substatements`: keywords with their number, `?` at most one, `1` exactly one, `*` any, `+` at least one;
  /// `!` behind it says that YANG 1.1 brought the substatement, `~` that YANG 1 allows at most one.
  init(_ argument: ArgumentSyntax, _ substatements: String = "") {
    self.argument = argument
    var table: [Keyword: Substatement] = [:]
    for word in substatements.split(whereSeparator: \.isWhitespace) {
      let isNew = word.hasSuffix("!")
      let repeatIsNew = word.hasSuffix("~")
      let bare = isNew || repeatIsNew ? word.dropLast() : word
      guard let number = bare.last, let keyword = Keyword.byText[String(bare.dropLast())] else { continue }
      table[keyword] = Substatement(
        isRequired: number == "1" || number == "+", mayRepeat: number == "*" || number == "+", isNew: isNew,
        repeatIsNew: repeatIsNew)
    }
    self.substatements = table
  }
}

enum Grammar {
  private static let data = "anydata*! anyxml* choice* container* leaf* leaf-list* list* uses*"
  private static let scopes = "typedef* grouping*"
  private static let operations = "action*! notification*!"
  private static let text = "description? reference?"
  private static let body =
    "augment* \(data) deviation* extension* feature* \(scopes) identity* notification* rpc*"
  private static let restriction = "\(text) error-app-tag? error-message?"

  static let rules: [Keyword: GrammarRule] = [
    .module: GrammarRule(
      .identifier,
      "yang-version? namespace1 prefix1 import* include* contact? organization? \(text) revision* \(body)"),
    .submodule: GrammarRule(
      .identifier,
      "yang-version? belongs-to1 import* include* contact? organization? \(text) revision* \(body)"),
    .action: GrammarRule(.identifier, "\(text) \(scopes) if-feature* input? output? status?"),
    .anydata: GrammarRule(.identifier, "config? \(text) if-feature* mandatory? must* status? when?"),
    .anyxml: GrammarRule(.identifier, "config? \(text) if-feature* mandatory? must* status? when?"),
    .argument: GrammarRule(.identifier, "yin-element?"),
    .augment: GrammarRule(
      .schemaNodePath, "\(operations) \(data) case* \(text) if-feature* status? when?"),
    .base: GrammarRule(.reference),
    .belongsTo: GrammarRule(.identifier, "prefix1"),
    .bit: GrammarRule(.identifier, "\(text) if-feature*! position? status?"),
    .case: GrammarRule(.identifier, "\(data) \(text) if-feature* status? when?"),
    .choice: GrammarRule(
      .identifier,
      "anydata*! anyxml* case* choice*! config? container* default? \(text) if-feature* leaf* leaf-list* list* "
        + "mandatory? status? when?"),
    .config: GrammarRule(.boolean),
    .contact: GrammarRule(.text),
    .container: GrammarRule(
      .identifier,
      "\(operations) \(data) config? \(text) \(scopes) if-feature* must* presence? status? when?"),
    .default: GrammarRule(.text),
    .description: GrammarRule(.text),
    .deviate: GrammarRule(
      .oneOf(["not-supported", "add", "replace", "delete"]),
      "config? default*~ mandatory? max-elements? min-elements? must* type? unique* units?"),
    .deviation: GrammarRule(.absolutePath, "deviate+ \(text)"),
    .enum: GrammarRule(.enumName, "\(text) if-feature*! status? value?"),
    .errorAppTag: GrammarRule(.text),
    .errorMessage: GrammarRule(.text),
    .extension: GrammarRule(.identifier, "argument? \(text) status?"),
    .feature: GrammarRule(.identifier, "\(text) if-feature* status?"),
    .fractionDigits: GrammarRule(.fractionDigits),
    .grouping: GrammarRule(.identifier, "\(operations) \(data) \(text) \(scopes) status?"),
    .identity: GrammarRule(.identifier, "base*~ \(text) if-feature*! status?"),
    .ifFeature: GrammarRule(.featureExpression),
    .import: GrammarRule(.identifier, "description?! prefix1 reference?! revision-date?"),
    .include: GrammarRule(.identifier, "description?! reference?! revision-date?"),
    .input: GrammarRule(.none, "\(data) \(scopes) must*!"),
    .key: GrammarRule(.keyNames),
    .leaf: GrammarRule(
      .identifier,
      "config? default? \(text) if-feature* mandatory? must* status? type1 units? when?"),
    .leafList: GrammarRule(
      .identifier,
      "config? default*! \(text) if-feature* max-elements? min-elements? must* ordered-by? status? type1 units? when?"),
    .length: GrammarRule(.text, restriction),
    .list: GrammarRule(
      .identifier,
      "\(operations) \(data) config? \(text) \(scopes) if-feature* key? max-elements? min-elements? must* "
        + "ordered-by? status? unique* when?"),
    .mandatory: GrammarRule(.boolean),
    .maxElements: GrammarRule(.maximum),
    .minElements: GrammarRule(.minimum),
    .modifier: GrammarRule(.oneOf(["invert-match"])),
    .must: GrammarRule(.text, restriction),
    .namespace: GrammarRule(.uri),
    .notification: GrammarRule(.identifier, "\(data) \(text) \(scopes) if-feature* must*! status?"),
    .orderedBy: GrammarRule(.oneOf(["system", "user"])),
    .organization: GrammarRule(.text),
    .output: GrammarRule(.none, "\(data) \(scopes) must*!"),
    .path: GrammarRule(.text),
    .pattern: GrammarRule(.text, "\(restriction) modifier?!"),
    .position: GrammarRule(.bitPosition),
    .prefix: GrammarRule(.identifier),
    .presence: GrammarRule(.text),
    .range: GrammarRule(.text, restriction),
    .reference: GrammarRule(.text),
    .refine: GrammarRule(
      .descendantPath,
      "config? default*~ \(text) if-feature*! mandatory? max-elements? min-elements? must* presence?"),
    .requireInstance: GrammarRule(.boolean),
    .revision: GrammarRule(.date, text),
    .revisionDate: GrammarRule(.date),
    .rpc: GrammarRule(.identifier, "\(text) \(scopes) if-feature* input? output? status?"),
    .status: GrammarRule(.oneOf(["current", "deprecated", "obsolete"])),
    .type: GrammarRule(
      .reference,
      "base*~ bit* enum* fraction-digits? length? path? pattern* range? require-instance? type*"),
    .typedef: GrammarRule(.identifier, "default? \(text) status? type1 units?"),
    .unique: GrammarRule(.uniqueNames),
    .units: GrammarRule(.text),
    .uses: GrammarRule(.reference, "augment* \(text) if-feature* refine* status? when?"),
    .value: GrammarRule(.enumValue),
    .when: GrammarRule(.text, text),
    .yangVersion: GrammarRule(.oneOf(["1", "1.1"])),
    .yinElement: GrammarRule(.boolean),
  ]

  static let dataDefinitions: Set<Keyword> = [.anydata, .anyxml, .choice, .container, .leaf, .leafList, .list, .uses]

  /// The substatements of a `deviate` by its argument (RFC 7950 section 7.20.3.2).
  static let deviateSubstatements: [String: Set<Keyword>] = [
    "not-supported": [],
    "add": [.units, .must, .unique, .default, .config, .mandatory, .minElements, .maxElements],
    "replace": [.type, .units, .default, .config, .mandatory, .minElements, .maxElements],
    "delete": [.units, .must, .unique, .default],
  ]

  /// What such a statement may hold.
  static let structure = GrammarRule(.text, "\(data) case* must* \(scopes) status? \(text) if-feature* when?")

  /// What an annotation may hold (RFC 7952 section 3).
  static let annotation = GrammarRule(.identifier, "\(text) if-feature* status? type1 units?")

  /// True for the extension statements that hold data definitions (RFC 8040 section 8, RFC 8791).
  static func holdsData(_ statement: Statement) -> Bool {
    statement.keyword == .unknown && ["yang-data", "structure", "augment-structure"].contains(statement.name)
  }

  /// The order of a module's sections: header, linkage, meta, revisions, body (RFC 7950 section 14, module-stmt).
  static func section(of keyword: Keyword) -> Int? {
    switch keyword {
    case .yangVersion, .namespace, .prefix, .belongsTo: 0
    case .import, .include: 1
    case .organization, .contact, .description, .reference: 2
    case .revision: 3
    case .unknown: nil
    default: 4
    }
  }

  static let sectionNames = ["header", "import and include", "meta", "revision", "body"]
}
