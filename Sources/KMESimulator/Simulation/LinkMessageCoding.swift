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
        text.member("keyID", share.keyID)
        text.member("key", plain: Hexadecimal.encode(share.key))
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
      guard let token = form.token, let from = form.from, let to = form.to, let keyID = form.keyID,
        let key = form.key.flatMap({ Hexadecimal.decode($0.utf8) }), let availableIn = form.availableIn,
        let lifetime = form.lifetime, keyID.utf8.count <= SKIPRequest.longestKeyID
      else { return nil }
      self = .share(
        KeyShare(
          token: token, from: from, to: to, keyID: keyID, key: key, availableIn: .milliseconds(availableIn),
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
    var keyID: String?
    var key: String?
    var availableIn: Int?
    var lifetime: Int?
    var accepted: Bool?
  }
}

extension Duration {
  /// Whole milliseconds.
  var milliseconds: Int {
    Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000)
  }
}
