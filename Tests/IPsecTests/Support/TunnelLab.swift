// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Secrets
import Synchronization
import Testing

@testable import IPsec

/// Two network namespaces with a link between them and a charon in each, taken down with it.
///
/// The near end is 192.0.2.1, the far end 192.0.2.2; through the tunnel they are 172.16.0.1 and 172.16.0.2.
final class TunnelLab {
  struct End {
    let namespace: String
    /// The device of the link between the two.
    let link: String
    let address: String
    let inner: String
    let charon: Charon
    let notices: NoticeLog
    let stream: AsyncStream<Charon.Notice>
  }

  private let directory = TestDirectory()
  private(set) var near: End
  private(set) var far: End
  let sealer: Sealer

  /// What charon's plugin asks of the keepers.
  private var questions: [PPKSocketServer] = []

  /// - Parameter plugin: charon's plugin, for both ends.
  init(plugin: String? = nil) async throws {
    let number = UInt16.random(in: 0 ... .max)
    sealer = try Sealer(MasterKey())
    let names = ["agentd-\(number)-a", "agentd-\(number)-b"]
    let links = ["a\(number)", "b\(number)"]
    for name in names { try Self.ip("netns", "add", name) }
    try Self.ip("link", "add", links[0], "netns", names[0], "type", "veth", "peer", "name", links[1], "netns", names[1])
    for index in 0..<2 {
      try Self.ip("-n", names[index], "addr", "add", "192.0.2.\(index + 1)/24", "dev", links[index])
      try Self.ip("-n", names[index], "link", "set", links[index], "up")
    }
    near = try Self.makeEnd(directory, names[0], links[0], 1, plugin)
    far = try Self.makeEnd(directory, names[1], links[1], 2, plugin)
    for end in [near, far] {
      try #require(await end.notices.waitForReady())
      try await giveInnerAddress(end)
    }
  }

  /// Sets the userspace data plane's device up, which is new with each start of charon.
  func giveInnerAddress(_ end: End) async throws {
    let (inner, namespace) = (end.inner, end.namespace)
    try #require(
      await eventually { (try? Self.ip("-n", namespace, "addr", "add", inner + "/30", "dev", "ipsec0")) != nil })
    try Self.ip("-n", namespace, "link", "set", "ipsec0", "up")
  }

  /// A keeper of an end, which follows its charon.
  func keeper(_ end: End, source: (any DynamicPPKSource)? = nil) -> (TunnelKeeper, KeeperLog) {
    let log = KeeperLog()
    let keeper = TunnelKeeper(sealer: sealer, source: source) { log.append($0) }
    if end.charon.settings.ppkPlugin != nil,
      let server = try? PPKSocketServer(path: end.charon.settings.ppkSocketPath, answer: { await keeper.answer($0) })
    {
      try? server.start()
      questions.append(server)
    }
    Task { [stream = end.stream, charon = end.charon] in
      for await notice in stream { await keeper.take(notice, from: charon) }
    }
    return (keeper, log)
  }

  private static func makeEnd(
    _ directory: TestDirectory, _ namespace: String, _ link: String, _ number: Int, _ plugin: String?
  ) throws -> End {
    let notices = NoticeLog()
    let (charon, stream) = try makeCharon(directory, namespace, number, notices, plugin)
    return End(
      namespace: namespace, link: link, address: "192.0.2.\(number)", inner: "172.16.0.\(number)", charon: charon,
      notices: notices,
      stream: stream)
  }

  private static func makeCharon(
    _ directory: TestDirectory, _ namespace: String, _ number: Int, _ notices: NoticeLog, _ plugin: String? = nil
  ) throws -> (Charon, AsyncStream<Charon.Notice>) {
    var settings = CharonSettings(directory: directory.path + "/\(number)")
    settings.launcher = ["/usr/sbin/ip", "netns", "exec", namespace]
    settings.dataPlane = .userspace
    settings.log = .file(level: 1)
    settings.ppkPlugin = plugin
    // With the plugin, longer than it waits for an answer.
    settings.retransmissions = plugin == nil ? 2 : 9
    settings.retransmissionInterval = 1
    let (stream, sink) = AsyncStream.makeStream(of: Charon.Notice.self)
    let charon = try Charon(settings: settings, events: CharonEvent.names) { notice in
      sink.yield(notice)
      if case .vici(let notice) = notice { notices.append(notice) }
    }
    try charon.start()
    return (charon, stream)
  }

  /// Leaves the near charon running and takes it up again, as an agent that restarts.
  func restartNearSupervisor() async throws {
    let old = near
    old.charon.leave()
    try #require(await eventually { old.charon.status == .stopped })
    let notices = NoticeLog()
    let (charon, stream) = try Self.makeCharon(directory, old.namespace, 1, notices)
    near = End(
      namespace: old.namespace, link: old.link, address: old.address, inner: old.inner, charon: charon,
      notices: notices, stream: stream
    )
    try #require(await notices.waitForReady())
  }

  /// Has nobody answer the plugin any more, as when the agent has died.
  func stopAnswering() {
    for server in questions { server.stop() }
    questions = []
  }

  /// Ends both charons and removes the namespaces.
  func takeDown() async {
    stopAnswering()
    for end in [near, far] {
      end.charon.stop()
      _ = await eventually { end.charon.status == .stopped }
      _ = try? Self.ip("netns", "delete", end.namespace)
    }
  }

  /// What a charon of the lab wrote, for messages of tests.
  func log(_ end: End) -> String {
    (try? String(contentsOfFile: end.charon.settings.directory + "/charon.log", encoding: .utf8)) ?? ""
  }

  func driver(_ end: End) throws -> Driver { Driver(client: try #require(end.charon.client), sealer: sealer) }

  /// A configuration for an end, that a test changes.
  func configuration(_ end: End, to other: End, key: String = "a preshared key", ppk: Keyring.PPK? = nil) throws
    -> IPsecConfiguration
  {
    var fixture = try Fixture(sealer: sealer)
    try fixture.addTunnel(1, source: end.address, destination: other.address, ppk: ppk)
    fixture.configuration.keyrings[0].peers[0].preSharedKey = .both(
      try sealer.seal(SecretBytes(copying: Array(key.utf8))))
    return fixture.configuration
  }

  func ppk(_ id: String, _ key: String, isRequired: Bool) throws -> Keyring.PPK {
    .manual(id: id, key: try sealer.seal(SecretBytes(copying: Array(key.utf8))), isRequired: isRequired)
  }

  @discardableResult
  func load(_ configuration: IPsecConfiguration, at end: End) async throws -> IPsecMapping {
    let mapping = IPsecMapping(configuration, dataPlane: .userspace)
    try #require(mapping.refusals(.refuse).isEmpty, "\(mapping.corrections)")
    let result = try await driver(end).converge(to: mapping.desired)
    try #require(result.failures.isEmpty, "\(result.failures)")
    return mapping
  }

  /// Whether an IKE SA with an installed child comes up at that end, and which.
  func established(_ end: End, atMost limit: Duration = .seconds(10)) async throws -> IKESA? {
    let driver = try driver(end)
    var found: IKESA?
    _ = await eventually(atMost: limit) {
      found = (try? await driver.sessions())?.first { $0.isEstablished && $0.children.contains { $0.isInstalled } }
      return found != nil
    }
    return found
  }

  /// Sends echo requests to the far end through the tunnel; whether all were answered.
  func ping(count: Int = 3) -> Bool {
    let text = try? Self.ip(
      "netns", "exec", near.namespace, "/usr/bin/python3", "-c", Self.echoScript, far.inner, "\(count)")
    return text == "all answered\n"
  }

  /// An ICMP echo client; the kernel of the far namespace answers.
  private static let echoScript = """
    import socket, struct, sys
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.settimeout(2)
    for n in range(int(sys.argv[2])):
        total = 0x0800 + 0x4242 + n + sum(struct.unpack('!28H', b'q' * 56))
        while total > 0xffff: total = (total & 0xffff) + (total >> 16)
        s.sendto(struct.pack('!BBHHH', 8, 0, 0xffff - total, 0x4242, n) + b'q' * 56, (sys.argv[1], 0))
        while True:
            packet, sender = s.recvfrom(2048)
            if packet[20] == 0 and struct.unpack('!HH', packet[24:28]) == (0x4242, n): break
    print('all answered')
    """

  @discardableResult
  static func ip(_ words: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/sbin/ip")
    process.arguments = words
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CharonError(.system, "ip \(words): \(text)") }
    return text
  }
}

/// Two key providers that have the same keys: what one end gets anew, the other gets once by its ID.
actor SharedKeys: DynamicPPKSource {
  private var keys: [String: SecretBytes] = [:]
  private(set) var issued = 0
  private(set) var delivered = 0
  var isDown = false

  func setDown(_ isDown: Bool) { self.isDown = isDown }

  /// How long a look-up by ID takes.
  private var delay = Duration.zero
  private(set) var isLookingUp = false
  func setDelay(_ delay: Duration) { self.delay = delay }

  func newPPK(profile: String, remoteSystem: String?) async throws -> (id: String, key: SecretBytes) {
    guard !isDown else { throw CharonError(.system, "the KME is down") }
    let id = String(UInt64.random(in: 0 ... .max), radix: 16) + "ABcd"
    let key = try SecretBytes.random(count: 32)
    keys[id] = key
    issued += 1
    return (id, key)
  }

  func ppk(profile: String, remoteSystem: String?, id: String) async throws -> SecretBytes {
    isLookingUp = true
    defer { isLookingUp = false }
    if delay > .zero { try await Task.sleep(for: delay) }
    guard !isDown, let key = keys.removeValue(forKey: id) else { throw CharonError(.system, "no such key") }
    delivered += 1
    return key
  }
}

/// Notices of a keeper, which tests wait for.
final class KeeperLog: Sendable {
  private let notices = Mutex<[TunnelKeeper.Notice]>([])

  func append(_ notice: TunnelKeeper.Notice) { notices.withLock { $0.append(notice) } }
  var all: [TunnelKeeper.Notice] { notices.withLock { $0 } }
  var upCount: Int { all.filter { if case .up = $0 { true } else { false } }.count }

  func waitForUp(count: Int, atMost limit: Duration = .seconds(15)) async -> Bool {
    await eventually(atMost: limit) { self.upCount >= count }
  }
}

/// Whether namespaces and TUN devices can be had besides charon.
let tunnelsCanBeMade =
  charonIsInstalled && access("/dev/net/tun", R_OK) == 0 && access("/usr/sbin/ip", X_OK) == 0
  && access("/usr/bin/python3", X_OK) == 0 && (try? TunnelLab.ip("netns", "list")) != nil
