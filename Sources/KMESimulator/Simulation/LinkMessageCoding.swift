// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

// Messages between processes as lines of JSON: {"type": "systems" | "share" | "outcome", …}.
extension LinkMessage {
  /// The message as a line.
  var line: [UInt8] {
    var text = JSONText()
    text.object { text in
      switch self {
      case .systems(let systems):
        text.member("type", "systems")
        text.member("systems", systems)
      case .share(let share):
        text.member("type", "share")
        text.member("token", share.token)
        text.member("from", share.from)
        text.member("to", share.to)
        text.array("keys") { text in
          for key in share.keys {
            text.object { text in
              text.member("id", key.id)
              text.member("key", plain: Hexadecimal.encode(key.bytes))
            }
          }
        }
        text.member("availableIn", share.availableIn.milliseconds)
        text.member("lifetime", share.lifetime.milliseconds)
      case .outcome(let token, let accepted):
        text.member("type", "outcome")
        text.member("token", token)
        text.member("accepted", accepted)
      }
    }
    return text.bytes + [.lineFeed]
  }

  /// Reads a line without its end; `nil` when it is no message.
  init?(line: [UInt8]) {
    guard let form = try? JSONDecoder().decode(Form.self, from: Data(line)) else { return nil }
    switch form.type {
    case "systems":
      guard let systems = form.systems else { return nil }
      self = .systems(systems)
    case "share":
      guard let token = form.token, let from = form.from, let to = form.to, let forms = form.keys,
        let availableIn = form.availableIn, let lifetime = form.lifetime
      else { return nil }
      var keys: [SharedKey] = []
      for key in forms {
        guard let bytes = Hexadecimal.decode(key.key.utf8), key.id.utf8.count <= SKIPRequest.longestKeyID else {
          return nil
        }
        keys.append(SharedKey(id: key.id, bytes: bytes))
      }
      self = .share(
        KeyShare(
          token: token, from: from, to: to, keys: keys, availableIn: .milliseconds(availableIn),
          lifetime: .milliseconds(lifetime)))
    case "outcome":
      guard let token = form.token, let accepted = form.accepted else { return nil }
      self = .outcome(token: token, accepted: accepted)
    default: return nil
    }
  }

  private struct Form: Decodable {
    var type: String
    var systems: [String]?
    var token: String?
    var from: String?
    var to: String?
    var keys: [Key]?
    var availableIn: Int?
    var lifetime: Int?
    var accepted: Bool?

    struct Key: Decodable {
      var id: String
      var key: String
    }
  }
}

extension Duration {
  /// Whole milliseconds.
  var milliseconds: Int {
    Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000)
  }
}
