// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The layout of the database. Version 1: tables `commits`, `snapshots` and `state` (one row).
enum CommitLogFormat {
  /// "agtd", in SQLite's header field for whose file it is.
  static let applicationID: Int64 = 0x6167_7464
  static let version: Int64 = 1

  /// Checks whose file it is before anything is written, sets the connection up, and makes the tables of a new file.
  static func prepare(_ connection: SQLiteConnection, path: String) throws(CommitLogError) {
    // One process only: no shared memory, no other reader's locks.
    try connection.execute("PRAGMA locking_mode = EXCLUSIVE", "lock \(path)")
    let application = try connection.integer("PRAGMA application_id") ?? 0
    let version = try connection.integer("PRAGMA user_version") ?? 0
    let tables = try connection.integer("SELECT count(*) FROM sqlite_schema") ?? 0
    let isNew = application == 0 && version == 0 && tables == 0
    guard isNew || application == applicationID else {
      throw CommitLogError(.foreign, "commit log: \(path) is a database of another program")
    }
    guard version <= Self.version else {
      throw CommitLogError(
        .newerFormat,
        "commit log: \(path) has format \(version), made by a later agentd; this one knows formats up to \(Self.version)"
      )
    }
    guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else {
      throw CommitLogError(.inputOutput, "commit log: \(path) cannot be switched to write-ahead logging")
    }
    try connection.execute(
      """
      PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216;
      PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
      """, "set up \(path)")
    if isNew { try connection.execute(definition, "make the tables of \(path)") }
  }

  private static let definition = """
    BEGIN IMMEDIATE;
    CREATE TABLE commits (
      id INTEGER PRIMARY KEY, seconds INTEGER NOT NULL, nanoseconds INTEGER NOT NULL, session INTEGER NOT NULL,
      user TEXT NOT NULL, comment TEXT, label TEXT, schema BLOB NOT NULL, previous BLOB NOT NULL,
      checksum BLOB NOT NULL, diff BLOB NOT NULL) STRICT;
    CREATE TABLE snapshots (
      id INTEGER PRIMARY KEY, schema BLOB NOT NULL, chain BLOB NOT NULL, checksum BLOB NOT NULL,
      tree BLOB NOT NULL) STRICT;
    CREATE TABLE state (failures INTEGER NOT NULL) STRICT;
    INSERT INTO state VALUES (0);
    PRAGMA application_id = \(applicationID);
    PRAGMA user_version = \(version);
    COMMIT;
    """
}
