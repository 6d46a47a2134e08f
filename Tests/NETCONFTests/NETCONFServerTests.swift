// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Secrets
import Testing

@testable import NETCONF

/// The whole server through its port, with the OpenSSH client.
@Suite(.serialized) struct NETCONFServerTests {
  private let directory: TestDirectory
  private let key: String
  private let users: UserDirectory

  init() throws {
    directory = try TestDirectory()
    let (file, publicKey) = try directory.makeKey("id")
    key = file
    users = UserDirectory([.init(name: "admin", authorizedKeys: [publicKey], passwordHash: nil)])
  }

  private func withServer(
    _ configure: (inout NETCONFConfiguration) -> Void = { _ in }, _ body: (NETCONFServer, UInt16) throws -> Void
  ) throws {
    _ = SharedHostKeys.removal
    var configuration = NETCONFConfiguration(
      addresses: [ListenAddress(host: "127.0.0.1", port: 0)], directory: try SharedHostKeys.path)
    configuration.stopTime = .milliseconds(300)
    configure(&configuration)
    let server = try NETCONFServer(
      configuration: configuration, datastore: Datastore(schema: ProjectSchema.schema),
      authenticator: users, sealer: Sealer(MasterKey()), logger: .silent)
    try server.start()
    defer { server.stop() }
    try body(server, server.addresses[0].port)
  }

  private func ssh(_ port: UInt16) -> [String] {
    sshOptions(port: port, key: key) + ["-s", "admin@127.0.0.1", "netconf"]
  }

  private static let base10Hello = """
    <hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>\
    <capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>]]>]]>

    """
  private static func rpc(_ operation: String, _ id: String = "1") -> String {
    "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"\(id)\">\(operation)</rpc>]]>]]>\n"
  }
  private static let getSchema = """
    <get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">\
    <identifier>Cisco-IOS-XR-sks-server-oper</identifier></get-schema>
    """

  @Test func scriptedSession() async throws {
    try await onThreadOfItsOwn { [self] in
      try withServer { _, port in
        let input = Self.base10Hello + Self.rpc("<discard-changes/>", "a") + Self.rpc("<close-session/>", "b")
        let result = try run("/usr/bin/ssh", ssh(port), input: Data(input.utf8))
        #expect(result.status == 0, "\(result.error)")
        #expect(result.output.contains("<session-id>1</session-id>"))
        #expect(result.output.contains("message-id=\"a\"><ok/></rpc-reply>]]>]]>"))
        #expect(result.output.hasSuffix("message-id=\"b\"><ok/></rpc-reply>]]>]]>"))
      }
    }
  }

  @Test func inputThatEndsIsAnsweredFirst() async throws {
    try await onThreadOfItsOwn { [self] in
      try withServer { _, port in
        let result = try run("/usr/bin/ssh", ssh(port), input: Data((Self.base10Hello + Self.rpc(Self.getSchema)).utf8))
        #expect(result.status == 0 && result.output.hasSuffix("</rpc-reply>]]>]]>"), "\(result.error)")
        #expect(result.output.contains("module Cisco-IOS-XR-sks-server-oper"))
      }
    }
  }

  @Test func wrongFramingClosesTheChannel() async throws {
    try await onThreadOfItsOwn { [self] in
      try withServer { _, port in
        let hello = Self.base10Hello.replacingOccurrences(of: "base:1.0<", with: "base:1.1<")
          .trimmingCharacters(in: .newlines)
        let result = try run("/usr/bin/ssh", ssh(port), input: Data((hello + "\n#4294967296\n").utf8), seconds: 10)
        #expect(result.status == 0 && result.output.contains("malformed-message"), "\(result)")
      }
    }
  }

  /// A client that asks for much and reads nothing costs little, delays nobody, and can be killed.
  @Test func sessionsThatDoNotReadDisturbNobody() async throws {
    try await onThreadOfItsOwn { [self] in
      try withServer { _, port in
        let stuck = try ChildProcess("/usr/bin/ssh", ssh(port))
        let requests = Self.base10Hello + (1...3000).map { Self.rpc(Self.getSchema, "\($0)") }.joined()
        let input = stuck.input
        Thread.detachNewThread { try? input.write(contentsOf: Data(requests.utf8)) }
        Thread.sleep(forTimeInterval: 1)
        let before = residentBytes()
        for _ in 0..<5 {
          let other = Self.base10Hello + Self.rpc(Self.getSchema) + Self.rpc("<close-session/>")
          let started = ContinuousClock.now
          let result = try run("/usr/bin/ssh", ssh(port), input: Data(other.utf8))
          #expect(result.status == 0 && result.output.hasSuffix("<ok/></rpc-reply>]]>]]>"))
          #expect(ContinuousClock.now - started < .seconds(20), "delayed by a session that does not read")
        }
        #expect(residentBytes() - before < 64 << 20)
        let kill = Self.base10Hello + Self.rpc("<kill-session><session-id>1</session-id></kill-session>")
        let result = try run("/usr/bin/ssh", ssh(port), input: Data(kill.utf8))
        #expect(result.output.contains("<ok/>"), "\(result.output)")
        // The client itself may hang on its own output; what counts is that the server let go.
        let again = try run(
          "/usr/bin/ssh", ssh(port),
          input: Data((Self.base10Hello + Self.rpc("<kill-session><session-id>1</session-id></kill-session>")).utf8))
        #expect(again.output.contains("invalid-value"), "session 1 is still there: \(again.output)")
      }
    }
  }

  @Test func silentSessionsEnd() async throws {
    try await onThreadOfItsOwn { [self] in
      try withServer({ $0.sessions.helloTime = .seconds(1) }) { _, port in
        let silent = try ChildProcess("/usr/bin/ssh", ssh(port), discardsOutput: true)
        #expect(silent.waits(seconds: 8), "a session without a hello is still open")
      }
    }
  }

  @Test func stopEndsSessionsInOrder() async throws {
    try await onThreadOfItsOwn { [self] in
      var open: ChildProcess?
      try withServer { _, port in
        let child = try ChildProcess("/usr/bin/ssh", ssh(port), discardsOutput: true)
        child.input.write(Data(Self.base10Hello.utf8))
        Thread.sleep(forTimeInterval: 0.8)
        #expect(child.status == nil)
        open = child
      }
      #expect(open?.waits(seconds: 3) == true && open?.status == 0, "status \(open?.status ?? -1)")
    }
  }
}
