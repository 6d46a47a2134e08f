// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Brings modules in: finds their files, parses them, and resolves imports and includes (RFC 7950 sections 5.1, 7.1).
///
/// What is wrong is collected in `diagnostics`; loading goes on with the next module.
public struct SchemaLoader {
  struct Key: Hashable {
    let name: String
    let revision: String?
  }

  let files: ModuleFiles
  /// Where modules are looked for that are not in `files`: beside the files given, then where modules are installed.
  private var fallbackPaths: [(path: String, recursive: Bool)]
  private var fallbacks: [ModuleFiles]?
  private(set) var log = DiagnosticLog()
  /// Every module that was read, in the order of reading.
  private(set) var modules: [ParsedModule] = []
  private var modulesByKey: [Key: ParsedModule] = [:]
  private var submodulesByKey: [Key: ParsedModule] = [:]
  /// Submodules as found, each included by at most one module; they are held here.
  private var submodules: [ParsedModule] = []
  private var filesRead: [String: ParsedModule] = [:]
  private var filesRefused: Set<String> = []
  /// Texts given in memory, by the name of the module.
  private var sources: [String: [ParsedModule]] = [:]
  private var inProgress: [ParsedModule] = []
  /// Modules that were asked for in a certain revision or file: of several revisions these are implemented.
  private(set) var given: [String: ParsedModule] = [:]
  /// Submodules that were asked for by their file.
  private(set) var givenSubmodules: Set<ObjectIdentifier> = []

  /// - Parameters:
  ///   - searchPaths: folders to search, with all below them.
  ///   - fallbackPaths: folders to search for what is not in those: `recursive` with all below them. Those that do not
  ///     exist are passed over.
  public init(searchPaths: [String], fallbackPaths: [(path: String, recursive: Bool)] = []) {
    files = ModuleFiles(searchPaths: searchPaths)
    self.fallbackPaths = fallbackPaths
    for path in files.unreadable {
      log.append(YANGDiagnostic(.error, at: nil, "the folder \(path) cannot be read"))
    }
  }

  /// What was found so far, in the order of files and lines.
  public var diagnostics: [YANGDiagnostic] { log.sorted }

  // MARK: Loading

  /// Loads the module of that name: of that revision, else the latest. True when it was found.
  @discardableResult
  public mutating func load(_ name: String, revision: String? = nil) -> Bool {
    if let module = find(name, revision: revision) {
      if revision != nil { given[module.name] = module }
      return admit(module)
    }
    log.append(
      YANGDiagnostic(
        .error, at: nil, notFound("module", name, revision), hint: suggestion(for: name)))
    return false
  }

  /// Loads all modules in the search paths; of a module with several revisions, the latest.
  public mutating func loadAll() {
    for name in files.byName.keys.sorted() {
      guard let module = latest(of: files.files(named: name)), !module.isSubmodule else { continue }
      admit(module)
    }
  }

  /// Loads modules and submodules from memory. They take precedence over files.
  public mutating func load(sources texts: [SourceText]) {
    var parsed: [ParsedModule] = []
    for text in texts {
      guard let module = parse(text, expected: nil) else { continue }
      sources[module.name, default: []].append(module)
      parsed.append(module)
    }
    for name in sources.keys { sources[name]?.sort { ($0.revision ?? "") > ($1.revision ?? "") } }
    for module in parsed where !module.isSubmodule { admit(module) }
  }

  /// Makes a submodule that was given part of its module where that does not include it, so that it is checked too.
  private mutating func attach(_ submodule: ParsedModule) {
    guard submodule.main == nil,
      let owner = modules.last(where: { $0.name == submodule.belongsTo }),
      !owner.submodules.contains(where: { $0.name == submodule.name })
    else { return }
    log.warning(submodule.statement, "the module '\(owner.name)' does not include this submodule")
    include(submodule, into: owner)
  }

  /// Loads the module of one file, or the module that the submodule in it belongs to. Returns the module's name, nil
  /// when there is none.
  @discardableResult
  public mutating func load(file path: String) -> String? {
    let fileName = path.split(separator: "/").last.map(String.init) ?? path
    if !fallbackPaths.isEmpty { lookBeside(path, fileName) }
    guard let module = parse(ModuleFiles.file(path: path, fileName: fileName)) else { return nil }
    if module.isSubmodule {
      // The module shall include this very file, wherever else a submodule of that name is.
      sources[module.name, default: []].insert(module, at: 0)
      givenSubmodules.insert(ObjectIdentifier(module))
      guard let owner = module.belongsTo, load(owner) else { return nil }
      attach(module)
      return owner
    }
    given[module.name] = module
    admit(module)
    return module.name
  }

  // MARK: Finding and parsing

  private mutating func find(_ name: String, revision: String?) -> ParsedModule? {
    if let known = sources[name]?.first(where: { revision == nil || $0.revision == revision }) { return known }
    if let revision, let known = modulesByKey[Key(name: name, revision: revision)] { return known }
    if let found = find(name, revision: revision, among: files.files(named: name)) { return found }
    guard !fallbackPaths.isEmpty else { return nil }
    let others = fallbacks ?? fallbackPaths.map { ModuleFiles(searchPaths: [$0.path], recursive: $0.recursive) }
    fallbacks = others
    for folder in others {
      if let found = find(name, revision: revision, among: folder.files(named: name)) { return found }
    }
    return nil
  }

  private mutating func find(
    _ name: String, revision: String?, among candidates: [ModuleFiles.File]
  ) -> ParsedModule? {
    guard let revision else { return latest(of: candidates) }
    if let exact = candidates.first(where: { $0.revision == revision }), let module = parse(exact) {
      if module.revision == revision { return module }
      log.error(
        module.statement, "the file's name says revision \(revision), its latest is \(module.revision ?? "none")")
    }
    for file in candidates where file.revision == nil {
      if let module = parse(file), module.revision == revision { return module }
    }
    return nil
  }

  /// A module given as a file may need others in its folder, which is searched right after the search paths.
  private mutating func lookBeside(_ path: String, _ fileName: String) {
    let folder = path == fileName ? "." : String(path.dropLast(fileName.count))
    guard !fallbackPaths.contains(where: { $0.path == folder }) else { return }
    fallbackPaths.insert((folder, false), at: 0)
    fallbacks = nil
  }

  /// The module of the latest revision. A file whose name tells no revision must be read to know it.
  private mutating func latest(of candidates: [ModuleFiles.File]) -> ParsedModule? {
    guard candidates.count > 1 else { return candidates.first.flatMap { parse($0) } }
    var best: ParsedModule?
    for file in candidates {
      if let best, let revision = file.revision, revision <= best.revision ?? "" { continue }
      guard let module = parse(file) else { continue }
      if let best, module.revision ?? "" <= best.revision ?? "" { continue }
      best = module
    }
    return best
  }

  private mutating func parse(_ file: ModuleFiles.File) -> ParsedModule? {
    if let known = filesRead[file.path] { return known }
    guard !filesRefused.contains(file.path) else { return nil }
    guard let text = ModuleFiles.read(file.path) else {
      log.append(YANGDiagnostic(.error, at: nil, "the file \(file.path) cannot be read"))
      filesRefused.insert(file.path)
      return nil
    }
    guard let module = parse(text, expected: file) else {
      filesRefused.insert(file.path)
      return nil
    }
    filesRead[file.path] = module
    return module
  }

  private mutating func parse(_ text: SourceText, expected: ModuleFiles.File?) -> ParsedModule? {
    let (statement, problems) = StatementParser.parse(text)
    log.append(contentsOf: problems)
    guard let statement else { return nil }
    log.append(contentsOf: GrammarCheck.check(statement))
    guard statement.keyword == .module || statement.keyword == .submodule, statement.argument != nil else { return nil }
    let module = ParsedModule(source: text, statement: statement)
    if let expected {
      if module.name != expected.name {
        log.warning(statement, "the file's name says '\(expected.name)'", hint: "'\(module.name).yang' is usual")
      } else if let revision = expected.revision, revision != module.revision {
        log.warning(statement, "the file's name says revision \(revision), its latest is \(module.revision ?? "none")")
      }
    }
    collectDefinitions(of: module)
    return module
  }

  // MARK: Linking

  /// Makes the module part of the set and links what it needs. True unless it is refused.
  @discardableResult
  private mutating func admit(_ module: ParsedModule) -> Bool {
    let key = Key(name: module.name, revision: module.revision)
    if let known = modulesByKey[key] { return known === module }
    modulesByKey[key] = module
    modules.append(module)
    inProgress.append(module)
    link(module, within: module)
    inProgress.removeLast()
    return true
  }

  private mutating func link(_ file: ParsedModule, within module: ParsedModule) {
    for statement in file.statement.substatements {
      switch statement.keyword {
      case .import: linkImport(statement, of: file)
      case .include: linkInclude(statement, of: file, within: module)
      default: break
      }
    }
  }

  private mutating func linkImport(_ statement: Statement, of file: ParsedModule) {
    guard let name = statement.argument, let prefix = statement.argument(of: .prefix) else { return }
    if prefix == file.prefix || file.imports[prefix] != nil {
      log.error(statement, "the prefix '\(prefix)' is already in use", hint: "each import needs a prefix of its own")
      return
    }
    let revision = statement.argument(of: .revisionDate)
    guard let imported = find(name, revision: revision), !imported.isSubmodule else {
      log.error(statement, notFound("module", name, revision), hint: suggestion(for: name))
      return
    }
    guard imported.name == name else {
      log.error(statement, "\(imported.source.file) holds the module '\(imported.name)', not '\(name)'")
      return
    }
    if revision != nil, file.version == .one, imported.version == .onePointOne {
      log.error(
        statement, "a module of YANG 1 must not import one of YANG 1.1 by revision ('\(name)')",
        hint: "leave 'revision-date' out, or write the module in YANG 1.1 (RFC 7950 section 12)")
    }
    if inProgress.contains(where: { $0 === imported }) {
      let cycle = inProgress.drop { $0 !== imported }.map(\.name) + [imported.name]
      log.error(statement, "modules import each other in a circle: \(cycle.joined(separator: " → "))")
      return
    }
    admit(imported)
    let key = Key(name: imported.name, revision: imported.revision)
    let module = modulesByKey[key] ?? imported
    file.imports[prefix] = ParsedModule.Import(statement: statement, prefix: prefix, module: module)
  }

  private mutating func linkInclude(_ statement: Statement, of file: ParsedModule, within module: ParsedModule) {
    guard let name = statement.argument else { return }
    let revision = statement.argument(of: .revisionDate)
    if let known = module.submodules.first(where: { $0.name == name }) {
      if let revision, known.revision != revision {
        log.error(
          statement, "submodule '\(name)' is included with revision \(revision) and \(known.revision ?? "none")")
      }
      return
    }
    guard name != file.name || !file.isSubmodule else {
      log.error(statement, "the submodule includes itself")
      return
    }
    guard let submodule = find(name, revision: revision) else {
      log.error(statement, notFound("submodule", name, revision), hint: suggestion(for: name))
      return
    }
    guard submodule.isSubmodule, submodule.belongsTo == module.name else {
      let belongs = submodule.isSubmodule ? "belongs to '\(submodule.belongsTo ?? "")'" : "is a module"
      log.error(statement, "'\(name)' cannot be included in '\(module.name)': it \(belongs)")
      return
    }
    if submodule.version != module.version {
      log.error(
        statement,
        "submodule '\(name)' is written in YANG \(submodule.version.rawValue), its module in YANG "
          + module.version.rawValue, hint: "both have the same yang-version (RFC 7950 section 12)")
    }
    include(submodule, into: module)
  }

  private mutating func include(_ submodule: ParsedModule, into module: ParsedModule) {
    submodule.main = module
    module.submodules.append(submodule)
    submodules.append(submodule)
    link(submodule, within: module)
    merge(submodule, into: module)
  }

  // MARK: Definitions

  private mutating func collectDefinitions(of module: ParsedModule) {
    for statement in module.statement.substatements {
      guard let name = statement.argument else { continue }
      let definition = Scoped(statement: statement, scope: module)
      switch statement.keyword {
      case .typedef: define(name, definition, in: &module.typedefs)
      case .grouping: define(name, definition, in: &module.groupings)
      case .feature: define(name, definition, in: &module.features)
      case .identity: define(name, definition, in: &module.identities)
      case .extension: define(name, definition, in: &module.extensions)
      default: break
      }
    }
  }

  private mutating func define(_ name: String, _ definition: Scoped, in table: inout [String: Scoped]) {
    if let known = table[name] {
      guard known.statement !== definition.statement else { return }
      log.error(
        definition.statement, "the \(definition.statement.name) '\(name)' is defined twice",
        hint: "it is also defined at \(known.statement.location)")
      return
    }
    table[name] = definition
  }

  private mutating func merge(_ submodule: ParsedModule, into module: ParsedModule) {
    for (name, definition) in submodule.typedefs { define(name, definition, in: &module.typedefs) }
    for (name, definition) in submodule.groupings { define(name, definition, in: &module.groupings) }
    for (name, definition) in submodule.features { define(name, definition, in: &module.features) }
    for (name, definition) in submodule.identities { define(name, definition, in: &module.identities) }
    for (name, definition) in submodule.extensions { define(name, definition, in: &module.extensions) }
  }

  // MARK: Messages

  private func notFound(_ what: String, _ name: String, _ revision: String?) -> String {
    let wanted = revision.map { "\(name)@\($0)" } ?? name
    let folders = files.searchPaths + fallbackPaths.map(\.path)
    let places = folders.isEmpty ? "the given texts" : folders.joined(separator: ", ")
    let others = files.files(named: name).compactMap(\.revision)
    let found = others.isEmpty ? "" : " (revisions there: \(others.joined(separator: ", ")))"
    return "\(what) '\(wanted)' was not found; searched: \(places)\(found)"
  }

  private func suggestion(for name: String) -> String? {
    guard files.files(named: name).isEmpty else { return nil }
    return NearestName.hint(name, among: files.byName.keys.sorted() + sources.keys.sorted())
  }
}
