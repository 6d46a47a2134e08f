// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// Measures what the data engine does with large trees, and the compiler. Prints a line for each measurement and fails
/// when a bound is missed.
///
/// Usage: databench [ENTRIES] [YANG-FOLDER]
@main
struct DataBench {
  static func main() throws {
    let arguments = CommandLine.arguments
    let entries = arguments.count > 1 ? Int(arguments[1]) ?? 100_000 : 100_000
    var report = Report()
    try Documents(entries: entries).measure(&report)
    if arguments.count > 2 { try Compilation(folder: arguments[2]).measure(&report) }
    exit(report.hasMissed ? 1 : 0)
  }
}

/// Collects measurements and their bounds.
struct Report {
  private(set) var hasMissed = false

  mutating func add(_ what: String, _ value: Double, _ unit: String, atMost bound: Double? = nil) {
    let isMissed = bound.map { value > $0 } ?? false
    if isMissed { hasMissed = true }
    let limit = bound.map { " (bound \(Self.text($0)) \(unit)\(isMissed ? ", MISSED" : ""))" } ?? ""
    print("\(what): \(Self.text(value)) \(unit)\(limit)")
  }

  private static func text(_ value: Double) -> String {
    let scaled = (value * 1000).rounded() / 1000
    return scaled >= 100 ? "\(Int(scaled.rounded()))" : "\(scaled)"
  }
}

/// The least time of some runs on a core, in milliseconds: what the machine's other work adds is not ours.
func milliseconds(runs: Int = 5, _ body: () throws -> Void) rethrows -> Double {
  var least = Double.infinity
  for _ in 0..<runs {
    let start = coreTime()
    try body()
    least = min(least, coreTime() - start)
  }
  return least
}

/// What this thread has had of a core so far, in milliseconds.
private func coreTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Bytes that the allocator has handed out and not got back.
func allocatedBytes() -> Int {
  let info = mallinfo2()
  return info.uordblks + info.hblkhd
}

/// Bytes of the process in memory.
func residentBytes() -> Int {
  var pages = (0, 0)
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  guard fgets(&line, 256, file) != nil else { return 0 }
  let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
    separator: " ")
  pages = (Int(fields[0]) ?? 0, fields.count > 1 ? Int(fields[1]) ?? 0 : 0)
  return pages.1 * Int(sysconf(Int32(_SC_PAGESIZE)))
}
