// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import NETCONF
import Synchronization
import YANG

/// The provider of agentd-system: the agent's own state.
final class AgentStateBackend: Backend {
  let name = "agent"
  /// Settings are looked up by whom they concern, in the configuration that is being committed.
  let subscriptions = [AgentdSystem.AgentSettings.schemaPath]
  let operationalPaths = [AgentdSystem.AgentState.schemaPath]
  let operations: [String] = []

  private struct State {
    var addresses: [ListenAddress] = []
    var lastCommit: @Sendable () -> CommitMetadata? = { nil }
  }
  private let state = Mutex(State())
  private let started = Event.Time.now
  private let startInstant = ContinuousClock.now

  /// Tells where the server listens.
  func serves(_ addresses: [ListenAddress]) { state.withLock { $0.addresses = addresses } }
  /// Tells whom to ask for the latest commit.
  func asks(_ lastCommit: @escaping @Sendable () -> CommitMetadata?) { state.withLock { $0.lastCommit = lastCommit } }

  func prepare(_ changes: ChangeSet) -> [Refusal] { [] }
  func apply(_ changes: ChangeSet) {}

  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    let (addresses, lastCommit) = state.withLock { ($0.addresses, $0.lastCommit) }
    var answer = AgentdSystem.AgentState(
      version: AgentVersion.text, startedAt: started.dateAndTime,
      uptime: UInt32(clamping: (ContinuousClock.now - startInstant).components.seconds))
    for address in addresses {
      answer.endpoint.set(.init(address: Self.modelled(address.host), port: address.port))
    }
    if let commit = lastCommit() {
      answer.commits.last = .init(
        id: commit.id, time: commit.time.dateAndTime, user: commit.session.user, comment: commit.comment)
    }
    return AnyIterator(CollectionOfOne(answer.interiorNode(request.schema)).makeIterator())
  }

  private static func modelled(_ host: String) -> IETFInetTypes.IPAddress {
    host.contains(":") ? .ipv6Address(host) : .ipv4Address(host)
  }
}
