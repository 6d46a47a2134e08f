// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Makes a schema of the modules that a loader brought in.
public struct SchemaCompiler {
  private let loader: SchemaLoader

  /// True to fill `Schema.writings`.
  public var keepsWritings = false

  public init(_ loader: SchemaLoader) { self.loader = loader }

  /// - Parameters:
  ///   - implementing: names of the modules whose nodes the schema has; nil for all. Modules that they augment, deviate
  ///     or refer to are implemented with them; what is only imported gives types, groupings and identities. Of a
  ///     module loaded in several revisions the latest is implemented.
  /// - Returns: the schema and what was found suspicious.
  /// - Throws: all findings, when one of them is an error.
  public func compile(
    implementing: [String]? = nil, features: FeatureSelection = .all
  ) throws(YANGErrors) -> (schema: Schema, warnings: [YANGDiagnostic]) {
    var implementing = implementing
    while true {
      let compiler = Compiler(modules: loader.modules, selection: features)
      compiler.log = loader.log
      compiler.preferred = loader.given
      compiler.givenSubmodules = loader.givenSubmodules
      compiler.keepsWritings = keepsWritings
      let schema = compiler.compile(implementing: implementing)
      // Each round implements at least one module more, so this ends.
      if let names = implementing, !compiler.missing.isSubset(of: names) {
        implementing = names + compiler.missing.subtracting(names).sorted()
        continue
      }
      guard let schema else { throw YANGErrors(compiler.log.sorted) }
      return (schema, compiler.log.sorted)
    }
  }
}

extension Schema {
  /// Compiles all modules below a folder, or those named and what they need.
  public static func compile(
    directory: String, implementing: [String]? = nil, features: FeatureSelection = .all
  ) throws(YANGErrors) -> (schema: Schema, warnings: [YANGDiagnostic]) {
    try compile(directories: [directory], implementing: implementing, features: features)
  }

  /// Compiles all modules below the folders, or those named and what they need.
  public static func compile(
    directories: [String], implementing: [String]? = nil, features: FeatureSelection = .all
  ) throws(YANGErrors) -> (schema: Schema, warnings: [YANGDiagnostic]) {
    var loader = SchemaLoader(searchPaths: directories)
    if let implementing {
      for name in implementing { loader.load(name) }
    } else {
      loader.loadAll()
    }
    return try SchemaCompiler(loader).compile(implementing: implementing, features: features)
  }

  /// Compiles modules that are in memory.
  public static func compile(
    sources: [SourceText], implementing: [String]? = nil, features: FeatureSelection = .all
  ) throws(YANGErrors) -> (schema: Schema, warnings: [YANGDiagnostic]) {
    var loader = SchemaLoader(searchPaths: [])
    loader.load(sources: sources)
    return try SchemaCompiler(loader).compile(implementing: implementing, features: features)
  }
}
