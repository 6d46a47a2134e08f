// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Files that a person hands to a subcommand: keys and certificates.
enum SmallFile {
  /// The largest file that is read, in bytes.
  static let maximumSize = 1 << 20

  /// - Throws: `AgentError` with the file's name and what is the matter.
  static func read(_ path: String) throws(AgentError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw AgentError("cannot read \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: maximumSize + 1)
    var length = 0
    while length < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress?.advanced(by: length), $0.count - length)
      }
      guard count >= 0 else { throw AgentError("cannot read \(path): \(String(cString: strerror(errno)))") }
      if count == 0 { break }
      length += count
    }
    guard length <= maximumSize else { throw AgentError("\(path) has more than \(maximumSize) bytes") }
    bytes.removeLast(bytes.count - length)
    return bytes
  }
}
