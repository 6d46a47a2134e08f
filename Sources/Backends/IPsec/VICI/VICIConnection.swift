// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One connection to charon's VICI socket, without the socket.
///
/// VICI has no sequence numbers: an answer belongs to what was asked last. So one job is under way at a time, the others
/// wait in order, and a job that gets no answer within its limit ends the connection, since a late answer could not be
/// told from the next job's. Events come at any time, also between a command and its answer.
///
/// A streamed command (list-sas with its list-sa events) is three exchanges: the event is registered, the command
/// answered, the event unregistered. The parts go out as they come; whoever collects them bounds their number.
///
/// Inputs are jobs, bytes and times; outputs are lists of effects. After `.failed` the connection takes nothing any more.
public struct VICIConnection: Sendable {
  public typealias Instant = ContinuousClock.Instant
  /// Names a job; given by whoever submits it.
  public typealias JobID = UInt64

  /// What can be asked of charon.
  public enum Task: Sendable {
    /// A command; with `stream`, the event whose messages it sends before its response.
    case command(String, VICIMessage, stream: String?)
    /// Events of that name from now on.
    case subscribe(event: String)
  }

  /// A task with its name and the longest time that each of its answers may take.
  public struct Job: Sendable {
    public let id: JobID
    public let task: Task
    public let limit: Duration

    public init(id: JobID, task: Task, limit: Duration) {
      self.id = id
      self.task = task
      self.limit = limit
    }
  }

  /// What is to be done or told.
  public enum Effect: Sendable, Equatable {
    /// Send this packet.
    case write(VICIFrame)
    /// A message of a streamed command.
    case part(JobID, VICIMessage)
    /// A job is over. A subscription gives an empty message.
    case finished(JobID, Result<VICIMessage, VICIError>)
    /// An event that was subscribed to.
    case event(String, VICIMessage)
    /// The connection is of no use any more: close it. All jobs have been finished.
    case failed(VICIError)
  }

  /// Most jobs that wait at a time.
  public static let maximumWaiting = 8192

  private enum Stage {
    case registering(Job)
    case responding(Job)
    case unregistering(Job, Result<VICIMessage, VICIError>)

    var job: Job {
      switch self {
      case .registering(let job), .responding(let job), .unregistering(let job, _): job
      }
    }
  }

  private var reader = VICIPacketReader()
  private var stage: Stage?
  private var deadline: Instant?
  private var waiting: [Job] = []
  private var nextWaiting = 0
  private var subscriptions: Set<String> = []
  private var failure: VICIError?

  public init() {}

  /// When `timeout(now:)` is due; nil when nothing is under way.
  public var nextTimeout: Instant? { deadline }

  // MARK: Inputs

  /// Takes a job.
  public mutating func submit(_ job: Job, now: Instant) -> [Effect] {
    if let failure { return [.finished(job.id, .failure(failure))] }
    guard waiting.count - nextWaiting < Self.maximumWaiting else {
      return [.finished(job.id, .failure(VICIError(.overloaded, "\(Self.maximumWaiting) VICI commands wait already")))]
    }
    waiting.append(job)
    return stage == nil ? startNext(now: now) : []
  }

  /// Takes bytes from the socket.
  public mutating func receive(_ bytes: some Sequence<UInt8>, now: Instant) -> [Effect] {
    guard failure == nil else { return [] }
    reader.feed(bytes)
    var effects: [Effect] = []
    do throws(VICIError) {
      while failure == nil, let packet = try reader.next() { effects += try take(packet, now: now) }
    } catch {
      effects += fail(error)
    }
    return effects
  }

  /// The time has come that `nextTimeout` named.
  public mutating func timeout(now: Instant) -> [Effect] {
    guard let deadline, now >= deadline, let job = stage?.job else { return [] }
    return fail(VICIError(.timedOut, "charon has not answered '\(job.task.name)' within \(job.limit)"))
  }

  /// The socket was closed, or is about to be.
  public mutating func disconnected(_ reason: String) -> [Effect] {
    failure == nil ? fail(VICIError(.disconnected, reason)) : []
  }

  // MARK: Packets

  private mutating func take(_ packet: VICIPacket, now: Instant) throws(VICIError) -> [Effect] {
    switch (packet, stage) {
    case (.event(let name, let message), let stage):
      if case .responding(let job) = stage, job.task.stream == name { return [.part(job.id, message)] }
      // Others may be in flight from a stream that has just ended.
      return subscriptions.contains(name) ? [.event(name, message)] : []

    case (.response(let message), .responding(let job)):
      return finishCommand(job, Self.verdict(message, of: job.task.name), now: now)
    case (.unknownCommand, .responding(let job)):
      let error = VICIError(.unknown, "charon does not know the command '\(job.task.name)'")
      return finishCommand(job, .failure(error), now: now)

    case (.confirmed, .registering(let job)):
      if case .subscribe(let event) = job.task {
        subscriptions.insert(event)
        return finish(job, .success(VICIMessage()), now: now)
      }
      return send(job, stage: .responding(job), now: now)
    case (.unknownEvent, .registering(let job)):
      let event = job.task.stream ?? job.task.name
      return finish(job, .failure(VICIError(.unknown, "charon does not know the event '\(event)'")), now: now)

    case (.confirmed, .unregistering(let job, let result)), (.unknownEvent, .unregistering(let job, let result)):
      return finish(job, result, now: now)

    case (.request, _), (.register, _), (.unregister, _):
      throw VICIError(.malformed, "a VICI packet that only clients send")
    default:
      throw VICIError(.malformed, "a VICI answer that nothing asked for")
    }
  }

  /// `success=no` with its `errmsg` becomes an error; commands that only list answer without `success`.
  private static func verdict(_ message: VICIMessage, of command: String) -> Result<VICIMessage, VICIError> {
    guard message["success"] == "no" else { return .success(message) }
    let reason = message["errmsg"] ?? "no reason given"
    return .failure(VICIError(.refused, "charon refuses '\(command)': \(reason)"))
  }

  // MARK: Jobs

  private mutating func finishCommand(
    _ job: Job, _ result: Result<VICIMessage, VICIError>, now: Instant
  ) -> [Effect] {
    guard job.task.stream != nil else { return finish(job, result, now: now) }
    return send(job, stage: .unregistering(job, result), now: now)
  }

  private mutating func finish(_ job: Job, _ result: Result<VICIMessage, VICIError>, now: Instant) -> [Effect] {
    stage = nil
    deadline = nil
    return [.finished(job.id, result)] + startNext(now: now)
  }

  private mutating func startNext(now: Instant) -> [Effect] {
    guard nextWaiting < waiting.count else { return [] }
    let job = waiting[nextWaiting]
    nextWaiting += 1
    if nextWaiting == waiting.count || nextWaiting >= 1024 {
      waiting.removeFirst(nextWaiting)
      nextWaiting = 0
    }
    if case .command(_, _, nil) = job.task { return send(job, stage: .responding(job), now: now) }
    return send(job, stage: .registering(job), now: now)
  }

  private mutating func send(_ job: Job, stage: Stage, now: Instant) -> [Effect] {
    do throws(VICIError) {
      let frame = try VICIFrame(Self.packet(for: stage))
      self.stage = stage
      deadline = now.advanced(by: job.limit)
      return [.write(frame)]
    } catch {
      // It does not fit the format: nothing was sent, so the connection is as good as before.
      return finish(job, .failure(error), now: now)
    }
  }

  private static func packet(for stage: Stage) -> VICIPacket {
    switch (stage, stage.job.task) {
    case (.registering, let task): .register(event: task.stream ?? task.name)
    case (.unregistering, let task): .unregister(event: task.stream ?? task.name)
    case (.responding, .command(let name, let message, _)): .request(command: name, message)
    case (.responding, .subscribe(let event)): .register(event: event)
    }
  }

  private mutating func fail(_ error: VICIError) -> [Effect] {
    failure = error
    let under = stage.map { [$0.job] } ?? []
    let lost = VICIError(.disconnected, "the VICI connection ended before its turn: \(error)")
    let effects: [Effect] =
      under.map { .finished($0.id, .failure(error)) }
      + waiting[nextWaiting...].map { .finished($0.id, .failure(lost)) }
    stage = nil
    deadline = nil
    waiting = []
    nextWaiting = 0
    return effects + [.failed(error)]
  }
}

extension VICIConnection.Task {
  /// The command's or event's name.
  var name: String {
    switch self {
    case .command(let name, _, _): name
    case .subscribe(let event): event
    }
  }

  /// The event of a streamed command.
  var stream: String? {
    if case .command(_, _, let stream) = self { stream } else { nil }
  }
}
