// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The agent's data directory, held by one process: open it before anything in it is read.
///
/// The hold is a lock that the kernel drops when the process ends, however it ends.
public final class DataDirectory: Sendable {
  public let path: String
  private let descriptor: Int32

  /// Makes the directory (mode 0700) when it is not there, and takes the lock. A directory that belongs to another user,
  /// or is open to others, is refused.
  public init(path: String) throws(CommitLogError) {
    self.path = path
    if mkdir(path, 0o700) != 0, errno != EEXIST { throw Self.failure("make the data directory \(path)") }
    try Self.requirePrivacy(of: path)
    let lockPath = path + "/agentd.lock"
    let descriptor = Glibc.open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw Self.failure("open \(lockPath)") }
    // A program that is just being started holds a copy of the descriptor until it begins to run.
    var isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
    for _ in 0..<25 where !isLocked && errno == EWOULDBLOCK {
      usleep(10_000)
      isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }
    guard isLocked else {
      let reason = errno
      let holder = Self.readPID(descriptor)
      close(descriptor)
      guard reason == EWOULDBLOCK else { throw Self.failure("lock \(lockPath)", reason) }
      throw CommitLogError(
        .inUse, "another agentd\(holder.map { " (process \($0))" } ?? "") already uses the data directory \(path)")
    }
    self.descriptor = descriptor
    // The number is for people and messages only: the lock is what counts.
    let text = "\(getpid())\n"
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.utf8.count, 0) }
  }

  deinit { close(descriptor) }

  private static func requirePrivacy(of path: String) throws(CommitLogError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw failure("look at \(path)") }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw CommitLogError(.permission, "the data directory \(path) is not a directory")
    }
    guard status.st_uid == geteuid() else {
      throw CommitLogError(.permission, "the data directory \(path) belongs to another user")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw CommitLogError(
        .permission, "the data directory \(path) is open to other users: 'chmod 700 \(path)' first")
    }
  }

  /// Makes sure that names made, changed or removed in the directory survive a power loss.
  public func synchronize() throws(CommitLogError) {
    let directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw Self.failure("open \(path)") }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw Self.failure("synchronize \(path)") }
  }

  /// Makes an empty file of mode 0600 when there is none; narrows the mode of one that others may read.
  func prepareFile(_ name: String) throws(CommitLogError) {
    let file = Glibc.open(path + "/" + name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw Self.failure("open \(path)/\(name)") }
    defer { close(file) }
    guard fchmod(file, 0o600) == 0 else { throw Self.failure("set the mode of \(path)/\(name)") }
    guard fsync(file) == 0 else { throw Self.failure("synchronize \(path)/\(name)") }
    try synchronize()
  }

  func exists(_ name: String) -> Bool { access(path + "/" + name, F_OK) == 0 }

  /// Removes a file; one that is not there is no error.
  func remove(_ name: String) throws(CommitLogError) {
    if unlink(path + "/" + name) != 0, errno != ENOENT { throw Self.failure("remove \(path)/\(name)") }
  }

  func rename(_ name: String, to other: String) throws(CommitLogError) {
    guard Glibc.rename(path + "/" + name, path + "/" + other) == 0 else {
      throw Self.failure("rename \(path)/\(name)")
    }
    try synchronize()
  }

  /// Copies a file, mode 0600; one that is not there is no error.
  func copy(_ name: String, to other: String) throws(CommitLogError) {
    let source = Glibc.open(path + "/" + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    if source < 0, errno == ENOENT { return }
    guard source >= 0 else { throw Self.failure("open \(path)/\(name)") }
    defer { close(source) }
    let target = Glibc.open(path + "/" + other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard target >= 0 else { throw Self.failure("open \(path)/\(other)") }
    defer { close(target) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(source, &buffer, buffer.count)
      if count == 0 { break }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw Self.failure("read \(path)/\(name)")
      }
      var written = 0
      while written < count {
        let part = buffer.withUnsafeBytes { write(target, $0.baseAddress.map { $0 + written }, count - written) }
        guard part > 0 else {
          if errno == EINTR { continue }
          throw Self.failure("write \(path)/\(other)")
        }
        written += part
      }
    }
    guard fsync(target) == 0 else { throw Self.failure("synchronize \(path)/\(other)") }
  }

  private static func readPID(_ descriptor: Int32) -> Int? {
    var buffer = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return nil }
    return Int(String(decoding: buffer[..<count], as: UTF8.self).prefix { $0.isNumber })
  }

  private static func failure(_ what: String, _ number: Int32 = errno) -> CommitLogError {
    let code: CommitLogError.Code =
      switch number {
      case ENOSPC, EDQUOT: .diskFull
      case EACCES, EPERM, EROFS, ELOOP: .permission
      default: .inputOutput
      }
    return CommitLogError(code, "cannot \(what): \(String(cString: strerror(number)))")
  }
}
