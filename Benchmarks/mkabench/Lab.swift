// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc
import Interfaces
import Logging
import MACsecPorts
import MKA
import Models
import Netlink
import Secrets
import Synchronization
import YANG

/// A backend of MACsec with links eth0, eth1 and so on, of which each even one is joined to the next.
final class Lab: Sendable {
  typealias KeyChains = Models.KeyChain.Key
  typealias Port = Models.Interface.Interfaces.Interface

  let backend: MACsecBackend
  private let schema: Schema
  private let sealer: Sealer
  private let count: Int
  private let directory: String
  private let secYs: SecYs

  init(yang: String, count: Int) throws {
    self.count = count
    schema = try Schema.compile(directory: yang).schema
    sealer = try Sealer(try MasterKey())
    directory = "/tmp/mkabench-\(getpid())"
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = min(limit.rlim_max, rlim_t(count * 4 + 256))
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    var ends: [Int32] = []
    for _ in 0..<(count + 1) / 2 {
      var pair: [Int32] = [-1, -1]
      guard socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &pair) == 0 else {
        throw MKAError(.system, "no more sockets")
      }
      ends += pair
    }
    let (sockets, secYs) = (ends, SecYs())
    self.secYs = secYs
    backend = try MACsecBackend(
      schema: schema, sealer: sealer, events: EventBus(), keys: nil, ports: PortDirectory(),
      environment: PortEnvironment(
        openSocket: { link in Wire(descriptor: sockets[Int(link.index) - 1]) },
        makeSecY: { request in secYs.secY(request) }, capability: { _ in RememberingSecY.everything },
        guardParent: { _, _ in }),
      directory: directory, logger: Logger(label: "mkabench") { _ in SwiftLogNoOpLogHandler() })
  }

  var securedCount: Int { secYs.securedCount }
  var isSecured: Bool { securedCount == count }

  func configure() throws {
    let secret = try sealer.seal(SecretBytes(copying: Array(String(repeating: "0123456789abcdef", count: 4).utf8)))
    var chains = KeyChains()
    chains.chains.chain.set(
      .init(
        keyChainName: "c",
        macsec: .init(
          keys: .init(
            key: [
              .init(
                ckn: "abcd", keyString: .init(password: secret, cryptographicAlgorithm: .aes256Cmac),
                lifetime: .init(
                  startTime: .init(hour: 0, minute: 0, second: 0, month: .january, dayOfMonth: 1, year: 2020),
                  infinite: .init()))
            ])), timezone: .init(gmt: .init())))
    var ports: KeyedList<Port> = []
    var links: [String: Link] = [:]
    for number in 0..<count {
      let name = "eth\(number)"
      ports.set(Port(interfaceName: name, macsec: .init(pskKeychain: .init(keychainName: "c"))))
      links[name] = Link(
        index: UInt32(number + 1), name: name, flags: [.up, .lowerUp], operationalState: .up, mtu: 1_500,
        hardwareAddress: [2, 0, 0, 1, UInt8(number >> 8 & 255), UInt8(number & 255)], hardwareType: 1)
    }
    guard let list = schema.node(at: Port.schemaPath), let above = list.dataParent else {
      throw MKAError(.system, "the models are not those of the agent")
    }
    let entries = ListEntries.make(schema: list, entries: ports.map { $0.interiorNode(list) }).list
    let interfaces = InteriorNode(schema: above, slots: [InteriorNode.Slot(list, .list(entries))])
    let slots = [try chains.interiorNode(schema: schema), interfaces].map {
      InteriorNode.Slot($0.schema, .container($0))
    }
    let root = InteriorNode(schema: schema.root, slots: slots.sorted { $0.position < $1.position })
    let changes = ChangeSet(
      subscriptions: backend.subscriptions, from: InteriorNode(schema: schema.root), to: root, schema: schema)
    if let refusal = backend.prepare(changes).first { throw MKAError(.system, refusal.reason) }
    backend.apply(changes)
    backend.links(links)
  }

  /// Removes the files of the ports.
  func remove() {
    for number in 0..<count { unlink("\(directory)/eth\(number)") }
    rmdir(directory)
  }
}

/// One end of a pair of sockets that carries frames like a wire.
private final class Wire: PortSocket {
  let descriptor: Int32
  init(descriptor: Int32) { self.descriptor = descriptor }

  func receive() throws(MKAError) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 2_048)
    let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    return count > 0 ? Array(buffer.prefix(count)) : nil
  }

  func send(_ frame: [UInt8]) throws(MKAError) {
    guard Glibc.send(descriptor, frame, frame.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) == frame.count else {
      throw MKAError(.system, "the wire is full")
    }
  }
}

/// All data planes of a lab.
private final class SecYs: Sendable {
  private let all = Mutex<[RememberingSecY]>([])

  func secY(_ request: SecYRequest) -> any SecY {
    let made = RememberingSecY(name: "ms-" + request.parent.name, sci: request.sci)
    all.withLock { $0.append(made) }
    return made
  }

  var securedCount: Int { all.withLock { all in all.count { $0.isProtected } } }
}

/// A data plane without frames.
private final class RememberingSecY: SecY {
  static let everything = SecYCapability(
    cipherSuites: Set(CipherSuite.allCases), confidentialityOffsets: Set(ConfidentialityOffset.allCases),
    maximumVLANTagsInClear: 2)

  let kind = SecYKind.userspace
  let capability = RememberingSecY.everything
  let controlledPortName: String
  private let sci: SCI
  private let held = Mutex((state: SecYState(), numbers: [SAKIdentifier: UInt64]()))

  init(name: String, sci: SCI) {
    controlledPortName = name
    self.sci = sci
  }

  var isProtected: Bool { held.withLock { $0.state.status == .protected } }

  func open(_ initial: SecYConfiguration) throws(SecYError) -> SecYState {
    held.withLock { held in
      held.state.configuration = initial
      return held.state
    }
  }

  func perform(_ commands: [SecYCommand]) -> [SecYFailure] {
    held.withLock { held in
      for command in commands {
        switch command {
        case .setPort(let status): held.state.status = status
        case .addTransmitAssociation(let sak): held.numbers[sak.identifier] = 1
        case .removeTransmitAssociation(_, let key): held.numbers[key] = nil
        default: break
        }
      }
    }
    return []
  }

  func nextPacketNumbers() throws(SecYError) -> [SAKIdentifier: UInt64] { held.withLock { $0.numbers } }
  func statistics() throws(SecYError) -> SecYStatistics { SecYStatistics(transmit: .init(sci: sci)) }
  func state() throws(SecYError) -> SecYState { held.withLock { $0.state } }
  func remove() throws(SecYError) { held.withLock { $0.state = SecYState() } }
}
