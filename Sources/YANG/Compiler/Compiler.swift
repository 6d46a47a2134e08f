// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Makes a `Schema` of loaded modules. Its stages, each in a file of its own:
///
/// 1. `Modules`: which modules are implemented, features, identities.
/// 2. `Expansion`: the node drafts of each module, groupings expanded (`Uses`).
/// 3. `Augments`, then `Deviations`: modules change each other's drafts.
/// 4. `Publication`: drafts become schema nodes; types are resolved (`TypeResolution`), the tree is linked.
/// 5. `References` and `Defaults`: leafrefs, XPath expressions, unique and defaults, which need the whole tree.
///
/// `StatementChecks` and `UnusedDefinitions` look at what the stages do not come by.
///
/// Each stage reports what is wrong and goes on with what it can, so that one run finds all errors.
final class Compiler {
  struct Feature {
    let definition: Scoped
    var isEnabled: Bool?
    var isInProgress = false
  }

  let parsed: [ParsedModule]
  /// Modules to implement even if they are not the latest of their name.
  var preferred: [String: ParsedModule] = [:]
  /// Submodules that were themselves given to be checked.
  var givenSubmodules: Set<ObjectIdentifier> = []
  let selection: FeatureSelection
  var log = DiagnosticLog()

  var implemented: Set<ObjectIdentifier> = []
  var implementedByName: [String: ParsedModule] = [:]
  var features: [ObjectIdentifier: Bool] = [:]
  var featuresInProgress: Set<ObjectIdentifier> = []
  var identities: [ObjectIdentifier: Identity] = [:]
  /// All identities of implemented modules, each with what derives from it.
  var derivedIdentities: [Identity: [Identity]] = [:]

  /// One draft of kind root per implemented module, by the module.
  var roots: [ObjectIdentifier: Draft] = [:]
  var appliedAugments: [(augment: Scoped, target: Draft, nodes: [Draft])] = []
  /// True to keep how nodes are written.
  var keepsWritings = false
  var draftCount = 0
  /// Lowered by tests.
  var maximumNodes = YANGLimits.schemaNodes
  var activeGroupings: [Statement] = []
  var usedGroupings: Set<ObjectIdentifier> = []
  /// True while nodes are made only to check a grouping that nothing uses.
  var isTentative = false

  /// Resolved `type` and `typedef` statements.
  var resolvedTypes: [ObjectIdentifier: ResolvedType] = [:]
  var typedefsInProgress: [Statement] = []
  var builtInTypes: [SchemaType.Base: SchemaType] = [:]
  /// Every type made, kept so that object identifiers stay unique.
  var types: [SchemaType] = []
  var finishedTypeCount = 0
  /// The path statements of leafref types.
  var leafrefPaths: [ObjectIdentifier: Scoped] = [:]

  /// Published nodes and their drafts, by node id.
  var nodes: [SchemaNode] = []
  var drafts: [Draft?] = []
  var conditionsByNode: [Int: [Draft.Condition]] = [:]
  var expressions: [ExpressionKey: XPath] = [:]

  /// Modules that turned out to be needed: leafrefs or defaults lead into them, and they are not implemented.
  var missing: Set<String> = []

  init(modules: [ParsedModule], selection: FeatureSelection) {
    parsed = modules
    self.selection = selection
  }

  /// The schema, nil when there are errors; `log` has them.
  func compile(implementing names: [String]?) -> Schema? {
    prepareModules(implementing: names)
    checkStatements()
    checkSubmoduleVisibility()
    for module in implementedModules { expandModule(module) }
    applyAugments()
    applyDeviations()
    let schema = publish()
    resolveReferences(in: schema)
    checkUnusedDefinitions()
    return log.hasErrors ? nil : schema
  }

  /// The module that a prefix stands for where nodes and identities are meant: the implemented one of that name, even
  /// if another revision is imported, since data is of the implemented revision only (RFC 7950 section 5.6.5).
  func implementedModule(forPrefix prefix: String?, in scope: ParsedModule) -> ParsedModule? {
    guard let module = scope.module(forPrefix: prefix) else { return nil }
    return implemented.contains(ObjectIdentifier(module)) ? module : implementedByName[module.name] ?? module
  }

  func nodeModule(forPrefix prefix: String?, in scope: ParsedModule) -> Module? {
    implementedModule(forPrefix: prefix, in: scope)?.compiled
  }

  var implementedModules: [ParsedModule] { parsed.filter { implemented.contains(ObjectIdentifier($0)) } }
}

extension YANGLimits {
  /// Nodes of one schema, groupings expanded.
  public static let schemaNodes = 4_000_000
  /// Levels of a schema tree.
  public static let schemaDepth = 512
}
