// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CSQLite
import Foundation
import Testing

@testable import Datastore

/// A directory that is gone after the test.
final class ScratchDirectory {
  let path: String
  init() throws {
    path = NSTemporaryDirectory() + "/agentd-test-" + UUID().uuidString
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
}

@Suite struct CommitLogTests {
  static let session = SessionIdentity(id: 3, user: "admin")
  static let schema = [UInt8](repeating: 1, count: 32)

  @discardableResult
  static func append(_ log: CommitLog, _ text: String) throws -> CommitMetadata {
    try log.append(
      time: .init(seconds: 100, nanoseconds: 5), session: session, comment: "why \(text)", label: nil,
      schema: schema, diff: Array(text.utf8))
  }

  static func texts(_ recovery: CommitLog.Recovery) -> [String] {
    recovery.commits.map { String(decoding: $0.diff, as: UTF8.self) }
  }

  /// Runs SQL on the closed database file, as an accident or an attacker would change it.
  static func tamper(_ path: String, _ sql: String) throws {
    let connection = try SQLiteConnection(path: path, vfs: nil)
    try connection.execute(sql, "tamper")
  }

  @Test func recoversWhatWasAppended() throws {
    let scratch = try ScratchDirectory()
    do {
      let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
      #expect(try log.recover().commits.isEmpty)
      #expect(try Self.append(log, "a").id == 1)
      #expect(try Self.append(log, "b").id == 2)
    }
    let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
    let recovery = try log.recover()
    #expect(recovery.damage.isEmpty)
    #expect(recovery.snapshot == nil)
    #expect(Self.texts(recovery) == ["a", "b"])
    let first = try #require(recovery.commits.first?.metadata)
    #expect(
      first
        == CommitMetadata(
          id: 1, time: .init(seconds: 100, nanoseconds: 5), session: Self.session, comment: "why a", label: nil))
    #expect(try log.history(limit: 1).map(\.id) == [2])
    #expect(try log.record(of: 1).diff == Array("a".utf8))
    #expect(throws: CommitLogError(.unknownCommit, "")) { try log.record(of: 3) }
  }

  @Test func startsFromTheLatestSnapshotAndKeepsTheHistory() throws {
    let scratch = try ScratchDirectory()
    do {
      let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
      _ = try log.recover()
      for text in ["a", "b", "c"] {
        try Self.append(log, text)
        try log.writeSnapshot(schema: Self.schema, tree: Array("tree \(text)".utf8))
      }
      try Self.append(log, "d")
    }
    let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
    let recovery = try log.recover()
    #expect(recovery.snapshot?.commit == 3)
    #expect(recovery.snapshot.map { String(decoding: $0.tree, as: UTF8.self) } == "tree c")
    #expect(Self.texts(recovery) == ["d"])
    #expect(try log.history(limit: 10).map(\.id) == [4, 3, 2, 1])
  }

  @Test func asksForASnapshotWhenReplayingWouldTakeLong() throws {
    let scratch = try ScratchDirectory()
    var policy = CommitLog.Policy()
    policy.commitsPerSnapshot = 3
    policy.maximumHistory = 2
    let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")), policy: policy)
    _ = try log.recover()
    var due: [Bool] = []
    for number in 1...7 {
      try Self.append(log, "\(number)")
      due.append(log.isSnapshotDue)
      if log.isSnapshotDue { try log.writeSnapshot(schema: Self.schema, tree: []) }
    }
    #expect(due == [false, false, true, false, false, true, false])
    // Of the six that the latest snapshot covers, three are needed by the one before it or are history.
    #expect(try log.history(limit: 10).map(\.id) == [7, 6, 5, 4])
  }

  @Test func letsOneProcessInOnly() throws {
    let scratch = try ScratchDirectory()
    let directory = try DataDirectory(path: scratch.file("data"))
    #expect(throws: CommitLogError(.inUse, "")) { try DataDirectory(path: scratch.file("data")) }
    do { _ = try DataDirectory(path: scratch.file("data")) } catch {
      #expect(error.message.contains("another agentd (process \(getpid()))"), "\(error.message)")
    }
    withExtendedLifetime(directory) {}
  }

  @Test func keepsItsFilesToItself() throws {
    let scratch = try ScratchDirectory()
    let log = try CommitLog(directory: DataDirectory(path: scratch.file("data")))
    _ = try log.recover()
    try Self.append(log, "a")
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.file("data"))
    #expect(names.contains("commits.db"))
    for name in names {
      let attributes = try FileManager.default.attributesOfItem(atPath: scratch.file("data/" + name))
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
    }
  }

  @Test func refusesADirectoryThatIsOpenToOthers() throws {
    let scratch = try ScratchDirectory()
    chmod(scratch.path, 0o750)
    #expect(throws: CommitLogError(.permission, "")) { try DataDirectory(path: scratch.path) }
    chmod(scratch.path, 0o700)
    _ = try DataDirectory(path: scratch.path)
    try Data().write(to: URL(fileURLWithPath: scratch.file("file")))
    #expect(throws: CommitLogError(.permission, "")) { try DataDirectory(path: scratch.file("file")) }
  }

  @Test func refusesFilesThatAreNotItsOwn() throws {
    let scratch = try ScratchDirectory()
    let directory = try DataDirectory(path: scratch.path)
    let file = scratch.file("commits.db")
    try Self.tamper(file, "CREATE TABLE other (x); PRAGMA application_id = 77")
    #expect(throws: CommitLogError(.foreign, "")) { try CommitLog(directory: directory) }
    try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: file))
    #expect(throws: CommitLogError(.foreign, "")) { try CommitLog(directory: directory) }
    try FileManager.default.removeItem(atPath: file)
    do { _ = try CommitLog(directory: directory).recover() }
    try Self.tamper(file, "PRAGMA user_version = 2")
    #expect(throws: CommitLogError(.newerFormat, "")) { try CommitLog(directory: directory) }
  }

  @Test(arguments: [
    "UPDATE commits SET diff = x'00' WHERE id = 3", "UPDATE commits SET user = 'mallory' WHERE id = 3",
    "DELETE FROM commits WHERE id = 3", "UPDATE commits SET checksum = x'00' WHERE id = 3",
  ])
  func cutsADamagedTailOffAndSaysSo(_ damage: String) throws {
    let scratch = try ScratchDirectory()
    let directory = try DataDirectory(path: scratch.file("data"))
    do {
      let log = try CommitLog(directory: directory)
      _ = try log.recover()
      for text in ["a", "b", "c", "d"] { try Self.append(log, text) }
    }
    try Self.tamper(scratch.file("data/commits.db"), damage)
    do {
      let log = try CommitLog(directory: directory)
      let recovery = try log.recover()
      #expect(Self.texts(recovery) == ["a", "b"])
      #expect(recovery.damage.contains { $0.contains("that of commit 2") }, "\(recovery.damage)")
      #expect(directory.exists("commits.db.damaged-1"))
      // Numbers that were once given out are not given out again.
      #expect(try Self.append(log, "e").id == 5)
    }
    let log = try CommitLog(directory: directory)
    let recovery = try log.recover()
    #expect(recovery.damage.isEmpty, "\(recovery.damage)")
    #expect(Self.texts(recovery) == ["a", "b", "e"])
  }

  @Test func fallsBackToTheSnapshotBefore() throws {
    let scratch = try ScratchDirectory()
    let directory = try DataDirectory(path: scratch.file("data"))
    do {
      let log = try CommitLog(directory: directory)
      _ = try log.recover()
      try Self.append(log, "a")
      try log.writeSnapshot(schema: Self.schema, tree: Array("tree a".utf8))
      try Self.append(log, "b")
      try log.writeSnapshot(schema: Self.schema, tree: Array("tree b".utf8))
      try Self.append(log, "c")
    }
    try Self.tamper(scratch.file("data/commits.db"), "UPDATE snapshots SET tree = x'00' WHERE id = 2")
    let recovery = try CommitLog(directory: directory).recover()
    #expect(recovery.snapshot?.commit == 1)
    #expect(Self.texts(recovery) == ["b", "c"])
    #expect(!recovery.damage.isEmpty)
  }

  @Test func aDamagedDescriptionOfTheTablesIsDamage() throws {
    let scratch = try ScratchDirectory()
    let directory = try DataDirectory(path: scratch.file("data"))
    do {
      let log = try CommitLog(directory: directory)
      _ = try log.recover()
      try Self.append(log, "a")
    }
    try Self.tamper(
      scratch.file("data/commits.db"),
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'label', 'lavel')")
    #expect(throws: CommitLogError(.damaged, "")) {
      let log = try CommitLog(directory: directory)
      _ = try log.recover()
    }
  }

  @Test func survivesRandomDamageOfTheFile() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("damaged file: seed \(seed)")
    var random = SeededRandom(seed)
    for round in 0..<30 {
      let scratch = try ScratchDirectory()
      let directory = try DataDirectory(path: scratch.file("data"))
      let texts = (1...20).map { "\($0) " + String(repeating: "x", count: $0 * 150) }
      do {
        let log = try CommitLog(directory: directory)
        _ = try log.recover()
        for text in texts { try Self.append(log, text) }
      }
      let url = URL(fileURLWithPath: scratch.file("data/commits.db"))
      var bytes = try Data(contentsOf: url)
      for _ in 0..<8 { bytes[Int.random(in: 100..<bytes.count, using: &random)] ^= 0x55 }
      try bytes.write(to: url)
      do {
        let log = try CommitLog(directory: directory)
        let recovered = Self.texts(try log.recover())
        // Whatever is recovered is a beginning of what was written.
        #expect(recovered == Array(texts.prefix(recovered.count)), "seed \(seed), round \(round)")
        try Self.append(log, "after")
      } catch let error as CommitLogError {
        #expect([.damaged, .foreign, .newerFormat].contains(error.code), "seed \(seed), round \(round): \(error)")
      }
    }
  }

  @Test func endsARebuildThatACrashInterrupted() throws {
    let scratch = try ScratchDirectory()
    let directory = try DataDirectory(path: scratch.file("data"))
    do {
      let log = try CommitLog(directory: directory)
      _ = try log.recover()
      try Self.append(log, "good")
    }
    // As it is after the renaming that counts: the new file complete, the old one and its log still there.
    try FileManager.default.moveItem(
      atPath: scratch.file("data/commits.db"), toPath: scratch.file("data/commits.db.rebuilt"))
    try Data("old".utf8).write(to: URL(fileURLWithPath: scratch.file("data/commits.db")))
    try Data("old".utf8).write(to: URL(fileURLWithPath: scratch.file("data/commits.db-wal")))
    try Data("half".utf8).write(to: URL(fileURLWithPath: scratch.file("data/commits.db.building")))
    let log = try CommitLog(directory: directory)
    #expect(Self.texts(try log.recover()) == ["good"])
    #expect(!directory.exists("commits.db.building"))
    #expect(!directory.exists("commits.db.rebuilt"))
  }
}
