// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The YANG files below some folders, by module name: `name.yang` and `name@revision.yang` (RFC 7950 section 5.2).
struct ModuleFiles: Sendable {
  struct File: Sendable, Hashable {
    let path: String
    let name: String
    /// The revision that the file's name tells, nil when it tells none.
    let revision: String?
  }

  static let maximumFolders = 20_000
  static let maximumDepth = 32

  private(set) var byName: [String: [File]] = [:]
  /// The folders as given, for messages.
  let searchPaths: [String]
  private(set) var unreadable: [String] = []

  /// - Parameter recursive: false to leave out what is in folders within these folders.
  init(searchPaths: [String], recursive: Bool = true) {
    self.searchPaths = searchPaths
    var budget = Self.maximumFolders
    let depth = recursive ? 0 : Self.maximumDepth - 1
    for path in searchPaths { scan(path, depth: depth, isGiven: true, budget: &budget) }
    for name in byName.keys {
      // The latest revision first; a file without one in its name stands before all, as the usual working copy.
      byName[name]?.sort { left, right in
        let a = left.revision ?? "9999"
        let b = right.revision ?? "9999"
        return a != b ? a > b : left.path < right.path
      }
    }
  }

  var all: [File] { byName.keys.sorted().flatMap { byName[$0] ?? [] } }

  func files(named name: String) -> [File] { byName[name] ?? [] }

  private mutating func scan(_ folder: String, depth: Int, isGiven: Bool, budget: inout Int) {
    guard depth < Self.maximumDepth, budget > 0 else { return }
    budget -= 1
    guard let directory = opendir(folder) else {
      if isGiven { unreadable.append(folder) }
      return
    }
    defer { closedir(directory) }
    var folders: [String] = []
    while let entry = readdir(directory) {
      let type = entry.pointee.d_type
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard !name.hasPrefix(".") else { continue }
      let path = folder.hasSuffix("/") ? folder + name : folder + "/" + name
      if name.hasSuffix(".yang") {
        guard Self.isFile(path, type) else { continue }
        add(path: path, fileName: name)
      } else if type == UInt8(DT_DIR) || (type == UInt8(DT_UNKNOWN) && Self.isFolder(path)) {
        folders.append(path)
      }
    }
    for path in folders.sorted() { scan(path, depth: depth + 1, isGiven: false, budget: &budget) }
  }

  private static func isFile(_ path: String, _ type: UInt8) -> Bool {
    if type == UInt8(DT_REG) { return true }
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private mutating func add(path: String, fileName: String) {
    let file = Self.file(path: path, fileName: fileName)
    byName[file.name, default: []].append(file)
  }

  static func file(path: String, fileName: String) -> File {
    let stem = fileName.hasSuffix(".yang") ? String(fileName.dropLast(5)) : fileName
    guard let at = stem.lastIndex(of: "@") else { return File(path: path, name: stem, revision: nil) }
    return File(path: path, name: String(stem[..<at]), revision: String(stem[stem.index(after: at)...]))
  }

  /// The whole file, nil when it cannot be read or is too large.
  static func read(_ path: String) -> SourceText? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size <= YANGLimits.fileSize
    else { return nil }
    let size = Int(status.st_size)
    var isComplete = false
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size, let base = buffer.baseAddress {
        let got = Glibc.read(descriptor, base + count, size - count)
        if got < 0, errno == EINTR { continue }
        if got <= 0 { break }
        count += got
      }
      isComplete = count == size
    }
    return isComplete ? SourceText(file: path, bytes: bytes) : nil
  }
}
