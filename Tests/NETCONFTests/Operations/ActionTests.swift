// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Synchronization
import Testing
import YANG

@testable import NETCONF

@Suite struct ActionTests {
  private static let module = """
    module example-servers {
      yang-version 1.1;
      namespace "urn:example:servers";
      prefix s;
      container servers {
        list server {
          key "rack slot";
          leaf rack { type string; }
          leaf slot { type uint8; }
          action reset {
            input { leaf delay { type uint32; mandatory true; } }
            output { leaf finished-at { type string; } }
          }
        }
      }
    }
    """

  /// Resets servers, and remembers which.
  private final class Resetter: Backend {
    let name = "servers"
    let subscriptions: [String] = []
    let operationalPaths: [String] = []
    let operations = ["/example-servers:servers/server/reset"]
    let calls = Mutex<[String]>([])
    private let schema: Schema
    init(schema: Schema) { self.schema = schema }
    func prepare(_ changes: ChangeSet) -> [Refusal] { [] }
    func apply(_ changes: ChangeSet) {}
    func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> { AnyIterator { nil } }
    func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode? {
      calls.withLock {
        $0.append("\(operation.target ?? .root) \(operation.input.leaf("delay").map { "\($0)" } ?? "")")
      }
      guard let output = operation.schema.children.first(where: { $0.kind == .output }) else { return nil }
      var composer = NodeComposer(output, in: schema)
      composer.leaf("finished-at", "noon")
      return composer.build()
    }
  }

  private static func call(_ content: String) -> String {
    "<action xmlns=\"urn:ietf:params:xml:ns:yang:1\"><servers xmlns=\"urn:example:servers\">\(content)</servers>"
      + "</action>"
  }

  @Test func actionsAreCalledOnTheirInstance() async throws {
    try await onThreadOfItsOwn {
      let text = SourceText(file: "example-servers.yang", bytes: Array(Self.module.utf8))
      let schema = try Schema.compile(sources: [text]).schema
      let backend = Resetter(schema: schema)
      let bench = try SessionBench(schema: schema, backends: [backend])
      let session = try bench.open()
      try session.greet()
      let edit = """
        <edit-config><target><candidate/></target><config><servers xmlns="urn:example:servers">\
        <server><rack>a</rack><slot>1</slot></server></servers></config></edit-config>
        """
      #expect(try session.call(edit).contains("<ok/>"))
      #expect(try session.call("<commit/>").contains("<ok/>"))
      let reply = try session.call(
        Self.call("<server><rack>a</rack><slot>1</slot><reset><delay>5</delay></reset></server>"))
      #expect(reply.contains("<finished-at xmlns=\"urn:example:servers\">noon</finished-at>"), "\(reply)")
      let calls = backend.calls.withLock { $0 }
      let server = "example-servers:server[example-servers:rack='a'][example-servers:slot='1']"
      #expect(calls == ["/example-servers:servers/\(server) uint(5)"])
      for (content, tag) in [
        ("<server><rack>b</rack><slot>1</slot><reset><delay>5</delay></reset></server>", "data-missing"),
        ("<server><rack>a</rack><reset><delay>5</delay></reset></server>", "missing-element"),
        ("<server><slot>1</slot><rack>a</rack><reset><delay>5</delay></reset></server>", "bad-element"),
        ("<server><rack>a</rack><slot>x</slot><reset><delay>5</delay></reset></server>", "invalid-value"),
        ("<server><rack>a</rack><slot>1</slot><start/></server>", "unknown-element"),
        ("<server><rack>a</rack><slot>1</slot></server>", "missing-element"),
        ("<server><rack>a</rack><slot>1</slot><reset/></server>", "rpc-error"),
        ("<server><rack>a</rack><slot>1</slot><reset><delay>x</delay></reset></server>", "invalid-value"),
      ] {
        let reply = try session.call(Self.call(content))
        #expect(reply.contains(tag) && reply.contains("<rpc-error>"), "\(content) got \(reply)")
      }
      #expect(backend.calls.withLock { $0.count } == 1, "a wrong call reached the backend")
    }
  }
}
