// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// How much and how long a NETCONF session may.
public struct SessionLimits: Sendable {
  /// The client's hello, in bytes.
  public var helloBytes = 262_144
  /// From the opening of the channel to the end of the client's hello.
  public var helloTime: Duration = .seconds(30)
  /// One request, in bytes. Memory is not used by the bytes, but by what they say.
  public var messageBytes = 1 << 30
  /// A session without a subscription that asks nothing for that long is ended; nil lets it be.
  public var idleTime: Duration? = .seconds(3600)
  /// A session that reads nothing of what waits for it for that long is ended.
  public var stallTime: Duration = .seconds(600)
  /// Notifications that may wait for a session; more are dropped and counted.
  public var waitingNotifications = 1000
  /// Sessions open at once.
  public var sessions = 512
  /// What one document may have.
  public var xml = XMLLimits()

  public init() {}
}
