// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Which charon carries the tunnels.
public enum CharonChoice: Sendable, Equatable {
  /// None: configuration of tunnels is refused.
  case none
  /// One of our own, started when the first tunnel is configured and ended with the last.
  case own(CharonSettings)
  /// One that somebody else starts. What it has loaded besides is left alone.
  ///
  /// - Parameters:
  ///   - socket: the path of its VICI socket.
  ///   - ppkSocket: where its plugin asks for PPKs, if it has ours; nil when nobody is to be listened to.
  case shared(socket: String, ppkSocket: String? = nil)

  /// Whether it may have connections, keys and secrets that are not ours.
  var isOfOthers: Bool { if case .shared = self { true } else { false } }
}

/// The charon that there is while tunnels are configured, of whichever choice.
actor CharonHost {
  private enum State {
    case idle
    case own(Charon, pump: Task<Void, Never>, questions: PPKSocketServer?)
    case shared(VICIClient, pump: Task<Void, Never>, questions: PPKSocketServer?)
  }

  private let choice: CharonChoice
  /// It is not ended with the last tunnel.
  nonisolated let isOfOthers: Bool
  private let keeper: TunnelKeeper
  private let view: IPsecOperationalView
  private let log: IPsecLog
  private var state = State.idle

  init(_ choice: CharonChoice, keeper: TunnelKeeper, view: IPsecOperationalView, log: @escaping IPsecLog) {
    self.choice = choice
    isOfOthers = choice.isOfOthers
    self.keeper = keeper
    self.view = view
    self.log = log
  }

  /// The charon of our own, while there is one.
  var charon: Charon? { if case .own(let charon, _, _) = state { charon } else { nil } }

  var client: VICIClient? {
    switch state {
    case .idle: nil
    case .own(let charon, _, _): charon.client
    case .shared(let client, _, _): client
    }
  }

  /// Has a charon from now on.
  ///
  /// - Throws: when it cannot be had now: try again.
  func begin(_ global: IKEv2Global) async throws {
    guard case .idle = state else {
      if case .own(let charon, _, _) = state { charon.take(global) }
      return
    }
    switch choice {
    case .none: throw CharonError(.settings, "the agent runs without charon")
    case .own(var settings):
      settings.take(global)
      let (stream, sink) = AsyncStream.makeStream(of: Charon.Notice.self)
      let charon = try Charon(settings: settings, events: CharonEvent.names) { sink.yield($0) }
      let questions = try listen(settings)
      try charon.start()
      let pump = Task { [keeper, view, log] in
        for await notice in stream {
          Self.report(notice, log)
          view.take(notice, client: charon.client, own: charon)
          await keeper.take(notice, client: charon.client)
        }
      }
      state = .own(charon, pump: pump, questions: questions)
    case .shared(let path, let ppkSocket):
      if global.dpdRetryInterval != nil || global.retransmission != nil {
        log(.warning, "charon at \(path) repeats requests as its own settings say, not as ikev2/global does")
      }
      let questions = ppkSocket.flatMap { listen(at: $0) }
      let (stream, sink) = AsyncStream.makeStream(of: VICIClient.Notice.self)
      let client = try VICIClient(path: path, events: CharonEvent.names) { sink.yield($0) }
      try client.start()
      let pump = Task { [keeper, view, log] in
        for await notice in stream {
          Self.report(.vici(notice), log)
          view.take(.vici(notice), client: client, own: nil)
          await keeper.take(.vici(notice), client: client)
          // The SAs of a charon that has gone are gone with it; of one that is back, they are listed.
          if case .down(.commands, _) = notice { await keeper.take(.status(.stopped), client: nil) }
        }
      }
      state = .shared(client, pump: pump, questions: questions)
    }
  }

  /// Ends a charon of our own, and leaves another as it is; also one that an earlier agent has left behind.
  func end() async {
    switch state {
    case .idle:
      guard case .own(let settings) = choice, Self.isAlive(settings) else { return }
      guard (try? await begin(IKEv2Global())) != nil else { return }
      // It is adopted, or replaced when it does not answer, before it can be ended.
      for _ in 0..<300 where charon?.status == .stopped { try? await Task.sleep(for: .milliseconds(50)) }
      await end()
    case .own(let charon, let pump, let questions):
      charon.stop()
      questions?.stop()
      // A charon that holds the lock would be taken for one to adopt.
      for _ in 0..<200 where charon.status != .stopped { try? await Task.sleep(for: .milliseconds(50)) }
      pump.cancel()
      state = .idle
      view.take(.status(.stopped), client: nil, own: charon)
      await keeper.take(.status(.stopped), client: nil)
    case .shared(let client, let pump, let questions):
      client.stop()
      questions?.stop()
      pump.cancel()
      state = .idle
      view.take(.status(.stopped), client: nil, own: nil)
    }
  }

  /// Lets go of charon, which lives on with its tunnels.
  func leave() {
    switch state {
    case .idle: break
    case .own(let charon, let pump, let questions):
      pump.cancel()
      charon.leave()
      questions?.stop()
    case .shared(let client, let pump, let questions):
      pump.cancel()
      client.stop()
      questions?.stop()
    }
    state = .idle
  }

  /// Where charon's plugin asks, if it has ours.
  private func listen(_ settings: CharonSettings) throws -> PPKSocketServer? {
    guard settings.ppkPlugin != nil else { return nil }
    try CharonDirectory(settings: settings).prepare()
    return try startServer(settings.ppkSocketPath)
  }

  /// The same for a charon of others, which does without when it cannot be had.
  private func listen(at path: String) -> PPKSocketServer? {
    do {
      if let end = path.lastIndex(of: "/") {
        try CharonDirectory(settings: CharonSettings(directory: String(path[..<end]))).prepare()
      }
      return try startServer(path)
    } catch {
      log(.warning, "charon's plugin cannot ask for PPKs at \(path): \(error)")
      return nil
    }
  }

  private func startServer(_ path: String) throws -> PPKSocketServer {
    let server = try PPKSocketServer(path: path) { [keeper] in await keeper.answer($0) }
    try server.start()
    return server
  }

  private static func isAlive(_ settings: CharonSettings) -> Bool {
    guard access(settings.lockPath, F_OK) == 0, let lock = try? CharonLock(path: settings.lockPath) else {
      return false
    }
    return !lock.take()
  }

  private static func report(_ notice: Charon.Notice, _ log: IPsecLog) {
    switch notice {
    case .status(.running(let process, let isAdopted)):
      log(.notice, "charon \(isAdopted ? "adopted" : "started"), process \(process)")
    case .status(.down(let reason, let restartIn)):
      log(.warning, "charon is down: \(reason); it is started again in \(restartIn)")
    case .status(.silent(let process)): log(.warning, "charon does not answer, process \(process)")
    case .vici(.ready(let version, _)): log(.info, "charon is ready: \(version)")
    case .vici(.down(_, let error)): log(.info, "charon's socket: \(error)")
    case .status, .vici: break
    }
  }
}
