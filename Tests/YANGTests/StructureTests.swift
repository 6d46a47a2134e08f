// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// The schema tree: nodes, groupings, augments, deviations (RFC 7950 sections 7.5 to 7.20).
@Suite struct StructureTests {
  private func names(_ nodes: [SchemaNode]) -> [String] { nodes.map(\.name) }

  @Test func treeAndOrder() throws {
    let made = try schema(
      module(
        "container c { leaf a { type string; } list l { key \"k2 k1\"; leaf x { type string; } leaf k1 { type "
          + "string; } leaf k2 { type int8; } }"
          + " choice ch { case one { leaf b { type string; } leaf b2 { type string; } } container two { leaf d "
          + "{ type string; } } } leaf z { type string; } }"
      ))
    let c = try made.node("/c")
    #expect(names(c.dataChildren) == ["a", "l", "b", "b2", "two", "z"])
    #expect(names(c.children) == ["a", "l", "ch", "z"])
    let choice = try #require(c.children.first { $0.kind == .choice })
    #expect(names(choice.children) == ["one", "two"] && choice.children.allSatisfy { $0.kind == .case })
    let list = try made.node("/c/l")
    #expect(names(list.dataChildren) == ["k2", "k1", "x"] && names(list.keys) == ["k2", "k1"])
    #expect(try made.node("/c/b").dataParent === c && (try made.node("/c/b")).parent?.kind == .case)
    for node in made.nodes {
      #expect(made.nodes[node.id] === node)
      guard node.kind != .choice, node.kind != .case else { continue }
      for (position, child) in node.dataChildren.enumerated() { #expect(child.position == position) }
    }
    #expect(try made.node("/c/two/d").path == "/m:c/two/d")
    #expect(made.root.dataChildren.count == 1 && c.dataParent === made.root)
  }

  @Test func properties() throws {
    let made = try schema(
      module(
        "leaf a { type string; units u; description D; reference R; mandatory true; status deprecated; }"
          + "container p { presence yes; config false; leaf b { type string; } } "
          + "leaf-list l { type string; min-elements 1; max-elements 7; ordered-by user; }"
          + "leaf must { type string; must \"../a\" { error-message \"E\"; error-app-tag T; } }"))
    let a = try made.node("/a")
    #expect(a.units == "u" && a.summary == "D" && a.reference == "R" && a.isMandatory && a.status == .deprecated)
    #expect(try made.node("/p").hasPresence && !(try made.node("/p/b").isConfig))
    let l = try made.node("/l")
    #expect(l.minElements == 1 && l.maxElements == 7 && l.isOrderedByUser)
    let must = try #require(try made.node("/must").musts.first)
    #expect(must.errorMessage == "E" && must.errorAppTag == "T" && must.condition.reads?.map(\.name) == ["a"])
  }

  @Test func operations() throws {
    let made = try schema(
      module(
        "rpc r { input { leaf a { type string; } } }\nnotification n { leaf b { type string; } }\n"
          + "container c { action act { output { leaf o { type string; } } } notification inner { leaf p { type "
          + "string; } } }"
      ))
    #expect(names(made.rpcs) == ["r"] && names(made.notifications) == ["n"])
    #expect(names(made.rpcs[0].children) == ["input", "output"], "both exist, written or not")
    #expect(made.rpcs[0].children[0].dataChildren.first?.path == "/m:r/input/a")
    let c = try made.node("/c")
    #expect(c.dataChildren == [] && names(c.children) == ["act", "inner"])
    #expect(made.root.dataChild("r", in: made.rpcs[0].module) == nil)
  }

  @Test func operationPlaces() {
    expectBodyError(
      "list l { config false; leaf a { type int8; }\naction x; }", line: 3, "within a list without keys")
    expectBodyError("rpc r { input { container c {\naction x; } } }", line: 3, "must not stand within input")
    expectBodyError("notification n { container c {\nnotification x; } }", line: 3, "within notification")
  }

  @Test func names() {
    expectBodyError("leaf a { type string; }\nleaf a { type string; }", line: 3, "already a node 'a'")
    expectBodyError(
      "choice c { case x { leaf a { type string; } }\ncase y { leaf a { type string; } } }", line: 3,
      "already a node 'a'")
    expectBodyError("choice c { case x { leaf a { type string; } }\ncase x; }", line: 3, "already a node 'x'")
    expectBodyError("rpc a;\nleaf a { type string; }", line: 2, "already a node 'a'")
    expectBodyError("container q { choice a;\nleaf a { type string; } }", line: 3, "already a node 'a'")
  }

  // MARK: Lists

  @Test func keys() {
    expectBodyError("list l {\nkey k; leaf q { type string; } }", line: 3, "not a leaf of the list")
    expectBodyError("list l {\nkey nam; leaf name { type string; } }", line: 3, "did you mean 'name'?")
    expectBodyError("list l {\nkey \"k k\"; leaf k { type string; } }", line: 3, "stands twice")
    expectBodyError("list l { leaf k { type string; } }", line: 2, "needs a key")
    expectBodyError("list l {\nkey k; leaf k { type string; config false; } }", line: 3, "must be configuration")
    expectBodyError("list l { key k; leaf k { type string;\nwhen true(); } }", line: 3, "must not depend on a 'when'")
    expectBodyError("list l { key k; leaf k {\nif-feature f; type string; } } feature f;", line: 3, "'if-feature'")
    expectBodyError("list l {\nkey k; leaf k { type empty; } }", line: 3, "type empty", version: "1")
    #expect(findings([module("list l { config false; leaf k { type string; } }")]) == [])
    #expect(findings([module("list l { key k; leaf k { type empty; } }")]) == [])
  }

  @Test func uniques() throws {
    let made = try schema(
      module(
        "list l { key k; unique \"a c/b\"; leaf k { type int8; } leaf a { type int8; } container c { leaf b { "
          + "type int8; } } }"
      ))
    #expect(try made.node("/l").uniques.map { names($0) } == [["a", "b"]])
    let list =
      "list l { key k; leaf k { type int8; } leaf a { type int8; } container c; list i { key k; leaf k { type "
      + "int8; } } leaf s { type int8; config false; }\n"
    expectBodyError(list + "unique x; }", line: 3, "no node 'x'")
    expectBodyError(list + "unique c; }", line: 3, "not a leaf")
    expectBodyError(list + "unique i/k; }", line: 3, "another list")
    expectBodyError(list + "unique \"a s\"; }", line: 3, "mixes configuration and state")
  }

  @Test func elementCounts() {
    expectBodyError("leaf-list l { type int8; max-elements 2;\nmin-elements 3; }", line: 3, "greater than max-elements")
  }

  @Test func configIsInherited() {
    expectBodyError(
      "container c { config false;\nleaf a { config true; type string; } }", line: 3, "cannot be configuration")
  }

  // MARK: Groupings

  @Test func uses() throws {
    let made = try schema(
      module(
        "grouping g { container c { leaf a { type string; } leaf-list l { type string; } } leaf b { type "
          + "string; mandatory true; } }\n"
          + "container x { grouping local { leaf in-local { type int8; } } uses local; "
          + "uses g { refine c/a { default d; description New; must true(); } refine b { mandatory false; "
          + "config false; } refine c { presence p; } refine c/l { max-elements 3; min-elements 1; } "
          + "augment c { leaf extra { type string; } } when \"../y\"; } } leaf y { type string; }"))
    let a = try made.node("/x/c/a")
    #expect(a.defaults == [.string("d")] && a.summary == "New" && a.musts.count == 1)
    #expect(try !(try made.node("/x/b")).isMandatory && !(try made.node("/x/b")).isConfig)
    #expect(try made.node("/x/c").hasPresence && (try made.node("/x/c/l")).maxElements == 3)
    #expect(try made.node("/x/c/extra").type?.base == .string && (try made.node("/x/in-local")).type?.base == .int8)
    let when = try #require(try made.node("/x/c").whens.first)
    #expect(when.condition.source == "../y" && when.condition.reads?.map(\.name) == ["y"])
    if case .node = when.context { Issue.record("the context of a uses' when is the parent") }
  }

  @Test func groupingErrors() {
    expectBodyError("uses nothing;", line: 2, "no grouping 'nothing'")
    expectBodyError("grouping ab; uses ac;", line: 2, "did you mean 'ab'?")
    expectBodyError("grouping a { uses b; }\ngrouping b { uses a; }", line: 3, "in a circle: a → b → a")
    expectBodyError("grouping g { leaf a { type int8; } }\nuses g { refine b { default 1; } }", line: 3, "no node 'b'")
    expectBodyError(
      "grouping g { leaf a { type int8; } }\nuses g { refine a { presence p; } }", line: 3, "cannot refine a leaf")
    expectBodyError(
      "grouping g { leaf a { type int8; } }\nuses g { augment a { leaf b { type int8; } } }", line: 3,
      "leaf cannot be augmented")
    expectBodyError("grouping g;\ncontainer c { grouping g; }", line: 3, "already defined around here")
    expectBodyError("typedef t { type int8; }\ncontainer c { typedef t { type int8; } }", line: 3, "already defined")
    expectBodyError("typedef string { type int8; }", line: 2, "built-in type")
  }

  @Test func unusedGroupingsAreChecked() {
    expectBodyError("grouping g {\nleaf a { type nothing; } }", line: 3, "no type 'nothing'")
    expectBodyError("grouping g {\nleaf a { type int8; default x; } }", line: 3, "not a value")
    expectBodyError("grouping g {\nlist l { key k; leaf x { type int8; } } }", line: 3, "not a leaf of the list")
    expectBodyError("grouping g {\nleaf a { must \"(\"; type int8; } }", line: 3, "not an XPath expression")
    expectBodyError("typedef t { type int8;\ndefault 300; }", line: 3, "not a value")
  }

  static let structureExtension =
    "module ietf-yang-structure-ext { yang-version 1.1; namespace 'urn:sx'; prefix sx; extension structure { argument "
    + "name; } extension augment-structure { argument path; } }"

  @Test(arguments: [
    ("/m:other", "no structure 'other'"), ("/m:c/m:x", "no structure 'c'"), ("/m:s/m:none", "no node 'none'"),
    ("/x:s", "prefix 'x' is not declared"), ("/m:s/1x", "not an absolute schema node identifier"),
  ])
  func augmentedStructures(path: String, message: String) {
    func augmenting(_ path: String) -> String {
      "module m { yang-version 1.1; namespace 'urn:m'; prefix m; import ietf-yang-structure-ext { prefix sx; }\n"
        + "container c { leaf x { type int8; } } sx:structure s { container d; }\n"
        + "sx:augment-structure '\(path)' { leaf new { type int8; } } }"
    }
    #expect(findings([Self.structureExtension, augmenting("/m:s/m:d")]) == [])
    expectError(Self.structureExtension, augmenting(path), line: 3, message)
  }

  @Test func annotationsAreChecked() {
    let metadata =
      "module ietf-yang-metadata { namespace 'urn:md'; prefix md; extension annotation { argument name; } }"
    func annotating(_ body: String) -> String {
      "module m { namespace 'urn:m'; prefix m; import ietf-yang-metadata { prefix md; }\n\(body) }"
    }
    #expect(findings([metadata, annotating("md:annotation a { type int8; units u; }")]) == [])
    expectError(metadata, annotating("md:annotation a { description d; }"), line: 2, "needs a 'type'")
    expectError(metadata, annotating("md:annotation a { type int8; default 1; }"), line: 2, "'default' is not allowed")
    expectError(
      metadata, annotating("extension e;\nm:e { container c {\ndescription; } }"), line: 4, "needs an argument")
  }

  @Test func structuresAreChecked() {
    let restconf =
      "module ietf-restconf { yang-version 1.1; namespace 'urn:rc'; prefix rc; extension yang-data { argument name; } }"
    func structure(_ body: String) -> String {
      "module m { yang-version 1.1; namespace 'urn:m'; prefix m; import ietf-restconf { prefix rc; }\n\(body)\n}"
    }
    #expect(findings([restconf, structure("rc:yang-data x { container c { leaf a { type int8; } } }")]) == [])
    expectError(
      restconf, structure("rc:yang-data x { container c {\nleaf a { type nothing; } } }"), line: 3, "no type 'nothing'")
    expectError(restconf, structure("rc:yang-data x { leaf a { type int8; } }"), line: 2, "must be one container")
    expectError(restconf, structure("rc:yang-data x { container c;\ntype int8; }"), line: 3, "not allowed")
  }

  @Test func iffeatureOnUsesAndRefine() throws {
    let made = try schema(
      module(
        "feature f; grouping g { leaf a { type int8; } leaf b { type int8; } } grouping h { leaf c { type int8; } }\n"
          + "uses g { refine b { if-feature f; } } uses h { if-feature f; }"), features: .none)
    #expect(names(made.root.dataChildren) == ["a"])
  }

  // MARK: Choices

  @Test func choices() throws {
    let made = try schema(
      module(
        "choice c { default two; when \"x\"; case one { when \"y\"; leaf a { type int8; } } case two { leaf b { "
          + "type int8; } } }"
          + " leaf x { type int8; } leaf y { type int8; }"))
    let a = try made.node("/a")
    #expect(a.whens.map(\.condition.source) == ["y", "x"], "those of the case and the choice")
    let choice = try #require(a.parent?.parent)
    #expect(choice.defaultCase?.name == "two")
    expectBodyError("choice c {\ndefault x; leaf a { type int8; } }", line: 3, "no case 'x'")
    expectBodyError("choice c { mandatory true;\ndefault a; leaf a { type int8; } }", line: 3, "is mandatory")
    expectBodyError(
      "choice c {\ndefault a; case a { leaf b { type int8; mandatory true; } } }", line: 3, "must not have a mandatory")
  }

  // MARK: Augments

  static let base =
    "module b { yang-version 1.1; namespace 'urn:b'; prefix b;\n"
    + "container c { list l { key k; leaf k { type string; } } choice ch { leaf one { type string; } } leaf "
    + "leaf { type string; } } "
    + "rpc r { input { leaf a { type string; } } } notification n; }"

  private func augmenting(_ body: String, version: String = "1.1") -> String {
    "module m { yang-version \(version); namespace 'urn:m'; prefix m; import b { prefix b; }\n\(body)\n}"
  }

  @Test func augments() throws {
    let made = try schema(
      Self.base,
      augmenting(
        "augment /b:c/b:l/m:more { leaf deep { type string; } }\n"
          + "augment /b:c/b:l { when \"../b:leaf\"; container more; } augment /b:c/b:ch { leaf two { type "
          + "string; } case three { leaf t { type string; } } }"
          + "augment /b:r/b:input { leaf x { type string; } } augment /b:r/b:output { leaf y { type string; } } "
          + "augment /b:n { leaf z { type string; } }"
      ))
    let more = try #require(made.node(at: "/b:c/l/m:more"))
    #expect(more.path == "/b:c/l/m:more" && more.module.name == "m" && more.whens.count == 1)
    #expect(more.whens[0].condition.reads?.map(\.name) == ["leaf"])
    #expect(made.node(at: "/b:c/l/m:more/deep") != nil, "an augment of what another augment brings")
    let choice = try #require(made.node(at: "/b:c/one")?.parent?.parent)
    #expect(names(choice.children) == ["one", "two", "three"])
    #expect(made.node(at: "/b:c/m:t") != nil)
    #expect(names(made.rpcs[0].children.flatMap(\.dataChildren)) == ["a", "x", "y"])
    #expect(names(made.notifications[0].dataChildren) == ["z"])
  }

  @Test(arguments: [
    ("augment /b:x { leaf a { type string; } }", "no node 'x' of module 'b'"),
    ("augment /b:c/b:lef { leaf a { type string; } }", "did you mean 'leaf'?"),
    ("augment /b:c/b:leaf { leaf a { type string; } }", "a leaf cannot be augmented"),
    ("augment /x:c { leaf a { type string; } }", "prefix 'x' is not declared"),
    ("augment /b:c { case x; }", "cannot be added to a container"),
    ("augment /b:n { action a; }", "cannot be added to a notification"),
    ("augment /b:c { leaf a { type string; mandatory true; } }", "must not bring the mandatory node 'a'"),
    ("augment /b:c { container x { leaf a { type string; mandatory true; } } }", "mandatory node 'x'"),
    ("augment /b:c { leaf-list x { type string; min-elements 1; } }", "mandatory node 'x'"),
  ])
  func augmentErrors(body: String, message: String) {
    expectError(Self.base, augmenting(body), line: 2, message, file: "m.yang")
  }

  @Test func mandatoryNodesUnderACondition() {
    #expect(
      findings([Self.base, augmenting("augment /b:c { when \"b:leaf\"; leaf a { type string; mandatory true; } }")])
        == [])
    #expect(
      findings([
        Self.base, augmenting("augment /b:c { container p { presence x; leaf a { type string; mandatory true; } } }"),
      ])
        == [])
  }

  // MARK: Deviations

  static let deviated =
    "module b { yang-version 1.1; namespace 'urn:b'; prefix b;\n"
    + "leaf a { type string; units u; must 'true()'; must 'false()'; } leaf b { type string; default x; } leaf "
    + "c { type string; } "
    + "leaf-list l { type string; max-elements 9; } list t { key k; unique q; leaf k { type string; } leaf q { "
    + "type string; } } "
    + "choice ch { leaf s { type string; } leaf s2 { type string; } } }"

  @Test func deviations() throws {
    let made = try schema(
      Self.deviated,
      augmenting(
        "deviation /b:a { deviate delete { units u; must 'false()'; } deviate add { default new; config false; } }\n"
          + "deviation /b:b { deviate replace { type int8; default 5; } } deviation /b:c { deviate not-supported; }"
          + "deviation /b:l { deviate replace { max-elements 3; } deviate add { min-elements 1; } }"
          + "deviation /b:t { deviate delete { unique q; } } deviation /b:ch/b:s/b:s { deviate not-supported; }"))
    let a = try made.node("/a", in: "b")
    #expect(a.units == nil && a.musts.map(\.condition.source) == ["true()"] && a.defaults == [.string("new")])
    #expect(!a.isConfig)
    let b = try made.node("/b", in: "b")
    #expect(b.type?.base == .int8 && b.defaults == [.int(5)])
    #expect(made.node(at: "/b:c") == nil && made.node(at: "/b:s") == nil && made.node(at: "/b:s2") != nil)
    let l = try made.node("/l", in: "b")
    #expect(l.maxElements == 3 && l.minElements == 1)
    #expect(try made.node("/t", in: "b").uniques.isEmpty)
    #expect(made.module(named: "b")?.deviatedBy == ["m"])
  }

  @Test(arguments: [
    ("deviation /b:x { deviate not-supported; }", "no node 'x'"),
    ("deviation /b:a { deviate add { units v; } }", "has a 'units' already"),
    ("deviation /b:c { deviate replace { units v; } }", "has no 'units'"),
    ("deviation /b:c { deviate delete { units v; } }", "has no 'units v'"),
    ("deviation /b:a { deviate delete { must 'x'; } }", "it has: 'true()', 'false()'"),
    ("deviation /b:c { deviate replace { default v; } }", "has no 'default'"),
    ("deviation /b:c { deviate replace { mandatory false; } }", "has no 'mandatory'"),
    ("deviation /b:l { deviate replace { min-elements 0; } }", "has no 'min-elements'"),
    ("deviation /b:t { deviate replace { max-elements unbounded; } }", "has no 'max-elements'"),
    ("deviation /b:c { deviate add { max-elements 3; } }", "cannot have 'max-elements'"),
    ("deviation /b:l { deviate add { mandatory true; } }", "cannot have 'mandatory'"),
  ])
  func deviationErrors(body: String, message: String) {
    expectError(Self.deviated, augmenting(body), line: 2, message, file: "m.yang")
  }

  @Test func deviatedTypeIsChecked() {
    let errors = findings([Self.deviated, augmenting("deviation /b:b { deviate replace { type int8; } }")])
    #expect(errors.contains { $0.message.contains("the default 'x' is not a value") }, "\(errors)")
  }
}
