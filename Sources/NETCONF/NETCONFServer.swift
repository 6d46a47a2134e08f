// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Logging
import Secrets
import YANG

/// What a NETCONF server needs to be told.
public struct NETCONFConfiguration: Sendable {
  /// Addresses to listen on with SSH. The port of the standard is 830.
  public var addresses: [ListenAddress]
  /// A directory of the server's own, where the host keys are kept; made on first use they stay.
  public var directory: String
  /// Threads that serve connections.
  public var loopCount = 2
  public var ssh = SSHLimits()
  public var connections = ConnectionLimiter.Limits()
  public var sessions = SessionLimits()
  /// How long `stop` lets sessions finish what they do.
  public var stopTime: Duration = .seconds(3)

  public init(addresses: [ListenAddress], directory: String) {
    self.addresses = addresses
    self.directory = directory
  }
}

/// A NETCONF server over SSH (RFC 6241, RFC 6242) on a datastore and the agent's backends.
///
/// Call `stop` before it is let go: its threads do not end by themselves.
///
/// It reads what the backends provide and calls their rpcs; configuration it changes only through the datastore.
public final class NETCONFServer: Sendable {
  private let core: ServerCore
  private let ssh: SSHServer
  private let configuration: NETCONFConfiguration

  /// Opens the sockets, so that a wrong address is told here; connections wait until `start`.
  ///
  /// - Parameters:
  ///   - datastore: whose backends' operational data is read, and whose rpcs are called.
  ///   - sealer: seals secrets in what clients send; without one, leafs that hold secrets are refused.
  public init(
    configuration: NETCONFConfiguration, datastore: Datastore, authenticator: any Authenticator,
    sealer: Sealer?, logger: Logger
  ) throws(ServerError) {
    self.configuration = configuration
    let core = ServerCore(
      datastore: datastore, limits: configuration.sessions, sealer: sealer, logger: logger)
    self.core = core
    ssh = try SSHServer(
      addresses: configuration.addresses, hostKeys: HostKeys(directory: configuration.directory),
      limits: configuration.ssh, connectionLimits: configuration.connections, loopCount: configuration.loopCount,
      authenticator: authenticator, logger: logger
    ) { peer, loop, pump in
      core.makeSession(
        for: peer, SessionSurroundings(execute: { loop.execute($0) }, now: { loop.now }, pump: pump))
    }
  }

  /// The addresses that are listened on, with the ports that the system gave.
  public var addresses: [ListenAddress] { ssh.addresses }
  /// The capabilities that clients are told.
  public var capabilities: [String] { core.capabilities }

  /// The operational data that the server itself provides, for checks that everything is provided.
  public var operationalPaths: [String] { core.ownPaths }

  /// Begins to accept connections.
  public func start() throws(ServerError) { try ssh.start() }

  /// Accepts no more connections, lets sessions finish what they do, and ends them. Returns when all have ended; blocks
  /// for `stopTime` and a little more at most.
  public func stop() { ssh.stop(grace: configuration.stopTime) }
}
