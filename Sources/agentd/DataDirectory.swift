// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The agent's own folder: master key, commit log, host keys.
struct DataDirectory {
  let path: String

  var masterKey: String { path + "/master.key" }
  var commitLog: String { path + "/commits.db" }
  var hostKeys: String { path + "/ssh" }

  /// Opens the folder, making it with mode 0700 when it is absent.
  ///
  /// - Throws: `AgentError` when it cannot be made, is somebody else's or is open to others.
  init(_ path: String) throws(AgentError) {
    self.path = path
    try Self.make(path)
    try Self.make(hostKeys)
  }

  private static func make(_ path: String) throws(AgentError) {
    if mkdir(path, 0o700) != 0, errno != EEXIST {
      throw AgentError("cannot make the folder \(path): \(String(cString: strerror(errno)))")
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw AgentError("\(path) is not a folder")
    }
    guard status.st_uid == geteuid() else { throw AgentError("\(path) belongs to another user") }
    guard status.st_mode & 0o077 == 0 else {
      throw AgentError("\(path) is open to other users: 'chmod 700 \(path)' first")
    }
  }
}
