// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// Whatever the bytes are, the compiler answers with a schema or with errors.
@Suite struct HostileInputTests {
  static let text = """
    module m {
      yang-version 1.1; namespace "urn:m"; prefix m;
      revision 2026-01-01 { description "First"; }
      feature f; feature g { if-feature "f or not f"; }
      identity base; identity derived { base base; }
      typedef percent { type uint8 { range "0..100"; } default 5; units "%"; }
      typedef name { type string { length "1..20"; pattern '[a-z]+' { error-message "no"; } } }
      typedef either { type union { type percent; type enumeration { enum a { value 3; } enum b; } } }
      grouping g { leaf x { type name; } list l { key k; leaf k { type string; } unique "v"; leaf v { type int8; } } }
      container c { presence p; must "l/k = 'a'"; uses g { refine x { default abc;
        } augment l { leaf more { type bits { bit a; bit b { position 7; } } } } }
        leaf r { type leafref { path "../l/k"; } } leaf i { type identityref { base base; } default m:derived; }
        choice ch { default one; case one { leaf one { type empty; } } leaf two { when "../x";
          type decimal64 { fraction-digits 2; } } }
        leaf-list ll { type either; ordered-by user; max-elements 5; default 3; } anydata d;
          action a { input { leaf q { type int64; } } } }
      augment /m:c/m:l { leaf extra { if-feature f; type instance-identifier; } }
      rpc do { input { leaf a { type string; } } output { leaf b { type binary; } } }
      notification n { leaf c { type boolean; } }
      deviation /m:c/m:x { deviate add { units "u"; } }
    }
    """

  private func compile(_ bytes: [UInt8]) {
    var loader = SchemaLoader(searchPaths: [])
    loader.load(sources: [SourceText(file: "m.yang", bytes: bytes)])
    _ = try? SchemaCompiler(loader).compile()
  }

  @Test func theTextIsValid() throws {
    let made = try schema(Self.text)
    #expect(made.rpcs.count == 1 && made.notifications.count == 1)
  }

  @Test func everyTruncation() {
    let bytes = Array(Self.text.utf8)
    for length in stride(from: 0, through: bytes.count, by: 3) { compile(Array(bytes[..<length])) }
  }

  @Test(arguments: [UInt64(1), 2, 3]) func mutatedBytes(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let original = Array(Self.text.utf8)
    for _ in 0..<250 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(Array("{};\"'\\/+ ".utf8).randomElement(using: &random) ?? 0, at: index)
        default:
          let end = min(bytes.count, index + Int.random(in: 1...60, using: &random))
          bytes.insert(contentsOf: Array(bytes[index..<end]), at: Int.random(in: 0..<bytes.count, using: &random))
        }
      }
      compile(bytes)
    }
  }

  /// Words changed places: mostly right syntax, mostly wrong meaning.
  @Test(arguments: [UInt64(11), 12, 13]) func mutatedWords(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let words = Self.text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    for _ in 0..<250 {
      var mutated = words
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let target = Int.random(in: 0..<mutated.count, using: &random)
        mutated[target] = words[Int.random(in: 0..<words.count, using: &random)]
      }
      compile(Array(mutated.joined(separator: " ").utf8))
    }
  }

  @Test func randomBytes() {
    var random = SeededRandom(seed: 99)
    for _ in 0..<300 {
      let length = Int.random(in: 0..<200, using: &random)
      compile((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
  }

  /// Groupings that double at each level would make two to the power of their number of nodes.
  @Test func exponentialGroupingsEndInAnError() {
    var body = "grouping g0 { leaf a { type string; } }\n"
    for level in 1...40 {
      body += "grouping g\(level) { container l { uses g\(level - 1); } container r { uses g\(level - 1); } }\n"
    }
    var loader = SchemaLoader(searchPaths: [])
    loader.load(sources: [source(module(body + "container top { uses g40; }"))])
    let compiler = Compiler(modules: loader.modules, selection: .all)
    compiler.maximumNodes = 10_000
    #expect(compiler.compile(implementing: nil) == nil)
    #expect(compiler.log.all.contains { $0.message.contains("more than 10000 nodes") })
  }

  @Test func longChainsOfTypedefs() throws {
    var body = "typedef t0 { type string; }\n"
    for index in 1...300 { body += "typedef t\(index) { type t\(index - 1); }\n" }
    let made = try schema(module(body + "leaf a { type t300; }"))
    #expect(try made.node("/a").type?.typedefChain.count == 301)
  }

  @Test func deepGroupingsAreBounded() {
    var body = "grouping g0 { leaf a { type string; } }\n"
    for level in 1...600 { body += "grouping g\(level) { container c\(level) { uses g\(level - 1); } }\n" }
    let errors = findings([module(body + "container top { uses g600; }")])
    #expect(errors.contains { $0.message.contains("deeper than") })
  }
}
