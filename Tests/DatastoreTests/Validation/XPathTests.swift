// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct XPathTests {
  static let module = """
    module a { yang-version 1.1; namespace "urn:a"; prefix a;
      identity animal; identity dog { base animal; } identity poodle { base dog; } identity cat { base animal; }
      leaf title { type string; }
      leaf count { type uint8; default 7; }
      leaf-list tag { type string; ordered-by user; }
      container box { leaf size { type int32; default -3; } leaf note { type string; } }
      container empty-box { presence "p"; leaf x { type string; } }
      list item { key name; ordered-by user;
        leaf name { type string; } leaf price { type decimal64 { fraction-digits 2; } }
        leaf kind { type identityref { base animal; } }
        leaf colour { type enumeration { enum red { value 4; } enum green { value 9; } } }
        leaf flags { type bits { bit up; bit down; } }
        leaf other { type leafref { path "../../item/name"; } }
        leaf pointer { type instance-identifier { require-instance false; } }
        list part { key "a b"; leaf a { type uint16; } leaf b { type string; } leaf v { type string; } }
      }
      choice mode { default simple;
        case simple { leaf simple-level { type uint8; default 1; } }
        case full { leaf full-level { type uint8; default 2; } leaf extra { type string; } } }
      container deep { container deeper { container deepest { leaf note { type string; } } } leaf note { type string; } }
    }
    """
  static let data = """
    <title>The  title</title><tag>t1</tag><tag>t2</tag><tag>t3</tag><box><note>b</note></box>
    <item><name>zeta</name><price>12.50</price><kind>dog</kind><colour>green</colour><flags>up</flags>
      <other>alpha</other><part><a>1</a><b>x</b><v>one</v></part><part><a>2</a><b>y</b><v>two</v></part></item>
    <item><name>alpha</name><price>0.75</price><kind>poodle</kind><colour>red</colour>
      <pointer>/a:item[a:name='zeta']/a:part[a:a='2'][a:b='y']</pointer></item>
    <item><name>mid</name><price>3</price><kind>cat</kind></item>
    <deep><deeper><deepest><note>d1</note></deepest></deeper><note>d2</note></deep>
    """

  static func evaluate(
    _ expression: String, at path: String = "", data: String = data
  ) throws -> (value: XPathValue, boolean: Bool, string: String, number: Double) {
    let fixture = try ConfigurationFixture(module)
    let table = ConstraintTable(schema: fixture.schema)
    let a = try #require(fixture.schema.module(named: "a"))
    let tree = try XPath.parse(expression, defaultModule: a, resolvePrefix: { $0 == "a" ? a : nil })
    let root = try fixture.tree(data)
    let node = try #require(fixture.node(path, in: root, implicit: table.library.implicit))
    var compiler = XPathCompiler(library: table.library, context: node.schema)
    let part = compiler.compile(tree, in: compiler.initial)
    func context() -> XPathContext {
      XPathContext(node: node, environment: XPathEnvironment(current: node, implicit: table.library.implicit))
    }
    let value = part.operation.evaluate(context())
    return (
      value, part.operation.boolean(context()), part.operation.string(context()), part.operation.number(context())
    )
  }

  /// The string-values of a set, joined; other values as strings.
  static func text(_ expression: String, at path: String = "") throws -> String {
    let result = try evaluate(expression, at: path)
    // However a value is asked for, it has to be the same one.
    #expect(result.boolean == result.value.boolean, "\(expression)")
    #expect(result.string == result.value.string, "\(expression)")
    #expect(result.number == result.value.number || result.number.isNaN && result.value.number.isNaN, "\(expression)")
    if case .nodes(let nodes) = result.value { return nodes.map(\.stringValue).joined(separator: "|") }
    return result.value.string
  }

  @Test(arguments: [
    ("title", "The  title"), ("/title", "The  title"), ("item/name", "zeta|alpha|mid"), ("item[2]/name", "alpha"),
    ("item[last()]/name", "mid"), ("item[position() < 3]/name", "zeta|alpha"), ("item[name='mid']/kind", "a:cat"),
    ("item['mid'=name]/price", "3.0"), ("item[price > 1]/name", "zeta|mid"), ("item[not(part)]/name", "alpha|mid"),
    ("item/part/v", "one|two"), ("item/part[a='2'][b='y']/v", "two"), ("item/part[b='y'][a='2']/v", "two"),
    ("item/part[a=2 and b='y']/v", "two"), ("item/part[a='02'][b='y']/v", ""), ("item/part[2]/v", "two"),
    ("item/part/../name", "zeta"), ("item/part[1]/following-sibling::part/v", "two"),
    ("item[1]/following-sibling::item/name", "alpha|mid"), ("item[3]/preceding-sibling::item[1]/name", "alpha"),
    ("//note", "b|d1|d2"), ("deep//note", "d1|d2"), ("//deepest/ancestor::deep/note", "d2"),
    ("deep/deeper/deepest/note/ancestor::*[1]/note", "d1"), ("title | tag[1] | title", "The  title|t1"),
    ("tag[. = 't2']/following-sibling::tag", "t3"), ("(tag | title)[1]", "The  title"), ("(//note)[2]", "d1"),
    ("*[self::title or self::count]", "The  title|7"), ("item[1]/child::node()[1]", "zeta"), ("tag/text()", "t1|t2|t3"),
    ("item[2]/preceding::part[1]/v", "two"), ("item[1]/part[1]/following::name", "alpha|mid"),
    ("item[name=/item[3]/name]/kind", "a:cat"), ("id('x')", ""), ("@x", ""), ("/item[name=current()/tag]/name", ""),
    ("item[3]/self::item/name", "mid"), (".//v", "one|two"), ("item[part/v='two']/name", "zeta"),
  ])
  func selects(_ expression: String, _ expected: String) throws {
    #expect(try Self.text(expression) == expected, "\(expression)")
  }

  @Test(arguments: [
    ("1 + 2 * 3", "7"), ("7 div 2", "3.5"), ("7 mod 2", "1"), ("-7 mod 3", "-1"), ("1 div 0", "Infinity"),
    ("-1 div 0", "-Infinity"), ("0 div 0", "NaN"), ("- - 4", "4"), ("0.1 + 0.2", "0.30000000000000004"),
    ("1000000000000000000", "1000000000000000000"), ("0.000001", "0.000001"), ("number('  12.5 ')", "12.5"),
    ("number('1e3')", "NaN"), ("number('+1')", "NaN"), ("number('-.5')", "-0.5"), ("number('5.')", "5"),
    ("number(true())", "1"), ("number('')", "NaN"), ("floor(-1.5)", "-2"), ("ceiling(-1.5)", "-1"), ("round(2.5)", "3"),
    ("round(-2.5)", "-2"), ("round(-0.2)", "0"), ("1 div round(-0)", "-Infinity"), ("round(0.49999999999999994)", "0"),
    ("round(4503599627370497)", "4503599627370497"), ("round(number('x'))", "NaN"), ("count(item)", "3"),
    ("sum(item/price)", "16.25"), ("string-length('häß')", "3"), ("substring('12345', 2, 3)", "234"),
    ("substring('12345', 1.5, 2.6)", "234"), ("substring('12345', 0, 3)", "12"), ("substring('12345', 2)", "2345"),
    ("substring('12345', 0 div 0, 3)", ""), ("substring('12345', -42, 1 div 0)", "12345"),
    ("substring-before('1999/04/01', '/')", "1999"), ("substring-after('1999/04/01', '/')", "04/01"),
    ("substring-after('abc', 'x')", ""), ("concat('a', 1, true())", "a1true"), ("normalize-space('  a   b ')", "a b"),
    ("normalize-space(title)", "The title"), ("translate('bar', 'abc', 'AB')", "BAr"),
    ("translate('--aaa--','abc-','ABC')", "AAA"),
    ("starts-with('abc', 'ab')", "true"), ("contains('abc', '')", "true"), ("contains('abc', 'bd')", "false"),
    ("string(1 = 1)", "true"), ("boolean('false')", "true"), ("boolean(0)", "false"), ("boolean('')", "false"),
    ("boolean(item)", "true"), ("not(nothing)", "true"), ("local-name(item[1])", "item"), ("name(item[1])", "a:item"),
    ("namespace-uri(item)", "urn:a"), ("local-name(nothing)", ""), ("lang('en')", "false"), ("string(item)", "zeta"),
    ("name(/)", ""),
  ])
  func computes(_ expression: String, _ expected: String) throws {
    if expression == "string(item)" {
      // The string-value of an entry is all its text.
      #expect(try Self.text(expression).hasPrefix("zeta12.5a:doggreenupalpha1xone"))
    } else {
      #expect(try Self.text(expression) == expected, "\(expression)")
    }
  }

  @Test(arguments: [
    ("item/price > 10", true), ("item/price < 0.75", false), ("item/name = 'alpha'", true),
    ("item/name != 'alpha'", true),
    ("nothing = 'x'", false), ("nothing != 'x'", false), ("item/name = tag", false), ("item/other = item/name", true),
    ("tag = tag", true), ("count = 7", true), ("count = '7'", true), ("'7' = 7.0", true), ("true() = 'x'", true),
    ("item = true()", true), ("nothing = false()", true), ("nothing != true()", true), ("item/colour = 'green'", true),
    ("item/kind = 'poodle'", true), ("item/kind = 'a:poodle'", true), ("item/kind = 'b:poodle'", false),
    ("item/price = 12.5", true), ("item/price = '12.5'", true), ("'a' < 'b'", false), ("2 > 1 > 0", true),
    ("1 = 1 = 1", true), ("item and count", true), ("item or nothing", true), ("nothing and item", false),
    ("number('x') != number('x')", true), ("number('x') = number('x')", false), ("3 >= count(item)", true),
    ("0 = nothing", false), ("item[1] = item[1]", true),
  ])
  func compares(_ expression: String, _ expected: Bool) throws {
    #expect(try Self.evaluate(expression).boolean == expected, "\(expression)")
    #expect(try Self.text("string(\(expression))") == "\(expected)", "\(expression)")
  }

  @Test(arguments: [
    ("derived-from(item[1]/kind, 'a:animal')", true), ("derived-from(item[1]/kind, 'a:dog')", false),
    ("derived-from-or-self(item[1]/kind, 'a:dog')", true), ("derived-from(item/kind, 'a:dog')", true),
    ("derived-from(nothing, 'a:dog')", false), ("enum-value(item[1]/colour) = 9", true),
    ("enum-value(item[3]/colour) = 9", false), ("bit-is-set(item[1]/flags, 'up')", true),
    ("bit-is-set(item[1]/flags, 'down')", false), ("re-match('10.0.0.1', '\\d+(\\.\\d+){3}')", true),
    ("re-match('10.0.0', '\\d+(\\.\\d+){3}')", false), ("re-match(item[1]/name, concat('ze', '.*'))", true),
    ("deref(item[1]/other)/../price = 0.75", true), ("deref(item[2]/pointer)/v = 'two'", true),
    ("deref(item[3]/other)", false),
  ])
  func knowsTheFunctionsOfYANG(_ expression: String, _ expected: Bool) throws {
    #expect(try Self.evaluate(expression).boolean == expected, "\(expression)")
  }

  @Test(arguments: [
    ("current()/../name", "item[2]/price", "alpha"), ("../part[a=current()/a]/v", "item[1]/part[2]", "two"),
    ("../../item[name=current()]/kind", "item[1]/other", "a:poodle"), (".", "item[1]/name", "zeta"),
    ("..", "item[1]/flags", "zeta12.5a:doggreenupalpha1xone2ytwo"), ("../../title", "item[1]/name", "The  title"),
    ("/item[name=current()/../other]/price", "item[1]/flags", "0.75"),
    ("/item[name=string(current()/../other)]/price", "item[1]/flags", "0.75"),
    ("/item[./name=current()/../other]/price", "item[1]/flags", "0.75"),
    ("../../../title", "item[1]/name", ""), ("ancestor-or-self::item/name", "item[1]/part[1]/v", "zeta"),
  ])
  func startsFromTheContext(_ expression: String, _ path: String, _ expected: String) throws {
    #expect(try Self.text(expression, at: path) == expected, "\(expression)")
  }

  @Test(arguments: [
    // Defaults in use and non-presence containers exist (RFC 7950 section 6.4.1).
    ("count", "", "7"), ("box/size", "", "-3"), ("box/size", "<box><size>4</size></box>", "4"), ("count(box)", "", "1"),
    ("count(empty-box)", "", "0"), ("count(deep/deeper/deepest)", "", "1"), ("simple-level", "", "1"),
    ("full-level", "", ""), ("simple-level", "<extra>x</extra>", ""), ("full-level", "<extra>x</extra>", "2"),
    ("count(*)", "", "4"),
  ])
  func seesWhatIsImplicit(_ expression: String, _ data: String, _ expected: String) throws {
    #expect(try Self.evaluate(expression, data: data).string == expected, "\(expression)")
  }
}
