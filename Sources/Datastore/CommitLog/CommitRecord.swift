// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One commit as the log holds it.
public struct CommitRecord: Sendable, Equatable {
  public let metadata: CommitMetadata
  /// Which schema the diff was written under (`SchemaFingerprint`).
  public let schema: [UInt8]
  /// The coded diff (`TreeCoder`), in which secrets are sealed.
  public let diff: [UInt8]
  /// The checksum of the commit before; zeros for the first.
  let previous: [UInt8]
  /// SHA-256 over `previous` and everything above.
  let checksum: [UInt8]

  init(metadata: CommitMetadata, schema: [UInt8], diff: [UInt8], previous: [UInt8]) throws(CommitLogError) {
    guard let checksum = Self.digest(metadata, schema, diff, previous) else {
      throw CommitLogError(.inputOutput, "commit log: SHA-256 failed")
    }
    self.init(metadata: metadata, schema: schema, diff: diff, previous: previous, checksum: checksum)
  }

  private init(metadata: CommitMetadata, schema: [UInt8], diff: [UInt8], previous: [UInt8], checksum: [UInt8]) {
    self.metadata = metadata
    self.schema = schema
    self.diff = diff
    self.previous = previous
    self.checksum = checksum
  }

  /// Whether the record is what was once written.
  var isIntact: Bool { Self.digest(metadata, schema, diff, previous) == checksum }

  private static func digest(
    _ metadata: CommitMetadata, _ schema: [UInt8], _ diff: [UInt8], _ previous: [UInt8]
  ) -> [UInt8]? {
    var digest = FieldDigest()
    digest.add(previous)
    digest.add(Int64(bitPattern: metadata.id))
    digest.add(metadata.time.seconds)
    digest.add(Int64(metadata.time.nanoseconds))
    digest.add(Int64(metadata.session.id))
    digest.add(metadata.session.user)
    digest.add(metadata.comment)
    digest.add(metadata.label)
    digest.add(schema)
    digest.add(diff)
    return digest.finish()
  }

  static let columns =
    "id, seconds, nanoseconds, session, user, comment, label, schema, diff, previous, checksum"

  /// Reads the current row of a statement that selects `columns`.
  init(row: SQLiteStatement) {
    self.init(
      metadata: CommitMetadata(
        id: UInt64(bitPattern: row.integer(0)),
        time: Event.Time(seconds: row.integer(1), nanoseconds: Int32(truncatingIfNeeded: row.integer(2))),
        session: SessionIdentity(id: UInt32(truncatingIfNeeded: row.integer(3)), user: row.text(4) ?? ""),
        comment: row.text(5), label: row.text(6)),
      schema: row.blob(7), diff: row.blob(8), previous: row.blob(9), checksum: row.blob(10))
  }

  func bind(to statement: SQLiteStatement) {
    statement.bind(1, Int64(bitPattern: metadata.id))
    statement.bind(2, metadata.time.seconds)
    statement.bind(3, Int64(metadata.time.nanoseconds))
    statement.bind(4, Int64(metadata.session.id))
    statement.bind(5, metadata.session.user)
    statement.bind(6, metadata.comment)
    statement.bind(7, metadata.label)
    statement.bind(8, schema)
    statement.bind(9, diff)
    statement.bind(10, previous)
    statement.bind(11, checksum)
  }
}

/// The whole configuration after one commit.
public struct SnapshotRecord: Sendable {
  /// The commit it stands behind; 0 is before any.
  public let commit: UInt64
  public let schema: [UInt8]
  /// The coded tree.
  public let tree: [UInt8]
  /// The checksum of that commit, to which the next one is chained.
  let chain: [UInt8]
  let checksum: [UInt8]

  init(commit: UInt64, schema: [UInt8], tree: [UInt8], chain: [UInt8]) throws(CommitLogError) {
    guard let checksum = Self.digest(commit, schema, tree, chain) else {
      throw CommitLogError(.inputOutput, "commit log: SHA-256 failed")
    }
    self.commit = commit
    self.schema = schema
    self.tree = tree
    self.chain = chain
    self.checksum = checksum
  }

  var isIntact: Bool { Self.digest(commit, schema, tree, chain) == checksum }

  private static func digest(_ commit: UInt64, _ schema: [UInt8], _ tree: [UInt8], _ chain: [UInt8]) -> [UInt8]? {
    var digest = FieldDigest()
    digest.add(Int64(bitPattern: commit))
    digest.add(schema)
    digest.add(tree)
    digest.add(chain)
    return digest.finish()
  }

  static let columns = "id, schema, tree, chain, checksum"

  init(row: SQLiteStatement) {
    commit = UInt64(bitPattern: row.integer(0))
    schema = row.blob(1)
    tree = row.blob(2)
    chain = row.blob(3)
    checksum = row.blob(4)
  }

  func bind(to statement: SQLiteStatement) {
    statement.bind(1, Int64(bitPattern: commit))
    statement.bind(2, schema)
    statement.bind(3, tree)
    statement.bind(4, chain)
    statement.bind(5, checksum)
  }
}
