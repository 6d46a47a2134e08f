// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Synchronization
import Testing
import YANG

@testable import NETCONF

/// Reads of what a backend has to fetch first.
@Suite struct RefreshTests {
  private static let module = """
    module example-meters {
      yang-version 1.1;
      namespace "urn:example:meters";
      prefix m;
      container settings { leaf unit { type string; } }
      container meters {
        config false;
        list meter { key "name"; leaf name { type string; } leaf value { type uint32; } }
        container total { leaf value { type uint32; } }
      }
    }
    """

  /// Shows how often it was refreshed; a refresh takes until `release`.
  private final class Meters: Backend {
    let name = "meters"
    let subscriptions: [String] = []
    let operations: [String] = []
    let operationalPaths = ["/example-meters:meters/meter", "/example-meters:meters/total"]
    let refreshedPaths = ["/example-meters:meters/meter", "/example-meters:meters/total"]
    let refreshes = Mutex<[Set<String>]>([])
    let isHeld = Mutex(false)
    private let schema: Schema
    init(schema: Schema) { self.schema = schema }
    func prepare(_ changes: ChangeSet) -> [Refusal] { [] }
    func apply(_ changes: ChangeSet) {}
    func refresh(_ paths: Set<String>) async {
      while isHeld.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(2)) }
      refreshes.withLock { $0.append(paths) }
    }
    func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
      var composer = NodeComposer(request.schema, in: schema)
      if request.path.hasSuffix("/meter") { composer.leaf("name", "m1") }
      composer.leaf("value", UInt32(refreshes.withLock { $0.count }))
      return AnyIterator(CollectionOfOne(composer.build()).makeIterator())
    }
  }

  private func bench() throws -> (SessionBench, Meters) {
    let text = SourceText(file: "example-meters.yang", bytes: Array(Self.module.utf8))
    let schema = try Schema.compile(sources: [text]).schema
    let backend = Meters(schema: schema)
    return (try SessionBench(schema: schema, backends: [backend]), backend)
  }

  private static func get(_ filter: String?) -> String {
    let content = filter.map { "<filter>\($0)</filter>" } ?? ""
    return "<get>\(content)</get>"
  }

  @Test func aReadShowsWhatWasFetchedForIt() async throws {
    try await onThreadOfItsOwn {
      let (bench, backend) = try bench()
      let session = try bench.open()
      try session.greet()
      for count in 1...3 {
        #expect(try session.call(Self.get(nil)).contains("<total><value>\(count)</value></total>"))
      }
      #expect(backend.refreshes.withLock { $0 } == Array(repeating: Set(backend.refreshedPaths), count: 3))
    }
  }

  @Test(arguments: [
    ("<meters xmlns=\"urn:example:meters\"/>", 2), ("<meters xmlns=\"urn:example:meters\"><total/></meters>", 1),
    ("<meters xmlns=\"urn:example:meters\"><meter><name>m1</name></meter></meters>", 1),
    ("<meters xmlns=\"urn:example:meters\"><meter><value/></meter></meters>", 1),
    ("<settings xmlns=\"urn:example:meters\"/>", 0), ("<nothing xmlns=\"urn:example:meters\"/>", 0), ("", 0),
  ])
  func onlyWhatTheFilterTouchesIsFetched(filter: String, count: Int) async throws {
    try await onThreadOfItsOwn {
      let (bench, backend) = try bench()
      let session = try bench.open()
      try session.greet()
      #expect(try session.call(Self.get(filter)).contains("<data"))
      #expect(try session.call("<get-config><source><running/></source></get-config>").contains("<data"))
      #expect(backend.refreshes.withLock { $0.map(\.count) } == (count == 0 ? [] : [count]))
    }
  }

  @Test func othersDoNotWaitForAFetch() async throws {
    try await onThreadOfItsOwn {
      let (bench, backend) = try bench()
      let (slow, quick) = (try bench.open(), try bench.open())
      for session in [slow, quick] { try session.greet() }
      backend.isHeld.withLock { $0 = true }
      slow.send(
        message: "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"9\">\(Self.get(nil))</rpc>")
      #expect(try quick.call(Self.get("<settings xmlns=\"urn:example:meters\"/>")).contains("<data"))
      #expect(!slow.hasMessage)
      backend.isHeld.withLock { $0 = false }
      #expect(try slow.next().contains("<total><value>1</value></total>"))
    }
  }
}
