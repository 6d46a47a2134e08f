// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Testing
import YANG

@testable import NETCONF

@Suite struct OperationTests {
  static let sks = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-sks-server-cfg"

  static func profile(_ name: String, port: Int = 10001, operation: String? = nil) -> String {
    let attribute =
      operation.map { " nc:operation=\"\($0)\" xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\"" } ?? ""
    return """
      <profile\(attribute)><profile-name>\(name)</profile-name><type><remote><kme><server>\
      <ipv4>127.0.0.1</ipv4><port>\(port)</port></server></kme></remote></type></profile>
      """
  }
  static func config(_ profiles: String) -> String {
    "<config><sks-server xmlns=\"\(sks)\"><profiles>\(profiles)</profiles></sks-server></config>"
  }
  static func edit(_ profiles: String, options: String = "") -> String {
    "<edit-config><target><candidate/></target>\(options)\(config(profiles))</edit-config>"
  }
  static func get(_ source: String, _ filter: String? = nil) -> String {
    let filter = filter.map { "<filter type=\"subtree\">\($0)</filter>" } ?? ""
    return "<get-config><source><\(source)/></source>\(filter)</get-config>"
  }
  static func filter(_ content: String) -> String {
    "<sks-server xmlns=\"\(sks)\"><profiles>\(content)</profiles></sks-server>"
  }

  private func greeted(_ bench: SessionBench) throws -> BenchSession {
    let session = try bench.open()
    try session.greet()
    return session
  }

  // MARK: Configuration

  @Test func editCommitAndRead() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.edit(Self.profile("p1") + Self.profile("p2", port: 7))).contains("<ok/>"))
    #expect(try session.call(Self.get("running")).hasSuffix("<data></data></rpc-reply>"))
    #expect(try session.call(Self.get("candidate")).contains("<profile-name>p2</profile-name>"))
    #expect(try session.call("<validate><source><candidate/></source></validate>").contains("<ok/>"))
    #expect(try session.call("<commit/>").contains("<ok/>"))
    let all = try session.call(Self.get("running"))
    #expect(all.contains("<sks-server xmlns=\"\(Self.sks)\"><profiles>" + Self.profile("p1")), "\(all)")
    #expect(all.contains("</profiles></sks-server></data></rpc-reply>"))
  }

  @Test func filtersSelect() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    let profiles = (0..<50).map { Self.profile("p\($0)", port: 1000 + $0) }.joined()
    #expect(try session.call(Self.edit(profiles)).contains("<ok/>"))
    #expect(try session.call("<commit/>").contains("<ok/>"))
    let one = try session.call(
      Self.get("running", Self.filter("<profile><profile-name>p7</profile-name></profile>")))
    #expect(
      one.contains(Self.profile("p7", port: 1007)) && one.components(separatedBy: "<profile>").count == 2, "\(one)")
    let port = try session.call(
      Self.get(
        "running",
        Self.filter(
          "<profile><profile-name>p9</profile-name><type><remote><kme><server><port/></server></kme></remote>"
            + "</type></profile>"
        )))
    #expect(port.contains("<profile-name>p9</profile-name>") && port.contains("<port>1009</port>"), "\(port)")
    #expect(!port.contains("<ipv4>"))
    let none = try session.call(
      Self.get("running", Self.filter("<profile><profile-name>x</profile-name></profile>")))
    #expect(none.hasSuffix("<data></data></rpc-reply>"), "\(none)")
    let nothing = try session.call(Self.get("running", ""))
    #expect(nothing.hasSuffix("<data></data></rpc-reply>"), "\(nothing)")
    let names = try session.call(Self.get("running", Self.filter("<profile><profile-name/></profile>")))
    #expect(names.components(separatedBy: "<profile-name>").count == 51 && !names.contains("<port>"))
  }

  @Test func candidateIsDiscarded() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.edit(Self.profile("p1"))).contains("<ok/>"))
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
    #expect(try session.call(Self.get("candidate")).hasSuffix("<data></data></rpc-reply>"))
  }

  @Test func createDeleteAndTheirErrors() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.edit(Self.profile("p1", operation: "create"))).contains("<ok/>"))
    let exists = try session.call(Self.edit(Self.profile("p1", operation: "create")))
    #expect(exists.contains("<error-tag>data-exists</error-tag>"), "\(exists)")
    #expect(exists.contains("<error-path xmlns:"), "\(exists)")
    #expect(exists.contains("[") && exists.contains("profile-name='p1']</error-path>"), "\(exists)")
    let missing = try session.call(Self.edit(Self.profile("p2", operation: "delete")))
    #expect(missing.contains("<error-tag>data-missing</error-tag>"), "\(missing)")
    #expect(try session.call(Self.edit(Self.profile("p2", operation: "remove"))).contains("<ok/>"))
    #expect(try session.call(Self.edit(Self.profile("p1", operation: "delete"))).contains("<ok/>"))
    #expect(try session.call(Self.get("candidate")).hasSuffix("<data></data></rpc-reply>"))
  }

  @Test func wrongDataIsRefusedWhole() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    for wrong in [Self.profile("p1", port: 0), Self.profile("p1", port: 70000), "<profile><nothing/></profile>"] {
      let reply = try session.call(Self.edit(Self.profile("good") + wrong))
      #expect(reply.contains("<rpc-error>") && !reply.contains("<ok/>"), "\(reply)")
      #expect(reply.contains("<error-message xml:lang=\"en\">"))
      #expect(try session.call(Self.get("candidate")).hasSuffix("<data></data></rpc-reply>"), "half applied")
    }
    let unknown = try session.call(
      "<edit-config><target><candidate/></target><config><x xmlns=\"urn:nowhere\"/></config></edit-config>")
    #expect(unknown.contains("<error-tag>unknown-namespace</error-tag>"), "\(unknown)")
  }

  @Test func testOptions() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    let only = "<test-option>test-only</test-option>"
    #expect(try session.call(Self.edit(Self.profile("p1"), options: only)).contains("<ok/>"))
    #expect(try session.call(Self.get("candidate")).hasSuffix("<data></data></rpc-reply>"))
    let then = "<test-option>test-then-set</test-option>"
    #expect(try session.call(Self.edit(Self.profile("p1"), options: then)).contains("<ok/>"))
    #expect(try session.call(Self.get("candidate")).contains("<profile-name>p1</profile-name>"))
  }

  @Test func defaultOperations() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.edit(Self.profile("p1") + Self.profile("p2"))).contains("<ok/>"))
    let none = try session.call(
      Self.edit(Self.profile("p3"), options: "<default-operation>none</default-operation>"))
    #expect(none.contains("data-missing"), "\(none)")
    #expect(
      try session.call(Self.edit(Self.profile("p3"), options: "<default-operation>replace</default-operation>"))
        .contains("<ok/>"))
    let after = try session.call(Self.get("candidate"))
    #expect(after.contains("p3") && !after.contains("p1<"), "\(after)")
  }

  @Test func copyAndInlineConfigurations() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.edit(Self.profile("p1"))).contains("<ok/>"))
    #expect(try session.call("<commit/>").contains("<ok/>"))
    let inline =
      "<copy-config><target><candidate/></target><source>\(Self.config(Self.profile("p9")))</source></copy-config>"
    #expect(try session.call(inline).contains("<ok/>"))
    let copied = try session.call(Self.get("candidate"))
    #expect(copied.contains("p9") && !copied.contains("p1<"))
    let back = "<copy-config><target><candidate/></target><source><running/></source></copy-config>"
    #expect(try session.call(back).contains("<ok/>"))
    #expect(try session.call(Self.get("candidate")).contains("p1<"))
    #expect(
      try session.call("<validate><source>\(Self.config(Self.profile("p9")))</source></validate>").contains("<ok/>"))
  }

  // MARK: Locks

  @Test func locksKeepOthersOut() throws {
    let bench = try SessionBench()
    let first = try greeted(bench)
    let second = try greeted(bench)
    #expect(try first.call("<lock><target><candidate/></target></lock>").contains("<ok/>"))
    let denied = try second.call("<lock><target><candidate/></target></lock>")
    #expect(denied.contains("<error-tag>lock-denied</error-tag>"))
    #expect(denied.contains("<session-id>\(first.session.record.id)</session-id>"), "\(denied)")
    #expect(try second.call(Self.edit(Self.profile("p1"))).contains("<error-tag>in-use</error-tag>"))
    #expect(try second.call("<unlock><target><candidate/></target></unlock>").contains("<rpc-error>"))
    let state = try second.call(
      "<get><filter><netconf-state xmlns=\"\(Namespace.monitoring)\"><datastores/></netconf-state></filter></get>")
    #expect(state.contains("<locked-by-session>\(first.session.record.id)</locked-by-session>"), "\(state)")
    #expect(try first.call("<unlock><target><candidate/></target></unlock>").contains("<ok/>"))
    #expect(try second.call(Self.edit(Self.profile("p1"))).contains("<ok/>"))
  }

  @Test func theEndOfASessionGivesItsLocksBack() throws {
    let bench = try SessionBench()
    let first = try greeted(bench)
    let second = try greeted(bench)
    #expect(try first.call("<lock><target><running/></target></lock>").contains("<ok/>"))
    #expect(try first.call("<lock><target><candidate/></target></lock>").contains("<ok/>"))
    #expect(try first.call(Self.edit(Self.profile("p1"))).contains("<ok/>"))
    first.endInput()
    #expect(try second.call("<lock><target><running/></target></lock>").contains("<ok/>"))
    #expect(try second.call("<lock><target><candidate/></target></lock>").contains("<ok/>"))
    #expect(try second.call(Self.get("candidate")).hasSuffix("<data></data></rpc-reply>"), "the changes are gone")
  }

  // MARK: Schemas and monitoring

  @Test func everySchemaIsHandedOutAsItsFile() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    for file in SchemaFile.all(of: bench.datastore.schema) {
      let reply = try session.call(
        """
        <get-schema xmlns="\(Namespace.monitoring)"><identifier>\(file.identifier)</identifier>\
        <version>\(file.version)</version><format xmlns:m="\(Namespace.monitoring)">m:yang</format></get-schema>
        """)
      let start = try #require(reply.range(of: "<data xmlns=\"\(Namespace.monitoring)\">"))
      let end = try #require(reply.range(of: "</data></rpc-reply>"))
      var text = String(reply[start.upperBound..<end.lowerBound])
      for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
        text = text.replacingOccurrences(of: entity, with: character)
      }
      let differs = Array(text.utf8) != file.source.bytes
      #expect(!differs, "\(file.identifier)")
    }
  }

  @Test func stateOfTheServer() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    _ = try session.call("<unheard-of/>")
    let state = try session.call("<get><filter><netconf-state xmlns=\"\(Namespace.monitoring)\"/></filter></get>")
    for part in [
      "<capability>urn:ietf:params:netconf:base:1.1</capability>", "<datastore><name>running</name></datastore>",
      "<identifier>ietf-netconf-monitoring</identifier><version>2010-10-04</version>", "<location>NETCONF</location>",
      "<session-id>\(session.session.record.id)</session-id>", ">netconf-ssh</transport>", "<username>admin</username>",
      "<source-host>192.0.2.7</source-host>", "<in-rpcs>1</in-rpcs>", "<in-bad-rpcs>1</in-bad-rpcs>",
      "<out-rpc-errors>1</out-rpc-errors>", "<in-sessions>1</in-sessions>",
    ] {
      #expect(state.contains(part), "no \(part) in \(state.prefix(3000))")
    }
  }

  @Test func yangLibraryAndStreams() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    let library = try session.call(
      "<get><filter><yang-library xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-library\"/></filter></get>")
    #expect(library.contains("<content-id>\(bench.core.contentID)</content-id>"))
    #expect(library.contains("<module><name>agentd-sks</name>"), "\(library.prefix(2000))")
    #expect(library.contains(":running</name><schema>all</schema>"))
    let old = try session.call(
      "<get><filter><modules-state xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-library\"/></filter></get>")
    #expect(old.contains("<conformance-type>implement</conformance-type>"))
    let streams = try session.call(
      "<get><filter><netconf xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"/></filter></get>")
    #expect(streams.contains("<name>NETCONF</name>") && streams.contains("<replaySupport>false</replaySupport>"))
  }

  @Test func getHoldsConfigurationAndState() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.edit(Self.profile("p1"))).contains("<ok/>"))
    #expect(try session.call("<commit/>").contains("<ok/>"))
    let all = try session.call("<get/>")
    #expect(
      all.contains("<profile-name>p1</profile-name>") && all.contains("<netconf-state") && all.contains("<yang-library")
    )
  }

  // MARK: Notifications

  static let subscribe = "<create-subscription xmlns=\"\(Namespace.notification)\"/>"

  @Test func sessionsAreNotified() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    #expect(try session.call(Self.subscribe).contains("<ok/>"))
    #expect(try session.call(Self.subscribe).contains("<error-tag>in-use</error-tag>"))
    let other = try greeted(bench)
    let start = try session.next()
    #expect(start.hasPrefix("<notification xmlns=\"\(Namespace.notification)\"><eventTime>"), "\(start)")
    #expect(start.contains("<netconf-session-start xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-notifications\">"))
    #expect(start.contains("<session-id>\(other.session.record.id)</session-id>"))
    // Interleave: requests are still answered.
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
    #expect(try other.call("<close-session/>").contains("<ok/>"))
    #expect(try session.next().contains("<termination-reason>closed</termination-reason>"))
  }

  @Test func commitsAreNotified() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    let other = try greeted(bench)
    #expect(try session.call(Self.subscribe).contains("<ok/>"))
    #expect(try other.call(Self.edit(Self.profile("p1"))).contains("<ok/>"))
    #expect(try other.call("<commit/>").contains("<ok/>"))
    let change = try session.next()
    for part in [
      "<netconf-config-change xmlns=", "<username>admin</username>",
      "<session-id>\(other.session.record.id)</session-id><source-host>192.0.2.7</source-host>",
      "<datastore>running</datastore>", "<operation>create</operation>",
    ] {
      #expect(change.contains(part), "no \(part) in \(change)")
    }
    #expect(change.contains(":sks-server") && change.contains("</target>"), "\(change)")
    // What is too much to be listed is told by its top.
    let many = (0..<300).map { Self.profile("many\($0)") }.joined()
    #expect(try other.call(Self.edit(many)).contains("<ok/>"))
    #expect(try other.call("<commit/>").contains("<ok/>"))
    let bulk = try session.next()
    #expect(bulk.components(separatedBy: "<edit>").count == 2, "\(bulk)")
  }

  @Test func invalidCandidatesAreNotCommitted() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    // A port without an address breaks the must of port.
    let half = """
      <profile><profile-name>p1</profile-name><type><remote><kme><server><port>5</port></server></kme></remote></type>\
      </profile>
      """
    let refused = try session.call(Self.edit(half, options: "<test-option>test-then-set</test-option>"))
    #expect(refused.contains("<error-app-tag>must-violation</error-app-tag>"), "\(refused)")
    #expect(try session.call(Self.get("candidate")).hasSuffix("<data></data></rpc-reply>"))
    #expect(try session.call(Self.edit(half)).contains("<ok/>"))
    for operation in ["<validate><source><candidate/></source></validate>", "<commit/>"] {
      let reply = try session.call(operation)
      #expect(reply.contains("<error-app-tag>must-violation</error-app-tag>"), "\(reply)")
      #expect(reply.contains("<error-path xmlns:"), "\(reply)")
    }
    #expect(try session.call(Self.get("running")).hasSuffix("<data></data></rpc-reply>"))
  }

  @Test func subscriptionsFilter() throws {
    let bench = try SessionBench()
    let session = try greeted(bench)
    let filtered = """
      <create-subscription xmlns="\(Namespace.notification)"><stream>NETCONF</stream><filter type="subtree">\
      <netconf-session-end xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"/></filter>\
      </create-subscription>
      """
    #expect(try session.call(filtered).contains("<ok/>"))
    let other = try greeted(bench)
    #expect(try other.call("<close-session/>").contains("<ok/>"))
    #expect(try session.next().contains("netconf-session-end"))
    #expect(!session.hasMessage)
  }

  @Test func slowSubscribersLoseEventsNotMemory() throws {
    var limits = SessionLimits()
    limits.waitingNotifications = 10
    let bench = try SessionBench(limits: limits)
    let session = try greeted(bench)
    #expect(try session.call(Self.subscribe).contains("<ok/>"))
    let event = try #require(SessionNotifications.started(session.session.record, schema: bench.datastore.schema))
    for _ in 0..<100 { bench.datastore.events.publish(event) }
    var count = 0
    while session.hasMessage {
      _ = try session.next()
      count += 1
    }
    #expect(count == 10)
    #expect(session.session.subscription?.droppedCount == 90)
  }

  // MARK: Operations of modules

  @Test func operationsOfModulesAreCalled() async throws {
    // Backends answer from the pool of threads that this test must not hold up while it waits.
    try await onThreadOfItsOwn { try callOperations() }
  }

  private func callOperations() throws {
    let bench = try SessionBench(backends: [KeyTester()])
    let session = try greeted(bench)
    let namespace = try #require(bench.datastore.schema.module(named: "agentd-sks")?.namespace)
    let reply = try session.call("<test-key xmlns=\"\(namespace)\"><profile-name>p1</profile-name></test-key>")
    #expect(reply.contains("<key-id xmlns=\"\(namespace)\">"), "\(reply)")
    let failed = try session.call("<test-key xmlns=\"\(namespace)\"><profile-name>none</profile-name></test-key>")
    #expect(failed.contains("<error-message xml:lang=\"en\">no such profile</error-message>"), "\(failed)")
    let wrong = try session.call("<test-key xmlns=\"\(namespace)\"><nothing/></test-key>")
    #expect(wrong.contains("<error-tag>unknown-element</error-tag>"), "\(wrong)")
    let empty = try session.call("<test-key xmlns=\"\(namespace)\"/>")
    #expect(empty.contains("<rpc-error>") && empty.contains("profile-name"), "\(empty)")
    let missing = try SessionBench()
    let lonely = try greeted(missing)
    #expect(
      try lonely.call("<test-key xmlns=\"\(namespace)\"><profile-name>p1</profile-name></test-key>")
        .contains("operation-not-supported"))
  }
}

/// A backend with one rpc.
private struct KeyTester: Backend {
  let name = "test"
  let subscriptions: [String] = []
  let operationalPaths: [String] = []
  let operations = ["/agentd-sks:test-key"]
  func prepare(_ changes: ChangeSet) -> [Refusal] { [] }
  func apply(_ changes: ChangeSet) {}
  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> { AnyIterator { nil } }
  func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode? {
    guard case .string("p1")? = operation.input.leaf("profile-name"), operation.user == "admin" else {
      throw DatastoreError(.operationFailed, message: "no such profile")
    }
    guard let output = operation.schema.children.first(where: { $0.kind == .output }) else { return nil }
    var composer = NodeComposer(output, in: ProjectSchema.schema)
    composer.leaf("key-id", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    return composer.build()
  }
}
