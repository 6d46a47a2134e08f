// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CSQLite

/// Owns one connection to a database.
///
/// Sendable: the connection is opened in SQLite's serialized mode, in which any thread may call it and its statements;
/// the commit log's mutex keeps the steps of one use together.
final class SQLiteConnection: @unchecked Sendable {
  private let handle: OpaquePointer

  /// Opens a database, creating the file when it is not there.
  init(path: String, vfs: String?) throws(CommitLogError) {
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE
    var handle: OpaquePointer?
    let result = sqlite3_open_v2(path, &handle, flags, vfs)
    guard result == SQLITE_OK, let handle else {
      let error = CommitLogError(sqlite: result, "open \(path)", detail: Self.detail(of: handle, result))
      sqlite3_close_v2(handle)
      throw error
    }
    self.handle = handle
  }

  deinit { sqlite3_close_v2(handle) }

  /// Runs statements that return nothing of interest.
  func execute(_ sql: String, _ what: String) throws(CommitLogError) {
    let result = sqlite3_exec(handle, sql, nil, nil, nil)
    guard result == SQLITE_OK else { throw error(result, what) }
  }

  /// Prepares a statement.
  func prepare(_ sql: String) throws(CommitLogError) -> SQLiteStatement {
    var statement: OpaquePointer?
    let result = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard result == SQLITE_OK, let statement else { throw error(result, "read its tables") }
    return SQLiteStatement(statement, connection: self)
  }

  /// The first column of the first row.
  func integer(_ sql: String) throws(CommitLogError) -> Int64? {
    let statement = try prepare(sql)
    return try statement.step("read") ? statement.integer(0) : nil
  }

  /// The first column of the first row.
  func text(_ sql: String) throws(CommitLogError) -> String? {
    let statement = try prepare(sql)
    return try statement.step("read") ? statement.text(0) : nil
  }

  /// Brings what the write-ahead log holds into the database file, so that the log starts over.
  func checkpoint() throws(CommitLogError) {
    let result = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
    guard result == SQLITE_OK || result == SQLITE_BUSY else { throw error(result, "checkpoint") }
  }

  /// True inside a transaction.
  var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  func error(_ result: Int32, _ what: String) -> CommitLogError {
    CommitLogError(sqlite: result, what, detail: Self.detail(of: handle, result))
  }

  private static func detail(of handle: OpaquePointer?, _ result: Int32) -> String {
    if let handle, let text = sqlite3_errmsg(handle) { return String(cString: text) }
    return sqlite3_errstr(result).map { String(cString: $0) } ?? "unknown"
  }
}

/// Owns one prepared statement of a connection, which it keeps open. Sendable as the connection is.
final class SQLiteStatement: @unchecked Sendable {
  private let handle: OpaquePointer
  private let connection: SQLiteConnection
  // SQLITE_TRANSIENT, a cast that the importer does not know: SQLite takes a copy.
  private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

  init(_ handle: OpaquePointer, connection: SQLiteConnection) {
    self.handle = handle
    self.connection = connection
  }

  deinit { sqlite3_finalize(handle) }

  /// Makes the statement ready to be bound and run again.
  func reset() {
    sqlite3_reset(handle)
    sqlite3_clear_bindings(handle)
  }

  func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(handle, index, value) }

  func bind(_ index: Int32, _ value: String?) {
    guard let value else {
      sqlite3_bind_null(handle, index)
      return
    }
    sqlite3_bind_text64(handle, index, value, UInt64(value.utf8.count), Self.copied, UInt8(SQLITE_UTF8))
  }

  func bind(_ index: Int32, _ value: [UInt8]) {
    if value.isEmpty {
      sqlite3_bind_zeroblob(handle, index, 0)
    } else {
      sqlite3_bind_blob64(handle, index, value, UInt64(value.count), Self.copied)
    }
  }

  /// Runs up to the next row: true when there is one.
  func step(_ what: String) throws(CommitLogError) -> Bool {
    let result = sqlite3_step(handle)
    switch result {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default:
      let error = connection.error(result, what)
      sqlite3_reset(handle)
      throw error
    }
  }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

  func text(_ column: Int32) -> String? {
    guard let text = sqlite3_column_text(handle, column) else { return nil }
    let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(handle, column)))
    return String(decoding: bytes, as: UTF8.self)
  }

  func blob(_ column: Int32) -> [UInt8] {
    guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
    return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
  }
}
