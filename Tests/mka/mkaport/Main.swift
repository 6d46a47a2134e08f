// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Secrets

/// A port with the MKA engine on a real interface, for tests against other implementations.
///
/// It programs no SecY, but writes each command as a JSON line, keys included: for tests only.
/// Arguments are `name=value`: interface, address (12 hexadecimal digits), ckn, cak, priority, suite, rekey (seconds),
/// version, seconds (how long to run).
@main struct MKAPort {
  static func main() {
    do throws(MKAError) { try run() } catch {
      line(["error": error.message])
      exit(1)
    }
  }

  private static func run() throws(MKAError) {
    var arguments: [String: String] = [:]
    for argument in CommandLine.arguments.dropFirst() {
      let parts = argument.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { arguments[String(parts[0])] = String(parts[1]) }
    }
    let interface = arguments["interface"] ?? ""
    let socket = try EAPOLSocket(interfaceIndex: if_nametoindex(interface))
    let cak = try CAK(hexadecimal: SecretBytes(copying: Array((arguments["cak"] ?? "").utf8)))
    let ckn = try CKN(hexadecimal: arguments["ckn"] ?? "")
    let chain = try KeyChain(name: "test", keys: [KeyChain.Key(ckn: ckn, cak: cak)])
    var kay = KaY(configuration: configuration(arguments))
    let end = uptime() + .seconds(Int64(arguments["seconds"] ?? "") ?? 20)
    kay.setKeyChains(primary: chain, fallback: nil, now: now())
    while uptime() < end {
      carryOut(kay.takeEffects(), &kay, socket)
      var poll = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
      let next = min(kay.nextTimeout(now: now()) ?? end, end)
      let wait = (next - uptime()).components
      _ = Glibc.poll(&poll, 1, Int32(max(0, wait.seconds * 1_000 + wait.attoseconds / 1_000_000_000_000_000 + 1)))
      while let frame = try socket.receive() { kay.receive(frame, now: now()) }
      kay.handleTimeout(now: now())
    }
    carryOut(kay.takeEffects(), &kay, socket)
  }

  private static func configuration(_ arguments: [String: String]) -> PortConfiguration {
    var policy = Policy()
    policy.keyServerPriority = UInt8(arguments["priority"] ?? "") ?? 16
    policy.cipherSuite = CipherSuite.allCases.first { $0.description == arguments["suite"] } ?? .gcmAES128
    policy.sakRekeyInterval = Int64(arguments["rekey"] ?? "").map { .seconds($0) }
    let address = MACAddress(rawValue: UInt64(arguments["address"] ?? "", radix: 16) ?? 0)
    var configuration = PortConfiguration(sci: SCI(address: address), policy: policy)
    configuration.version = UInt8(arguments["version"] ?? "") ?? 3
    return configuration
  }

  private static func carryOut(_ effects: [Effect], _ kay: inout KaY, _ socket: EAPOLSocket) {
    for effect in effects {
      switch effect {
      case .send(let frame):
        do throws(MKAError) { try socket.send(frame) } catch { kay.sendFailed() }
      case .secY(let command): write(command)
      case .event(let event): line(["event": event.mnemonic])
      case .key: break
      }
    }
  }

  private static func write(_ command: SecYCommand) {
    switch command {
    case .configure(let configuration): line(["command": "configure", "suite": "\(configuration.cipherSuite)"])
    case .setPort(let status): line(["command": "port", "status": "\(status)"])
    case .addReceiveChannel(let sci): line(["command": "add_rxsc", "sci": hex(sci)])
    case .removeReceiveChannel(let sci): line(["command": "del_rxsc", "sci": hex(sci)])
    case .addReceiveAssociation(let sci, let sak): line(key("add_rxsa", sak).merging(["sci": hex(sci)]) { a, _ in a })
    case .removeReceiveAssociation(let sci, let number, _):
      line(["command": "del_rxsa", "sci": hex(sci), "an": "\(number)"])
    case .raiseLowestPN(let sci, let number, let value):
      line(["command": "pn_rxsa", "sci": hex(sci), "an": "\(number)", "pn": "\(value)"])
    case .addTransmitAssociation(let sak): line(key("add_txsa", sak))
    case .enableTransmit(let number, let key): line(["command": "enable_txsa", "an": "\(number)", "ki": "\(key)"])
    case .removeTransmitAssociation(let number, _): line(["command": "del_txsa", "an": "\(number)"])
    }
  }

  private static func key(_ command: String, _ sak: SAK) -> [String: String] {
    let digits = sak.key.withUnsafeBytes { bytes in
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    return ["command": command, "an": "\(sak.associationNumber)", "ki": "\(sak.identifier)", "key": digits]
  }

  private static func hex(_ sci: SCI) -> String {
    let digits = String(sci.rawValue, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func line(_ fields: [String: String]) {
    let body = fields.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
    print("{\(body)}")
    fflush(nil)
  }

  private static func time(_ clock: clockid_t) -> Duration {
    var value = timespec()
    clock_gettime(clock, &value)
    return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
  }

  private static func uptime() -> Duration { time(CLOCK_MONOTONIC) }
  private static func now() -> Moment { Moment(uptime: uptime(), wallClock: time(CLOCK_REALTIME)) }
}
