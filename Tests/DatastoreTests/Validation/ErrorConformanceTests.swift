// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// Each error of RFC 7950 sections 8.3 and 15, and those of RFC 6241 appendix A that data can bring about, to the letter:
/// tag, app-tag, path, and what error-info holds.
@Suite struct ErrorConformanceTests {
  static let fixture = Result {
    try ConfigurationFixture(
      """
      module e { yang-version 1.1; namespace urn:e; prefix e;
        feature extra;
        container top {
          leaf limited { type uint8 { range 1..10 { error-message "between one and ten"; error-app-tag out; } } }
          leaf short { type string { length 1..3 { error-message "too long"; error-app-tag long; } } }
          leaf coded { type string { pattern '[A-Z]+' { error-message "capitals"; error-app-tag capitals; } } }
          leaf number { type int8; } leaf flag { type boolean; } leaf colour { type enumeration { enum red; } }
          list item { key id; unique "a b/c"; min-elements 0; max-elements 2;
            leaf id { type uint8; } leaf a { type uint8; } container b { leaf c { type uint8; } } }
          leaf-list few { type uint8; max-elements 1; }
          list rule { key id; ordered-by user; leaf id { type uint8; } } leaf-list step { type uint8; ordered-by user; }
          leaf judged { type uint8; must ". > 5" { error-message "more than five"; error-app-tag five; } }
          leaf plain-must { type uint8; must ". > 5"; }
          leaf ref { type leafref { path ../item/id; } } leaf where { type instance-identifier; }
          leaf conditional { when "../flag = 'true'"; type uint8; }
          container group { presence p; leaf needed { type uint8; mandatory true; }
            list least { key id; min-elements 1; leaf id { type uint8; } }
            choice must-choose { mandatory true; leaf one { type uint8; } leaf two { type uint8; } } }
          choice either { leaf left { type uint8; } leaf right { type uint8; } }
        }
        container state { config false; leaf up { type boolean; } }
      }
      """)
  }

  /// "tag app-tag path", then each child of error-info as "name=text".
  private static func shape(_ error: DatastoreError) -> String {
    let info = error.info.map { " \($0.name)=\($0.text)" }.joined()
    return "\(error.tag.rawValue) \(error.appTag ?? "-") \(error.path?.description ?? "-")\(info)"
  }

  /// What a commit of an edit on a configuration is refused with: the edit itself, then its conditions, then the rest.
  private func errors(_ edit: String, on content: String = "") throws -> [DatastoreError] {
    let fixture = try Self.fixture.get()
    let old = try fixture.tree("<top>\(content)</top>")
    do {
      let validator = Validator(schema: fixture.schema)
      let edited = try fixture.edited(old, "<top>\(edit)</top>")
      return validator.validate(old: old, new: try validator.resolvingConditions(from: old, to: edited))
    } catch let failure as DatastoreFailure { return failure.errors }
  }

  @Test(arguments: [
    // Section 15.1
    (
      "<item><id>1</id><a>1</a><b><c>1</c></b></item><item><id>2</id><a>1</a><b><c>1</c></b></item>",
      "operation-failed data-not-unique /e:top/e:item non-unique=/e:top/e:item[e:id='1']/e:a "
        + "non-unique=/e:top/e:item[e:id='1']/e:b/e:c non-unique=/e:top/e:item[e:id='2']/e:a "
        + "non-unique=/e:top/e:item[e:id='2']/e:b/e:c"
    ),
    // Section 15.2, once however many are too many
    ("<few>1</few><few>2</few><few>3</few>", "operation-failed too-many-elements /e:top/e:few"),
    (
      "<item><id>1</id></item><item><id>2</id></item><item><id>3</id></item><item><id>4</id></item>",
      "operation-failed too-many-elements /e:top/e:item"
    ),
    // Section 15.3
    (
      "<group><needed>1</needed><one>1</one></group>", "operation-failed too-few-elements /e:top/e:group/e:least"
    ),
    // Section 15.4
    ("<judged>1</judged>", "operation-failed five /e:top/e:judged"),
    ("<plain-must>1</plain-must>", "operation-failed must-violation /e:top/e:plain-must"),
    // Section 15.5
    ("<ref>1</ref>", "data-missing instance-required /e:top/e:ref"),
    ("<where>/e:top/e:item[e:id='1']</where>", "data-missing instance-required /e:top/e:where"),
    // Section 15.6
    (
      "<group><needed>1</needed><least><id>1</id></least></group>",
      "data-missing missing-choice /e:top/e:group missing-choice=must-choose"
    ),
    // Section 15.7
    (
      "<rule yang:insert='before' yang:key=\"[e:id='9']\"><id>1</id></rule>",
      "bad-attribute missing-instance /e:top/e:rule[e:id='1'] bad-attribute=key bad-element=rule"
    ),
    (
      "<step yang:insert='after' yang:value='9'>1</step>",
      "bad-attribute missing-instance /e:top/e:step[.='1'] bad-attribute=value bad-element=step"
    ),
    // Section 8.3.1: values
    ("<limited>11</limited>", "invalid-value out /e:top/e:limited bad-element=limited"),
    ("<short>long</short>", "invalid-value long /e:top/e:short bad-element=short"),
    ("<coded>x</coded>", "invalid-value capitals /e:top/e:coded bad-element=coded"),
    ("<number>128</number>", "invalid-value - /e:top/e:number bad-element=number"),
    ("<number/>", "invalid-value - /e:top/e:number bad-element=number"),
    ("<flag>yes</flag>", "invalid-value - /e:top/e:flag bad-element=flag"),
    ("<colour>blue</colour>", "invalid-value - /e:top/e:colour bad-element=colour"),
    // Section 8.3.1: structure
    ("<item/>", "missing-element - /e:top/e:item bad-element=id"),
    ("<left>1</left><right>2</right>", "bad-element - /e:top/e:right bad-element=right"),
    ("<conditional>1</conditional>", "unknown-element - /e:top/e:conditional bad-element=conditional"),
    ("<nothing/>", "unknown-element - /e:top bad-element=nothing"),
    ("<nothing xmlns='urn:x'/>", "unknown-namespace - /e:top bad-element=nothing bad-namespace=urn:x"),
    ("<number>1</number><number>2</number>", "bad-element - /e:top/e:number bad-element=number"),
    ("text", "bad-element - /e:top bad-element=top"),
    // Section 8.3.1: attributes
    (
      "<rule yang:insert='middle'><id>1</id></rule>",
      "bad-attribute - /e:top/e:rule bad-attribute=insert bad-element=rule"
    ),
    (
      "<rule yang:insert='before'><id>1</id></rule>",
      "missing-attribute - /e:top/e:rule bad-attribute=key bad-element=rule"
    ),
    (
      "<item yang:insert='first'><id>1</id></item>",
      "unknown-attribute - /e:top/e:item bad-attribute=insert bad-element=item"
    ),
    (
      "<number nc:operation='add'>1</number>",
      "bad-attribute - /e:top/e:number bad-attribute=operation bad-element=number"
    ),
    ("<number e:other='1'>1</number>", "unknown-attribute - /e:top/e:number bad-attribute=other bad-element=number"),
    // Section 8.3.2
    ("<number nc:operation='delete'/>", "data-missing - /e:top/e:number"),
    // RFC 6241 appendix A
    ("<group><one>1</one><least><id>1</id></least></group>", "data-missing - /e:top/e:group/e:needed"),
  ])
  func isTold(_ edit: String, _ expected: String) throws { #expect(try errors(edit).map(Self.shape) == [expected]) }

  @Test func whatIsThereCannotBeCreated() throws {
    #expect(
      try errors("<number nc:operation='create'>2</number>", on: "<number>1</number>").map(Self.shape) == [
        "data-exists - /e:top/e:number"
      ])
  }

  @Test func stateCannotBeEdited() throws {
    let fixture = try Self.fixture.get()
    do {
      _ = try fixture.edited(InteriorNode(schema: fixture.schema.root), "<state><up>true</up></state>")
      Issue.record("the edit was accepted")
    } catch let failure as DatastoreFailure {
      #expect(failure.errors.map(Self.shape) == ["bad-element - /e:state bad-element=state"])
    }
  }

  /// The messages of restrictions and conditions are the modules' own.
  @Test(arguments: [
    ("<limited>11</limited>", "between one and ten"), ("<short>long</short>", "too long"),
    ("<coded>x</coded>", "capitals"),
  ])
  func messagesOfModulesAreKept(_ edit: String, _ message: String) throws {
    #expect(try errors(edit).first?.message.contains(message) == true)
  }

  @Test func theMessageOfAMustStandsAlone() throws {
    let error = try errors("<judged>1</judged>").first
    #expect(error?.message == "more than five")
    #expect(error?.rule == "must \". > 5\" for the value '1'")
  }

  // MARK: Both ends of a reference, deletion by conditions and choices

  @Test func aTargetThatIsReferredToStays() throws {
    #expect(
      try errors("<item nc:operation='delete'><id>1</id></item>", on: "<item><id>1</id></item><ref>1</ref>")
        .map(Self.shape) == ["data-missing instance-required /e:top/e:ref"])
    #expect(
      try errors(
        "<item nc:operation='delete'><id>1</id></item>",
        on: "<item><id>1</id></item><where>/e:top/e:item[e:id='1']</where>"
      ).map(Self.shape) == ["data-missing instance-required /e:top/e:where"])
    #expect(
      try errors(
        "<item nc:operation='delete'><id>1</id></item><ref nc:operation='delete'/>",
        on: "<item><id>1</id></item><ref>1</ref>"
      ).isEmpty)
  }

  @Test func aConditionThatTurnsFalseDeletes() throws {
    let fixture = try Self.fixture.get()
    let old = try fixture.tree("<top><flag>true</flag><conditional>1</conditional></top>")
    let edited = try fixture.edited(old, "<top><flag>false</flag></top>")
    let resolved = try Validator(schema: fixture.schema).resolvingConditions(from: old, to: edited)
    #expect(try resolved == fixture.tree("<top><flag>false</flag></top>"))
  }

  @Test func anotherCaseDeletesTheFirst() throws {
    let fixture = try Self.fixture.get()
    let old = try fixture.tree("<top><left>1</left></top>")
    #expect(try fixture.edited(old, "<top><right>2</right></top>") == fixture.tree("<top><right>2</right></top>"))
  }

  // MARK: Names of identities in expressions

  /// Prefixes in literals are those of the module that has the expression, not those that modules give themselves.
  @Test func identitiesAreNamedByThePrefixesOfTheExpression() throws {
    let fixture = try ConfigurationFixture(
      """
      module a-user { yang-version 1.1; namespace urn:u; prefix b; import kinds-a { prefix k; } import kinds-b { prefix a; }
        leaf kind { type identityref { base k:base; } }
        leaf is { when "../kind = 'k:one'"; type empty; } leaf other { when "../kind = 'a:one'"; type empty; }
        leaf below { when "derived-from(../kind, 'k:one')"; type empty; }
        leaf same { when "derived-from-or-self(../kind, 'a:one')"; type empty; }
        list entry { key kind; leaf kind { type identityref { base k:base; } } leaf on { type empty; } }
        leaf found { when "../entry[kind='k:one']/on"; type empty; }
      }
      """,
      "module kinds-a { namespace urn:a; prefix a; identity base; identity one { base base; } identity two { base one; } }",
      "module kinds-b { namespace urn:b; prefix k; import kinds-a { prefix x; } identity one { base x:base; } }")
    let validator = Validator(schema: fixture.schema)
    func holds(_ leaf: String, _ kind: String) throws -> Bool {
      try validator.validate(fixture.tree("<kind xmlns:p='urn:a' xmlns:q='urn:b'>\(kind)</kind><\(leaf)/>")).isEmpty
    }
    // p and q of the documents are kinds-a and kinds-b, whose own prefixes the expressions use for each other.
    #expect(try holds("is", "p:one") && !holds("is", "q:one"))
    #expect(try holds("other", "q:one") && !holds("other", "p:one"))
    #expect(try holds("below", "p:two") && !holds("below", "p:one") && !holds("below", "q:one"))
    #expect(try holds("same", "q:one") && !holds("same", "p:two"))
    let entry = "<entry xmlns:p='urn:a' xmlns:q='urn:b'><kind>%</kind><on/></entry><found/>"
    #expect(validator.validate(try fixture.tree(entry.replacing("%", with: "p:one"))).isEmpty)
    #expect(!validator.validate(try fixture.tree(entry.replacing("%", with: "q:one"))).isEmpty)
  }
}
