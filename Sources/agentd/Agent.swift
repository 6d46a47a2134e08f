// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import IPsec
import Interfaces
import Logging
import Models
import NETCONF
import Netlink
import SKS
import Secrets
import YANG

/// The agent put together: models, secrets, datastore and backends on one data directory, which it holds while it lives.
final class Agent: Sendable {
  let sealer: Sealer
  let schema: Schema
  let datastore: Datastore
  let users = UserDirectory()
  let state: AgentStateBackend
  let sks: SKSBackend
  let ipsec: IPsecBackend
  let interfaces: InterfacesBackend
  /// Follows the links of the agent's network namespace, for all backends.
  private let watcher: LinkWatcher
  private let directory: DataDirectory
  private let logger: Logger

  /// Opens the data directory, compiles the models and recovers the running configuration, which the backends then
  /// converge to.
  ///
  /// - Parameter charon: which charon carries IPsec tunnels; subcommands leave it alone.
  /// - Throws: an error whose description is for a person: no models, models that do not compile, a directory in use or
  ///   open to others, a commit log that cannot be read.
  init(_ options: CommonOptions, charon: CharonChoice = .none, logger: Logger = Logger(label: "agentd")) throws {
    self.logger = logger
    try Secrets.disableCoreDumps()
    directory = try DataDirectory(path: options.dataDirectory)
    let compiled = try Schema.compile(
      directory: ModelFolder.find(asked: options.modelFolder),
      features: FeatureSelection(only: ProtocolFeatures.supported.merging(ModelFeatures.supported) { both, _ in both }))
    for warning in compiled.warnings { logger.debug("\(warning)") }
    schema = compiled.schema
    sealer = try Sealer(try MasterKey.loadOrCreate(path: directory.path + "/master.key"))
    state = AgentStateBackend()
    let events = EventBus()
    sks = try SKSBackend(schema: schema, sealer: sealer, events: events)
    watcher = try LinkWatcher()
    let ports = PortDirectory()
    interfaces = try InterfacesBackend(schema: schema, ports: ports, watcher: watcher, events: events)
    ipsec = IPsecBackend(
      schema: schema, sealer: sealer, events: events, service: sks.service, ports: ports,
      links: KernelTunnelLinks(ports: ports), charon: charon
    ) { level, text in
      switch level {
      case .info: logger.info("\(text)")
      case .notice: logger.notice("\(text)")
      case .warning: logger.warning("\(text)")
      }
    }
    let usersBackend = UsersBackend(directory: users)
    var backends: [any Backend] = [usersBackend, interfaces, sks, ipsec, state]
    backends.append(UnservedBackend(schema: schema, besides: backends))
    datastore = try Datastore(
      schema: schema, log: CommitLog(directory: directory), sealer: sealer, backends: backends, events: events)
    // The backends hear of the recovered configuration in their own time; whoever connects first may log in already.
    usersBackend.load(from: datastore.running)
    for line in datastore.startReport { logger.warning("\(line)") }
    state.asks { [datastore] in datastore.lastCommit }
  }

  /// Merges data into the running configuration, for subcommands.
  func edit(_ value: some TreeRepresentable, comment: String) async throws {
    let edit = Edit(data: try value.interiorNode(schema: schema).underRoot)
    let session = SessionIdentity(id: 0, user: "root")
    try await datastore.editCandidate(as: session) { try edit.applied(to: $0) }
    _ = try await datastore.commit(as: session, comment: comment)
  }

  /// Finishes what was begun: no commit is taken any more, and the backends have heard of the last one.
  func stop() async {
    datastore.stop()
    await ipsec.leave()
    sks.shutdown()
    interfaces.shutdown()
    watcher.stop()
  }

  /// Opens the NETCONF server's sockets; `start` on it begins to serve.
  func server(listening addresses: [ListenAddress]) throws -> NETCONFServer {
    let server = try NETCONFServer(
      configuration: NETCONFConfiguration(addresses: addresses, directory: directory.path), datastore: datastore,
      authenticator: users, sealer: sealer, logger: logger)
    state.serves(server.addresses)
    datastore.start()
    return server
  }
}

extension InteriorNode {
  /// A container within the containers that lead to it, under the root.
  fileprivate var underRoot: InteriorNode {
    var node = self
    while let parent = node.schema.dataParent {
      node = InteriorNode(schema: parent, slots: [Slot(node.schema, .container(node))])
    }
    return node
  }
}
