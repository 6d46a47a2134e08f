// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc
import IPsec
import Interfaces
import Secrets
import YANG

/// Measures the backend of IPsec from the text of an edit to what charon is told: all tunnels in one commit, the change
/// of one, and the look-up of PPKs. charon is Benchmarks/fakecharon.py, a process of its own, and so is not counted.
///
/// Usage: ipsecbench SOCKET DIRECTORY YANG-FOLDER [TUNNELS]
///
/// Prints a line of JSON for each measurement, and fails when a bound is missed. `agent_ms` is time on a core of this whole
/// process, `wall_ms` includes charon's.
@main
struct IPsecBench {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 4 else {
      print("usage: ipsecbench SOCKET DIRECTORY YANG-FOLDER [TUNNELS]")
      exit(2)
    }
    let tunnels = arguments.count > 4 ? Int(arguments[4]) ?? 1000 : 1000
    do {
      var bench = try Bench(socket: arguments[1], directory: arguments[2], models: arguments[3], tunnels: tunnels)
      try await bench.run()
      exit(bench.hasMissed ? 1 : 0)
    } catch {
      // What is wrong with one tunnel is wrong with all.
      print("ipsecbench: \("\(error)".prefix(500))")
      exit(1)
    }
  }
}

struct Bench {
  enum Failure: Error { case late(String), refused, unanswered }

  private let tunnels: Int
  private let schema: Schema
  private let sealer: Sealer
  private let links = CountedLinks()
  private let ppkSocket: String
  private let datastore: Datastore
  private let backend: IPsecBackend
  private let charon: VICIClient
  private let session = SessionIdentity(id: 1, user: "bench")
  private(set) var hasMissed = false

  init(socket: String, directory: String, models: String, tunnels: Int) throws {
    self.tunnels = tunnels
    let features = FeatureSelection(only: ["Cisco-IOS-XR-um-if-tunnel-cfg": ["is_tunnel_ip_ipsec_supported"]])
    schema = try Schema.compile(directory: models, features: features).schema
    sealer = try Sealer(MasterKey())
    ppkSocket = directory + "/ppk/agentd.ppk"
    let events = EventBus()
    backend = IPsecBackend(
      schema: schema, sealer: sealer, events: events, service: PromptKeyService(), ports: PortDirectory(), links: links,
      charon: .shared(socket: socket, ppkSocket: ppkSocket))
    datastore = try Datastore(
      schema: schema, log: CommitLog(directory: try DataDirectory(path: directory + "/data")), sealer: sealer,
      backends: [backend], events: events)
    datastore.start()
    charon = try VICIClient(path: socket, events: []) { _ in }
    try charon.start()
  }

  mutating func run() async throws {
    try await eventually("charon") {
      try? await commands()
    } until: { _ in
      true
    }
    try await load()
    try await change()
    try await lookUp()
    await backend.leave()
  }

  /// How often charon has been given each command.
  private func commands() async throws -> [String: Int] {
    let answer = try await charon.call("fake-commands")
    return Dictionary(uniqueKeysWithValues: answer.elements.map { ($0.name, Int(answer[$0.name] ?? "") ?? 0) })
  }

  // MARK: Measurements

  private mutating func load() async throws {
    let text = TunnelText.whole(tunnels: tunnels)
    let before = try await commands()
    let begun = Stopwatch()
    try await commit(text)
    let committed = Stopwatch()
    try await eventually("\(tunnels) connections") {
      try await commands()
    } until: {
      // Each has a key, and the one with a PPK a placeholder besides.
      $0["load-conn", default: 0] - before["load-conn", default: 0] == tunnels
    }
    let done = Stopwatch()
    report("commit of \(tunnels) tunnels", committed.since(begun))
    report("commit and load of \(tunnels) tunnels", done.since(begun), atMost: 5000)
    guard links.count == tunnels else { throw Failure.late("links") }
  }

  private mutating func change() async throws {
    let settled = try await quiet()
    let begun = Stopwatch()
    try await commit(TunnelText.change(tunnel: tunnels / 2, lifetime: 7200))
    try await eventually("the changed connection") {
      try await commands()
    } until: {
      $0["load-conn"] != settled["load-conn"]
    }
    report("change of one of \(tunnels) tunnels", Stopwatch().since(begun))
    let after = try await quiet()
    for command in ["load-conn", "unload-conn", "load-shared", "unload-shared", "initiate", "terminate", "load-key"] {
      let count = after[command, default: 0] - settled[command, default: 0]
      guard count == (command == "load-conn" ? 1 : 0) else { throw Failure.late("\(count) times \(command)") }
    }
  }

  private mutating func lookUp() async throws {
    let count = 500
    var walls: [Double] = []
    let begun = Stopwatch()
    for number in 0..<count {
      let start = Stopwatch()
      let found = askForPPK(at: ppkSocket, id: "key-\(number)", connection: "agentd:tunnel-ip1:1")
      guard let found else { throw Failure.unanswered }
      guard found else { throw Failure.refused }
      walls.append(Stopwatch().since(start).wall)
    }
    let all = Stopwatch().since(begun)
    report(
      "look-up of a PPK, beside the key service", (all.core / Double(count), walls.sorted()[count / 2]), atMost: 2)
  }

  // MARK: Steps

  private func commit(_ text: [UInt8]) async throws {
    let (schema, sealer) = (schema, sealer)
    try await datastore.editCandidate(as: session) { tree in
      let edit = Edit(data: try EditText(schema: schema, sealer: sealer).parse(text))
      return try edit.applied(to: tree, defaultOperation: .merge)
    }
    _ = try await datastore.commit(as: session)
  }

  @discardableResult
  private func eventually<Value>(
    _ what: String, _ ask: () async throws -> Value?, until isSo: (Value) -> Bool
  ) async throws -> Value {
    for _ in 0..<3000 {
      if let value = try await ask(), isSo(value) { return value }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw Failure.late(what)
  }

  /// The counts when nothing more is coming.
  private func quiet() async throws -> [String: Int] {
    var last = try await commands()
    while true {
      try await Task.sleep(for: .milliseconds(1500))
      var now = try await commands()
      now["fake-commands"] = last["fake-commands"]
      if now == last { return now }
      last = now
    }
  }

  private mutating func report(_ what: String, _ time: (core: Double, wall: Double), atMost bound: Double? = nil) {
    let isMissed = bound.map { time.core > $0 } ?? false
    hasMissed = hasMissed || isMissed
    func text(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
    let limit = bound.map { ", \"bound_ms\": \(Int($0))\(isMissed ? ", \"missed\": true" : "")" } ?? ""
    print("{\"workload\": \"\(what)\", \"agent_ms\": \(text(time.core)), \"wall_ms\": \(text(time.wall))\(limit)}")
  }
}

/// A moment: time on a core of the whole process, and of the wall.
struct Stopwatch {
  private let core = milliseconds(CLOCK_PROCESS_CPUTIME_ID)
  private let wall = milliseconds(CLOCK_MONOTONIC)

  func since(_ earlier: Stopwatch) -> (core: Double, wall: Double) { (core - earlier.core, wall - earlier.wall) }

  private static func milliseconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }
}

/// Reads an edit as the NETCONF server does.
struct EditText {
  let schema: Schema
  let sealer: Sealer

  /// Hands the content of the element around to a parser.
  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  func parse(_ text: [UInt8]) throws -> InteriorNode {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: sealer),
      tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed("<config>".utf8)
    try tokenizer.feed(text)
    try tokenizer.feed("</config>".utf8)
    try tokenizer.finish()
    return try parser.data()
  }
}
