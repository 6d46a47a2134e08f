// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The directory that our charon has for itself.
struct CharonDirectory {
  let settings: CharonSettings

  /// Makes the directory, or checks that the one there is ours alone.
  ///
  /// - Throws: `directory`.
  func prepare() throws(CharonError) {
    if mkdir(settings.directory, 0o700) != 0 && errno != EEXIST { throw failure("cannot be made: \(systemReason())") }
    var status = stat()
    guard lstat(settings.directory, &status) == 0 else { throw failure("cannot be examined: \(systemReason())") }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw failure("is not a directory") }
    guard status.st_uid == geteuid() else {
      throw failure("belongs to user \(status.st_uid), not to user \(geteuid())")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw failure("has mode \(String(status.st_mode & 0o7777, radix: 8)), which lets others in; it must be 700")
    }
  }

  /// What strongswan.conf says now, nil when there is none.
  func configurationText() -> String? {
    let descriptor = open(settings.configurationPath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = read(descriptor, &buffer, buffer.count)
    return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
  }

  /// Writes strongswan.conf, whole or not at all.
  ///
  /// - Throws: `directory`.
  func write(_ text: String) throws(CharonError) {
    let temporary = settings.configurationPath + ".new"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("cannot be written: \(systemReason())") }
    let bytes = Array(text.utf8)
    let count = Glibc.write(descriptor, bytes, bytes.count)
    let reason = systemReason()
    close(descriptor)
    guard count == bytes.count, rename(temporary, settings.configurationPath) == 0 else {
      throw failure("cannot be written: \(count < 0 ? reason : systemReason())")
    }
  }

  private func failure(_ what: String) -> CharonError { CharonError(.directory, "\(settings.directory) \(what)") }
}

/// The lock that a charon of ours holds as long as it lives, by a descriptor that it inherits.
///
/// So the answer to "is there one?" comes from the kernel, whatever charon is doing, and cannot name a wrong process.
struct CharonLock: ~Copyable {
  let descriptor: Int32

  /// Opens the lock file; it is not locked by that.
  ///
  /// - Throws: `directory`.
  init(path: String) throws(CharonError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw CharonError(.directory, "\(path) cannot be opened: \(systemReason())") }
  }

  deinit { close(descriptor) }

  /// Takes the lock; false when a charon holds it.
  func take() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

  /// The process that was recorded.
  var recorded: Int32? {
    var buffer = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    let text = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    return text.split(separator: "\n").first.flatMap { Int32($0) }.flatMap { $0 > 1 ? $0 : nil }
  }

  /// Records the process that holds the lock from now on.
  func record(_ process: Int32) {
    let bytes = Array("\(process)\n".utf8)
    ftruncate(descriptor, 0)
    pwrite(descriptor, bytes, bytes.count, 0)
  }
}
