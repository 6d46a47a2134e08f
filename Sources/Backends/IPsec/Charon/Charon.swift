// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization
import Threads

/// A charon of our own that is started, adopted, watched and started again; and its VICI client.
///
/// `CharonSupervisor` decides; one thread carries out. The charon is in a session of its own and holds a lock file, so
/// that it outlives this process and the next one finds it.
///
/// Sendable: `inbox` and `shared` are guarded, the descriptors do not change between init and deinit, the rest is touched
/// by the thread alone, which holds a reference and so ends before deinit.
public final class Charon: @unchecked Sendable {
  /// What happens to it.
  public enum Notice: Sendable, Equatable {
    case status(CharonSupervisor.Status)
    case vici(VICIClient.Notice)
  }

  private enum Input {
    case vici(VICIClient.Notice)
    case leave
    case stop
  }
  private struct Shared {
    var status = CharonSupervisor.Status.stopped
    var restartCount = 0
    var runsOldSettings = false
    /// What strongswan.conf has to say.
    var text = ""
  }

  public let settings: CharonSettings
  private let events: [String]
  private let wake: Int32
  private let inbox = Mutex<[Input]>([])
  private let shared = Mutex(Shared())
  private let onNotice: @Sendable (Notice) -> Void
  private let limits: CharonSupervisor.Limits
  private let clientBox = Mutex<VICIClient?>(nil)

  /// - Parameters:
  ///   - events: of VICI that are subscribed to.
  ///   - onNotice: called on threads of this object; it must not wait.
  /// - Throws: `settings`, `directory`, `system`.
  public init(
    settings: CharonSettings, events: [String] = [], limits: CharonSupervisor.Limits = .init(),
    onNotice: @escaping @Sendable (Notice) -> Void
  ) throws(CharonError) {
    self.settings = settings
    self.events = events
    self.limits = limits
    self.onNotice = onNotice
    let text = try settings.configurationText()
    shared.withLock { $0.text = text }
    try CharonDirectory(settings: settings).prepare()
    wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wake >= 0 else { throw CharonError(.system, "eventfd: \(systemReason())") }
  }

  deinit { close(wake) }

  /// The client, once started. Commands fail while charon is down.
  public var client: VICIClient? { clientBox.withLock { $0 } }
  public var status: CharonSupervisor.Status { shared.withLock { $0.status } }
  /// How often a charon was started again since this object began.
  public var restartCount: Int { shared.withLock { $0.restartCount } }
  /// The charon that was adopted was started with another strongswan.conf; the new one counts after its next start.
  public var runsOldSettings: Bool { shared.withLock { $0.runsOldSettings } }

  /// Finds the charon that is there, or starts one.
  ///
  /// - Throws: `directory`, `system`.
  public func start() throws(CharonError) {
    let lock = try CharonLock(path: settings.lockPath)
    let client: VICIClient
    do throws(VICIError) {
      client = try VICIClient(path: settings.socketPath, events: events) { [weak self] notice in
        self?.post(.vici(notice))
      }
      try client.start()
    } catch { throw CharonError(.system, error.description) }
    clientBox.withLock { $0 = client }
    let isLocked = !lock.take()
    let recorded = isLocked ? lock.recorded : nil
    _ = consume lock
    if isLocked {
      let old = CharonDirectory(settings: settings).configurationText()
      shared.withLock { $0.runsOldSettings = old != $0.text }
    }
    do throws(SystemThread.Failure) {
      _ = try SystemThread("charon") { [self] in run(isLocked: isLocked, recorded: recorded) }
    } catch {
      client.stop()
      throw CharonError(.system, "no thread for charon: \(systemReason(error.errorNumber))")
    }
  }

  /// Takes what `ikev2/global` says now. charon reads it anew: it counts for the SAs that begin from then on.
  public func take(_ global: IKEv2Global) {
    var changed = settings
    changed.take(global)
    guard let text = try? changed.configurationText() else { return }
    let isNew = shared.withLock { shared in
      defer { shared.text = text }
      return shared.text != text
    }
    guard isNew, (try? CharonDirectory(settings: settings).write(text)) != nil, let client else { return }
    // A charon that is down reads it when it starts.
    Task { _ = try? await client.call("reload-settings") }
  }

  /// Stops watching and lets charon live on.
  public func leave() { post(.leave) }

  /// Ends charon and its tunnels.
  public func stop() { post(.stop) }

  private func post(_ input: Input) {
    inbox.withLock { $0.append(input) }
    var one: UInt64 = 1
    _ = write(wake, &one, 8)
  }

  // MARK: The thread

  /// What the thread owns.
  private struct Work {
    var supervisor: CharonSupervisor
    var watched: (process: Int32, descriptor: Int32)?
    var isOver = false
  }

  private func run(isLocked: Bool, recorded: Int32?) {
    var work = Work(supervisor: CharonSupervisor(limits: limits))
    carryOut(work.supervisor.start(isLocked: isLocked, recorded: recorded, now: .now), &work)
    while !work.isOver {
      waitForInput(&work)
      let inputs = inbox.withLock { inbox in
        defer { inbox = [] }
        return inbox
      }
      for input in inputs { take(input, &work) }
      if let due = work.supervisor.nextTimeout, due <= .now { timeout(&work) }
    }
    if let watched = work.watched { close(watched.descriptor) }
    client?.stop()
  }

  private func waitForInput(_ work: inout Work) {
    var waits = [
      pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
      pollfd(fd: work.watched?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
    ]
    let limit = work.supervisor.nextTimeout.map { due in
      let parts = ContinuousClock.now.duration(to: due).components
      return Int32(min(max(parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000 + 1, 0), 60_000))
    }
    _ = poll(&waits, 2, limit ?? -1)
    if waits[0].revents != 0 {
      var count: UInt64 = 0
      _ = read(wake, &count, 8)
    }
    if waits[1].revents != 0, let watched = work.watched {
      close(watched.descriptor)
      work.watched = nil
      let reason = CharonProcess.reap(watched.process)
      carryOut(work.supervisor.exited(watched.process, reason, now: .now), &work)
    }
  }

  private func take(_ input: Input, _ work: inout Work) {
    switch input {
    case .vici(let notice):
      switch notice {
      case .ready(_, let process): carryOut(work.supervisor.ready(process, now: .now), &work)
      case .down(.commands, _): carryOut(work.supervisor.unreachable(now: .now), &work)
      case .down, .listening, .event: break
      }
      onNotice(.vici(notice))
    case .leave:
      carryOut(work.supervisor.leave(), &work)
      work.isOver = true
    case .stop:
      carryOut(work.supervisor.stop(now: .now), &work)
    }
  }

  private func timeout(_ work: inout Work) {
    // An unknown holder of the lock may have gone meanwhile.
    if let lock = try? CharonLock(path: settings.lockPath), lock.take() {
      carryOut(work.supervisor.lockReleased(now: .now), &work)
    }
    carryOut(work.supervisor.timeout(now: .now), &work)
  }

  private func carryOut(_ effects: [CharonSupervisor.Effect], _ work: inout Work) {
    for effect in effects {
      switch effect {
      case .spawn:
        do throws(CharonError) {
          carryOut(work.supervisor.spawned(try spawn(), now: .now), &work)
        } catch { carryOut(work.supervisor.spawningFailed(error.description, now: .now), &work) }
      case .watch(let process): watch(process, &work)
      case .terminate(let process): signal(process, SIGTERM, work)
      case .kill(let process): signal(process, SIGKILL, work)
      case .report(let status):
        let restarts = work.supervisor.restartCount
        shared.withLock { shared in
          shared.status = status
          shared.restartCount = restarts
        }
        onNotice(.status(status))
        if status == .stopped { work.isOver = true }
      }
    }
  }

  private func watch(_ process: Int32, _ work: inout Work) {
    if let watched = work.watched { close(watched.descriptor) }
    work.watched = CharonProcess.watch(process).map { (process, $0) }
    if work.watched == nil {
      carryOut(work.supervisor.exited(process, CharonProcess.reap(process), now: .now), &work)
    }
  }

  /// Only a process that is watched, and so cannot have been replaced by another of that number, gets a signal.
  private func signal(_ process: Int32, _ number: Int32, _ work: Work) {
    guard work.watched?.process == process else { return }
    Glibc.kill(process, number)
  }

  private func spawn() throws(CharonError) -> Int32 {
    let lock = try CharonLock(path: settings.lockPath)
    guard lock.take() else { throw CharonError(.directory, "\(settings.lockPath) is held by another charon") }
    try CharonDirectory(settings: settings).write(shared.withLock { $0.text })
    let process = try CharonProcess.spawn(settings, lock: lock.descriptor)
    lock.record(process)
    shared.withLock { $0.runsOldSettings = false }
    return process
  }
}
