// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import KeyService
import MKA

/// What ports want of others.
extension PortLoop {
  func deal(with output: Port.Output, of name: String, slot: Int) {
    switch output {
    case .event(let event, let isLogged): driver.listener.event(name, event, isLogged)
    case .rekeySummary(let count): driver.listener.note(name, .rekeySummary(count))
    case .bufferLow(let level): driver.listener.note(name, .bufferLow(level: level))
    case .bufferRestored: driver.listener.note(name, .bufferRestored)
    case .restarted(let isResumed, let reason):
      driver.listener.note(name, .restarted(isResumed: isResumed, reason: reason))
    case .watch(let socket):
      watched[socket.descriptor] = slot
      var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: socket.descriptor))
      epoll_ctl(epoll, EPOLL_CTL_ADD, socket.descriptor, &event)
    case .unwatch(let socket):
      watched[socket.descriptor] = nil
      var event = epoll_event()
      epoll_ctl(epoll, EPOLL_CTL_DEL, socket.descriptor, &event)
    case .carry(.link(let link)): driver.directory.carry(name, on: .link(link))
    case .carry(.member(let link, let leastMTU)):
      driver.directory.carry(name, on: .member(link, leastMTU: leastMTU))
    case .carry(.awaited): driver.directory.carry(name, on: .awaited)
    case .carry(.own): driver.directory.carry(name, on: nil)
    case .ask(let request, let question): ask(request, question, port: name)
    case .prefetch(let remoteSystem, let question):
      fetch(question, kind: .new, remoteSystem: remoteSystem, bits: question.bits) { [weak driver] answer in
        driver?.post(
          .prefetched(answer, remoteSystem: remoteSystem, generation: question.generation, port: name))
      }
    case .askSystem(let profile): askSystem(profile)
    }
  }

  func ask(_ request: KeyRequest, _ question: Port.KeyQuestion, port: String) {
    fetch(question, kind: request.kind, remoteSystem: request.remoteSystem, bits: request.bits) {
      [weak driver] answer in
      driver?.post(
        .answer(answer, transaction: request.transaction, generation: question.generation, port: port))
    }
  }

  private func fetch(
    _ question: Port.KeyQuestion, kind: KeyRequest.Kind, remoteSystem: String?, bits: Int,
    answer: @escaping @Sendable (KeyAnswer) -> Void
  ) {
    guard let keys = driver.keys else { return answer(.unavailable("this agent has no key service")) }
    Task {
      answer(
        await KeyFetch.fetch(
          kind, remoteSystem: remoteSystem, bits: bits, profile: question.profile, timeout: question.timeout,
          from: keys))
    }
  }

  /// Asks how the key service knows this system, again and again until it says so.
  func askSystem(_ profile: String) {
    guard let keys = driver.keys else { return }
    Task { [weak driver] in
      for attempt in 0..<10_000 {
        guard let driver, driver.uses(profile) else { return }
        if let known = try? await keys.capabilities(profile: profile, deadline: .seconds(30)),
          !known.localSystem.isEmpty
        {
          driver.post(.system(known.localSystem, profile: profile))
          return
        }
        try? await Task.sleep(for: .seconds(min(30, 1 << min(attempt, 5))))
      }
    }
  }
}
