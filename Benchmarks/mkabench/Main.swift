// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc
import Interfaces
import Logging
import MACsecPorts
import MKA
import Models
import Secrets
import YANG

/// Measures what MKA costs: sessions of one agent's backend, in pairs that hear each other over pairs of sockets, with
/// all that an agent does for them (timers, packet numbers polled, what a restart needs written with each hello). The
/// data plane is one that only remembers. Prints a line for each measurement and fails when a bound is missed.
///
/// Usage: mkabench YANG-FOLDER [SESSIONS] [SECONDS]
@main
struct MKABench {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count > 1 else {
      print("usage: mkabench YANG-FOLDER [SESSIONS] [SECONDS]")
      exit(2)
    }
    let count = arguments.count > 2 ? Int(arguments[2]) ?? 1_000 : 1_000
    let seconds = arguments.count > 3 ? Double(arguments[3]) ?? 20 : 20
    let lab = try Lab(yang: arguments[1], count: count)
    defer { lab.remove() }
    var hasMissed = false
    func report(_ what: String, _ value: Double, _ unit: String, atMost bound: Double? = nil) {
      let isMissed = bound.map { value > $0 } ?? false
      hasMissed = hasMissed || isMissed
      let limit = bound.map { " (bound \($0) \(unit)\(isMissed ? ", MISSED" : ""))" } ?? ""
      print("\(what): \((value * 100).rounded() / 100) \(unit)\(limit)")
    }

    let memory = residentBytes()
    let (start, wall) = (processTime(), wallTime())
    try lab.configure()
    while !lab.isSecured {
      guard wallTime() - wall < 120 else {
        print("not secured after 120 s: \(lab.securedCount) of \(count)")
        exit(1)
      }
      usleep(20_000)
    }
    let setUp = processTime() - start
    report("\(count) MKA sessions, set up: processor for each", setUp / Double(count) * 1_000, "ms")
    report("\(count) MKA sessions, set up: until the last is secured", wallTime() - wall, "s")
    report("memory for each session", Double(residentBytes() - memory) / Double(count) / 1_000, "kB")
    let (steady, began) = (processTime(), wallTime())
    usleep(UInt32(seconds * 1e6))
    let share = (processTime() - steady) / (wallTime() - began) * 100
    report("\(count) MKA sessions, held: of one core", share, "%", atMost: 30)
    guard lab.isSecured else {
      print("sessions were lost: \(lab.securedCount) of \(count)")
      exit(1)
    }
    lab.backend.shutdown()
    exit(hasMissed ? 1 : 0)
  }

  private static func seconds(_ clock: clockid_t) -> Double {
    var value = timespec()
    clock_gettime(clock, &value)
    return Double(value.tv_sec) + Double(value.tv_nsec) / 1e9
  }

  private static func processTime() -> Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }
  private static func wallTime() -> Double { seconds(CLOCK_MONOTONIC) }

  private static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
      separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }
}
