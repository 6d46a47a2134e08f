// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Netlink
import Secrets

/// The engine, its socket and its SecY.
struct Port {
  private var kay: KaY
  private let socket: EAPOLSocket
  private let secY: (any SecY)?
  private let stateFile: String?
  private let chain: KeyChain
  private var mark = 0
  private var nextReading = Duration.zero

  init(_ arguments: Arguments) throws {
    var configuration = arguments.configuration
    secY = try Self.secY(arguments, configuration)
    if let secY { configuration.capability = secY.capability.macsecCapability }
    kay = KaY(configuration: configuration)
    stateFile = arguments["state"]
    socket = try EAPOLSocket(interfaceIndex: if_nametoindex(arguments.interface))
    let chain = try arguments.chain
    self.chain = chain
    if let state = try openSecY() {
      if let kept = kept() {
        let away = kept.age(now: Clock.now)
        let isResumed = kay.resume(kept, secYHolds: state, primary: chain, fallback: nil, now: Clock.now)
        let member = kay.status(now: Clock.now).participants.first?.memberIdentifier
        // Milliseconds since the last hello.
        Line.write([
          isResumed ? "resumed" : "renewed": member?.description ?? "", "away": "\(away / .milliseconds(1))",
        ])
        if isResumed { return }
      } else if stateFile != nil, !state.transmit.isEmpty {
        Line.write(["renewed": "", "away": "unknown"])
      }
      for failure in secY?.perform(state.removals) ?? [] { Line.write(["error": failure.error.message]) }
    }
    kay.setKeyChains(primary: chain, fallback: nil, now: Clock.now)
  }

  private func openSecY() throws -> SecYState? {
    guard let secY else { return nil }
    let policy = kay.configuration.policy
    let state = try secY.open(
      SecYConfiguration(
        cipherSuite: policy.cipherSuite, confidentialityOffset: policy.confidentialityOffset,
        replayProtect: policy.replayProtect, replayWindow: policy.replayWindow))
    Line.write([
      "secy": secY.kind.rawValue, "link": secY.controlledPortName, "status": "\(state.status)",
      "transmit": "\(state.transmit.count)", "receive": "\(state.receive.count)",
    ])
    return state
  }

  private static func secY(_ arguments: Arguments, _ configuration: PortConfiguration) throws -> (any SecY)? {
    let interface = arguments.interface
    switch arguments["secy"] ?? "none" {
    case "none": return nil
    case "kernel":
      guard let kernel = try MACsecNetlink() else { throw MKAError(.system, "the kernel has no MACsec") }
      return KernelSecY(
        parent: interface, sci: configuration.sci,
        controlledPortName: ControlledPortName.of(parent: interface, index: if_nametoindex(interface)),
        kernel: kernel)
    case "userspace":
      return try UserspaceSecY(
        parent: interface, sci: configuration.sci,
        controlledPortName: ControlledPortName.of(parent: interface, index: if_nametoindex(interface)),
        settings: SecydSettings(program: arguments["secyd"] ?? "", directory: arguments["directory"] ?? ""))
    default: throw MKAError(.unknown, "there is no such SecY")
    }
  }

  mutating func run(until end: Duration) throws {
    while Clock.uptime < end {
      carryOut()
      var poll = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
      var next = min(kay.nextTimeout(now: Clock.now) ?? end, end)
      if secY != nil { next = min(next, nextReading) }
      let wait = (next - Clock.uptime).components
      _ = Glibc.poll(&poll, 1, Int32(max(0, wait.seconds * 1_000 + wait.attoseconds / 1_000_000_000_000_000 + 1)))
      while let frame = try socket.receive() { kay.receive(frame, now: Clock.now) }
      try readSecY()
      kay.handleTimeout(now: Clock.now)
    }
    carryOut()
    try writeStatistics()
  }

  /// Twice in a bounded hello time.
  private mutating func readSecY() throws {
    guard let secY, Clock.uptime >= nextReading else { return }
    nextReading = Clock.uptime + .milliseconds(250)
    let numbers: [SAKIdentifier: UInt64]
    do throws(SecYError) { numbers = try secY.nextPacketNumbers() } catch {
      guard error.code == .absent else { throw error }
      // What it held is lost: another member begins, with another SAK.
      Line.write(["lost": error.message])
      _ = try openSecY()
      kay = KaY(configuration: kay.configuration)
      kay.setKeyChains(primary: chain, fallback: nil, now: Clock.now)
      return
    }
    for (key, number) in numbers { kay.update(nextPN: number, of: key, now: Clock.now) }
  }

  private mutating func carryOut() {
    // A failure may ask for more.
    for _ in 0..<8 {
      let effects = kay.takeEffects()
      if effects.isEmpty { return }
      keep(effects)
      for effect in effects { carryOut(effect) }
    }
  }

  private mutating func carryOut(_ effect: Effect) {
    switch effect {
    case .send(let frame):
      do throws(MKAError) { try socket.send(frame) } catch { kay.sendFailed() }
    case .secY(let command): carryOut(command)
    case .event(let event): Line.write(["event": event.mnemonic])
    case .key: break
    }
  }

  private mutating func carryOut(_ command: SecYCommand) {
    guard let secY else { return Line.write(command) }
    if case .setPort(let status) = command { Line.write(["command": "port", "status": "\(status)"]) }
    if case .enableTransmit(let number, let key) = command {
      Line.write(["command": "enable_txsa", "an": "\(number)", "ki": "\(key)"])
    }
    for failure in secY.perform([command]) {
      Line.write(["error": failure.error.message])
      kay.secYFailed(failure.command, reason: failure.error.message, now: Clock.now)
    }
  }

  private func writeStatistics() throws {
    guard let statistics = try secY?.statistics() else { return }
    let transmit = statistics.transmit
    Line.write([
      "encrypted": "\(transmit.outPacketsEncrypted)", "protected": "\(transmit.outPacketsProtected)",
      "ok": "\(statistics.receive.reduce(0) { $0 + $1.inPacketsOK })",
      "late": "\(statistics.receive.reduce(0) { $0 + $1.inPacketsLate })",
      "not_valid": "\(statistics.receive.reduce(0) { $0 + $1.inPacketsNotValid })",
      "no_tag": "\(statistics.interface.inPacketsNoTag)", "transmit_associations": "\(transmit.associations.count)",
    ])
  }

  // MARK: The state file

  /// Before the effects are carried out, when it has changed; and with each hello, so that it is not too old.
  private mutating func keep(_ effects: [Effect]) {
    let isSending = effects.contains { if case .send = $0 { true } else { false } }
    guard let stateFile, isSending || kay.resumptionMark != mark else { return }
    mark = kay.resumptionMark
    guard let bytes = kay.resumption(now: Clock.now)?.encoded() else {
      unlink(stateFile)
      return
    }
    let draft = stateFile + ".new"
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(descriptor) }
    let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if written == bytes.count { rename(draft, stateFile) }
  }

  private func kept() -> KaYResumption? {
    guard let stateFile else { return nil }
    let descriptor = open(stateFile, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let bytes = SecretBytes(capacity: 65_536) { buffer in max(0, read(descriptor, buffer.baseAddress, buffer.count)) }
    return try? KaYResumption(decoding: bytes)
  }
}
