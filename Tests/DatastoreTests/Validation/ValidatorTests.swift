// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct ValidatorTests {
  static let module = """
    module a { yang-version 1.1; namespace "urn:a"; prefix a;
      container server {
        leaf ipv4 { type string; must "../port and not (../ipv6 or ../hostname)"; }
        leaf ipv6 { type string; must "../port and not (../ipv4 or ../hostname)"; }
        leaf hostname { type string; must "../port and not (../ipv4 or ../ipv6)"; }
        leaf port { type uint16; must "(../ipv4 or ../ipv6 or ../hostname)"; }
        leaf limit { type uint8; default 5; must ". <= ../bound" { error-message "over the bound"; error-app-tag over; } }
        leaf bound { type uint8; default 10; }
      }
      list user { key name;
        leaf name { type string; }
        leaf role { type string; mandatory true; }
        leaf shell { when "../role = 'admin'"; type string; }
        container home { leaf path { when "../../shell"; type string; mandatory true; } leaf quota { type uint8; } }
        leaf manager { type leafref { path "/user/name"; } }
        leaf uid { type uint32; } leaf realm { type string; default local; }
        unique "uid realm";
        leaf-list group { type leafref { path "../../group/name"; } min-elements 0; max-elements 2; }
        must "not(manager) or manager != name" { error-message "nobody manages himself"; }
      }
      list group { key name; leaf name { type string; } leaf owner { type string; }
        must "not(owner) or /user[name=current()/owner]"; }
      container policy { presence "p";
        leaf-list rule { type string; min-elements 2; }
        choice action { mandatory true; leaf permit { type empty; } case deny { leaf reason { type string; } leaf code { type uint8; } } }
      }
      leaf pointer { type instance-identifier; }
      leaf mixed { type union { type leafref { path "/group/name"; } type uint8; } }
      container total { leaf maximum { type uint8; must "count(/user) <= ."; } }
    }
    """

  static let fixture = Result { try ConfigurationFixture(module) }
  static let validator = Result { Validator(schema: try fixture.get().schema) }

  /// The verdict of the full check; the incremental one from the empty configuration has to be the same.
  static func verdict(_ content: String) throws -> [DatastoreError] {
    let tree = try fixture.get().tree(content)
    let validator = try validator.get()
    let errors = validator.validate(tree)
    let empty = InteriorNode(schema: tree.schema)
    #expect(Set(summary(validator.validate(old: empty, new: tree))) == Set(summary(errors)), "\(content)")
    return errors
  }

  @Test(arguments: [
    ("", []), ("<server><ipv4>1</ipv4><port>2</port></server>", []),
    ("<server><ipv4>1</ipv4></server>", ["operation-failed must-violation /a:server/a:ipv4"]),
    ("<server><port>1</port></server>", ["operation-failed must-violation /a:server/a:port"]),
    (
      "<server><ipv4>1</ipv4><ipv6>1</ipv6><port>1</port></server>",
      ["operation-failed must-violation /a:server/a:ipv4", "operation-failed must-violation /a:server/a:ipv6"]
    ),
    ("<server><limit>11</limit></server>", ["operation-failed over /a:server/a:limit"]),
    // The constraint of a leaf whose default is in use.
    ("<server><bound>4</bound></server>", ["operation-failed over /a:server/a:limit"]),
    ("<user><name>u</name></user>", ["data-missing - /a:user[a:name='u']/a:role"]),
    ("<user><name>u</name><role>admin</role><shell>sh</shell><home><path>p</path></home></user>", []),
    // A mandatory leaf of a non-presence container that is not there, as soon as its condition holds.
    (
      "<user><name>u</name><role>admin</role><shell>sh</shell></user>",
      ["data-missing - /a:user[a:name='u']/a:home/a:path"]
    ),
    (
      "<user><name>u</name><role>guest</role><shell>sh</shell><home><path>p</path></home></user>",
      ["unknown-element - /a:user[a:name='u']/a:shell"]
    ),
    (
      "<user><name>u</name><role>r</role><manager>v</manager></user>",
      ["data-missing instance-required /a:user[a:name='u']/a:manager"]
    ),
    (
      "<user><name>u</name><role>r</role><manager>u</manager></user>",
      ["operation-failed must-violation /a:user[a:name='u']"]
    ),
    (
      "<user><name>u</name><role>r</role><uid>1</uid></user><user><name>v</name><role>r</role><uid>1</uid><realm>local</realm></user>",
      ["operation-failed data-not-unique /a:user"]
    ),
    (
      "<user><name>u</name><role>r</role><uid>1</uid></user><user><name>v</name><role>r</role><uid>1</uid><realm>x</realm></user>",
      []
    ),
    (
      "<group><name>g</name></group><user><name>u</name><role>r</role><group>g</group><group>h</group></user>",
      ["data-missing instance-required /a:user[a:name='u']/a:group[.='h']"]
    ),
    ("<group><name>g</name><owner>u</owner></group>", ["operation-failed must-violation /a:group[a:name='g']"]),
    ("<group><name>g</name><owner>u</owner></group><user><name>u</name><role>r</role></user>", []),
    (
      "<policy/>",
      ["operation-failed too-few-elements /a:policy/a:rule", "data-missing missing-choice /a:policy"]
    ),
    ("<policy><rule>a</rule><rule>b</rule><permit/></policy>", []),
    ("<pointer>/a:group[a:name='g']</pointer>", ["data-missing instance-required /a:pointer"]),
    ("<pointer>/a:group[a:name='g']</pointer><group><name>g</name></group>", []),
    ("<mixed>7</mixed>", []), ("<group><name>g</name></group><mixed>g</mixed>", []),
    ("<mixed>g</mixed>", ["data-missing instance-required /a:mixed"]),
    ("<total><maximum>0</maximum></total>", []),
    (
      "<total><maximum>0</maximum></total><user><name>u</name><role>r</role></user>",
      ["operation-failed must-violation /a:total/a:maximum"]
    ),
  ])
  func finds(_ content: String, _ expected: [String]) throws {
    #expect(Set(summary(try Self.verdict(content))) == Set(expected), "\(content)")
  }

  @Test func refusesTooManyElements() throws {
    let groups = (1...3).map { "<group><name>g\($0)</name></group>" }.joined()
    let user = "<user><name>u</name><role>r</role><group>g1</group><group>g2</group><group>g3</group></user>"
    #expect(
      summary(try Self.verdict(groups + user)) == ["operation-failed too-many-elements /a:user[a:name='u']/a:group"])
  }

  @Test func namesTheRuleThePathAndTheValue() throws {
    let must = try #require(try Self.verdict("<server><port>1</port></server>").first)
    #expect(must.message.contains("(../ipv4 or ../ipv6 or ../hostname)"))
    #expect(must.message.contains("'1'"))
    let over = try #require(try Self.verdict("<server><limit>11</limit></server>").first)
    #expect(over.message == "over the bound")
    let reference = try #require(try Self.verdict("<mixed>g</mixed>").first)
    #expect(reference.message.contains("'g'") && reference.message.contains("/group/name"))
    let choice = try #require(try Self.verdict("<policy><rule>a</rule><rule>b</rule></policy>").first)
    #expect(choice.info.map(\.name) == ["missing-choice"] && choice.info.map(\.text) == ["action"])
    let unique = try #require(
      try Self.verdict(
        "<user><name>u</name><role>r</role><uid>1</uid></user><user><name>v</name><role>r</role><uid>1</uid></user>"
      ).first)
    #expect(unique.info.first?.name == "non-unique")
    #expect(
      unique.info.map(\.text) == [
        "/a:user[a:name='u']/a:uid", "/a:user[a:name='u']/a:realm", "/a:user[a:name='v']/a:uid",
        "/a:user[a:name='v']/a:realm",
      ])
  }

  @Test func boundsTheNumberOfErrors() throws {
    let users = (1...300).map { "<user><name>u\($0)</name></user>" }.joined()
    #expect(try Self.verdict(users).count == Validator.maximumErrors)
  }

  // MARK: Bodies of operations

  @Test func checksTheInputOfOperations() throws {
    let fixture = try ConfigurationFixture(
      """
      module r { yang-version 1.1; namespace "urn:r"; prefix r;
        list user { key name; leaf name { type string; } action greet { input { leaf how { type string; must "../../name != ."; } } } }
        rpc call { input { leaf who { type leafref { path "/user/name"; } mandatory true; }
          leaf loud { type boolean; must "../who != 'u'"; } leaf after { when "../loud"; type uint8; } } }
      }
      """)
    let validator = Validator(schema: fixture.schema)
    let configuration = try fixture.tree("<user><name>u</name></user><user><name>v</name></user>")
    func verdict(_ input: SchemaNode, _ leafs: [String: Value], _ target: InstancePath? = nil) -> [String] {
      var builder = InteriorBuilder(schema: input)
      for (name, value) in leafs { builder.set(name, .leaf(value)) }
      return summary(validator.validate(body: builder.build(), configuration: configuration, target: target))
    }
    let rpc = try #require(fixture.schema.rpcs.first?.children.first { $0.kind == .input })
    #expect(verdict(rpc, ["who": .string("u")]) == [])
    #expect(verdict(rpc, [:]).map { $0.prefix(14) } == ["data-missing -"])
    #expect(verdict(rpc, ["who": .string("x")]).map { $0.prefix(30) } == ["data-missing instance-required"])
    #expect(
      verdict(rpc, ["who": .string("u"), "loud": .boolean(true)]).map { $0.prefix(31) } == [
        "operation-failed must-violation"
      ])
    #expect(verdict(rpc, ["who": .string("v"), "loud": .boolean(true), "after": .uint(1)]) == [])
    #expect(verdict(rpc, ["who": .string("v"), "after": .uint(1)]).map { $0.prefix(15) } == ["unknown-element"])
    let user = try #require(fixture.schema.node(at: "/r:user"))
    let action = try #require(user.children.first { $0.kind == .action }?.children.first { $0.kind == .input })
    let target = InstancePath([.init(schema: user, keys: [.string("u")])])
    #expect(verdict(action, ["how": .string("v")], target) == [])
    #expect(verdict(action, ["how": .string("u")], target).map { $0.prefix(31) } == ["operation-failed must-violation"])
  }

  // MARK: when in edits

  @Test func deletesWhatAnEditTurnsFalse() throws {
    let fixture = try Self.fixture.get()
    let old = try fixture.tree(
      "<user><name>u</name><role>admin</role><shell>sh</shell><home><path>p</path><quota>3</quota></home></user>")
    let new = try fixture.edited(old, "<user><name>u</name><role>guest</role></user>")
    // shell goes because of role, path because of shell.
    let resolved = try Self.validator.get().resolvingConditions(from: old, to: new)
    let expected = try fixture.tree("<user><name>u</name><role>guest</role><home><quota>3</quota></home></user>")
    #expect(resolved == expected)
  }

  @Test func refusesToCreateUnderAFalseCondition() throws {
    let fixture = try Self.fixture.get()
    let old = try fixture.tree("<user><name>u</name><role>guest</role></user>")
    let new = try fixture.edited(old, "<user><name>u</name><shell>sh</shell></user>")
    do {
      _ = try Self.validator.get().resolvingConditions(from: old, to: new)
      Issue.record("the edit was accepted")
    } catch let error as DatastoreFailure {
      #expect(summary(error.errors) == ["unknown-element - /a:user[a:name='u']/a:shell"])
    }
  }

  // MARK: Incremental is full

  @Test func givesTheSameVerdictIncrementallyAsInFull() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("incremental validation: seed \(seed)")
    var random = SeededRandom(seed)
    let fixture = try Self.fixture.get()
    let validator = try Self.validator.get()
    var valid = InteriorNode(schema: fixture.schema.root)
    var (accepted, refused) = (0, 0)
    for round in 0..<3000 {
      let edits = (0..<Int.random(in: 1...4, using: &random)).map { _ in Self.randomEdit(&random) }
      var next = valid
      for edit in edits { next = (try? fixture.edited(next, edit)) ?? next }
      let full = Set(summary(validator.validate(next)))
      let incremental = Set(summary(validator.validate(old: valid, new: next)))
      #expect(full == incremental, "seed \(seed), round \(round): \(edits)")
      if full != incremental { return }
      if full.isEmpty {
        valid = next
        accepted += 1
      } else {
        refused += 1
      }
    }
    #expect(accepted > 300 && refused > 300, "accepted \(accepted), refused \(refused)")
  }

  static func randomEdit(_ random: inout SeededRandom) -> String {
    func pick(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }
    func leaf(_ name: String, _ values: [String]) -> String {
      if Int.random(in: 0..<3, using: &random) == 0 { return "<\(name) nc:operation='remove'/>" }
      return "<\(name)>\(pick(values))</\(name)>"
    }
    let names = ["u", "v", "w"]
    let groups = ["g", "h"]
    func member() -> String {
      let operation = Int.random(in: 0..<3, using: &random) == 0 ? " nc:operation='remove'" : ""
      return "<group\(operation)>\(pick(groups))</group>"
    }
    switch Int.random(in: 0..<10, using: &random) {
    case 0:
      return "<server>\(leaf(pick(["ipv4", "ipv6", "hostname"]), ["1"]))\(leaf("port", ["1"]))</server>"
    case 1: return "<server>\(leaf("limit", ["3", "12"]))\(leaf("bound", ["4", "20"]))</server>"
    case 2: return "<user nc:operation='remove'><name>\(pick(names))</name></user>"
    case 3:
      return "<user><name>\(pick(names))</name>\(leaf("role", ["admin", "guest"]))\(leaf("shell", ["sh"]))"
        + "<home>\(leaf("path", ["p"]))\(leaf("quota", ["1"]))</home></user>"
    case 4: return "<user><name>\(pick(names))</name><role>admin</role>\(leaf("manager", names))\(member())</user>"
    case 5:
      return
        "<user><name>\(pick(names))</name><role>r</role>\(leaf("uid", ["1", "2"]))\(leaf("realm", ["local", "x"]))</user>"
    case 6:
      return Bool.random(using: &random)
        ? "<group nc:operation='remove'><name>\(pick(groups))</name></group>"
        : "<group><name>\(pick(groups))</name>\(leaf("owner", names))</group>"
    case 7:
      if Int.random(in: 0..<3, using: &random) == 0 { return "<policy nc:operation='remove'/>" }
      return
        "<policy>\(leaf("reason", ["x"]))<rule>\(pick(["a", "b", "c"]))</rule><rule>\(pick(["a", "b", "c"]))</rule></policy>"
    case 8:
      return pick([
        "<pointer>/a:group[a:name='g']</pointer>", "<pointer>/a:user[a:name='u']/a:uid</pointer>",
        "<pointer nc:operation='remove'/>", "<mixed>g</mixed>", "<mixed>7</mixed>", "<mixed nc:operation='remove'/>",
      ])
    default: return "<total>\(leaf("maximum", ["1", "2", "9"]))</total>"
    }
  }
}
