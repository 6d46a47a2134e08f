// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import YANG

/// Modules, submodules, imports, revisions, features and identities (RFC 7950 sections 5.1, 7.1, 7.2, 7.18, 7.20).
@Suite struct ModuleTests {
  @Test func facts() throws {
    let made = try schema(
      "module m { namespace 'urn:m'; prefix p; organization O; description D;\n"
        + "revision 2025-01-01; revision 2024-01-01; }")
    let found = try #require(made.module(named: "m"))
    #expect(found.namespace == "urn:m" && found.prefix == "p" && found.revision == "2025-01-01")
    #expect(found.organization == "O" && found.summary == "D" && found.isImplemented)
    #expect(found.yangVersion == .one && made.module(namespace: "urn:m") === found)
  }

  @Test func revisionOrderIsAWarning() {
    let found = findings(["module m { namespace 'urn:m'; prefix p;\nrevision 2024-01-01;\nrevision 2025-01-01; }"])
    #expect(found.map(\.severity) == [.warning] && found.first?.location?.line == 3)
  }

  @Test func imports() throws {
    let made = try schema(
      module("typedef t { type int8; } grouping g { leaf x { type t; } }", name: "a"),
      "module m { namespace 'urn:m'; prefix m; import a { prefix q; }\nleaf l { type q:t; } uses q:g; }")
    #expect(try made.node("/l").type?.base == .int8)
    #expect(try made.node("/x").module.name == "m", "a node of a grouping is of the module that uses it")
  }

  @Test func missingImport() {
    expectError(
      "module m { namespace 'urn:m'; prefix m;\nimport other { prefix o; }\nleaf a { type o:t; } }", line: 2,
      "module 'other' was not found; searched")
  }

  @Test func misspeltImport() {
    expectError(
      module("", name: "other"), "module m { namespace 'urn:m'; prefix m;\nimport othr { prefix o; } }", line: 2,
      "did you mean 'other'?")
  }

  @Test func importCircle() {
    let errors = findings([
      "module a { namespace 'urn:a'; prefix a;\nimport b { prefix b; } }",
      "module b { namespace 'urn:b'; prefix b;\nimport a { prefix a; } }",
    ])
    #expect(errors.map(\.message) == ["modules import each other in a circle: a → b → a"], "\(errors)")
  }

  @Test func prefixesMustDiffer() {
    expectError(
      module("", name: "a"), "module m { namespace 'urn:m'; prefix a;\nimport a { prefix a; } }", line: 2,
      "already in use")
  }

  @Test func undeclaredPrefix() {
    expectBodyError("leaf a { type inet:host; }", line: 2, "prefix 'inet' is not declared")
    expectBodyError(
      "leaf a { type int8; } deviation /m:a { deviate not-supported; }\ndeviation /m:a { deviate replace { type x:t; } }",
      line: 3, "prefix 'x' is not declared")
  }

  @Test func importByRevision() throws {
    let old =
      "module a { namespace 'urn:a'; prefix a; revision 2020-01-01; typedef t { type int8; } leaf n { type t; } }"
    let new =
      "module a { namespace 'urn:a'; prefix a; revision 2021-01-01; typedef t { type int16; } leaf n { type t; } }"
    let made = try schema(
      old, new,
      "module m { namespace 'urn:m'; prefix m; import a { prefix a; revision-date 2020-01-01; }\nleaf l { type a:t; } }"
    )
    #expect(try made.node("/l").type?.base == .int8)
    #expect(try made.node("/n", in: "a").type?.base == .int16, "the latest revision is implemented")
    #expect(made.modules.filter { $0.name == "a" }.map(\.isImplemented) == [false, true])
    expectError(
      new, "module m { namespace 'urn:m'; prefix m;\nimport a { prefix a; revision-date 2020-01-01; } }", line: 2,
      "module 'a@2020-01-01' was not found")
  }

  @Test func implementedOnDemand() throws {
    let types = module("typedef t { type int8; } leaf here { type t; }", name: "types")
    let base = module("container c;", name: "base")
    let target = module("leaf name { type string; }", name: "target")
    let top =
      "module m { namespace 'urn:m'; prefix m; import types { prefix t; } import base { prefix b; }\n"
      + "import target { prefix x; } leaf a { type t:t; } augment /b:c { leaf r { type leafref { path /x:name; } } } }"
    let made = try schema(types, base, target, top, implementing: ["m"])
    #expect(made.module(named: "types")?.isImplemented == false)
    #expect(made.node(at: "/types:here") == nil)
    #expect(made.module(named: "base")?.isImplemented == true, "its nodes are augmented")
    #expect(made.module(named: "target")?.isImplemented == true, "a leafref leads there")
  }

  @Test func submodules() throws {
    let main =
      "module m { yang-version 1.1; namespace 'urn:m'; prefix m; include s1; include s2;\nuses g; leaf a { type t; } }"
    let first =
      "submodule s1 { yang-version 1.1; belongs-to m { prefix m; } include s2;\ntypedef t { type m:u; } leaf "
      + "in-s1 { type u; } }"
    let second =
      "submodule s2 { yang-version 1.1; belongs-to m { prefix x; }\ntypedef u { type int8; } grouping g { leaf "
      + "g { type x:u; } } }"
    let made = try schema(main, first, second)
    #expect(try made.node("/a").type?.base == .int8)
    #expect(try made.node("/g").type?.base == .int8)
    #expect(try made.node("/in-s1").module.name == "m")
    #expect(made.module(named: "m")?.submodules.map(\.name) == ["s1", "s2"])
  }

  @Test func submoduleErrors() {
    expectError("module m { namespace 'urn:m'; prefix m;\ninclude s; }", line: 2, "submodule 's' was not found")
    expectError(
      "module m { namespace 'urn:m'; prefix m;\ninclude s; }", "submodule s { belongs-to other { prefix o; } }",
      line: 2,
      "it belongs to 'other'")
    expectError(module("", name: "a"), "module m { namespace 'urn:m'; prefix m;\ninclude a; }", line: 2, "is a module")
    expectError(
      "module m { namespace 'urn:m'; prefix m;\ninclude s; }",
      "submodule s { yang-version 1.1; belongs-to m { prefix m; } }", line: 2, "same yang-version")
    expectError(
      "module m { namespace 'urn:m'; prefix m; include s; typedef t { type int8; } }",
      "submodule s { belongs-to m { prefix m; }\ntypedef t { type int8; } }", line: 2, "defined twice", file: "s.yang")
  }

  @Test(arguments: ["typedef t { type int8; }", "grouping g;", "feature f;", "identity i;", "extension e;"])
  func definitionsHaveOneName(text: String) {
    expectBodyError("\(text)\n\(text)", line: 3, "defined twice")
  }

  // MARK: Features

  @Test func featureExpressions() throws {
    let body = """
      feature a; feature b; feature c { if-feature a; }
      leaf x1 { if-feature "a and b"; type string; } leaf x2 { if-feature "a or b"; type string; }
      leaf x3 { if-feature "not a"; type string; } leaf x4 { if-feature "not (a and b)"; type string; }
      leaf x5 { if-feature "a and not b or b"; type string; } leaf x6 { if-feature c; type string; }
      leaf x7 { if-feature a; if-feature b; type string; }
      """
    func present(_ disabled: Set<String>) throws -> [Int] {
      let made = try schema(module(body), features: FeatureSelection(disabled: ["m": disabled]))
      return (1...7).filter { made.node(at: "/m:x\($0)") != nil }
    }
    #expect(try present([]) == [1, 2, 5, 6, 7])
    #expect(try present(["b"]) == [2, 4, 5, 6])
    #expect(try present(["a"]) == [2, 3, 4, 5])
    #expect(try present(["a", "b"]) == [3, 4])
    let none = try schema(module(body), features: .none)
    #expect(none.module(named: "m")?.features == ["a", "b", "c"] && none.module(named: "m")?.enabledFeatures == [])
  }

  @Test func featureErrors() {
    expectBodyError("leaf a { if-feature nothing; type string; }", line: 2, "no feature 'nothing'")
    expectBodyError("feature a { if-feature b; }\nfeature b { if-feature a; }", line: 2, "depends on itself")
  }

  // MARK: Identities

  @Test func identities() throws {
    let made = try schema(
      module(
        "identity base; identity a { base base; } identity b { base a; } identity other; identity both { base "
          + "a; base other; }"
      ),
      "module n { yang-version 1.1; namespace 'urn:n'; prefix n; import m { prefix m; }\n"
        + "identity c { base m:b; } leaf l { type identityref { base m:a; } } "
        + "leaf k { type identityref { base m:a; base m:other; } } }")
    #expect(try made.node("/l", in: "n").type?.identities.map(\.name) == ["b", "both", "c"])
    #expect(try made.node("/k", in: "n").type?.identities.map(\.name) == ["both"])
    let c = try #require(made.module(named: "n")?.identities.first)
    #expect(Set(c.ancestors.map(\.name)) == ["b", "a", "base"])
  }

  @Test func identityErrors() {
    expectBodyError("identity a { base b; }", line: 2, "no identity 'b'")
    let circle = findings([module("identity a { base b; }\nidentity b { base a; }")])
    #expect(circle.allSatisfy { $0.message.contains("derives from itself") } && circle.count == 2)
  }

  @Test func status() {
    expectBodyError(
      "typedef old { type int8; status obsolete; }\nleaf a { type old; }", line: 3, "must not refer to 'old'")
    expectBodyError(
      "grouping old { status deprecated; leaf x { type int8; } }\ncontainer c { uses old; }", line: 3,
      "must not refer to 'old'")
    #expect(
      findings([module("typedef old { type int8; status obsolete; } leaf a { status obsolete; type old; }")]) == [])
    let outdated = "leaf old { type int8; status deprecated; }"
    expectBodyError("\(outdated)\nleaf a { type leafref { path /m:old; } }", line: 3, "refer to '/m:old'")
    expectBodyError("list l {\nkey old; \(outdated) }", line: 3, "must not refer to '/m:l/old'")
    #expect(
      findings([module("container c { status deprecated; \(outdated) leaf a { type leafref { path ../old; } } }")])
        == [],
      "both are deprecated by what is around them")
  }

  /// What typedefs and identities are made of is only warned of.
  @Test(arguments: [
    "typedef old { type int8; status deprecated; }\ntypedef t { type old; }",
    "identity old { status deprecated; }\nidentity i { base old; }",
  ])
  func statusOfWhatOthersAreMadeOf(body: String) {
    let found = findings([module(body)])
    #expect(found.map(\.severity) == [.warning] && found.first?.location?.line == 3, "\(found)")
  }

  @Test func importByRevisionFromOlderLanguage() {
    let new = "module a { yang-version 1.1; namespace 'urn:a'; prefix a; revision 2021-01-01; }"
    let body = "namespace 'urn:m'; prefix m;\nimport a { prefix a; revision-date 2021-01-01; } }"
    expectError(new, "module m { \(body)", line: 2, "must not import one of YANG 1.1 by revision")
    #expect(findings([new, "module m { yang-version 1.1; \(body)"]) == [])
  }

  /// RFC 6020 sections 5.1 and 7.1.6.
  @Test func submodulesOfYANG1SeeWhatTheyInclude() throws {
    let main = "module m { namespace 'urn:m'; prefix m; include a; include b; }"
    let a = "submodule a { belongs-to m { prefix m; } typedef t { type int8; } container c; }"
    let b = "submodule b { belongs-to m { prefix m; }\nleaf l { type t; }\naugment /m:c { leaf x { type m:t; } } }"
    let found = findings([main, a, b])
    #expect(found.map(\.severity) == [.warning, .warning, .warning])
    #expect(found.map { $0.location?.line } == [2, 3, 3], "\(found)")
    #expect(found.allSatisfy { $0.description.contains("an 'include' of it is missing") })
    let included = b.replacingOccurrences(of: "}\nleaf", with: "} include a;\nleaf")
    #expect(findings([main, a, included]) == [])
    let around = "submodule c { belongs-to m { prefix m; } include a; }"
    let indirect = b.replacingOccurrences(of: "}\nleaf", with: "} include c;\nleaf")
    #expect(findings([main, a, around, indirect]).count == 3, "what is included does not hand on what it includes")
    let newer = [main, a, b].map { text in
      let brace = text.firstIndex(of: "{").map { text.index(after: $0) } ?? text.startIndex
      return text[..<brace] + " yang-version 1.1; " + text[brace...]
    }
    #expect(findings(newer.map(String.init)) == [])
  }

  // MARK: Files

  @Test func filesAreFoundInFolders() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("yang-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let nested = folder.appendingPathComponent("a/b")
    try FileManager.default.createDirectory(at: nested, withIntermediateDirectories: true)
    func write(_ text: String, _ path: String) throws {
      try Data(text.utf8).write(to: folder.appendingPathComponent(path))
    }
    let header = "namespace 'urn:t'; prefix t;"
    try write("module t { \(header) revision 2020-01-01; typedef t { type int8; } }", "t@2020-01-01.yang")
    try write("module t { \(header) revision 2022-01-01; typedef t { type int16; } }", "a/t@2022-01-01.yang")
    try write("module t { \(header) revision 2021-01-01; typedef t { type int32; } }", "a/b/t.yang")
    try write("module m { namespace 'urn:m'; prefix m; import t { prefix t; } leaf a { type t:t; } }", "a/b/m.yang")
    try write("not a module", "README.txt")
    let (made, warnings) = try Schema.compile(directory: folder.path)
    #expect(warnings == [])
    #expect(try made.node("/a").type?.base == .int16, "the latest revision wins, wherever it lies")

    try write("module x { \(header) }", "wrong.yang")
    let (_, renamed) = try Schema.compile(directory: folder.path)
    #expect(renamed.contains { $0.message.contains("the file's name says 'wrong'") })
    do throws(YANGErrors) {
      _ = try Schema.compile(directories: [folder.path], implementing: ["tt"])
      Issue.record("there is no module tt")
    } catch {
      #expect(error.description.contains("module 'tt' was not found; searched: \(folder.path)"))
      #expect(error.description.contains("did you mean 't'?"))
    }
  }

  /// A file that is named is the one that is judged, also where the search path has another of its name.
  @Test func namedFilesAreUsed() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("yang-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("path"), withIntermediateDirectories: true)
    func write(_ text: String, _ path: String) throws {
      try Data(text.utf8).write(to: folder.appendingPathComponent(path))
    }
    try write("module m { namespace 'urn:m'; prefix m; include s; }", "path/m.yang")
    try write("submodule s { belongs-to m { prefix m; } leaf good { type string; } }", "path/s.yang")
    try write("submodule s { belongs-to m { prefix m; } leaf other { type string; } }", "s.yang")
    try write("module t { namespace 'urn:t'; prefix t; revision 2025-01-01; leaf new { type string; } }", "path/t.yang")
    try write("module t { namespace 'urn:t'; prefix t; revision 2020-01-01; leaf old { type string; } }", "t.yang")
    try write("module u { namespace 'urn:u'; prefix u; import t { prefix t; } }", "path/u.yang")
    var loader = SchemaLoader(searchPaths: [folder.appendingPathComponent("path").path])
    #expect(loader.load(file: folder.appendingPathComponent("s.yang").path) == "m")
    loader.load("u")
    #expect(loader.load(file: folder.appendingPathComponent("t.yang").path) == "t")
    let made = try SchemaCompiler(loader).compile(implementing: ["m", "t", "u"]).schema
    #expect(made.node(at: "/m:other") != nil && made.node(at: "/m:good") == nil)
    #expect(made.node(at: "/t:old") != nil && made.node(at: "/t:new") == nil)
  }

  private func folder(_ files: [String: String]) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("yang-\(UUID().uuidString)")
    for (path, text) in files {
      let file = folder.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return folder
  }

  /// Beside a file that was given, then where modules are installed; the search path goes before both.
  @Test func otherFoldersAreSearchedLast() throws {
    let m =
      "module m { namespace 'urn:m'; prefix m; import t { prefix t; } import u { prefix u; } leaf a { type t:t; } }"
    func t(_ type: String) -> String { "module t { namespace 'urn:t'; prefix t; typedef t { type \(type); } }" }
    let folder = try folder([
      "given/m.yang": m, "given/t.yang": t("int8"), "given/below/u.yang": "no module",
      "installed/x/u.yang": "module u { namespace 'urn:u'; prefix u; }", "installed/t.yang": t("int16"),
      "path/t.yang": t("int32"),
    ])
    defer { try? FileManager.default.removeItem(at: folder) }
    func base(paths: [String]) throws -> SchemaType.Base? {
      var loader = SchemaLoader(
        searchPaths: paths, fallbackPaths: [(folder.appendingPathComponent("installed").path, true)])
      loader.load(file: folder.appendingPathComponent("given/m.yang").path)
      return try SchemaCompiler(loader).compile(implementing: ["m"]).schema.node("/a").type?.base
    }
    #expect(try base(paths: []) == .int8)
    #expect(try base(paths: [folder.appendingPathComponent("path").path]) == .int32)
    var loader = SchemaLoader(searchPaths: [], fallbackPaths: [("/does/not/exist", true)])
    loader.load(file: folder.appendingPathComponent("given/m.yang").path)
    let text = "\(loader.diagnostics)"
    #expect(text.contains("module 'u' was not found; searched: \(folder.path)/given/, /does/not/exist"), "\(text)")
  }

  @Test func filesThatHoldSomethingElse() throws {
    let folder = try folder([
      "a.yang": "module b { namespace 'urn:b'; prefix b; }",
      "c@2020-01-01.yang": "module c { namespace 'urn:c'; prefix c; revision 2021-01-01; }",
      "m.yang": "module m { namespace 'urn:m'; prefix m;\nimport a { prefix a; } }",
      "n.yang": "module n { namespace 'urn:n'; prefix n;\nimport c { prefix c; revision-date 2020-01-01; } }",
      "s.yang": "submodule s { belongs-to o { prefix o; } leaf l { type t; } }",
      "lone.yang": "submodule lone { belongs-to o { prefix o; } leaf x { type nope; } }",
      "o.yang": "module o { namespace 'urn:o'; prefix o; include s; typedef t { type int8; } }",
    ])
    defer { try? FileManager.default.removeItem(at: folder) }
    func errors(_ name: String) -> String {
      var loader = SchemaLoader(searchPaths: [folder.path])
      loader.load(file: folder.appendingPathComponent("\(name).yang").path)
      do throws(YANGErrors) {
        _ = try SchemaCompiler(loader).compile()
        return ""
      } catch { return error.diagnostics.filter { $0.severity == .error }.map(\.description).joined(separator: "\n") }
    }
    #expect(errors("m").contains("a.yang holds the module 'b', not 'a'"))
    #expect(errors("n").contains("the file's name says revision 2020-01-01, its latest is 2021-01-01"))
    #expect(errors("s").contains("cannot see 't', which is defined in 'o'; YANG 1.1 would allow it"))
    #expect(errors("lone").contains("there is no type 'nope'"), "a submodule that its module does not include")
    #expect(errors("o") == "", "only a warning where the module is what is asked for")
  }

  @Test func unreadableFolder() {
    do throws(YANGErrors) {
      _ = try Schema.compile(directory: "/does/not/exist")
      Issue.record("there is no such folder")
    } catch { #expect(error.description.contains("/does/not/exist cannot be read")) }
  }
}
