// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// The form of RFC 8340, as pyang lays it out.
@Suite struct TreeDiagramTests {
  private func diagram(_ texts: String..., of modules: [String]) throws -> String {
    var loader = SchemaLoader(searchPaths: [])
    loader.load(sources: texts.map { source($0) })
    var compiler = SchemaCompiler(loader)
    compiler.keepsWritings = true
    return TreeDiagram(schema: try compiler.compile().schema, modules: modules).text
  }

  static let base = module(
    """
    feature f; typedef name { type string; }
    container c { presence p; list l { key "a b"; leaf a { type name; } leaf b { type int8; }
      leaf long-name { type m:name; } }
      choice ch { case one { leaf x { type empty; if-feature f; } } leaf y { type leafref { path "/m:c/m:l/m:a"; } } }
      leaf must-be { type string; mandatory true; status deprecated; } leaf-list ll { config false; type string; }
      anydata d; action act { input { leaf i { type int8; } } } }
    rpc r { output { leaf o { type string; } } } rpc empty; notification n { leaf q { type string; } }
    """)

  @Test func ownNodes() throws {
    let expected = """
      module: m
        +--rw c!
           +--rw l* [a b]
           |  +--rw a            name
           |  +--rw b            int8
           |  +--rw long-name?   m:name
           +--rw (ch)?
           |  +--:(one)
           |  |  +--rw x?   empty {f}?
           |  +--:(y)
           |     +--rw y?   -> /c/l/a
           x--rw must-be    string
           +--ro ll*        string
           +--rw d?         <anydata>
           +---x act
              +---w input
                 +---w i?   int8

        rpcs:
          +---x r
          |  +--ro output
          |     +--ro o?   string
          +---x empty

        notifications:
          +---n n
             +--ro q?   string

      """
    #expect(try diagram(Self.base, of: ["m"]) == expected)
  }

  /// What a `uses` and a `refine` depend on is shown at the nodes that they bring; a shorthand case has its node's status.
  @Test func featuresOfUses() throws {
    let text = module(
      """
      feature f; feature g; feature h;
      grouping inner { leaf a { type int8; if-feature f; } leaf b { type int8; } }
      grouping outer { uses inner { if-feature g; refine b { if-feature f; } } container c { leaf d { type int8; } } }
      container top { uses outer { if-feature "h or f"; } choice ch { leaf e { type int8; status deprecated; } } }
      """)
    let expected = """
      module: m
        +--rw top
           +--rw a?         int8 {f,g,h or f}?
           +--rw b?         int8 {g,f,h or f}?
           +--rw c {h or f}?
           |  +--rw d?   int8
           +--rw (ch)?
              x--:(e)
                 x--rw e?   int8

      """
    #expect(try diagram(text, of: ["m"]) == expected)
  }

  @Test func operationsInAugments() throws {
    let more =
      "module a { yang-version 1.1; namespace 'urn:a'; prefix a; import m { prefix m; }\n"
      + "augment /m:c/m:l { action x { input { leaf i { type int8; } } output { leaf o { type int8; } } }\n"
      + "notification y { leaf p { type int8; } } container z { notification w { leaf q { type int8; } } } } }"
    let expected = """
      module: a

        augment /m:c/m:l:
          +---x x
          |  +---w input
          |  |  +---w i?   int8
          |  +--rw output
          |     +--rw o?   int8
          +---n y
          |  +--rw p?   int8
          +--rw z
             +---n w
                +-- q?   int8

      """
    #expect(try diagram(Self.base, more, of: ["a"]) == expected)
  }

  @Test func augmentsOfOtherModules() throws {
    let more =
      "module a { yang-version 1.1; namespace 'urn:a'; prefix a; import m { prefix m; }\n"
      + "augment /m:r/m:input { leaf i { type int8; } }\n"
      + "augment /m:c/m:l { if-feature m:f; leaf extra { type m:name; } }"
      + " augment /m:c/m:ch { leaf z { type int8; } } }"
    let expected = """
      module: a

        augment /m:r/m:input:
          +---w i?   int8
        augment /m:c/m:l:
          +--rw extra?   m:name {m:f}?
        augment /m:c/m:ch:
          +--rw z?   int8

      """
    #expect(try diagram(Self.base, more, of: ["a"]) == expected)
    let both = try diagram(Self.base, more, of: ["m", "a"])
    #expect(both.contains("|  +--rw a:extra?"), "shown in place")
    #expect(!both.contains("augment"))
  }
}
