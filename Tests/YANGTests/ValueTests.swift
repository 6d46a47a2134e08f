// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import YANG

/// Text to value and back (RFC 7950 section 9).
@Suite struct ValueTests {
  static let text = module(
    """
    identity base; identity one { base base; } identity two { base base; }
    leaf i8 { type int8; } leaf u8 { type uint8 { range "1..5 | 7" { error-message "odd"; error-app-tag tag; } } }
    leaf i64 { type int64; } leaf u64 { type uint64; }
    leaf d { type decimal64 { fraction-digits 2; range "-10..10";
      } } leaf d18 { type decimal64 { fraction-digits 18; } }
    leaf s { type string { length "2..4"; pattern '[a-zé]*'; pattern 'x.*' { modifier invert-match;
      error-message "no x"; error-app-tag x; } } }
    leaf bool { type boolean; } leaf bin { type binary { length "0..3"; } } leaf e { type empty; }
    leaf en { type enumeration { enum up; enum down { value 9; } } } leaf bits { type bits { bit a;
      bit c { position 5; } bit b; } }
    leaf id { type identityref { base base; } } leaf ii { type instance-identifier; }
    leaf un { type union { type uint8; type enumeration { enum auto; } type union { type boolean;
      type string { length 3; } } } }
    list l { key k; leaf k { type string; } leaf-list ll { type string; } } leaf ref { type leafref { path "../l/k"; } }
    """)
  static let made = try? schema(text)

  private func node(_ name: String) throws -> SchemaNode { try #require(Self.made).node("/" + name) }

  @Test(arguments: [
    ("i8", "5", "5"), ("i8", "-128", "-128"), ("i8", "+7", "7"), ("i8", "017", "17"), ("i8", "-08", "-8"),
    ("i8", " 5\n", "5"), ("i8", "0", "0"), ("i8", "-0", "0"), ("u8", "7", "7"),
    ("i64", "-9223372036854775808", "-9223372036854775808"),
    ("u64", "18446744073709551615", "18446744073709551615"),
    ("d", "3", "3.0"), ("d", "-3.10", "-3.1"), ("d", "0.05", "0.05"), ("d", "-0.5", "-0.5"), ("d", "10.000", "10.0"),
    ("d", "+1.5", "1.5"),
    ("d18", "-9.223372036854775808", "-9.223372036854775808"), ("d18", "9.223372036854775807", "9.223372036854775807"),
    ("s", "abé", "abé"), ("bool", "true", "true"), ("bool", " false ", "false"), ("bin", "AQID", "AQID"),
    ("bin", "", ""), ("bin", "AQ==", "AQ=="),
    ("bin", "AQ I=", "AQI="), ("e", "", ""), ("en", "down", "down"), ("bits", "b a", "a b"), ("bits", " c  a ", "a c"),
    ("bits", "", ""),
    ("id", "one", "m:one"), ("id", "m:two", "m:two"), ("un", "5", "5"), ("un", "auto", "auto"), ("un", "true", "true"),
    ("un", "abc", "abc"),
    ("un", "300", "300"), ("ref", "anything", "anything"),
    ("ii", "/m:l[m:k='a']/m:ll[.=\"b'\"]", "/m:l[m:k='a']/m:ll[.=\"b'\"]"), ("ii", "/l[ k = 'a' ]", "/m:l[m:k='a']"),
    ("ii", "/m:l[3]", "/m:l[3]"),
  ])
  func canonical(leaf: String, written: String, expected: String) throws {
    #expect(try node(leaf).canonical(written) == expected)
    #expect(try node(leaf).canonical(expected) == expected, "the canonical form is its own")
  }

  @Test(arguments: [
    ("i8", "128", ValueError.Kind.range), ("i8", "-129", .range), ("i8", "99999999999999999999999", .range),
    ("i8", "", .lexical),
    ("i8", "-", .lexical), ("i8", "1.0", .lexical), ("i8", "0x", .lexical), ("i8", "0x1F", .lexical),
    ("i8", "1 2", .lexical), ("i8", "٣", .lexical),
    ("u8", "6", .range), ("u8", "-1", .range), ("u64", "18446744073709551616", .range),
    ("i64", "9223372036854775808", .range),
    ("d", "1.005", .lexical), ("d", "10.01", .range), ("d", ".5", .lexical), ("d", "5.", .lexical),
    ("d", "1e3", .lexical), ("d", "", .lexical),
    ("d18", "9.223372036854775808", .range), ("s", "a", .length), ("s", "abcde", .length), ("s", "AB", .pattern),
    ("s", "xab", .pattern),
    ("bool", "TRUE", .lexical), ("bool", "1", .lexical), ("bin", "A", .lexical), ("bin", "AQ=", .lexical),
    ("bin", "AQIDBA==", .length), ("bin", "A*==", .lexical),
    ("e", "x", .lexical), ("en", "left", .unknownName), ("en", "", .unknownName), ("bits", "a d", .unknownName),
    ("bits", "a a", .lexical),
    ("id", "base", .unknownName), ("id", "three", .unknownName), ("id", "a b", .lexical), ("id", "", .lexical),
    ("un", "four", .union),
    ("ii", "", .lexical), ("ii", "m:l", .lexical), ("ii", "/m:l[", .lexical), ("ii", "/m:l[m:k='a]", .lexical),
    ("ii", "/m:l[0]", .lexical), ("ii", "/", .lexical),
  ])
  func refused(leaf: String, text: String, kind: ValueError.Kind) throws {
    let node = try node(leaf)
    do throws(ValueError) {
      let value = try node.parse(text)
      Issue.record("'\(text)' was taken as \(value)")
    } catch {
      #expect(error.kind == kind, "\(error)")
      #expect(!error.message.isEmpty)
    }
  }

  /// Only the text of a default statement may be hexadecimal or octal (section 9.2.1).
  @Test(arguments: [("0x1F", 31), ("-0x1", -1), ("017", 15), ("-017", -15), ("12", 12)])
  func defaultsInOtherRadixes(text: String, value: Int64) throws {
    let schema = try schema(
      "module m { namespace 'urn:m'; prefix m; leaf a { type int8; default '\(text)'; } }")
    #expect(schema.root.dataChildren.first?.defaults == [.int(value)])
  }

  @Test func errorTexts() throws {
    func error(_ leaf: String, _ text: String) throws -> ValueError {
      let node = try node(leaf)
      do throws(ValueError) { _ = try node.parse(text) } catch { return error }
      throw ValueError(.lexical, "was taken")
    }
    #expect(try error("u8", "6") == ValueError(.range, "odd", appTag: "tag", expected: "1..5 | 7 is allowed"))
    #expect(try error("s", "xab").message == "no x" && (try error("s", "xab")).appTag == "x")
    #expect(try error("en", "dow").expected == "did you mean 'down'?")
    #expect(try error("i8", "x").expected == "-128..127 is allowed")
    #expect(try error("d", "11").expected == "-10.0..10.0 is allowed")
    #expect(try error("un", "four").expected?.contains("uint8: ") == true)
  }

  @Test func unionsTakeTheFirstMember() throws {
    let un = try node("un")
    #expect(try un.parse("5") == .union(member: 0, .uint(5)))
    #expect(try un.parse("true") == .union(member: 2, .union(member: 0, .boolean(true))))
    #expect(try un.parse("abc") == .union(member: 2, .union(member: 1, .string("abc"))))
  }

  @Test func undeclaredPrefixes() throws {
    let id = try #require(try node("id").type)
    do throws(ValueError) {
      _ = try id.parse("x:one", resolvePrefix: { _ in nil }, sealer: nil)
      Issue.record("the prefix is not declared")
    } catch { #expect(error.kind == .unknownPrefix) }
  }

  @Test func prefixesOfTheOutput() throws {
    let id = try node("id")
    let type = try #require(id.type)
    let value = try id.parse("one")
    #expect(type.canonicalText(of: value) { _ in "q" } == "q:one")
    #expect(type.canonicalText(of: value) { _ in "" } == "one")
    let path = try #require(try node("ii").type)
    #expect(path.canonicalText(of: try node("ii").parse("/l/ll")) { _ in "q" } == "/q:l/q:ll")
  }

  // MARK: Secrets

  static let secretTypes =
    "module Cisco-IOS-XR-types { namespace 'urn:x'; prefix x; typedef Proprietary-password "
    + "{ type string { pattern '(!.+)|([^!].+)'; } } typedef Type6-password { type string { pattern "
    + "'(!.+)|([^!].+)'; } } }"
  static let sealedTypes =
    "module agentd-types { namespace 'urn:at'; prefix at; extension sealed { argument encoding; } "
    + "typedef key { type string { length 1..20; } at:sealed opaque; } }"
  static let secrets =
    "module m { namespace 'urn:m'; prefix m; import Cisco-IOS-XR-types { prefix x; } import agentd-types { "
    + "prefix at; } "
    + "typedef mine { type x:Proprietary-password { length 3..30; } } leaf seven { type mine; } leaf six { type "
    + "x:Type6-password; } "
    + "leaf key { type at:key; } leaf u { type union { type int8; type at:key; } } leaf plain { type string; } }"

  @Test func secretTypesAreKnown() throws {
    let made = try schema(Self.secretTypes, Self.sealedTypes, Self.secrets)
    #expect(try made.node("/seven").type?.secretEncoding == .type7)
    #expect(try made.node("/six").type?.secretEncoding == .type6)
    #expect(try made.node("/key").type?.secretEncoding == .opaque)
    #expect(try made.node("/plain").type?.secretEncoding == nil)
  }

  @Test func secretsAreSealed() throws {
    let made = try schema(Self.secretTypes, Self.sealedTypes, Self.secrets)
    let sealer = try Sealer(MasterKey())
    for (leaf, text) in [("seven", "!tops3cret"), ("six", "!tops3cret"), ("key", "tops3cret"), ("u", "tops3cret")] {
      let node = try made.node("/" + leaf)
      let type = try #require(node.type)
      #expect(try node.parse(text) == (leaf == "u" ? .union(member: 1, .string(text)) : .string(text)))
      let sealed = try type.parse(text, resolvePrefix: { _ in nil }, sealer: sealer)
      #expect("\(sealed)".contains("tops3cret") == false)
      #expect(type.canonicalText(of: sealed, prefix: \.prefix) == SchemaType.hiddenSecret)
      let shown = type.canonicalText(of: sealed, sealer: sealer, prefix: \.prefix)
      #expect(!shown.contains("tops3cret") && !shown.isEmpty)
      if leaf == "seven" {
        #expect(
          try type.parse(shown, resolvePrefix: { _ in nil }, sealer: sealer) == sealed, "what was read can be written")
      }
    }
    let seven = try #require(try made.node("/seven").type)
    do throws(ValueError) {
      _ = try seven.parse("!this-is-far-too-long-for-its-type", resolvePrefix: { _ in nil }, sealer: sealer)
      Issue.record("too long")
    } catch {
      #expect(error.kind == .length && !error.description.contains("this-is"))
    }
    do throws(ValueError) {
      _ = try seven.parse("zz.secret", resolvePrefix: { _ in nil }, sealer: sealer)
      Issue.record("no type 7 string")
    } catch { #expect(error.kind == .secret && !error.description.contains("secret.")) }
  }
}
