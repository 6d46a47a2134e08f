// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink
import SecYControl
import SecYEngine
import Synchronization

/// A SecY in userspace: a secyd of this port's own, started or adopted, and programmed through its socket.
///
/// secyd lives in a session of its own and outlives the agent. When it has ended, every call fails with `absent`, and
/// `open` starts another one, which holds nothing: its packet numbers would begin anew, so a SAK that was installed
/// before is refused from then on.
///
/// The controlled port survives the end of secyd with its addresses; it goes with `remove`.
public final class UserspaceSecY: SecY {
  fileprivate struct Held {
    var connection: SecydConnection?
    var instance: UInt64?
    var child: Int32?
    var exceptions: ClearExceptions
    var configuration: SecYConfiguration?
    var history = SAKHistory()
  }

  public let kind = SecYKind.userspace
  public let controlledPortName: String
  public let parent: String
  public let sci: SCI
  private let settings: SecydSettings
  private let directory: SecydDirectory
  private let held: Mutex<Held>

  public static let capability = SecYCapability(
    cipherSuites: Set(CipherSuite.allCases), confidentialityOffsets: Set(ConfidentialityOffset.allCases),
    maximumVLANTagsInClear: 2)
  public var capability: SecYCapability { Self.capability }

  /// - Parameters:
  ///   - parent: the link's name.
  ///   - sci: the port's own secure channel.
  ///   - controlledPortName: of the TAP interface.
  ///   - exceptions: what passes in clear.
  /// - Throws: `refused` for paths and names that cannot be.
  public init(
    parent: String, sci: SCI, controlledPortName: String, exceptions: ClearExceptions = ClearExceptions(),
    settings: SecydSettings
  ) throws(SecYError) {
    self.parent = parent
    self.sci = sci
    self.controlledPortName = controlledPortName
    self.settings = settings
    directory = try SecydDirectory(settings: settings, port: controlledPortName)
    held = Mutex(Held(exceptions: exceptions))
  }

  /// Whether this host can run it: there are TAP interfaces, and the program.
  public static func isPossible(_ settings: SecydSettings) -> Bool {
    access("/dev/net/tun", R_OK | W_OK) == 0 && access(settings.program, X_OK) == 0
  }

  // MARK: The process

  public func open(_ initial: SecYConfiguration) throws(SecYError) -> SecYState {
    try held.withLock { (held) throws(SecYError) in
      held.connection = nil
      reap(&held)
      try directory.prepare(settings)
      try ParentStack.ensureCutOff(parent)
      if try adopt(&held) == false { try start(&held) }
      var report = try report(&held)
      let state = SecYState(report)
      let isNew = state.receive.isEmpty && state.transmit.isEmpty && state.status == .blocked
      let wanted = SecYSettings(isNew ? initial : report.settings.configuration, held.exceptions)
      if wanted != report.settings {
        try program([.configure(wanted.configuration)], &held)
        report.settings = wanted
      }
      held.adopt(SecYState(report))
      return SecYState(report)
    }
  }

  /// Connects to the secyd that holds the lock. One of another port, or a silent one, is ended.
  private func adopt(_ held: inout Held) throws(SecYError) -> Bool {
    guard try directory.isHeld() else { return false }
    if let identity = try? connect(&held) {
      if identity.sci == sci.rawValue, identity.port == controlledPortName,
        identity.parentIndex == if_nametoindex(parent)
      {
        return true
      }
      // Of the port as it was before its address or its link changed.
      _ = try? held.connection?.ask(.remove) { _ in }
      held.connection = nil
    }
    if try waitForEnd(.seconds(1)) { return false }
    // It holds the lock, so the number in the lock is its own.
    if let process = directory.holder { kill(process, SIGKILL) }
    guard try waitForEnd(.seconds(2)) else {
      throw SecYError(.unreachable, "the secyd of \(controlledPortName) does not answer and does not end")
    }
    return false
  }

  private func waitForEnd(_ limit: Duration) throws(SecYError) -> Bool {
    let end = ContinuousClock.now + limit
    while try directory.isHeld() {
      if ContinuousClock.now > end { return false }
      usleep(5_000)
    }
    return true
  }

  private func connect(_ held: inout Held) throws(SecYError) -> Identity {
    let connection = try SecydConnection(path: directory.control, answerLimit: settings.answerLimit)
    let identity = try connection.ask(.identify) { (reader) throws(ControlError) in
      let identity = try Identity(&reader)
      try reader.end()
      return identity
    }
    held.connection = connection
    held.instance = identity.instance
    return identity
  }

  private func start(_ held: inout Held) throws(SecYError) {
    let process = try SecydProcess.spawn(
      settings, directory, parent: parent, port: controlledPortName, sci: sci)
    held.child = process
    let end = ContinuousClock.now + settings.startLimit
    while true {
      if SecydProcess.reap(process) {
        held.child = nil
        throw SecYError(.refused, "secyd for \(parent) cannot run: \(directory.lastWords)")
      }
      if directory.holder == process, (try? connect(&held)) != nil { return }
      guard ContinuousClock.now < end else {
        kill(process, SIGKILL)
        throw SecYError(.unreachable, "secyd for \(parent) does not come up")
      }
      usleep(5_000)
    }
  }

  private func reap(_ held: inout Held) {
    if let child = held.child, SecydProcess.reap(child) { held.child = nil }
  }

  /// The connection to the secyd that was opened; another one since is a loss of all that it held.
  private func connection(_ held: inout Held) throws(SecYError) -> SecydConnection {
    if let connection = held.connection { return connection }
    reap(&held)
    guard let instance = held.instance else { throw SecYError(.absent, "\(controlledPortName) was not opened") }
    guard try directory.isHeld() else {
      throw SecYError(.absent, "the secyd of \(controlledPortName) has ended: \(directory.lastWords)")
    }
    let identity = try connect(&held)
    guard identity.instance == instance, let connection = held.connection else {
      // It stays so until the port is opened again.
      held.connection = nil
      held.instance = instance
      throw SecYError(.absent, "the secyd of \(controlledPortName) is another one")
    }
    return connection
  }

  /// An exchange on the connection, which is given up when it fails.
  private func ask<Answer>(
    _ held: inout Held, _ kind: RequestKind, write: (MessageBuffer) -> Void = { _ in },
    read: (inout MessageReader) throws(ControlError) -> Answer
  ) throws(SecYError) -> Answer {
    let connection = try connection(&held)
    do throws(SecYError) { return try connection.ask(kind, write: write, read: read) } catch {
      guard error.code == .unreachable else { throw error }
      held.connection = nil
      // Its end is told from its silence.
      if try directory.isHeld() { throw error }
      throw SecYError(.absent, "the secyd of \(controlledPortName) has ended: \(directory.lastWords)")
    }
  }

  public func remove() throws(SecYError) {
    try held.withLock { (held) throws(SecYError) in
      let isThere = try directory.isHeld()
      if isThere {
        if held.connection == nil { _ = try? connect(&held) }
        _ = try? held.connection?.ask(.remove) { _ in }
        held.connection = nil
        if try waitForEnd(.seconds(2)) == false, let process = directory.holder { kill(process, SIGKILL) }
        _ = try waitForEnd(.seconds(1))
      }
      reap(&held)
      held = Held(child: held.child, exceptions: held.exceptions, history: held.history)
      do throws(NetlinkError) {
        if let link = try RTNetlink.link(named: controlledPortName), link.kind == "tun" {
          try RTNetlink.deleteLink(index: link.index)
        }
      } catch {
        guard error.refusal == ENODEV else { throw SecYError(error, "remove \(controlledPortName)") }
      }
      try ParentStack.reconnect(parent)
      directory.clear()
    }
  }

  // MARK: Commands

  /// What passes in clear, from now on.
  public func set(_ exceptions: ClearExceptions) throws(SecYError) {
    try held.withLock { (held) throws(SecYError) in
      held.exceptions = exceptions
      guard let configuration = held.configuration else { return }
      try program([.configure(configuration)], &held)
    }
  }

  public func perform(_ commands: [SecYCommand]) -> [SecYFailure] {
    held.withLock { held in
      var failures: [SecYFailure] = []
      var batch: [SecYCommand] = []
      for command in commands {
        do throws(SecYError) {
          try check(command, &held)
          batch.append(command)
        } catch { failures.append(SecYFailure(command: command, error: error)) }
        if batch.count == Exchange.mostCommands {
          failures += send(batch, &held)
          batch = []
        }
      }
      if !batch.isEmpty { failures += send(batch, &held) }
      return failures
    }
  }

  /// Refuses what must not happen, before anything is sent; and remembers what was installed.
  private func check(_ command: SecYCommand, _ held: inout Held) throws(SecYError) {
    switch command {
    case .addReceiveAssociation(let sci, let sak):
      guard !sak.cipherSuite.hasExtendedPacketNumbers || sak.ssci[sci] != nil else {
        throw SecYError(.conflict, "the SAK has no SSCI for \(sci)")
      }
      guard !held.history.hasReceived(sak.identifier, sci) else {
        throw SecYError(.conflict, "association \(sak.associationNumber) of \(sci) had this SAK before")
      }
      held.history.noteReceive(sak.identifier, sci)
    case .addTransmitAssociation(let sak):
      guard !sak.cipherSuite.hasExtendedPacketNumbers || sak.ssci[sci] != nil else {
        throw SecYError(.conflict, "the SAK has no SSCI for \(sci)")
      }
      guard !held.history.hasTransmitted(sak.identifier) else {
        throw SecYError(.conflict, "transmit association \(sak.associationNumber) had this SAK before")
      }
      held.history.noteTransmit(sak.identifier)
    default: break
    }
  }

  private func send(_ commands: [SecYCommand], _ held: inout Held) -> [SecYFailure] {
    do throws(SecYError) {
      let exceptions = held.exceptions
      let answer = try ask(&held, .perform) { buffer in
        buffer.append(UInt16(commands.count))
        // Those without a short identifier were refused before.
        for command in commands { _ = command.write(to: buffer, own: sci, exceptions: exceptions) }
      } read: { (reader) throws(ControlError) in
        try Exchange.failures(&reader)
      }
      var failures: [SecYFailure] = []
      for failure in answer where Int(failure.index) < commands.count {
        let command = commands[Int(failure.index)]
        // As with the kernel's: a channel that is there is what was wanted.
        if case .addReceiveChannel = command, failure.error.code == .exists { continue }
        failures.append(SecYFailure(command: command, error: SecYError(failure.error)))
      }
      for (index, command) in commands.enumerated() where !answer.contains(where: { Int($0.index) == index }) {
        if case .configure(let configuration) = command { held.configuration = configuration }
      }
      return failures
    } catch { return commands.map { SecYFailure(command: $0, error: error) } }
  }

  private func program(_ commands: [SecYCommand], _ held: inout Held) throws(SecYError) {
    if let failure = send(commands, &held).first { throw failure.error }
  }

  // MARK: Reading

  private func report(_ held: inout Held) throws(SecYError) -> Report {
    try ask(&held, .report) { (reader) throws(ControlError) in
      let report = try Report(&reader)
      try reader.end()
      return report
    }
  }

  public func nextPacketNumbers() throws(SecYError) -> [SAKIdentifier: UInt64] {
    let counts = try held.withLock { (held) throws(SecYError) -> SecYCounts in try report(&held).counts }
    var numbers: [SAKIdentifier: UInt64] = [:]
    for association in counts.transmit.associations {
      numbers[SAKIdentifier(association.key)] = association.nextPN
    }
    return numbers
  }

  public func statistics() throws(SecYError) -> SecYStatistics {
    SecYStatistics(try held.withLock { (held) throws(SecYError) -> SecYCounts in try report(&held).counts })
  }

  public func state() throws(SecYError) -> SecYState {
    SecYState(try held.withLock { (held) throws(SecYError) -> Report in try report(&held) })
  }
}

extension UserspaceSecY.Held {
  fileprivate mutating func adopt(_ state: SecYState) {
    configuration = state.configuration
    for association in state.transmit { if let key = association.key { history.noteTransmit(key) } }
    for (sci, associations) in state.receive {
      for association in associations { if let key = association.key { history.noteReceive(key, sci) } }
    }
  }
}

extension SecYError {
  fileprivate init(_ error: SecYEngineError) {
    let code: Code =
      switch error.code {
      case .absent: .absent
      case .exists, .state: .conflict
      case .invalidKey, .limit, .cryptography: .refused
      }
    self.init(code, error.description)
  }
}
