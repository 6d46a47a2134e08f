// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization
import Testing
import YANG

@testable import Datastore

/// A backend that writes down what it is asked.
final class RecordingBackend: Backend {
  let name: String
  let subscriptions: [String]
  let operationalPaths: [String]
  let operations: [String] = []
  let refusals: @Sendable (ChangeSet) -> [Refusal]
  let calls = Mutex<[String]>([])

  init(
    _ name: String, _ subscriptions: [String], operationalPaths: [String] = [],
    refusals: @escaping @Sendable (ChangeSet) -> [Refusal] = { _ in [] }
  ) {
    self.name = name
    self.subscriptions = subscriptions
    self.operationalPaths = operationalPaths
    self.refusals = refusals
  }

  var heard: [String] { calls.withLock { $0 } }

  private func note(_ what: String, _ changes: ChangeSet) {
    let texts = changes.changes.sorted { $0.key < $1.key }.flatMap(\.value).map { change in
      "\(change.old == nil ? "+" : change.new == nil ? "-" : "~")\(change.path)"
    }
    calls.withLock { $0.append("\(what) \(texts.joined(separator: " "))") }
  }

  func prepare(_ changes: ChangeSet) -> [Refusal] {
    note("prepare", changes)
    return refusals(changes)
  }
  func apply(_ changes: ChangeSet) { note("apply", changes) }
  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> { AnyIterator { nil } }
  func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode? { nil }
}

@Suite struct DatastoreTests {
  static let module = """
    module a { yang-version 1.1; namespace "urn:a"; prefix a;
      list user { key name; leaf name { type string; } leaf role { type string; must ". != 'nobody'"; }
        leaf shell { when "../role = 'admin'"; type string; } }
      container box { leaf size { type uint8; } }
      container state { config false; leaf up { type boolean; } list link { key n; leaf n { type string; } } }
    }
    """
  static let fixture = Result { try ConfigurationFixture(module) }
  static let alice = SessionIdentity(id: 1, user: "alice")
  static let bob = SessionIdentity(id: 2, user: "bob")

  static func make(_ backends: [any Backend] = []) throws -> (Datastore, ConfigurationFixture) {
    let fixture = try fixture.get()
    return (Datastore(schema: fixture.schema, backends: backends), fixture)
  }

  static func edit(
    _ store: Datastore, _ fixture: ConfigurationFixture, _ content: String, as who: SessionIdentity = alice
  )
    async throws
  { try await store.editCandidate(as: who) { try fixture.edited($0, content) } }

  /// "tag app-tag path" of what the call is refused with.
  static func refusal(_ call: () async throws -> Void) async -> [String] {
    do { try await call() } catch let failure as DatastoreFailure { return summary(failure.errors) } catch {
      return ["\(error)"]
    }
    return []
  }

  @Test func commitsTheCandidate() async throws {
    let (store, fixture) = try Self.make()
    try await Self.edit(store, fixture, "<box><size>3</size></box>")
    #expect(store.running.isEmpty)
    #expect(store.candidateIsModified)
    let metadata = try #require(try await store.commit(as: Self.alice, comment: "why", label: "l"))
    #expect(metadata.id == 1 && metadata.session == Self.alice && metadata.comment == "why" && metadata.label == "l")
    #expect(store.running == (try fixture.tree("<box><size>3</size></box>")))
    #expect(!store.candidateIsModified)
    // Nothing to commit is no commit.
    #expect(try await store.commit(as: Self.alice) == nil)
    try await Self.edit(store, fixture, "<box><size>3</size></box>")
    #expect(try await store.commit(as: Self.alice) == nil)
    #expect(store.lastCommit?.id == 1)
  }

  @Test func discardsTheCandidate() async throws {
    let (store, fixture) = try Self.make()
    try await Self.edit(store, fixture, "<box><size>3</size></box>")
    try await store.discardChanges(as: Self.bob)
    #expect(store.candidate.isEmpty && !store.candidateIsModified)
  }

  @Test func leavesEverythingAsItWasWhenAnEditOrACommitFails() async throws {
    let (store, fixture) = try Self.make()
    try await Self.edit(store, fixture, "<user><name>u</name><role>admin</role></user>")
    _ = try await store.commit(as: Self.alice)
    let before = store.running
    #expect(
      await Self.refusal { try await Self.edit(store, fixture, "<user nc:operation='create'><name>u</name></user>") }
        == ["data-exists - /a:user[a:name='u']"])
    #expect(store.candidate === before)
    try await Self.edit(store, fixture, "<user><name>u</name><role>nobody</role></user>")
    let expected = ["operation-failed must-violation /a:user[a:name='u']/a:role"]
    #expect(await Self.refusal { try await store.validate(.candidate) } == expected)
    #expect(await Self.refusal { _ = try await store.commit(as: Self.alice) } == expected)
    #expect(store.running === before)
    #expect(await Self.refusal { try await store.validate(.running) } == [])
    #expect(await Self.refusal { try await store.validate(store.candidate) } == expected)
  }

  @Test func seesToConditionsInEdits() async throws {
    let (store, fixture) = try Self.make()
    try await Self.edit(store, fixture, "<user><name>u</name><role>admin</role><shell>sh</shell></user>")
    try await Self.edit(store, fixture, "<user><name>u</name><role>guest</role></user>")
    #expect(store.candidate == (try fixture.tree("<user><name>u</name><role>guest</role></user>")))
    #expect(
      await Self.refusal { try await Self.edit(store, fixture, "<user><name>u</name><shell>sh</shell></user>") }
        == ["unknown-element - /a:user[a:name='u']/a:shell"])
  }

  // MARK: Locks

  @Test func keepsOthersOutWhileLocked() async throws {
    let (store, fixture) = try Self.make()
    try await store.lock(.candidate, as: Self.alice)
    try await store.lock(.running, as: Self.alice)
    #expect(store.lockHolder(of: .running) == Self.alice)
    for name in DatastoreName.allCases {
      do {
        try await store.lock(name, as: Self.bob)
        Issue.record("locked twice")
      } catch {
        #expect(error.errors.first?.tag == .lockDenied)
        #expect(error.errors.first?.info.first?.name == "session-id")
        #expect(error.errors.first?.info.first?.text == "1")
      }
      #expect(await Self.refusal { try await store.unlock(name, as: Self.bob) } == ["operation-failed - -"])
    }
    #expect(
      await Self.refusal { try await Self.edit(store, fixture, "<box/>", as: Self.bob) } == ["in-use - -"])
    #expect(await Self.refusal { try await store.discardChanges(as: Self.bob) } == ["in-use - -"])
    try await Self.edit(store, fixture, "<box><size>1</size></box>")
    #expect(await Self.refusal { _ = try await store.commit(as: Self.bob) } == ["in-use - -"])
    #expect(try await store.commit(as: Self.alice) != nil)
    try await store.unlock(.running, as: Self.alice)
    #expect(await Self.refusal { try await store.unlock(.running, as: Self.alice) } == ["operation-failed - -"])
  }

  @Test func locksNoCandidateWithChanges() async throws {
    let (store, fixture) = try Self.make()
    try await Self.edit(store, fixture, "<box><size>1</size></box>")
    #expect(await Self.refusal { try await store.lock(.candidate, as: Self.alice) } == ["lock-denied - -"])
    try await store.discardChanges(as: Self.alice)
    try await store.lock(.candidate, as: Self.alice)
  }

  @Test func discardsWhatALockLeavesBehind() async throws {
    let (store, fixture) = try Self.make()
    try await store.lock(.candidate, as: Self.alice)
    try await Self.edit(store, fixture, "<box><size>1</size></box>")
    try await store.unlock(.candidate, as: Self.alice)
    #expect(!store.candidateIsModified)
    try await store.lock(.candidate, as: Self.alice)
    try await Self.edit(store, fixture, "<box><size>1</size></box>")
    store.sessionEnded(Self.alice)
    try await store.lock(.candidate, as: Self.bob)
    #expect(!store.candidateIsModified)
  }

  // MARK: Backends

  @Test func tellsBackendsWhatChangedAtTheirPathsInOrder() async throws {
    let users = RecordingBackend("users", ["/a:user"])
    let boxes = RecordingBackend("boxes", ["/a:box/size", "/a:box"])
    let (store, fixture) = try Self.make([users, boxes])
    try await Self.edit(store, fixture, "<user><name>u</name></user><user><name>v</name></user>")
    _ = try await store.commit(as: Self.alice)
    try await Self.edit(
      store, fixture, "<user><name>u</name><role>r</role></user><user nc:operation='delete'><name>v</name></user>")
    _ = try await store.commit(as: Self.alice)
    #expect(
      users.heard == [
        "prepare +/a:user[a:name='u'] +/a:user[a:name='v']", "apply +/a:user[a:name='u'] +/a:user[a:name='v']",
        "prepare ~/a:user[a:name='u'] -/a:user[a:name='v']", "apply ~/a:user[a:name='u'] -/a:user[a:name='v']",
      ])
    #expect(boxes.heard.isEmpty)
  }

  @Test func reportsAllRefusalsWordByWord() async throws {
    let path = InstancePath([.init(schema: try #require(try Self.fixture.get().schema.node(at: "/a:box")))])
    let first = RecordingBackend("first", ["/a:box"]) { _ in [Refusal(path: path, reason: "no room — nirgends")] }
    let second = RecordingBackend("second", ["/a:box"]) { _ in
      [Refusal(path: path, reason: "no wall"), Refusal(path: path, reason: "no roof")]
    }
    let (store, fixture) = try Self.make([first, second])
    try await Self.edit(store, fixture, "<box><size>1</size></box>")
    do {
      _ = try await store.commit(as: Self.alice)
      Issue.record("the commit was accepted")
    } catch {
      #expect(error.errors.map(\.message) == ["no room — nirgends", "no wall", "no roof"])
      #expect(Set(summary(error.errors)) == ["operation-failed backend-refusal /a:box"])
    }
    #expect(store.running.isEmpty)
    #expect(!first.heard.contains { $0.hasPrefix("apply") })
  }

  @Test func findsPathsThatNobodyOrSeveralProvide() throws {
    let schema = try Self.fixture.get().schema
    let none = BackendRegistry([RecordingBackend("x", ["/a:box"])], schema: schema)
    #expect(none.unprovidedPaths() == ["/a:state"])
    #expect(none.mistakes().isEmpty)
    let two = BackendRegistry(
      [
        RecordingBackend("x", ["/a:nothing"], operationalPaths: ["/a:state"]),
        RecordingBackend("y", [], operationalPaths: ["/a:state/link"]),
      ], schema: schema)
    #expect(two.unprovidedPaths().isEmpty)
    #expect(two.mistakes().count == 2, "\(two.mistakes())")
  }

  // MARK: Durability

  @Test func comesBackAsItWas() async throws {
    let fixture = try Self.fixture.get()
    let scratch = try ScratchDirectory()
    var policy = CommitLog.Policy()
    policy.commitsPerSnapshot = 3
    var expected = InteriorNode(schema: fixture.schema.root)
    for start in 1...4 {
      let backend = RecordingBackend("users", ["/a:user"])
      let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")), policy: policy)
      let store = try Datastore(schema: fixture.schema, log: log, backends: [backend])
      #expect(store.startReport.isEmpty, "\(store.startReport)")
      #expect(store.running == expected)
      store.start()
      for number in 1...2 {
        try await Self.edit(store, fixture, "<user><name>u\(start)-\(number)</name><role>r</role></user>")
        #expect(try await store.commit(as: Self.alice)?.id == UInt64(start * 2 + number - 2))
      }
      expected = store.running
      store.stop()
      #expect(backend.heard.count == 5)
      #expect(await Self.refusal { try await store.discardChanges(as: Self.alice) } == ["operation-failed - -"])
      // Until the refused call is over it holds the datastore, and so the directory's lock.
      store.stop()
      #expect(try store.history(limit: 100).count == start * 2)
      #expect(try store.diff(of: UInt64(start * 2)).changes.map { "\($0.path)" } == ["/a:user[a:name='u\(start)-2']"])
    }
  }

  @Test func keepsRunningWhenTheCommitCannotBeWritten() async throws {
    let fixture = try Self.fixture.get()
    let disk = SimulatedDisk()
    defer { SimulatedFileSystem.unmount(disk) }
    let backend = RecordingBackend("boxes", ["/a:box"])
    let log = try CommitLog(
      path: SimulatedFileSystem.mount(disk) + "commits.db", vfs: SimulatedFileSystem.name, directory: nil)
    let store = try Datastore(schema: fixture.schema, log: log, backends: [backend])
    try await Self.edit(store, fixture, "<box><size>1</size></box>")
    disk.setFault(.full(bytes: disk.bytes))
    #expect(await Self.refusal { _ = try await store.commit(as: Self.alice) } == ["resource-denied - -"])
    #expect(store.running.isEmpty && store.candidateIsModified)
    #expect(!backend.heard.contains { $0.hasPrefix("apply") })
    disk.setFault(.none)
    #expect(try await store.commit(as: Self.alice)?.id == 1)
  }

  @Test func acknowledgesNoCommitBeforeItsSynchronization() async throws {
    let fixture = try Self.fixture.get()
    let disk = SimulatedDisk()
    defer { SimulatedFileSystem.unmount(disk) }
    let log = try CommitLog(
      path: SimulatedFileSystem.mount(disk) + "commits.db", vfs: SimulatedFileSystem.name, directory: nil)
    let store = try Datastore(schema: fixture.schema, log: log)
    for size in 1...20 {
      try await Self.edit(store, fixture, "<box><size>\(size)</size></box>")
      _ = try await store.commit(as: Self.alice)
      // The power is lost the moment the acknowledgement is there.
      let restarted = SimulatedDisk(files: disk.imagesAfterPowerLoss(keeping: 0, seed: 1))
      defer { SimulatedFileSystem.unmount(restarted) }
      let again = try CommitLog(
        path: SimulatedFileSystem.mount(restarted) + "commits.db", vfs: SimulatedFileSystem.name, directory: nil)
      #expect(try Datastore(schema: fixture.schema, log: again).running == store.running)
    }
  }

  @Test func startsWithAConfigurationThatNewerModulesFindWrongAndSaysSo() async throws {
    let scratch = try ScratchDirectory()
    let fixture = try Self.fixture.get()
    do {
      let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
      let store = try Datastore(schema: fixture.schema, log: log)
      try await Self.edit(store, fixture, "<user><name>u</name><role>r</role></user><box><size>200</size></box>")
      _ = try await store.commit(as: Self.alice)
      store.stop()
    }
    let newer = try ConfigurationFixture(
      """
      module a { yang-version 1.1; namespace "urn:a"; prefix a;
        list user { key name; leaf name { type string; } leaf role { type string; must ". = 'admin'"; } }
        container box { leaf size { type uint8 { range "0..100"; } } leaf new { type string; } } }
      """)
    let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
    let store = try Datastore(schema: newer.schema, log: log)
    #expect(store.running == (try newer.tree("<user><name>u</name><role>r</role></user>")))
    #expect(store.startReport.count == 2, "\(store.startReport)")
    // As long as running is not valid, a commit is checked in full.
    try await Self.edit(store, newer, "<box><new>x</new></box>")
    #expect(
      await Self.refusal { _ = try await store.commit(as: Self.alice) }
        == ["operation-failed must-violation /a:user[a:name='u']/a:role"])
    try await Self.edit(store, newer, "<user><name>u</name><role>admin</role></user>")
    #expect(try await store.commit(as: Self.alice)?.id == 2)
  }

  @Test func tellsListenersOfEveryCommitInOrder() async throws {
    let (store, fixture) = try Self.make()
    let heard = Mutex<[String]>([])
    store.onCommit { event in
      heard.withLock { $0.append("\(event.metadata.id) \(event.diff.changes.map { "\($0.path)" })") }
    }
    for size in 1...3 {
      try await Self.edit(store, fixture, "<box><size>\(size)</size></box>")
      _ = try await store.commit(as: Self.alice)
    }
    store.stop()
    #expect(heard.withLock { $0 }.map { $0.prefix(1) } == ["1", "2", "3"])
  }
}
