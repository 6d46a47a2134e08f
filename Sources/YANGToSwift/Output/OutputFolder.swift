// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Writes generated files, and only those that changed, so that a build does not compile what is the same.
public struct OutputFolder {
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  let path: String

  public init(path: String) { self.path = path }

  /// Returns whether the file was written.
  @discardableResult
  public func write(_ file: Generator.GeneratedFile) throws(Failure) -> Bool {
    let target = path + "/" + file.name
    let bytes = Array(file.text.utf8)
    if (try? Self.read(target)) == bytes { return false }
    let temporary = target + ".new"
    guard let stream = fopen(temporary, "w") else { throw Self.failure("cannot write", temporary) }
    let written = fwrite(bytes, 1, bytes.count, stream)
    guard fclose(stream) == 0, written == bytes.count else { throw Self.failure("cannot write", temporary) }
    guard rename(temporary, target) == 0 else { throw Self.failure("cannot write", target) }
    return true
  }

  /// Removes the files that earlier runs generated and this one did not: of modules that nobody asks for any more.
  public func removeAll(but files: [Generator.GeneratedFile]) throws(Failure) {
    guard let stream = opendir(path) else { throw Self.failure("cannot read", path) }
    defer { closedir(stream) }
    let kept = Set(files.map(\.name))
    let beginning = "// " + (Translator.header.first ?? "")
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard name.hasSuffix(".swift"), !kept.contains(name) else { continue }
      let target = path + "/" + name
      guard try Self.read(target).starts(with: beginning.utf8) else { continue }
      guard unlink(target) == 0 else { throw Self.failure("cannot remove", target) }
    }
  }

  /// The whole of a file.
  public static func read(_ path: String) throws(Failure) -> [UInt8] {
    guard let stream = fopen(path, "r") else { throw failure("cannot read", path) }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = fread(&buffer, 1, buffer.count, stream)
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    guard ferror(stream) == 0 else { throw failure("cannot read", path) }
    return bytes
  }

  private static func failure(_ what: String, _ path: String) -> Failure {
    Failure(description: "\(what) \(path): \(String(cString: strerror(errno)))")
  }
}
