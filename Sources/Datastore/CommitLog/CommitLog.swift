// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization

/// The durable record of every commit: the persistence of running, its history, and the audit trail.
///
/// An SQLite database in write-ahead mode, synchronized in full: `append` returns when the commit is on the disk. Each
/// commit holds its coded diff and a SHA-256 checksum chained to the commit before; now and then a snapshot of the
/// whole tree is written beside, so that recovery reads little. What is written holds secrets only sealed.
///
/// Assumes that a completed fsync is durable and that no other process writes the file (`DataDirectory` sees to it).
/// Calls may come from any thread and exclude one another.
public final class CommitLog: Sendable {
  /// How much is kept and when a snapshot is due.
  public struct Policy: Sendable {
    /// Commits after which a snapshot is due.
    public var commitsPerSnapshot = 1000
    /// Below this many commits a snapshot is due only when the diffs exceed `maximumReplayBytes`.
    public var minimumCommitsPerSnapshot = 16
    /// Bytes of diffs, beyond twice those of the latest snapshot, after which a snapshot is due.
    public var diffBytesPerSnapshot = 1 << 20
    /// Bytes of diffs after which a snapshot is due in any case.
    public var maximumReplayBytes = 64 << 20
    /// Commits kept as history. Those that recovery needs are kept in any case.
    public var maximumHistory = 10_000
    /// Bytes appended after which the write-ahead log is brought into the database.
    public var bytesPerCheckpoint = 4 << 20
    public init() {}
  }

  /// What `recover` found.
  public struct Recovery: Sendable {
    /// The snapshot to start from; nil when everything begins with the first commit.
    public let snapshot: SnapshotRecord?
    /// The commits after the snapshot, oldest first, each verified.
    public let commits: [CommitRecord]
    /// What was lost or damaged, for the log and the operator; empty when all is well.
    public let damage: [String]
  }

  struct Storage: Sendable {
    var connection: SQLiteConnection
    var insert: SQLiteStatement
    var lastID: UInt64 = 0
    /// Ids up to here were given out, though damage may have taken their commits.
    var lastUsedID: UInt64 = 0
    var chain = FieldDigest.none
    var commitsSinceSnapshot = 0
    var bytesSinceSnapshot = 0
    var snapshotBytes = 0
    var bytesSinceCheckpoint = 0
  }

  public static let fileName = "commits.db"
  public let policy: Policy
  /// Holds the directory's lock as long as the log is open.
  let directory: DataDirectory?
  private let storage: Mutex<Storage>

  /// Opens the log of a data directory, making it when it is not there.
  public convenience init(directory: DataDirectory, policy: Policy = Policy()) throws(CommitLogError) {
    try CommitLogRebuild.finish(in: directory)
    try directory.prepareFile(Self.fileName)
    try self.init(path: directory.path + "/" + Self.fileName, vfs: nil, directory: directory, policy: policy)
  }

  /// Opens a database by name, in the virtual file system of that name.
  init(path: String, vfs: String?, directory: DataDirectory?, policy: Policy = Policy()) throws(CommitLogError) {
    self.policy = policy
    self.directory = directory
    storage = Mutex(try Self.open(path: path, vfs: vfs))
  }

  static func open(path: String, vfs: String?) throws(CommitLogError) -> Storage {
    let connection = try SQLiteConnection(path: path, vfs: vfs)
    try CommitLogFormat.prepare(connection, path: path)
    let insert = try connection.prepare(
      "INSERT INTO commits (\(CommitRecord.columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?)")
    return Storage(connection: connection, insert: insert)
  }

  func withStorage<Success: Sendable>(
    _ body: (inout Storage) throws(CommitLogError) -> Success
  ) throws(CommitLogError) -> Success {
    try storage.withLock { (storage) throws(CommitLogError) in try body(&storage) }
  }

  // MARK: Writing

  /// Writes a commit; returns when it is durable. Call `recover` before the first one.
  ///
  /// When it throws, the commit is not in the log: the transaction is undone and, where a failed synchronization may
  /// have left its pages behind, overwritten by the next.
  public func append(
    time: Event.Time, session: SessionIdentity, comment: String? = nil, label: String? = nil, schema: [UInt8],
    diff: [UInt8]
  ) throws(CommitLogError) -> CommitMetadata {
    try withStorage { (storage) throws(CommitLogError) in
      let id = max(storage.lastID, storage.lastUsedID) + 1
      let metadata = CommitMetadata(id: id, time: time, session: session, comment: comment, label: label)
      let record = try CommitRecord(metadata: metadata, schema: schema, diff: diff, previous: storage.chain)
      try storage.transaction("write the commit") { (storage) throws(CommitLogError) in
        storage.insert.reset()
        record.bind(to: storage.insert)
        _ = try storage.insert.step("write the commit")
        storage.insert.reset()
      }
      storage.lastID = id
      storage.chain = record.checksum
      storage.commitsSinceSnapshot += 1
      storage.bytesSinceSnapshot += diff.count
      storage.bytesSinceCheckpoint += diff.count + 8192
      return metadata
    }
  }

  /// Whether a snapshot would now make recovery noticeably shorter.
  public var isSnapshotDue: Bool {
    let due = try? withStorage { (storage) throws(CommitLogError) in
      let (commits, bytes) = (storage.commitsSinceSnapshot, storage.bytesSinceSnapshot)
      if commits == 0 { return false }
      if commits >= policy.commitsPerSnapshot || bytes > policy.maximumReplayBytes { return true }
      return commits >= policy.minimumCommitsPerSnapshot
        && bytes > policy.diffBytesPerSnapshot + 2 * storage.snapshotBytes
    }
    return due ?? false
  }

  /// Writes the tree behind the latest commit. The two latest snapshots are kept, and commits that are neither needed
  /// by them nor by the history are removed.
  public func writeSnapshot(schema: [UInt8], tree: [UInt8]) throws(CommitLogError) {
    try withStorage { (storage) throws(CommitLogError) in
      let snapshot = try SnapshotRecord(commit: storage.lastID, schema: schema, tree: tree, chain: storage.chain)
      let keep = Int64(policy.maximumHistory)
      try storage.transaction("write a snapshot") { (storage) throws(CommitLogError) in
        let statement = try storage.connection.prepare(
          "INSERT OR REPLACE INTO snapshots (\(SnapshotRecord.columns)) VALUES (?,?,?,?,?)")
        snapshot.bind(to: statement)
        _ = try statement.step("write a snapshot")
        try storage.connection.execute(
          """
          DELETE FROM snapshots WHERE id NOT IN (SELECT id FROM snapshots ORDER BY id DESC LIMIT 2);
          DELETE FROM commits WHERE id <= (SELECT min(id) FROM snapshots)
            AND id <= (SELECT max(id) FROM commits) - \(keep);
          """, "remove what is no longer needed")
      }
      storage.commitsSinceSnapshot = 0
      storage.bytesSinceSnapshot = 0
      storage.snapshotBytes = tree.count
      storage.bytesSinceCheckpoint += tree.count
    }
  }

  /// Work that may wait until a commit was acknowledged: brings a long write-ahead log into the database.
  public func maintain() throws(CommitLogError) {
    try withStorage { (storage) throws(CommitLogError) in
      guard storage.bytesSinceCheckpoint >= policy.bytesPerCheckpoint else { return }
      storage.bytesSinceCheckpoint = 0
      try storage.connection.checkpoint()
    }
  }

  // MARK: Reading

  /// The latest commits, newest first, without their diffs.
  public func history(limit: Int) throws(CommitLogError) -> [CommitMetadata] {
    try withStorage { (storage) throws(CommitLogError) in
      let statement = try storage.connection.prepare(
        "SELECT \(CommitRecord.columns.replacingDiff) FROM commits ORDER BY id DESC LIMIT ?")
      statement.bind(1, Int64(max(0, limit)))
      var result: [CommitMetadata] = []
      while try statement.step("read the history") { result.append(CommitRecord(row: statement).metadata) }
      return result
    }
  }

  /// One commit with its diff, verified.
  public func record(of id: UInt64) throws(CommitLogError) -> CommitRecord {
    try withStorage { (storage) throws(CommitLogError) in
      let statement = try storage.connection.prepare("SELECT \(CommitRecord.columns) FROM commits WHERE id = ?")
      statement.bind(1, Int64(bitPattern: id))
      guard try statement.step("read commit \(id)") else {
        throw CommitLogError(.unknownCommit, "commit log: there is no commit \(id)")
      }
      let record = CommitRecord(row: statement)
      guard record.isIntact else { throw CommitLogError(.damaged, "commit log: commit \(id) is damaged") }
      return record
    }
  }
}

extension String {
  /// A list of columns that does not read the diff.
  fileprivate var replacingDiff: String {
    split(separator: ",").map { $0 == " diff" ? " x'' AS diff" : String($0) }.joined(separator: ",")
  }
}

extension CommitLog.Storage {
  /// Runs a transaction; on any failure it is undone, and so is what a failed synchronization may have left behind.
  mutating func transaction(
    _ what: String, _ body: (inout CommitLog.Storage) throws(CommitLogError) -> Void
  ) throws(CommitLogError) {
    do {
      try connection.execute("BEGIN IMMEDIATE", what)
      try body(&self)
      try connection.execute("COMMIT", what)
    } catch {
      insert.reset()
      if connection.isInTransaction { try? connection.execute("ROLLBACK", "undo") }
      // A transaction whose synchronization failed may stand complete in the write-ahead log. Another one in its place
      // keeps it from being found after a crash. If this fails too, the next commit does the same.
      try? connection.execute("UPDATE state SET failures = failures + 1", "undo")
      throw error
    }
  }
}
