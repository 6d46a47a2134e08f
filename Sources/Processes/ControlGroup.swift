// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Control groups of version 2: who ends a service ends the processes of its group, so what is to outlive this program
/// gets a group of its own, a sibling of ours named `agentd-` and the number of the process.
///
/// Where there is no version 2, or no right to make a group, processes stay where they are.
enum ControlGroup {
  /// Moves a process, with all its threads, into a group of its own.
  static func separate(_ process: Int32) {
    guard let parent = siblings() else { return }
    sweep(parent)
    let group = "\(parent)/\(prefix)\(process)"
    guard mkdir(group, 0o755) == 0 else { return }
    let descriptor = open(group + "/cgroup.procs", O_WRONLY | O_CLOEXEC)
    let digits = Array(String(process).utf8)
    let isMoved = descriptor >= 0 && write(descriptor, digits, digits.count) == digits.count
    if descriptor >= 0 { close(descriptor) }
    if !isMoved { rmdir(group) }
  }

  /// Removes the groups of processes that have ended.
  static func sweep() {
    if let parent = siblings() { sweep(parent) }
  }

  private static let prefix = "agentd-"

  /// The system removes only groups that are empty.
  private static func sweep(_ parent: String) {
    guard let folder = opendir(parent) else { return }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasPrefix(prefix), Int32(name.dropFirst(prefix.count)) != nil { rmdir("\(parent)/\(name)") }
    }
  }

  /// The folder of the groups beside ours; that of all groups when we are in none.
  private static func siblings() -> String? {
    guard let mount = mountPoint(in: text("/proc/self/mountinfo")), let own = path(in: text("/proc/self/cgroup")) else {
      return nil
    }
    return mount + own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
  }

  /// Where version 2 is mounted, by the lines of `/proc/self/mountinfo`.
  static func mountPoint(in text: String) -> String? {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard let dash = words.firstIndex(of: "-"), dash + 1 < words.endIndex, words[dash + 1] == "cgroup2",
        words.count > 4
      else { continue }
      return String(words[4])
    }
    return nil
  }

  /// The group that we are in, by the lines of `/proc/self/cgroup`.
  static func path(in text: String) -> String? {
    text.split(separator: "\n").first { $0.hasPrefix("0::/") }.map { String($0.dropFirst(3)) }
  }

  /// A file of the kernel's, of which 1 MiB is enough.
  private static func text(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 1 << 20 {
      let count = read(descriptor, &part, part.count)
      guard count > 0 else { break }
      bytes += part[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
