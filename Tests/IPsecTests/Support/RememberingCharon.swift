// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization

@testable import IPsec

/// A charon that remembers what it was given, and answers with that.
final class RememberingCharon: Sendable {
  private struct State {
    var connections: [String: String] = [:]
    var secrets: Set<String> = []
    var changes: [String] = []
    var count = 0
  }
  private final class Shared: Sendable {
    let state = Mutex(State())
  }

  private let directory = TestDirectory()
  private let shared = Shared()
  private let peer: ScriptedPeer

  var path: String { peer.path }
  /// The commands that changed something, with what they named, in order.
  var changes: [String] { shared.state.withLock { $0.changes } }
  /// How many commands there were in all.
  var count: Int { shared.state.withLock { $0.count } }

  /// - Parameter hangsAt: the commands that it never answers, nor what comes after them on the same connection.
  init(hangsAt: @escaping @Sendable (String, VICIMessage) -> Bool = { _, _ in false }) throws {
    peer = try ScriptedPeer(path: directory.path + "/vici") { [shared] _, packet in
      guard case .request(let command, let message) = packet else { return ScriptedPeer.greeting(packet) }
      guard !hangsAt(command, message) else { return [] }
      return try? shared.state.withLock { state in try Self.answer(command, message, &state) }
        ?? ScriptedPeer.greeting(packet)
    }
  }

  func stop() { peer.stop() }

  private static func answer(_ command: String, _ message: VICIMessage, _ state: inout State) throws -> [UInt8]? {
    state.count += 1
    var done = VICIMessage()
    done.add("success", true)
    switch command {
    case "load-conn":
      for (name, connection) in message.sections {
        state.connections[name] = connection.section("children")?.sections.first?.name
        state.changes.append("\(command) \(name)")
      }
    case "unload-conn":
      state.connections[message["name"] ?? ""] = nil
      state.changes.append("\(command) \(message["name"] ?? "")")
    case "load-shared":
      state.secrets.insert(message["id"] ?? "")
      state.changes.append("\(command) \(message["id"] ?? "")")
    case "unload-shared":
      state.secrets.remove(message["id"] ?? "")
      state.changes.append("\(command) \(message["id"] ?? "")")
    case "list-conns":
      var stream: [UInt8] = []
      for (name, child) in state.connections {
        var children = VICIMessage()
        children.add(child, VICIMessage())
        var connection = VICIMessage()
        connection.add("children", children)
        var part = VICIMessage()
        part.add(name, connection)
        stream += try VICIPacket.event("list-conn", part).framed()
      }
      return stream + (try VICIPacket.response(VICIMessage()).framed())
    case "get-shared":
      var answer = VICIMessage()
      answer.add("keys", Array(state.secrets))
      return try VICIPacket.response(answer).framed()
    case "version", "list-sas", "get-keys": return nil
    default: state.changes.append(command)
    }
    return try VICIPacket.response(done).framed()
  }
}
