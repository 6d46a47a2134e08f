// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension CommitLog {
  /// Reads what running is made of: the latest good snapshot and the commits behind it, each checked against its
  /// checksum and chained to the one before. A damaged tail is cut off: the database is made anew from what is good,
  /// the damaged file is kept beside it, and `damage` says what was lost.
  ///
  /// Call it once, before the first `append`.
  public func recover() throws(CommitLogError) -> Recovery {
    try withStorage { (storage) throws(CommitLogError) in
      var scan = CommitLogScan(storage.connection)
      try scan.run()
      if !scan.damage.isEmpty, let directory {
        let rebuild = CommitLogRebuild(directory: directory)
        let copy = try rebuild.build(from: scan)
        scan.damage.append("the damaged database is kept as \(copy)")
        // The old connection has to be gone before the new one comes: closing it removes its write-ahead log by name.
        scan.connection = nil
        try storage.release()
        storage = try rebuild.replace()
      }
      storage.adopt(scan)
      return Recovery(snapshot: scan.snapshot, commits: scan.commits, damage: scan.damage)
    }
  }
}

extension CommitLog.Storage {
  /// Gives the connection up for one to nothing.
  mutating func release() throws(CommitLogError) {
    let nothing = try SQLiteConnection(path: ":memory:", vfs: nil)
    insert = try nothing.prepare("SELECT 1")
    connection = nothing
  }

  mutating func adopt(_ scan: CommitLogScan) {
    lastID = scan.commits.last?.metadata.id ?? scan.snapshot?.commit ?? 0
    lastUsedID = scan.highestID
    chain = scan.commits.last?.checksum ?? scan.snapshot?.chain ?? FieldDigest.none
    commitsSinceSnapshot = scan.commits.count
    bytesSinceSnapshot = scan.commits.reduce(0) { $0 + $1.diff.count }
    snapshotBytes = scan.snapshot?.tree.count ?? 0
    // What an earlier run left in the write-ahead log is brought in with the first commits of this one.
    bytesSinceCheckpoint = bytesSinceSnapshot
  }
}

/// Reads a log as far as it is good.
struct CommitLogScan {
  var connection: SQLiteConnection?
  private(set) var snapshot: SnapshotRecord?
  private(set) var commits: [CommitRecord] = []
  private(set) var highestID: UInt64 = 0
  var damage: [String] = []

  init(_ connection: SQLiteConnection) { self.connection = connection }

  mutating func run() throws(CommitLogError) {
    guard let connection else { return }
    try findSnapshot(connection)
    try followCommits(connection)
  }

  private mutating func findSnapshot(_ connection: SQLiteConnection) throws(CommitLogError) {
    var ids: [Int64] = []
    do {
      let statement = try connection.prepare("SELECT id FROM snapshots ORDER BY id DESC")
      while try statement.step("read the snapshots") { ids.append(statement.integer(0)) }
    } catch  where error.code == .damaged {
      damage.append("the table of snapshots is damaged: \(error.message)")
    }
    for id in ids {
      highestID = max(highestID, UInt64(bitPattern: id))
      do {
        let statement = try connection.prepare("SELECT \(SnapshotRecord.columns) FROM snapshots WHERE id = ?")
        statement.bind(1, id)
        if try statement.step("read snapshot \(id)") {
          let record = SnapshotRecord(row: statement)
          if record.isIntact {
            snapshot = record
            return
          }
        }
        damage.append("the snapshot behind commit \(id) is damaged")
      } catch  where error.code == .damaged {
        damage.append("the snapshot behind commit \(id) is damaged: \(error.message)")
      }
    }
  }

  /// Good commits from before the snapshot, which only the history needs. What cannot be read is left out.
  func olderCommits() -> [CommitRecord] {
    guard let snapshot, let connection else { return [] }
    var records: [CommitRecord] = []
    do {
      let statement = try connection.prepare("SELECT \(CommitRecord.columns) FROM commits WHERE id <= ? ORDER BY id")
      statement.bind(1, Int64(bitPattern: snapshot.commit))
      while try statement.step("read the history") {
        let record = CommitRecord(row: statement)
        if record.isIntact { records.append(record) }
      }
    } catch {
      return records
    }
    return records
  }

  private mutating func followCommits(_ connection: SQLiteConnection) throws(CommitLogError) {
    let start = snapshot?.commit ?? 0
    var chain = snapshot?.chain ?? FieldDigest.none
    var lost = 0
    do {
      let statement = try connection.prepare(
        "SELECT \(CommitRecord.columns) FROM commits WHERE id > ? ORDER BY id")
      statement.bind(1, Int64(bitPattern: start))
      while try statement.step("read the commits") {
        let record = CommitRecord(row: statement)
        highestID = max(highestID, record.metadata.id)
        if lost == 0, record.previous == chain, record.isIntact {
          commits.append(record)
          chain = record.checksum
        } else {
          if lost == 0 {
            damage.append("commit \(record.metadata.id) is damaged or not the successor of the one before")
          }
          lost += 1
        }
      }
    } catch  where error.code == .damaged {
      damage.append("the table of commits is damaged: \(error.message)")
    }
    guard !damage.isEmpty else { return }
    if snapshot == nil, commits.isEmpty {
      throw CommitLogError(
        .damaged,
        "commit log: nothing of it can be recovered (\(damage.joined(separator: "; "))); restore it from a backup, or "
          + "move it away to start with an empty configuration")
    }
    let last = commits.last?.metadata.id ?? start
    damage.append("the configuration is that of commit \(last); \(lost) later commits are lost")
  }
}
