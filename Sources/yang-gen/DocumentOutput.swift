// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Writes documents into a folder, or to standard output.
struct DocumentOutput {
  let folder: String?
  let suffix: String
  private(set) var count = 0
  private var index = ""

  init(folder: String?, suffix: String) {
    self.folder = folder
    self.suffix = suffix
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  func open() throws {
    guard let folder, mkdir(folder, 0o777) != 0, errno != EEXIST else { return }
    throw Failure(description: "the folder \(folder) cannot be made: \(String(cString: strerror(errno)))")
  }

  /// `note` goes to the index.
  mutating func write(_ text: String, note: String?) throws {
    count += 1
    guard let folder else {
      print(text)
      return
    }
    let digits = String(count)
    let name = String(repeating: "0", count: max(0, 5 - digits.count)) + digits + "." + suffix
    try Self.write(text, to: folder + "/" + name)
    if let note { index += "\(name)\t\(note)\n" }
  }

  func close() throws {
    guard let folder, !index.isEmpty else { return }
    try Self.write(index, to: folder + "/index.tsv")
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else {
      throw Failure(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var text = text
    let isWritten = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
    guard isWritten else { throw Failure(description: "\(path) cannot be written whole") }
  }
}
