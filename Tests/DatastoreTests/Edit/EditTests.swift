// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// The operations of RFC 6241 section 7.2 and the insertion of RFC 7950 section 7.8.6, from XML to the resulting tree.
@Suite struct EditTests {
  let fixture = EditFixture(
    schema: TestSchema([
      container(
        "top",
        [
          leaf("name"), leaf("number", .uint32),
          container("plain", [leaf("a"), leaf("b")]),
          container("presence", presence: true, [leaf("a"), container("deep", presence: true, [leaf("x")])]),
          list("item", key: "id", [leaf("id", .uint32), leaf("text"), container("sub", [leaf("x")])]),
          list("rule", key: "id", byUser: true, [leaf("id"), leaf("text")]),
          leafList("tag"), leafList("step", byUser: true),
          choice(
            "how",
            [
              aCase("one", [leaf("one-a"), leaf("one-b")]),
              aCase("two", [leaf("two-a"), choice("inner", [aCase("p", [leaf("p")]), aCase("q", [leaf("q")])])]),
              aCase("three", [container("three", [leaf("x")])]),
            ]),
          leaf("foreign").foreign,
          container("state", [leaf("counter", .uint32)]).state,
        ])
    ]))

  func check(
    _ before: String, _ edit: String, _ after: String, default operation: EditOperation = .merge,
    _ location: Testing.SourceLocation = #_sourceLocation
  ) throws {
    let tree = try fixture.tree("<top>\(before)</top>")
    let result = try fixture.apply("<top>\(edit)</top>", to: tree, default: operation)
    let expected = try fixture.tree("<top>\(after)</top>")
    #expect(fixture.describe(result) == fixture.describe(expected), sourceLocation: location)
    #expect(result == expected, sourceLocation: location)
  }

  func refuse(
    _ before: String, _ edit: String, _ errors: [String], default operation: EditOperation = .merge,
    _ location: Testing.SourceLocation = #_sourceLocation
  ) throws {
    let tree = try fixture.tree("<top>\(before)</top>")
    let expected = errors.map { $0.replacingOccurrences(of: "~", with: "/test:top/test:") }
    #expect(
      fixture.refusal("<top>\(edit)</top>", to: tree, default: operation) == expected, sourceLocation: location)
  }

  // MARK: merge

  @Test func mergeAddsAndReplacesLeafs() throws {
    try check("<name>a</name>", "<number>7</number>", "<name>a</name><number>7</number>")
    try check("<name>a</name>", "<name>b</name>", "<name>b</name>")
    try check("", "<o:foreign>x</o:foreign>", "<o:foreign>x</o:foreign>")
  }

  @Test func mergeKeepsWhatIsNotMentioned() throws {
    try check(
      "<item><id>1</id><text>a</text></item><item><id>2</id></item>",
      "<item><id>3</id></item><item><sub><x>y</x></sub><id>1</id></item>",
      "<item><id>1</id><text>a</text><sub><x>y</x></sub></item><item><id>2</id></item><item><id>3</id></item>")
  }

  @Test func mergeOfTheSameIsTheSameObject() throws {
    let tree = try fixture.tree("<top><name>a</name><item><id>1</id><text>a</text></item><tag>t</tag></top>")
    let again = try fixture.apply(
      "<top><tag>t</tag><item><id>1</id><text>a</text></item><name>a</name></top>", to: tree)
    #expect(again === tree)
  }

  @Test func mergeLeafLists() throws {
    try check("<tag>b</tag>", "<tag>a</tag><tag>b</tag>", "<tag>a</tag><tag>b</tag>")
    try check("<step>b</step>", "<step>a</step><step>b</step>", "<step>b</step><step>a</step>")
  }

  @Test func nonPresenceContainersComeAndGo() throws {
    try check("", "<plain/>", "")
    try check("<plain><a>x</a></plain>", "<plain><a nc:operation='delete'/></plain>", "")
    let tree = try fixture.tree("<top><plain><a>x</a></plain></top>")
    let empty = try fixture.apply("<top><plain><a nc:operation='delete'/></plain></top>", to: tree)
    #expect(empty.isEmpty, "also the containers above are gone")
    try check("<presence/>", "<name>x</name>", "<presence/><name>x</name>")
  }

  // MARK: replace

  @Test func replaceContainersAndEntries() throws {
    try check(
      "<plain><a>x</a><b>y</b></plain>", "<plain nc:operation='replace'><a>z</a></plain>", "<plain><a>z</a></plain>")
    try check(
      "<item><id>1</id><text>a</text></item><item><id>2</id></item>",
      "<item nc:operation='replace'><id>1</id><sub><x>y</x></sub></item>",
      "<item><id>1</id><sub><x>y</x></sub></item><item><id>2</id></item>")
    try check(
      "<tag>a</tag>", "<tag nc:operation='replace'>a</tag><tag nc:operation='replace'>b</tag>",
      "<tag>a</tag><tag>b</tag>")
    try check("<plain><a>x</a></plain>", "<plain nc:operation='replace'/>", "")
    try check("<number>1</number>", "<number nc:operation='replace'>2</number>", "<number>2</number>")
  }

  @Test func replaceByDefault() throws {
    let tree = try fixture.tree("<top><name>a</name><tag>t</tag></top>")
    let result = try fixture.apply("<top><tag>u</tag></top>", to: tree, default: .replace)
    #expect(fixture.describe(result) == "top{tag=[u]}")
    let emptied = try fixture.apply("", to: tree, default: .replace)
    #expect(emptied.isEmpty)
  }

  @Test func mergeInsideReplace() throws {
    try check(
      "<presence><a>1</a><deep><x>2</x></deep></presence>",
      "<presence nc:operation='replace'><deep nc:operation='merge'><x>3</x></deep></presence>",
      "<presence><deep><x>3</x></deep></presence>")
  }

  // MARK: create

  @Test func create() throws {
    try check("", "<name nc:operation='create'>a</name>", "<name>a</name>")
    try check("", "<presence nc:operation='create'><a>1</a></presence>", "<presence><a>1</a></presence>")
    try check(
      "<item><id>2</id></item>", "<item nc:operation='create'><id>1</id></item>",
      "<item><id>1</id></item><item><id>2</id></item>")
    try check("<tag>a</tag>", "<tag nc:operation='create'>b</tag>", "<tag>a</tag><tag>b</tag>")
  }

  @Test func createOfWhatIsThere() throws {
    try refuse("<name>a</name>", "<name nc:operation='create'>b</name>", ["data-exists ~name"])
    try refuse("<presence/>", "<presence nc:operation='create'/>", ["data-exists ~presence"])
    try refuse("<plain><a>x</a></plain>", "<plain nc:operation='create'/>", ["data-exists ~plain"])
    try refuse(
      "<item><id>1</id></item>", "<item nc:operation='create'><id>1</id></item>",
      ["data-exists ~item[test:id='1']"])
    try refuse("<tag>a</tag>", "<tag nc:operation='create'>a</tag>", ["data-exists ~tag[.='a']"])
  }

  // MARK: delete and remove

  @Test func deleteAndRemove() throws {
    for operation in ["delete", "remove"] {
      try check("<name>a</name><number>1</number>", "<name nc:operation='\(operation)'/>", "<number>1</number>")
      try check(
        "<name>a</name><number>1</number>", "<name nc:operation='\(operation)'>other</name>", "<number>1</number>")
      try check("<presence><a>1</a></presence>", "<presence nc:operation='\(operation)'/>", "")
      try check(
        "<item><id>1</id></item><item><id>2</id></item>", "<item nc:operation='\(operation)'><id>1</id></item>",
        "<item><id>2</id></item>")
      try check("<tag>a</tag><tag>b</tag>", "<tag nc:operation='\(operation)'>a</tag>", "<tag>b</tag>")
      try check("<step>b</step><step>a</step>", "<step nc:operation='\(operation)'>b</step>", "<step>a</step>")
    }
  }

  @Test func deleteOfWhatIsNotThere() throws {
    try refuse("", "<name nc:operation='delete'/>", ["data-missing ~name"])
    try refuse("", "<presence nc:operation='delete'/>", ["data-missing ~presence"])
    try refuse(
      "<item><id>1</id></item>", "<item nc:operation='delete'><id>2</id></item>",
      ["data-missing ~item[test:id='2']"])
    try refuse("<tag>a</tag>", "<tag nc:operation='delete'>b</tag>", ["data-missing ~tag[.='b']"])
    try check(
      "<number>1</number>", "<name nc:operation='remove'/><tag nc:operation='remove'>x</tag>", "<number>1</number>")
    try check("<number>1</number>", "<item nc:operation='remove'><id>9</id></item>", "<number>1</number>")
  }

  @Test func deleteInsideAnEntry() throws {
    try check(
      "<item><id>1</id><text>a</text><sub><x>y</x></sub></item>",
      "<item><id>1</id><text nc:operation='delete'/></item>",
      "<item><id>1</id><sub><x>y</x></sub></item>")
    try refuse(
      "<item><id>1</id></item>", "<item><id>1</id><text nc:operation='delete'/></item>",
      ["data-missing ~item[test:id='1']/test:text"])
    try refuse(
      "", "<item><id>1</id><id nc:operation='delete'/></item>", ["bad-attribute ~item[test:id='1']/test:id"])
  }

  @Test func allErrorsAreReportedAndNothingIsDone() throws {
    try refuse(
      "<name>a</name>",
      "<name nc:operation='create'>x</name><number nc:operation='delete'/><tag nc:operation='delete'>y</tag>",
      ["data-exists ~name", "data-missing ~number", "data-missing ~tag[.='y']"])
  }

  // MARK: none

  @Test func noneByDefault() throws {
    try check(
      "<item><id>1</id><text>a</text></item>", "<item><id>1</id><text nc:operation='replace'>b</text></item>",
      "<item><id>1</id><text>b</text></item>", default: .none)
    try check("<name>a</name>", "<name>other</name>", "<name>a</name>", default: .none)
    try refuse(
      "<item><id>1</id></item>", "<item><id>2</id><text nc:operation='create'>b</text></item>",
      ["data-missing ~item[test:id='2']"], default: .none)
    try refuse("", "<presence><a>1</a></presence>", ["data-missing ~presence"], default: .none)
    try refuse("", "<name>a</name>", ["data-missing ~name"], default: .none)
    try check("", "<plain><a nc:operation='create'>1</a></plain>", "<plain><a>1</a></plain>", default: .none)
  }

  // MARK: Choices

  @Test func aCaseTakesTheOthersPlace() throws {
    try check("<one-a>1</one-a><one-b>2</one-b>", "<two-a>3</two-a>", "<two-a>3</two-a>")
    try check("<one-a>1</one-a>", "<one-b>2</one-b>", "<one-a>1</one-a><one-b>2</one-b>")
    try check("<two-a>1</two-a><p>2</p>", "<q>3</q>", "<two-a>1</two-a><q>3</q>")
    try check("<two-a>1</two-a><p>2</p>", "<one-a nc:operation='create'>3</one-a>", "<one-a>3</one-a>")
    try check("<two-a>1</two-a>", "<three><x>1</x></three>", "<three><x>1</x></three>")
    try check("<two-a>1</two-a>", "<three/>", "<two-a>1</two-a>")
    try check("<two-a>1</two-a>", "<one-a nc:operation='remove'/>", "<two-a>1</two-a>")
    try check("<p>2</p>", "<p nc:operation='remove'/><q>1</q>", "<q>1</q>")
  }

  @Test func twoCasesInOneEdit() throws {
    try refuse("", "<one-a>1</one-a><two-a>2</two-a>", ["bad-element ~two-a"])
    try refuse("", "<q>1</q><p nc:operation='create'>2</p>", ["bad-element ~p"])
  }

  // MARK: User-ordered lists

  /// Of values of one leaf-list, the order in the edit is that of the result, whether they have operations or not.
  @Test func plainValuesBehindEdits() throws {
    try check(
      "<step>a</step>", "<step>b</step><step nc:operation='create'>c</step><step>d</step>",
      "<step>a</step><step>b</step><step>c</step><step>d</step>")
  }

  @Test func refusedEntriesAreNotPlaced() throws {
    try refuse(
      "<rule><id>a</id></rule>",
      "<rule nc:operation='create' yang:insert='after' yang:key=\"[id='x']\"><id>a</id></rule>",
      ["data-exists ~rule[test:id='a']"])
  }

  /// What is wrong in an entry does not hide what is wrong with its place.
  @Test func entriesWithFaultsAreToldOfTheirPlaceToo() throws {
    let edit = "<rule yang:insert='after' yang:key=\"[id='x']\"><id>a</id><text nc:operation='delete'>t</text></rule>"
    let errors = ["data-missing ~rule[test:id='a']/test:text", "bad-attribute ~rule[test:id='a']"]
    try refuse("<rule><id>a</id></rule>", edit, errors)
    // The same where there are so many edits that the order is made anew.
    let many = (0..<40).map { "<rule><id>\($0)</id></rule>" }.joined()
    try refuse("<rule><id>a</id></rule>", edit + many, errors)
  }

  @Test func insertion() throws {
    let rules = "<rule><id>a</id></rule><rule><id>b</id></rule><rule><id>c</id></rule>"
    func order(_ ids: String) -> String { ids.map { "<rule><id>\($0)</id></rule>" }.joined() }
    try check(rules, "<rule><id>d</id></rule>", order("abcd"))
    try check(rules, "<rule yang:insert='first'><id>d</id></rule>", order("dabc"))
    try check(rules, "<rule nc:operation='create' yang:insert='last'><id>d</id></rule>", order("abcd"))
    try check(
      rules, "<rule yang:insert='before' yang:key=\"[t:id='b']\" xmlns:t='urn:test:test'><id>d</id></rule>",
      order("adbc"))
    try check(rules, "<rule yang:insert='after' yang:key=\"[id='b']\"><id>a</id></rule>", order("bac"))
    try check(
      rules, "<rule yang:insert='first'><id>c</id></rule><rule yang:insert='first'><id>b</id></rule>", order("bca"))
    try refuse(
      rules, "<rule yang:insert='after' yang:key=\"[id='x']\"><id>a</id></rule>", ["bad-attribute ~rule[test:id='a']"])
    try check(
      rules, "<rule><id>x</id></rule><rule nc:operation='create'><id>y</id></rule><rule><id>z</id></rule>",
      order("abcxyz"))
    let steps = "<step>a</step><step>b</step>"
    try check(steps, "<step yang:insert='before' yang:value='b'>c</step>", "<step>a</step><step>c</step><step>b</step>")
    try check(steps, "<step yang:insert='first'>b</step>", "<step>b</step><step>a</step>")
    try refuse(steps, "<step yang:insert='after' yang:value='x'>a</step>", ["bad-attribute ~step[.='a']"])
  }

  @Test(arguments: [
    ("<rule yang:insert='middle'><id>d</id></rule>", "bad-attribute"),
    ("<rule yang:insert='before'><id>d</id></rule>", "missing-attribute"),
    ("<rule yang:key=\"[id='a']\"><id>d</id></rule>", "missing-attribute"),
    ("<rule yang:insert='before' yang:key='id'><id>d</id></rule>", "bad-attribute"),
    ("<rule yang:insert='before' yang:key=\"[o:id='a']\"><id>d</id></rule>", "bad-attribute"),
    ("<item yang:insert='first'><id>1</id></item>", "unknown-attribute"),
    ("<step yang:insert='after'>x</step>", "missing-attribute"),
    ("<name nc:operation='merges'>x</name>", "bad-attribute"),
    ("<name nc:operation='none'>x</name>", "bad-attribute"),
    ("<name operation='delete'>x</name>", "unknown-attribute"),
    ("<name nc:other='delete'>x</name>", "unknown-attribute"),
  ]) func badAttributes(edit: String, tag: String) throws {
    let tree = try fixture.tree("<top><name>a</name></top>")
    let refusal = fixture.refusal("<top>\(edit)</top>", to: tree)
    #expect(refusal.count == 1)
    #expect(refusal.first?.hasPrefix(tag + " ") == true, "\(refusal)")
  }

  // MARK: What does not fit the schema

  @Test(arguments: [
    ("<nothing/>", ["unknown-element /test:top"]),
    ("<x:name xmlns:x='urn:other'>a</x:name>", ["unknown-namespace /test:top"]),
    ("<o:name>a</o:name>", ["unknown-element /test:top"]),
    ("<name xmlns=''>a</name>", ["unknown-namespace /test:top"]),
    ("<number>x</number>", ["invalid-value /test:top/test:number"]),
    ("<number/>", ["invalid-value /test:top/test:number"]),
    ("<name>a</name><name>b</name>", ["bad-element /test:top/test:name"]),
    ("<plain/><plain><a>1</a></plain><plain><b>1</b></plain>", ["bad-element /test:top/test:plain"]),
    ("<plain><a>1</a></plain><plain><b nc:operation='create'>1</b></plain>", ["bad-element /test:top/test:plain"]),
    (
      "<plain nc:operation='replace'><a>1</a></plain><plain><b nc:operation='remove'/></plain>",
      ["bad-element /test:top/test:plain"]
    ),
    ("<item><text>a</text></item>", ["missing-element /test:top/test:item"]),
    ("<item><id>1</id></item><item><id>1</id></item>", ["bad-element /test:top/test:item[test:id='1']"]),
    (
      "<item><id>1</id></item><item nc:operation='delete'><id>1</id></item>",
      ["bad-element /test:top/test:item[test:id='1']"]
    ),
    ("<tag>a</tag><tag>a</tag>", ["bad-element /test:top/test:tag[.='a']"]),
    ("<plain>text</plain>", ["bad-element /test:top/test:plain"]),
    ("<name><b/></name>", ["unknown-element /test:top/test:name"]),
    ("<state><counter>1</counter></state>", ["bad-element /test:top/test:state"]),
    (
      "<item><id>7</id><sub><y/></sub></item><number>-1</number>",
      ["unknown-element /test:top/test:item[test:id='7']/test:sub", "invalid-value /test:top/test:number"]
    ),
  ]) func unfit(edit: String, errors: [String]) throws {
    #expect(fixture.refusal("<top>\(edit)</top>", to: InteriorNode(schema: fixture.schema.root)) == errors)
  }

  @Test func manyErrorsAreBounded() throws {
    let edit = String(repeating: "<nothing/>", count: 5000)
    #expect(fixture.refusal("<top>\(edit)</top>", to: InteriorNode(schema: fixture.schema.root)).count == 100)
  }

  @Test func piecesOfAnySizeGiveTheSameEdit() throws {
    let content =
      "<top><name> grün &amp; </name><item><id>1</id><text nc:operation='remove'/></item>"
      + "<item><id> 2 </id></item></top>"
    let whole = fixture.describe(try fixture.edit(content).applied(to: InteriorNode(schema: fixture.schema.root)))
    #expect(whole == "top{name= grün &  item{id=1} item{id=2}}")
    for size in 1...40 {
      let tree = try fixture.parser(content, pieces: size).edit().applied(to: InteriorNode(schema: fixture.schema.root))
      #expect(fixture.describe(tree) == whole, "pieces of \(size)")
    }
  }
}

extension String {
  fileprivate func replacingOccurrences(of character: Character, with text: String) -> String {
    split(separator: character, omittingEmptySubsequences: false).joined(separator: text)
  }
}
