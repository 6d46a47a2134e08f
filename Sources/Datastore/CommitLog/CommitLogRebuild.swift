// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Makes a damaged database anew from what is good in it.
///
/// Steps, each of which can be the last before a crash: copy the damaged files aside; write `commits.db.building` whole;
/// rename it `commits.db.rebuilt`, from when on it counts; remove the old write-ahead log, which must not be applied to
/// the new file; rename it `commits.db`. Opening a directory that holds a rebuilt file ends the procedure.
struct CommitLogRebuild {
  private static let building = CommitLog.fileName + ".building"
  private static let rebuilt = CommitLog.fileName + ".rebuilt"
  private static let sideFiles = ["-wal", "-shm", "-journal"]

  let directory: DataDirectory

  /// Ends a rebuild that a crash interrupted, or drops one that was not complete.
  static func finish(in directory: DataDirectory) throws(CommitLogError) {
    for suffix in [""] + sideFiles where directory.exists(building + suffix) {
      try directory.remove(building + suffix)
    }
    guard directory.exists(rebuilt) else { return }
    for suffix in sideFiles { try directory.remove(CommitLog.fileName + suffix) }
    try directory.rename(rebuilt, to: CommitLog.fileName)
  }

  /// Writes the new database beside the old one; returns the name that the damaged one is kept under.
  func build(from scan: CommitLogScan) throws(CommitLogError) -> String {
    let copy = try keepDamaged()
    try directory.prepareFile(Self.building)
    let connection = try SQLiteConnection(path: directory.path + "/" + Self.building, vfs: nil)
    try CommitLogFormat.prepare(connection, path: Self.building)
    try connection.execute("BEGIN IMMEDIATE", "rebuild")
    if let snapshot = scan.snapshot {
      let statement = try connection.prepare(
        "INSERT INTO snapshots (\(SnapshotRecord.columns)) VALUES (?,?,?,?,?)")
      snapshot.bind(to: statement)
      _ = try statement.step("rebuild")
    }
    let insert = try connection.prepare("INSERT INTO commits (\(CommitRecord.columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?)")
    for record in scan.olderCommits() + scan.commits {
      insert.reset()
      record.bind(to: insert)
      _ = try insert.step("rebuild")
    }
    insert.reset()
    try connection.execute("COMMIT", "rebuild")
    // The new file has to be whole by itself: back to no write-ahead log until it is opened again.
    _ = try connection.text("PRAGMA journal_mode = DELETE")
    return copy
  }

  /// Puts the new database in the place of the old one, whose connection must be gone, and opens it.
  func replace() throws(CommitLogError) -> CommitLog.Storage {
    try directory.rename(Self.building, to: Self.rebuilt)
    try Self.finish(in: directory)
    return try CommitLog.open(path: directory.path + "/" + CommitLog.fileName, vfs: nil)
  }

  private func keepDamaged() throws(CommitLogError) -> String {
    var number = 1
    while directory.exists("\(CommitLog.fileName).damaged-\(number)") {
      number += 1
      guard number <= 100 else {
        throw CommitLogError(.damaged, "commit log: too many damaged databases are kept in \(directory.path)")
      }
    }
    let name = "\(CommitLog.fileName).damaged-\(number)"
    try directory.copy(CommitLog.fileName, to: name)
    try directory.copy(CommitLog.fileName + "-wal", to: name + "-wal")
    try directory.synchronize()
    return directory.path + "/" + name
  }
}
