// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import NETCONF

@Suite struct SessionEngineTests {
  private func greeted(limits: SessionLimits = SessionLimits()) throws -> (bench: SessionBench, session: BenchSession) {
    let bench = try SessionBench(limits: limits)
    let session = try bench.open()
    try session.greet()
    return (bench, session)
  }

  // MARK: Hello

  @Test func helloAnnouncesWhatIsThere() throws {
    let bench = try SessionBench()
    let session = try bench.open()
    let hello = try session.greet()
    for capability in [
      "base:1.0<", "base:1.1<", "candidate:1.0<", "validate:1.1<", "rollback-on-error:1.0<", "notification:1.0<",
      "interleave:1.0<", "with-defaults:1.0?basic-mode=explicit<",
      "yang-library:1.1?revision=2019-01-04&amp;content-id=\(bench.core.contentID)<",
    ] {
      #expect(hello.contains(capability), "no \(capability)")
    }
    #expect(hello.contains("<session-id>\(session.session.record.id)</session-id>"))
    // Modules of YANG 1 are in the hello, with revision and features; those of YANG 1.1 are not.
    #expect(hello.contains("?module=Cisco-IOS-XR-um-sks-server-cfg&amp;revision=2025-08-29"))
    #expect(!hello.contains("module=ietf-yang-library&"))
    #expect(hello.contains("&amp;features=candidate,rollback-on-error,validate<"))
  }

  @Test func identifiersOfSessionsDiffer() throws {
    let bench = try SessionBench()
    let identifiers = try (0..<5).map { _ in try bench.open().session.record.id }
    #expect(Set(identifiers).count == 5 && identifiers.allSatisfy { $0 > 0 })
  }

  private static let helloStart = "<hello xmlns='urn:ietf:params:xml:ns:netconf:base:1.0'><capabilities>"
  private static let base10 = "<capability>urn:ietf:params:netconf:base:1.0</capability>"

  @Test(arguments: [
    helloStart + "</capabilities></hello>]]>]]>",
    helloStart + "<capability>urn:ietf:params:netconf:base:2.0</capability></capabilities></hello>]]>]]>",
    helloStart + base10 + "</capabilities><session-id>4</session-id></hello>]]>]]>",
    "<hello><capabilities>" + base10 + "</capabilities></hello>]]>]]>",
    "<rpc xmlns='urn:ietf:params:xml:ns:netconf:base:1.0' message-id='1'><get/></rpc>]]>]]>",
    "not xml]]>]]>", "]]>]]>", "<hello]]>]]>", "<!DOCTYPE hello [<!ENTITY a \"b\">]><hello/>]]>]]>",
  ])
  func wrongHelloEndsTheSession(_ hello: String) throws {
    let bench = try SessionBench()
    let session = try bench.open()
    session.send(hello)
    #expect(session.isFinished, "\(hello)")
    #expect(bench.core.registry.totals.inBadHellos == 1)
    #expect(bench.core.registry.sessions.isEmpty)
  }

  @Test func helloIsBoundedInSizeAndTime() throws {
    var limits = SessionLimits()
    limits.helloBytes = 10_000
    let bench = try SessionBench(limits: limits)
    let large = try bench.open()
    large.send(String(repeating: " ", count: 10_001))
    #expect(large.isFinished)
    let slow = try bench.open()
    slow.send("<hello")
    bench.advance(.seconds(29))
    slow.tick()
    #expect(!slow.isFinished)
    bench.advance(.seconds(2))
    slow.tick()
    #expect(slow.isFinished)
  }

  @Test func helloAndFirstRequestInOneWrite() throws {
    let bench = try SessionBench()
    let session = try bench.open()
    let rpc = "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"9\"><close-session/></rpc>"
    try session.greet(BenchSession.clientHello + "\n#\(rpc.utf8.count)\n\(rpc)\n##\n")
    #expect(try session.next().contains("message-id=\"9\"><ok/>"))
    #expect(session.isFinished)
  }

  @Test func base10StaysWithEndOfMessage() throws {
    let bench = try SessionBench()
    let session = try bench.open()
    try session.greet(BenchSession.clientHello.replacingOccurrences(of: "base:1.1", with: "x"))
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
    // Lines between messages are no part of them.
    session.send("\n\n<?xml version=\"1.0\"?>")
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
  }

  // MARK: Messages

  @Test func attributesAreEchoed() throws {
    let (_, session) = try greeted()
    session.send(
      message: """
        <nc:rpc xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:ex="http://example.com/" \
        message-id="a &lt;1&gt;" ex:user="&quot;fred&#10;" plain="2"><nc:close-session/></nc:rpc>
        """)
    let reply = try session.next()
    #expect(reply.contains("message-id=\"a &lt;1&gt;\""))
    #expect(reply.contains("xmlns:a1=\"http://example.com/\" a1:user=\"&quot;fred&#10;\""))
    #expect(reply.contains("plain=\"2\""))
  }

  @Test func messageIDIsRequired() throws {
    let (bench, session) = try greeted()
    session.send(message: "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><get/></rpc>")
    let reply = try session.next()
    #expect(reply.contains("<error-type>rpc</error-type><error-tag>missing-attribute</error-tag>"))
    #expect(reply.contains("<bad-attribute>message-id</bad-attribute><bad-element>rpc</bad-element>"))
    #expect(bench.core.registry.totals.inBadRPCs == 1)
    #expect(try session.call("<discard-changes/>").contains("<ok/>"), "the session goes on")
  }

  private static let candidate = "<target><candidate/></target>"
  private static func subscription(_ content: String) -> String {
    "<create-subscription xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">\(content)</create-subscription>"
  }
  private static func getSchema(_ content: String) -> String {
    "<get-schema xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring\">\(content)</get-schema>"
  }

  @Test(arguments: [
    ("<unheard-of/>", "operation-not-supported"), ("<x xmlns=\"urn:nowhere\"/>", "unknown-namespace"),
    ("", "missing-element"), ("<commit/><commit/>", "unknown-element"),
    ("<commit><confirmed/></commit>", "unknown-element"), ("<get-config/>", "missing-element"),
    ("<get-config><source><startup/></source></get-config>", "operation-not-supported"),
    ("<get-config><source><running/><candidate/></source></get-config>", "bad-element"),
    ("<get-config><source><nothing/></source></get-config>", "unknown-element"),
    ("<lock><target/></lock>", "missing-element"),
    ("<kill-session><session-id>0</session-id></kill-session>", "invalid-value"),
    ("<kill-session><session-id>4711</session-id></kill-session>", "invalid-value"),
    ("<get><filter type=\"xpath\" select=\"/\"/></get>", "operation-not-supported"),
    ("<get><filter type=\"odd\"/></get>", "bad-attribute"),
    ("<edit-config><target><running/></target><config/></edit-config>", "operation-not-supported"),
    ("<edit-config>\(candidate)</edit-config>", "missing-element"),
    ("<edit-config>\(candidate)<url>file:///x</url></edit-config>", "unknown-element"),
    (
      "<edit-config>\(candidate)<default-operation>delete</default-operation><config/></edit-config>",
      "invalid-value"
    ),
    ("<edit-config>\(candidate)<test-option>maybe</test-option><config/></edit-config>", "invalid-value"),
    (
      "<edit-config>\(candidate)<error-option>continue-on-error</error-option><config/></edit-config>",
      "operation-not-supported"
    ),
    (
      "<copy-config><target><running/></target><source><candidate/></source></copy-config>",
      "operation-not-supported"
    ),
    ("<copy-config>\(candidate)<source><candidate/></source></copy-config>", "invalid-value"),
    ("<delete-config><target><running/></target></delete-config>", "operation-not-supported"),
    (subscription("<stream>x</stream>"), "invalid-value"),
    (subscription("<startTime>2026-01-01T00:00:00Z</startTime>"), "operation-failed"),
    (subscription("<stopTime>2026-01-01T00:00:00Z</stopTime>"), "missing-element"),
    (getSchema("<identifier>none</identifier>"), "invalid-value"),
    (getSchema("<identifier>ietf-netconf</identifier><version>1999-01-01</version>"), "invalid-value"),
    (getSchema("<identifier>ietf-netconf</identifier><format>yin</format>"), "invalid-value"),
  ])
  func wrongRequestsGetTheirError(_ operation: String, _ tag: String) throws {
    let (_, session) = try greeted()
    let reply = try session.call(operation)
    #expect(reply.contains("<error-tag>\(tag)</error-tag>"), "\(operation) got \(reply)")
    #expect(try session.call("<discard-changes/>").contains("<ok/>"), "the session goes on")
  }

  @Test(arguments: [
    "<rpc", "<a></b>", "no markup", "<a/><b/>", "<a>&undefined;</a>", "<a b='1' b='2'/>", "\u{1}",
    "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"1\"><get></rpc>",
    "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>",
  ])
  func malformedMessagesAreAnsweredAndTheSessionGoesOn(_ message: String) throws {
    let (_, session) = try greeted()
    session.send(message: message)
    let reply = try session.next()
    #expect(reply.contains("<error-tag>malformed-message</error-tag>"), "\(message) got \(reply)")
    #expect(try session.call("<discard-changes/>").contains("<ok/>"), "the session goes on")
  }

  @Test func invalidUTF8IsMalformed() throws {
    let (_, session) = try greeted()
    for bytes in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]] {
      let start = "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"1\"><get>"
      let message = Array(start.utf8) + bytes + Array("</get></rpc>".utf8)
      session.send(Array("\n#\(message.count)\n".utf8) + message + Array("\n##\n".utf8))
      #expect(try session.next().contains("<error-tag>malformed-message</error-tag>"), "\(bytes)")
    }
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
  }

  @Test(arguments: ["\n#0\n", "<rpc/>", "\n#4294967296\n", "\n#abc\n", "\n##\n"])
  func wrongFramingEndsTheSession(_ text: String) throws {
    let (_, session) = try greeted()
    session.send(text)
    #expect(try session.next().contains("malformed-message"))
    #expect(session.isFinished)
  }

  @Test func cutAnywhereIsTheSame() throws {
    let operations = [
      OperationTests.edit(OperationTests.profile("p1") + OperationTests.profile("a <![CDATA[]]>b")),
      OperationTests.edit(OperationTests.profile("p\u{1F511}")),
      OperationTests.get("candidate"), "<commit/>", OperationTests.get("running"),
    ]
    let (_, whole) = try greeted()
    let expected = try operations.map { try whole.call($0) }
    for size in [1, 2, 3, 7, 64] {
      let (_, session) = try greeted()
      session.pieceSize = size
      #expect(try operations.map { try session.call($0) } == expected, "pieces of \(size)")
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    let (_, session) = try greeted()
    let operations = [
      "<discard-changes/>", "<get-config><source><running/></source></get-config>", "<commit/>",
    ]
    var stream = ""
    for id in 1...200 {
      let operation = operations[id % 3]
      let rpc =
        "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"p\(id)\">\(operation)</rpc>"
      stream += "\n#\(rpc.utf8.count)\n\(rpc)\n##\n"
    }
    session.send(stream)
    for id in 1...200 { #expect(try session.next().contains("message-id=\"p\(id)\"")) }
  }

  // MARK: Limits

  @Test func nestingIsBounded() throws {
    let (_, session) = try greeted()
    session.send(message: String(repeating: "<a>", count: 100_000))
    #expect(try session.next().contains("<error-tag>too-big</error-tag>"))
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
  }

  @Test func messagesAreBounded() throws {
    var limits = SessionLimits()
    limits.messageBytes = 100_000
    let (_, session) = try greeted(limits: limits)
    session.send(message: "<rpc>" + String(repeating: " ", count: 100_001))
    #expect(try session.next().contains("<error-tag>too-big</error-tag>"))
    #expect(session.isFinished)
  }

  @Test func whiteSpaceCostsNoMemory() throws {
    let (_, session) = try greeted()
    let before = residentBytes()
    let block = [UInt8](repeating: 0x20, count: 1 << 20)
    // As much as a debug build streams in a moment; the whole agent is tested with a gigabyte.
    let count = 64
    session.send("\n#\(count << 20)\n")
    for _ in 0..<count { session.send(block) }
    session.send("\n##\n")
    #expect(try session.next().contains("malformed-message"))
    #expect(residentBytes() - before < 32 << 20)
  }

  @Test func idleSessionsEnd() throws {
    let (bench, session) = try greeted()
    bench.advance(.seconds(3599))
    session.tick()
    #expect(!session.isFinished)
    #expect(try session.call("<discard-changes/>").contains("<ok/>"))
    bench.advance(.seconds(3599))
    session.tick()
    #expect(!session.isFinished)
    bench.advance(.seconds(2))
    session.tick()
    #expect(session.isFinished)
    #expect(bench.core.registry.sessions.isEmpty)
  }

  @Test func sessionsThatDoNotReadEnd() throws {
    let (bench, session) = try greeted()
    bench.advance(.seconds(599))
    session.tick(isStalled: true)
    #expect(!session.isFinished)
    bench.advance(.seconds(2))
    session.tick(isStalled: true)
    #expect(session.isFinished && session.session.isAborted)
  }

  @Test func tooManySessionsAreRefused() throws {
    var limits = SessionLimits()
    limits.sessions = 3
    let bench = try SessionBench(limits: limits)
    let sessions = try (0..<3).map { _ in try bench.open() }
    #expect(throws: TestFailure.self) { try bench.open() }
    sessions[0].endInput()
    _ = try bench.open()
  }

  // MARK: The end

  @Test func closeSession() throws {
    let (bench, session) = try greeted()
    #expect(try session.call("<close-session/>").contains("<ok/>"))
    #expect(session.isFinished)
    #expect(bench.core.registry.sessions.isEmpty)
    #expect(bench.core.registry.totals.droppedSessions == 0)
  }

  @Test func endOfInputEndsAfterTheReply() throws {
    let (bench, session) = try greeted()
    session.send(
      message: "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"1\"><commit/></rpc>")
    session.endInput()
    #expect(try session.next().contains("message-id=\"1\""))
    #expect(session.isFinished)
    #expect(bench.core.registry.totals.droppedSessions == 1)
  }

  @Test func killSession() throws {
    let (bench, session) = try greeted()
    let other = try bench.open()
    try other.greet()
    let own = session.session.record.id
    #expect(try session.call("<kill-session><session-id>\(own)</session-id></kill-session>").contains("invalid-value"))
    let reply = try session.call(
      "<kill-session><session-id>\(other.session.record.id)</session-id></kill-session>")
    #expect(reply.contains("<ok/>"))
    #expect(other.isFinished && other.session.isAborted)
    #expect(!session.isFinished)
  }
}

/// The resident memory of this process.
func residentBytes() -> Int {
  let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}
