// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The directory of one secyd: its lock, which it holds as long as it lives, its socket and its log.
///
/// So the answer to "is there one?" comes from the kernel, whatever secyd is doing.
struct SecydDirectory: Sendable {
  let path: String
  var lock: String { path + "/lock" }
  var control: String { path + "/control" }
  var log: String { path + "/log" }

  /// The longest path of a Unix socket, with its final 0.
  private static let longestSocketPath = 107

  /// - Throws: `refused`.
  init(settings: SecydSettings, port: String) throws(SecYError) {
    path = settings.directory + "/" + port
    guard !port.isEmpty, !port.contains("/"), !port.hasPrefix(".") else {
      throw SecYError(.refused, "'\(port)' is no name of a controlled port")
    }
    guard control.utf8.count <= Self.longestSocketPath else {
      throw SecYError(.refused, "the path of secyd's socket is too long: \(control)")
    }
  }

  /// Makes the directory, or checks that the one there is ours alone.
  ///
  /// - Throws: `refused`.
  func prepare(_ settings: SecydSettings) throws(SecYError) {
    for directory in [settings.directory, path] {
      if mkdir(directory, 0o700) != 0, errno != EEXIST { throw failure(directory, "cannot be made: \(Self.reason())") }
      var status = stat()
      guard lstat(directory, &status) == 0 else { throw failure(directory, "cannot be examined: \(Self.reason())") }
      guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
        throw failure(directory, "is not a directory that only this user can enter")
      }
    }
  }

  /// Whether a secyd holds the lock.
  ///
  /// - Throws: `refused` when that cannot be found out.
  func isHeld() throws(SecYError) -> Bool {
    let descriptor = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    if descriptor < 0 {
      if errno == ENOENT { return false }
      throw failure(lock, "cannot be opened: \(Self.reason())")
    }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_EX | LOCK_NB) != 0
  }

  /// The process that says it holds the lock.
  var holder: Int32? {
    Self.text(lock, most: 16).split(separator: "\n").first.flatMap { Int32($0) }.flatMap { $0 > 1 ? $0 : nil }
  }

  /// What secyd said last.
  var lastWords: String {
    Self.text(log, most: 512).split(separator: "\n").first.map(String.init) ?? "it said nothing"
  }

  /// Takes its files away.
  func clear() {
    for file in [control, log, lock] { unlink(file) }
    rmdir(path)
  }

  private static func text(_ path: String, most: Int) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: most)
    let count = read(descriptor, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
  }

  static func reason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

  private func failure(_ path: String, _ what: String) -> SecYError { SecYError(.refused, "\(path) \(what)") }
}
