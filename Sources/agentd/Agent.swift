// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc
import IPsec
import Interfaces
import Logging
import MACsecPorts
import MKA
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
  private let macsec: MACsecBackend
  /// Follows the links of the agent's network namespace, for all backends.
  private let watcher: LinkWatcher
  private let directory: DataDirectory
  private let logger: Logger

  /// Opens the data directory, compiles the models and recovers the running configuration, which the backends then
  /// converge to.
  ///
  /// - Parameters:
  ///   - charon: which charon carries IPsec tunnels; subcommands leave it alone.
  ///   - secyd: the userspace data plane of MACsec; by default the program beside this one.
  ///   - takesUnserved: whether configuration that no backend carries out is taken all the same.
  /// - Throws: an error whose description is for a person: no models, models that do not compile, a directory in use or
  ///   open to others, a commit log that cannot be read.
  init(
    _ options: CommonOptions, charon: CharonChoice = .none, secyd: SecydSettings? = nil,
    takesUnserved: Bool = false,
    logger: Logger = Logger(label: "agentd")
  ) throws {
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
    let ports = PortDirectory()
    sks = try SKSBackend(
      schema: schema, sealer: sealer, events: events, layer3Link: { ports.carrier(of: $0)?.linkName })
    watcher = try LinkWatcher()
    interfaces = try InterfacesBackend(schema: schema, ports: ports, watcher: watcher, events: events)
    ipsec = IPsecBackend(
      schema: schema, sealer: sealer, events: events, service: sks.service, ports: ports,
      links: KernelTunnelLinks(ports: ports), watcher: watcher, charon: charon
    ) { level, text in
      switch level {
      case .info: logger.info("\(text)")
      case .notice: logger.notice("\(text)")
      case .warning: logger.warning("\(text)")
      }
    }
    let usersBackend = UsersBackend(directory: users)
    macsec = try MACsecBackend(
      schema: schema, sealer: sealer, events: events, keys: sks.service, ports: ports,
      environment: .system(secyd: secyd ?? .besideAgent(dataDirectory: directory.path)),
      directory: directory.path + "/macsec", watcher: watcher)
    var backends: [any Backend] = [usersBackend, interfaces, sks, macsec, ipsec, state]
    if !takesUnserved { backends.append(UnservedBackend(schema: schema, besides: backends)) }
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
    macsec.shutdown()
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

extension SecydSettings {
  /// The program that was installed with this one, and a directory in the agent's.
  static func besideAgent(dataDirectory: String, program: String? = nil) -> SecydSettings {
    var path = [CChar](repeating: 0, count: 4_096)
    let length = readlink("/proc/self/exe", &path, path.count)
    let own = String(decoding: path.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let folder = own.lastIndex(of: "/").map { own[...$0] } ?? ""
    return SecydSettings(program: program ?? folder + "secyd", directory: dataDirectory + "/secyd")
  }
}
