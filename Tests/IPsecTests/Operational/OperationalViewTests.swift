// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Models
import Synchronization
import Testing
import YANG

@testable import IPsec

/// The view against a charon that is simulated on a socket.
@Suite struct OperationalViewTests {
  typealias Paths = IPsecOperationalView.Paths

  @Test func aReadShowsWhatCharonHasNow() async throws {
    let bench = try await ViewBench(tunnels: 3)
    defer { bench.stop() }
    #expect(try bench.entries(Paths.session, as: SessionModel.self).isEmpty, "nobody has asked yet")
    await bench.refresh()
    let sessions = try bench.entries(Paths.session, as: SessionModel.self)
    #expect(sessions.map(\.id) == [1, 2, 3])
    #expect(sessions.map(\.sessionStatus) == ["UP-ACTIVE", "UP-ACTIVE", "UP-ACTIVE"])
    #expect(try bench.entries(Paths.interface, as: TunnelSAModel.self).map(\.name) == (1...3).map { "tunnel-ip\($0)" })
    #expect(try bench.entries(Paths.allSAs, as: IKEv2Node.SA.All.SA.self).count == 3)
    #expect(try bench.entries(Paths.node, as: IKEv2Node.self).map(\.nodeName) == ["0/RP0/CPU0"])
    #expect(try bench.entries(Paths.summary, as: IKEv2Node.Summary.self).first?.totalSAActive == 3)
    #expect(try bench.entries(Paths.stats, as: IKEv2Node.Stats.self).first?.ikeSAInitCnt.txReq == 8)
    let charon = try #require(try bench.entries(Paths.charon, as: CharonStateModel.self).first)
    #expect(charon.status == .running)
    #expect(charon.version == "5.9.8")
    #expect(charon.plugin.sorted() == ["counters", "vici"])
    #expect(charon.ppkLookUp == .atNextAttempt)
    #expect(charon.ikeSas == 3)
    #expect(charon.lastError == nil)
    #expect(charon.lastAnswer != nil)
  }

  @Test func keysAreFollowed() async throws {
    let bench = try await ViewBench(tunnels: 3)
    defer { bench.stop() }
    await bench.refresh()
    let node = Value.string("0/RP0/CPU0")
    #expect(try bench.entries(Paths.session, [node], as: SessionModel.self).count == 3)
    #expect(try bench.entries(Paths.session, [node, .uint(2)], as: SessionModel.self).map(\.id) == [2])
    #expect(try bench.entries(Paths.session, [node, .uint(4)], as: SessionModel.self).isEmpty)
    #expect(try bench.entries(Paths.session, [.string("0/RP1/CPU0"), .uint(2)], as: SessionModel.self).isEmpty)
    #expect(try bench.entries(Paths.node, [.string("0/RP1/CPU0")], as: IKEv2Node.self).isEmpty)
    #expect(
      try bench.entries(Paths.interface, [.string("tunnel-ip3")], as: TunnelSAModel.self).map(\.name)
        == ["tunnel-ip3"])
    #expect(try bench.entries(Paths.interface, [.string("x")], as: TunnelSAModel.self).isEmpty)
    #expect(
      try bench.entries(Paths.tunnel, [.string("tunnel-ip2")], as: TunnelStateModel.self).map(\.name) == ["tunnel-ip2"])
    #expect(try bench.entries(Paths.tunnel, [.string("x")], as: TunnelStateModel.self).isEmpty)
    #expect(
      try bench.entries(Paths.proposal, [node, .string("default")], as: ProposalModel.self).map(\.name) == ["default"])
    #expect(try bench.entries(Paths.policy, [node, .string("none")], as: PolicyModel.self).isEmpty)
    #expect(try bench.entries(Paths.profile, [node, .string("p1")], as: ProfileModel.self).map(\.name) == ["p1"])
    let far = try bench.entries(Paths.remoteAddress, [node, .string("192.0.2.3")], as: IKEv2Node.SA.RemoteV4.IP.self)
    #expect(far.map(\.address) == ["192.0.2.3"])
    #expect(far.first?.sa.map(\.sessionID) == [2])
    let near = try bench.entries(Paths.localAddress, [node], as: IKEv2Node.SA.LocalV4.IP.self)
    #expect(near.map(\.sa.count) == [3], "all leave from one address")
  }

  @Test func readersShareOneQuestion() async throws {
    let bench = try await ViewBench(tunnels: 2)
    defer { bench.stop() }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { await bench.refresh() } }
    }
    #expect(bench.charon.count(of: "list-sas") == 1)
    #expect(bench.charon.count(of: "get-counters") == 1)
    await bench.refresh([Paths.policy])
    #expect(bench.charon.count(of: "list-sas") == 1, "the configuration is not charon's to tell")
  }

  @Test func onlyWhatIsReadIsAsked() async throws {
    let bench = try await ViewBench(tunnels: 2)
    defer { bench.stop() }
    await bench.refresh([Paths.stats])
    #expect(bench.charon.count(of: "list-sas") == 0)
    #expect(bench.charon.count(of: "get-counters") == 1)
    await bench.refresh([Paths.session])
    #expect(bench.charon.count(of: "list-sas") == 1)
    #expect(bench.charon.count(of: "stats") == 0)
  }

  @Test func anEventMakesAnAnswerOld() async throws {
    let bench = try await ViewBench(tunnels: 1)
    defer { bench.stop() }
    await bench.refresh()
    bench.charon.setTraffic(5000)
    await bench.refresh()
    #expect(
      try bench.entries(Paths.session, as: SessionModel.self).first?.childSA.first?.traffic.inOctets == 100,
      "an answer counts for a while")
    bench.event()
    await bench.refresh()
    #expect(try bench.entries(Paths.session, as: SessionModel.self).first?.childSA.first?.traffic.inOctets == 5000)
    #expect(try bench.entries(Paths.tunnel, as: TunnelStateModel.self).first?.traffic.inOctets == 5000)
  }

  @Test func anAnswerIsTooOldAfterAWhile() async throws {
    var limits = ViewBench.patient
    limits.age = .milliseconds(50)
    let bench = try await ViewBench(tunnels: 1, limits: limits)
    defer { bench.stop() }
    await bench.refresh()
    bench.charon.setTraffic(6000)
    try await Task.sleep(for: limits.age + .milliseconds(20))
    await bench.refresh()
    #expect(try bench.entries(Paths.session, as: SessionModel.self).first?.childSA.first?.traffic.inOctets == 6000)
  }

  @Test func aCharonThatDoesNotAnswerIsNotWaitedForLong() async throws {
    var limits = ViewBench.patient
    limits.answer = .seconds(1)
    let bench = try await ViewBench(tunnels: 2, limits: limits)
    defer { bench.stop() }
    #expect(
      await eventually {
        await bench.refresh(); bench.event(); return bench.lastError == nil
      })
    bench.charon.setSilent(true)
    bench.event()
    let begun = ContinuousClock.now
    await bench.refresh()
    #expect(begun.duration(to: .now) < .seconds(30))
    #expect(try bench.entries(Paths.session, as: SessionModel.self).count == 2, "what was known is shown")
    #expect(try bench.entries(Paths.charon, as: CharonStateModel.self).first?.lastError != nil)
  }

  @Test func withoutCharonTunnelsAreDownWithAReason() async throws {
    var fixture = try Fixture()
    try fixture.addTunnel(1)
    try fixture.addTunnel(2, destination: "10.10.10.2")
    fixture.configuration.tunnels[1].isShutdown = true
    let view = IPsecOperationalView { _, _ in nil }
    view.configure(fixture.configuration, fixture.mapping)
    view.take(.down(tunnel: "tunnel-ip1", reason: "charon has ended"))
    view.take(.ppkFallback(tunnel: "tunnel-ip1"))
    view.take(.ppkFetchFailed(tunnel: "tunnel-ip1", reason: "the KME is down"))
    await view.refresh(Set(IPsecOperationalView.refreshedPaths))
    let request = OperationalRequest(path: Paths.tunnel, schema: try ViewBench.schema(Paths.tunnel), keys: nil)
    let tunnels = try Array(view.operational(request)).map { try TunnelStateModel($0) }
    #expect(tunnels.map(\.status) == [.down, .shutdown])
    #expect(tunnels[0].reason == "the KME is down")
    #expect(tunnels[0].events.ppkFallbacks == 1)
    #expect(tunnels[0].events.ppkFetchFailures == 1)
    #expect(tunnels[0].lastFailureTime != nil)
    #expect(tunnels[0].localAddress == "10.10.10.3")
    #expect(tunnels[0].role == .initiatorOrResponder)
    #expect(tunnels[1].reason == "the interface is shut down")
  }

  @Test func everythingIsValidForTheModels() async throws {
    let bench = try await ViewBench(tunnels: 2)
    defer { bench.stop() }
    await bench.refresh()
    let sources = OperationalSources(
      schema: ViewBench.schema,
      providers: IPsecOperationalView.paths.map { path in (path, { bench.view.operational($0) }) })
    let bytes = XMLWriter(
      encoding: XMLEncoding(schema: ViewBench.schema), content: nil, operational: sources, sealer: nil
    ).writeAll()
    let text = String(decoding: bytes, as: UTF8.self)
    for piece in [
      "<ikev2 xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ikev2-oper\"><nodes><node><node-name>0/RP0/CPU0</node-name><session-ids><session-id><id>1</id>",
      "<session-status>UP-ACTIVE</session-status>", "<esp-spi-in-out>0x", "<rx-succ>", "<proposal-name>default<",
      "<ipsec xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ipsec-xr-oper\"><ipsec-sa><interfaces><interface><name>",
      "<ipsec-state xmlns=\"urn:agentd:yang:agentd-ipsec-oper\"><charon><status>running</status>",
      "<tunnel><name>tunnel-ip2</name><status>up</status>",
    ] {
      let isThere = text.contains(piece)
      #expect(isThere, "\(piece)")
    }
    // Nothing at a place that the models do not have, and no value that they do not allow.
    let document = FileManager.default.temporaryDirectory.appendingPathComponent(
      "oper-\(UInt32.random(in: 0 ... .max)).xml")
    defer { try? FileManager.default.removeItem(at: document) }
    try Data(text.utf8).write(to: document)
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/yanglint") else { return }
    let lint = Process()
    lint.executableURL = URL(fileURLWithPath: "/usr/bin/yanglint")
    let folders = ["cisco", "ietf", "agentd"].flatMap { ["-p", ViewBench.folder + "/" + $0] }
    let modules = [
      "cisco/Cisco-IOS-XR-ikev2-oper@2026-01-06", "cisco/Cisco-IOS-XR-ipsec-xr-oper@2022-06-24",
      "agentd/agentd-ipsec-oper@2026-11-21",
    ].map { ViewBench.folder + "/" + $0 + ".yang" }
    lint.arguments = folders + ["-t", "data"] + modules + [document.path]
    let output = Pipe()
    lint.standardOutput = output
    lint.standardError = output
    try lint.run()
    let report = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    lint.waitUntilExit()
    #expect(lint.terminationStatus == 0, "\(report.prefix(2000))")
  }
}

/// A view, a client, and a charon that is simulated.
final class ViewBench: Sendable {
  let charon: FakeCharon
  let view: IPsecOperationalView
  let client: VICIClient
  private let directory = TestDirectory()

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("yang").path
  static let schema: Schema = {
    do throws(YANGErrors) { return try Schema.compile(directory: folder).schema } catch {
      preconditionFailure("the modules do not compile: \(error)")
    }
  }()
  static func schema(_ path: String) throws -> SchemaNode { try #require(schema.node(at: path), "\(path)") }

  /// On a machine that is busy with other things.
  static let patient = IPsecOperationalView.Limits(age: .seconds(600), answer: .seconds(60), connection: .seconds(60))

  init(
    tunnels: Int, limits: IPsecOperationalView.Limits = ViewBench.patient,
    script: @escaping @Sendable (VICIPacket) -> FakeCharon.Reaction = { _ in .default }
  ) async throws {
    charon = try FakeCharon(path: directory.path + "/vici", tunnels: tunnels, script: script)
    let view = IPsecOperationalView(limits: limits) { name, _ in TunnelLink(name: "ipsec0", index: 5) }
    self.view = view
    var fixture = try Fixture()
    for number in 1...tunnels {
      try fixture.addTunnel(number, source: "192.0.2.1", destination: FakeCharon.farAddress(number))
    }
    view.configure(fixture.configuration, fixture.mapping)
    let log = NoticeLog()
    let box = Mutex<VICIClient?>(nil)
    let client = try VICIClient(path: charon.path, events: CharonEvent.names) { notice in
      view.take(.vici(notice), client: box.withLock { $0 }, own: nil)
      log.append(notice)
    }
    box.withLock { $0 = client }
    self.client = client
    try client.start()
    let isReady = await log.waitForReady()
    let isListening = await log.wait { $0 == .listening(unknown: []) }
    try #require(isReady && isListening)
  }

  func stop() {
    client.stop()
    charon.stop()
  }

  var lastError: String? {
    (try? entries(IPsecOperationalView.Paths.charon, as: CharonStateModel.self).first)?.lastError
  }

  /// An event that changes nothing but that something has happened.
  func event() {
    let message = FakeCharon.listing(of: 1, bytes: 100, isUp: true)
    view.take(.vici(.event("child-updown", message)), client: client, own: nil)
  }

  func refresh(_ paths: [String] = IPsecOperationalView.refreshedPaths) async { await view.refresh(Set(paths)) }

  func entries<T: TreeRepresentable>(_ path: String, _ keys: [Value]? = nil, as: T.Type) throws -> [T] {
    let request = OperationalRequest(path: path, schema: try Self.schema(path), keys: keys)
    return try Array(view.operational(request)).map { try T($0) }
  }
}

/// A charon on a socket of this process, with one IKE SA and one pair for each tunnel.
final class FakeCharon: Sendable {
  private struct State {
    var counts: [String: Int] = [:]
    var bytes: UInt64 = 100
    var isSilent = false
  }
  private let state: Shared
  private let peer: ScriptedPeer

  private final class Shared: Sendable {
    let state = Mutex(State())
  }

  var path: String { peer.path }

  /// What it does with a packet.
  enum Reaction: Sendable {
    case `default`
    /// Sends that; nil hangs up.
    case instead([UInt8]?)
  }

  init(path: String, tunnels: Int, script: @escaping @Sendable (VICIPacket) -> Reaction) throws {
    let shared = Shared()
    state = shared
    peer = try ScriptedPeer(path: path) { _, packet in
      if case .instead(let bytes) = script(packet) { return bytes }
      guard case .request(let command, _) = packet else { return ScriptedPeer.greeting(packet) }
      let (bytes, isSilent) = shared.state.withLock { state in
        state.counts[command, default: 0] += 1
        return (state.bytes, state.isSilent)
      }
      if isSilent { return [] }
      return try? Self.answer(command, tunnels: tunnels, bytes: bytes) ?? ScriptedPeer.greeting(packet)
    }
  }

  func stop() { peer.stop() }
  func count(of command: String) -> Int { state.state.withLock { $0.counts[command] ?? 0 } }
  func setTraffic(_ bytes: UInt64) { state.state.withLock { $0.bytes = bytes } }
  func setSilent(_ isSilent: Bool) { state.state.withLock { $0.isSilent = isSilent } }

  static func farAddress(_ tunnel: Int) -> String { "192.0.\(2 + (tunnel + 1) / 256).\((tunnel + 1) % 256)" }

  private static func answer(_ command: String, tunnels: Int, bytes: UInt64) throws(VICIError) -> [UInt8]? {
    switch command {
    case "list-sas":
      var stream: [UInt8] = []
      for tunnel in 1...tunnels {
        stream += try VICIPacket.event("list-sa", listing(of: tunnel, bytes: bytes)).framed()
      }
      return stream + (try VICIPacket.response(VICIMessage()).framed())
    case "get-counters": return try VICIPacket.response(StatisticsModelTests.counters).framed()
    case "stats":
      var counts = VICIMessage()
      counts.add("total", tunnels)
      counts.add("half-open", 0)
      var answer = VICIMessage()
      answer.add("ikesas", counts)
      answer.add("plugins", ["vici", "counters"])
      return try VICIPacket.response(answer).framed()
    default: return nil
    }
  }

  /// The message of `list-sa`, or with `isUp` that of an event.
  static func listing(of tunnel: Int, bytes: UInt64, isUp: Bool = false) -> VICIMessage {
    var child = VICIMessage()
    for (name, value) in [
      ("name", "tunnel-ip\(tunnel).0123456789abcdef"), ("uniqueid", "\(tunnel)"), ("reqid", "\(tunnel)"),
      ("state", "INSTALLED"), ("mode", "TUNNEL"), ("protocol", "ESP"), ("spi-in", "c0000001"),
      ("spi-out", "fb80a5f7"), ("encr-alg", "AES_CBC"), ("encr-keysize", "256"), ("integ-alg", "HMAC_SHA2_256_128"),
      ("bytes-in", "\(bytes)"), ("packets-in", "3"), ("use-in", "0"), ("bytes-out", "252"), ("packets-out", "3"),
      ("use-out", "0"), ("rekey-time", "3248"), ("life-time", "3958"), ("install-time", "2"),
    ] { child.add(name, value) }
    child.add("local-ts", ["0.0.0.0/0"])
    child.add("remote-ts", ["0.0.0.0/0"])
    var sa = VICIMessage()
    for (name, value) in [
      ("uniqueid", "\(tunnel)"), ("version", "2"), ("state", "ESTABLISHED"), ("local-host", "192.0.2.1"),
      ("local-port", "500"), ("local-id", "192.0.2.1"), ("remote-host", farAddress(tunnel)), ("remote-port", "500"),
      ("remote-id", farAddress(tunnel)), ("initiator", "yes"), ("initiator-spi", "cc62360e42ba0ea9"),
      ("responder-spi", "ea645c05f42a23ba"), ("encr-alg", "AES_CBC"), ("encr-keysize", "256"),
      ("integ-alg", "HMAC_SHA2_256_128"), ("prf-alg", "PRF_HMAC_SHA2_256"), ("dh-group", "ECP_384"),
      ("established", "2"), ("rekey-time", "14219"),
    ] { sa.add(name, value) }
    sa.add("child-sas", VICIMessage([.section(name: "c-\(tunnel)", child)]))
    var message = VICIMessage()
    if isUp { message.add("up", true) }
    message.add("agentd:tunnel-ip\(tunnel):1", sa)
    return message
  }
}
