// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// What charon does not tell of the set-up of a tunnel that an agent finds up: when its PPK was mixed in, for rekeys are
/// later, and which end began, for rekeys change roles. It is left in charon as the name of a secret that nobody uses,
/// and so goes with charon and its SAs.
public struct SetUpNote: Sendable, Equatable {
  public var age: Duration
  /// This end began it.
  public var isOurs: Bool

  /// What the names begin with. Reconciliation, which does not know them, leaves them alone.
  static let prefix = "agentd-note:"

  public init(age: Duration, isOurs: Bool) {
    self.age = age
    self.isOurs = isOurs
  }

  /// Seconds since the machine was started, which no correction of the clock changes.
  static var uptime: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec)
  }

  func name(of tunnel: String, uptime: Int64 = uptime) -> String {
    "\(Self.prefix)\(tunnel):\(uptime - age.components.seconds):\(isOurs ? "begun" : "answered")"
  }

  /// The tunnel and note of a name; nil when it is none, or of the future.
  init?(name: String, uptime: Int64 = uptime, tunnel: inout String) {
    guard name.hasPrefix(Self.prefix) else { return nil }
    let parts = name.dropFirst(Self.prefix.count).split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, let began = Int64(parts[1]), (0...uptime).contains(began),
      parts[2] == "begun" || parts[2] == "answered"
    else { return nil }
    tunnel = String(parts[0])
    self.init(age: .seconds(uptime - began), isOurs: parts[2] == "begun")
  }

  /// All notes among the names of charon's secrets, and their names, by tunnel; the oldest counts.
  static func all(_ secrets: Set<String>, uptime: Int64 = uptime) -> [String: (note: SetUpNote, name: String)] {
    var notes: [String: (note: SetUpNote, name: String)] = [:]
    for name in secrets.sorted() {
      var tunnel = ""
      guard let note = SetUpNote(name: name, uptime: uptime, tunnel: &tunnel) else { continue }
      if let other = notes[tunnel], other.note.age >= note.age { continue }
      notes[tunnel] = (note, name)
    }
    return notes
  }
}
