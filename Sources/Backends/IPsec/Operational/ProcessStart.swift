// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc

/// When a process began, by /proc.
enum ProcessStart {
  /// Nil when there is no such process.
  static func time(of process: Int32) -> Event.Time? {
    guard let stat = text("/proc/\(process)/stat"), let uptime = text("/proc/uptime"),
      let ticks = ticksAtStart(stat), let sinceBoot = uptime.split(separator: " ").first.flatMap({ Double($0) })
    else { return nil }
    let ticksPerSecond = Double(max(sysconf(Int32(_SC_CLK_TCK)), 1))
    let age = max(sinceBoot - Double(ticks) / ticksPerSecond, 0)
    let now = Event.Time.now
    return Event.Time(seconds: now.seconds - Int64(age), nanoseconds: 0)
  }

  /// Field 22 of the line, counted behind the name of the program, which may hold anything.
  static func ticksAtStart(_ stat: String) -> UInt64? {
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    return fields.count > 19 ? UInt64(fields[19]) : nil
  }

  private static func text(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(file, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }
}
