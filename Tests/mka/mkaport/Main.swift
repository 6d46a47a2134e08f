// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Secrets

/// A port with the MKA engine on a real interface, for tests against other implementations and with real SecYs.
///
/// It writes what it does as JSON lines. Without a SecY, each command as it would be carried out, keys included: for
/// tests only. Arguments are `name=value`:
///
/// - interface, address (12 hexadecimal digits), ckn, cak, priority, version
/// - suite, offset (`none` for integrity only, 30, 50), window, rekey (seconds), delay=1
/// - seconds: how long to run; what it set up stays
/// - secy: `none`, which is the default, `kernel` or `userspace`; for the last one secyd (the program) and directory
/// - should=1: should-secure
/// - must=1: frames in clear are kept off the interface; it is set up when that is done
/// - state: a file, in clear, by which it goes on as the same member
@main struct MKAPort {
  static func main() {
    do { try run() } catch {
      Line.write(["error": "\(error)"])
      exit(1)
    }
  }

  private static func run() throws {
    let arguments = Arguments(CommandLine.arguments.dropFirst())
    if arguments["must"] == "1" { try MustSecureFilter(parent: arguments.interface).install() }
    var port = try Port(arguments)
    try port.run(until: Clock.uptime + .seconds(Int64(arguments["seconds"] ?? "") ?? 20))
  }
}

/// The arguments, by name.
struct Arguments {
  private var values: [String: String] = [:]

  init(_ words: some Sequence<String>) {
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
  }

  subscript(_ name: String) -> String? { values[name] }
  var interface: String { self["interface"] ?? "" }

  var chain: KeyChain {
    get throws(MKAError) {
      let cak = try CAK(hexadecimal: SecretBytes(copying: Array((self["cak"] ?? "").utf8)))
      return try KeyChain(name: "test", keys: [KeyChain.Key(ckn: try CKN(hexadecimal: self["ckn"] ?? ""), cak: cak)])
    }
  }

  var configuration: PortConfiguration {
    var policy = Policy()
    policy.keyServerPriority = UInt8(self["priority"] ?? "") ?? 16
    policy.cipherSuite = CipherSuite.allCases.first { $0.description == self["suite"] } ?? .gcmAES128
    let offsets: [String: ConfidentialityOffset] = ["none": .integrityOnly, "30": .thirty, "50": .fifty]
    policy.confidentialityOffset = offsets[self["offset"] ?? ""] ?? .zero
    policy.replayWindow = UInt32(self["window"] ?? "") ?? 64
    policy.delayProtection = self["delay"] == "1"
    if self["should"] == "1" { policy.securityPolicy = .shouldSecure }
    policy.sakRekeyInterval = Int64(self["rekey"] ?? "").map { .seconds($0) }
    let address = MACAddress(rawValue: UInt64(self["address"] ?? "", radix: 16) ?? 0)
    var configuration = PortConfiguration(sci: SCI(address: address), policy: policy)
    configuration.version = UInt8(self["version"] ?? "") ?? 3
    return configuration
  }
}

/// The system's clocks.
enum Clock {
  static var uptime: Duration { time(CLOCK_MONOTONIC) }
  static var now: Moment { Moment(uptime: uptime, wallClock: time(CLOCK_REALTIME)) }

  private static func time(_ clock: clockid_t) -> Duration {
    var value = timespec()
    clock_gettime(clock, &value)
    return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
  }
}
