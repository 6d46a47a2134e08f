// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CSQLite

/// Why the commit log could not be opened, read or written. Equality is on the code alone.
public struct CommitLogError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: Sendable {
    /// Another process uses the directory.
    case inUse
    /// The file is a database, or anything else, that this program did not make.
    case foreign
    /// A later version of this program made it.
    case newerFormat
    /// What is needed to recover the configuration cannot be read.
    case damaged
    /// No space is left.
    case diskFull
    /// Permissions forbid it.
    case permission
    /// Reading or writing failed.
    case inputOutput
    /// There is no commit of that id.
    case unknownCommit
  }
  public let code: Code
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { message }

  public static func == (left: CommitLogError, right: CommitLogError) -> Bool { left.code == right.code }
}

extension CommitLogError {
  /// What a result code of SQLite means here.
  init(sqlite result: Int32, _ what: String, detail: String) {
    let code: Code =
      switch result & 0xFF {
      case SQLITE_FULL: .diskFull
      case SQLITE_NOTADB: .foreign
      // Our statements are fixed: one that does not fit the tables tells that their description is damaged.
      case SQLITE_CORRUPT, SQLITE_ERROR: .damaged
      case SQLITE_BUSY, SQLITE_LOCKED: .inUse
      case SQLITE_PERM, SQLITE_READONLY, SQLITE_AUTH: .permission
      default: .inputOutput
      }
    let reason =
      switch code {
      case .diskFull: "no space is left on the device"
      case .foreign: "the file is not a database"
      default: detail
      }
    self.init(code, "commit log: cannot \(what): \(reason) (SQLite result \(result))")
  }
}
