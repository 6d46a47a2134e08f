// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A statement together with the module or submodule it was written in, which its prefixes refer to.
struct Scoped {
  let statement: Statement
  let scope: ParsedModule

  var text: String { statement.text }
}

/// A module or submodule as parsed, with its imports and includes resolved.
///
/// Used by one thread only, while modules are loaded and compiled.
final class ParsedModule {
  struct Import {
    let statement: Statement
    let prefix: String
    let module: ParsedModule
  }

  let source: SourceText
  let statement: Statement
  let name: String
  let isSubmodule: Bool
  let version: YANGVersion
  /// The prefix of the module itself; for a submodule that of its `belongs-to`.
  let prefix: String
  let namespace: String
  /// The latest revision.
  let revision: String?
  /// The module a submodule belongs to.
  let belongsTo: String?
  /// The module itself, or the module that included this submodule. Unowned: the loader holds all modules.
  unowned(unsafe) var main: ParsedModule?
  var imports: [String: Import] = [:]
  /// Submodules that this file includes, and those they include.
  var submodules: [ParsedModule] = []
  /// Top-level definitions; those of a module include those of its submodules.
  var typedefs: [String: Scoped] = [:]
  var groupings: [String: Scoped] = [:]
  var features: [String: Scoped] = [:]
  var identities: [String: Scoped] = [:]
  var extensions: [String: Scoped] = [:]
  /// The compiled counterpart of a module (not of a submodule); set by the compiler.
  var compiled: Module?
  var usedPrefixes: Set<String> = []

  init(source: SourceText, statement: Statement) {
    self.source = source
    self.statement = statement
    name = statement.text
    isSubmodule = statement.keyword == .submodule
    version = statement.argument(of: .yangVersion).flatMap(YANGVersion.init) ?? .one
    belongsTo = statement.argument(of: .belongsTo)
    let prefixHolder = isSubmodule ? statement.first(.belongsTo) : statement
    prefix = prefixHolder?.argument(of: .prefix) ?? ""
    namespace = statement.argument(of: .namespace) ?? ""
    revision = statement.all(.revision).compactMap(\.argument).max()
    if !isSubmodule { main = self }
  }

  /// The module or submodule's own module, itself when it has none.
  var owner: ParsedModule { main ?? self }

  /// The module that a prefix stands for in this file; no prefix stands for the module itself.
  func module(forPrefix prefix: String?) -> ParsedModule? {
    guard let prefix, prefix != self.prefix else { return owner }
    guard let found = imports[prefix] else { return nil }
    usedPrefixes.insert(prefix)
    return found.module
  }

  var prefixesInScope: [String] { ([prefix] + imports.keys).sorted() }
}
