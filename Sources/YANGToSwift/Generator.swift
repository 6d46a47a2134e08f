// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The generator as a pipeline. Each stage takes the value that the one before made:
///
///     Configuration + Schema ── Selector ──▶ Selection        which nodes are wanted
///                    Selection ── Planner ──▶ Plan             which types there are, nesting, members
///                         Plan ── Namer ──▶ Plan, named        names, collisions
///                         Plan ── Translator ──▶ [SourceFile]  declarations
///                 [SourceFile] ── Renderer ──▶ [GeneratedFile] text
public struct Generator {
  public struct GeneratedFile: Equatable, Sendable {
    public var name: String
    public var text: String
    /// False for a file that only has its heading.
    public var hasTypes = true
  }

  /// Holds shared types of modules that have no file of their own.
  static let sharedFile = "SharedTypes.swift"

  let configuration: Configuration
  /// The Swift module that the files will be compiled in.
  let swiftModule: String

  public init(configuration: Configuration, swiftModule: String) {
    self.configuration = configuration
    self.swiftModule = swiftModule
  }

  /// All files, or what is wrong.
  public func generate(_ schema: Schema) -> (files: [GeneratedFile], diagnostics: [Diagnostic]) {
    let spelling = Spelling(acronyms: configuration.acronyms)
    let namespaceNames = NamespaceNames(configuration: configuration, spelling: spelling)

    var selector = Selector(schema: schema)
    let selection = selector.select(configuration)
    guard selector.diagnostics.isEmpty else { return ([], selector.diagnostics) }

    let plan = Planner(schema: schema, selection: selection, namespaceNames: namespaceNames).plan()
    let limits = TranslationLimits.check(plan)
    guard limits.isEmpty else { return ([], limits) }

    var namer = Namer(spelling: spelling, namespaceNames: namespaceNames, overrides: configuration.names)
    namer.name(plan)
    guard namer.diagnostics.isEmpty else { return ([], namer.diagnostics) }

    let references = References(swiftModule: swiftModule, namespaces: plan.namespaces)
    let translator = Translator(references: references, caseNames: CaseNames(spelling: spelling))
    let files = translator.files(plan, modules: configuration.modules, sharedFile: Self.sharedFile)
    return (
      files.map {
        GeneratedFile(name: $0.name, text: Renderer.render($0), hasTypes: !$0.declarations.isEmpty)
      }, []
    )
  }
}

/// What the schema may hold and Swift cannot express.
enum TranslationLimits {
  static func check(_ plan: Planner.Plan) -> [Diagnostic] { plan.namespaces.flatMap(check) }

  private static func check(_ type: PlannedType) -> [Diagnostic] {
    var found = type.children.flatMap(check)
    if case .bits(let bits) = type.kind, bits.count > Translator.mostBits {
      found.append(
        Diagnostic(
          location: nil,
          message: "\(type.source) has \(bits.count) bits, the generator carries at most \(Translator.mostBits)"))
    }
    return found
  }
}
