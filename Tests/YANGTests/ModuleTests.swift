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

  @Test func unreadableFolder() {
    do throws(YANGErrors) {
      _ = try Schema.compile(directory: "/does/not/exist")
      Issue.record("there is no such folder")
    } catch { #expect(error.description.contains("/does/not/exist cannot be read")) }
  }
}
