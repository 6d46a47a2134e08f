// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Where modules of standards are found that the user's own folders lack, as other tools bring them along.
enum InstalledModules {
  /// The current folder itself, the folders that `YANG_MODPATH` names, those of this project, and where packages put
  /// modules.
  static var folders: [(path: String, recursive: Bool)] {
    var folders: [(path: String, recursive: Bool)] = [(".", false)]
    if let variable = getenv("YANG_MODPATH") {
      folders += String(cString: variable).split(separator: ":").map { (String($0), true) }
    }
    let above = programFolders
    if above.count > 1 { folders.append((above[1] + "/share/agentd/yang", true)) }
    // A program that was built but not installed has the source tree above it.
    for folder in above.prefix(5) where isFolder(folder + "/yang/ietf") { folders.append((folder + "/yang", true)) }
    folders += [("/usr/local/share/yang/modules", true), ("/usr/share/yang/modules", true)]
    return folders.filter { isFolder($0.path) }
  }

  /// The folder of the program and those above it.
  private static var programFolders: [String] {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &buffer, buffer.count)
    guard length > 0 else { return [] }
    var steps = String(decoding: buffer[..<length], as: UTF8.self).split(separator: "/").dropLast()
    var folders: [String] = []
    while !steps.isEmpty {
      folders.append("/" + steps.joined(separator: "/"))
      steps.removeLast()
    }
    return folders
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
