// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Where the YANG modules are.
enum ModelFolder {
  /// The folder to use: the one asked for, that of the environment, or the one installed beside the program.
  ///
  /// - Throws: `AgentError` naming every place that was looked at.
  static func find(asked: String?) throws(AgentError) -> String {
    if let asked {
      guard isFolder(asked) else { throw AgentError("no YANG modules: '\(asked)' is not a folder") }
      return asked
    }
    if let variable = getenv("AGENTD_YANG") {
      let folder = String(cString: variable)
      guard isFolder(folder) else { throw AgentError("no YANG modules: AGENTD_YANG names '\(folder)', not a folder") }
      return folder
    }
    let places = [besideProgram(), "/usr/share/agentd/yang"].compactMap { $0 }
    guard let found = places.first(where: isFolder) else {
      throw AgentError("no YANG modules in \(places.joined(separator: " or ")): name their folder with --yang")
    }
    return found
  }

  private static func besideProgram() -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &buffer, buffer.count)
    guard length > 0 else { return nil }
    let folders = String(decoding: buffer[..<length], as: UTF8.self).split(separator: "/").dropLast(2)
    return "/" + folders.joined(separator: "/") + "/share/agentd/yang"
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
