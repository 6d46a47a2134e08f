// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA

/// Lines of JSON on the standard output.
enum Line {
  static func write(_ fields: [String: String]) {
    let body = fields.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
    print("{\(body)}")
    fflush(nil)
  }

  static func write(_ command: SecYCommand) {
    switch command {
    case .configure(let configuration): write(["command": "configure", "suite": "\(configuration.cipherSuite)"])
    case .setPort(let status): write(["command": "port", "status": "\(status)"])
    case .addReceiveChannel(let sci): write(["command": "add_rxsc", "sci": hexadecimal(sci)])
    case .removeReceiveChannel(let sci): write(["command": "del_rxsc", "sci": hexadecimal(sci)])
    case .addReceiveAssociation(let sci, let sak):
      write(key("add_rxsa", sak).merging(["sci": hexadecimal(sci)]) { a, _ in a })
    case .removeReceiveAssociation(let sci, let number, _):
      write(["command": "del_rxsa", "sci": hexadecimal(sci), "an": "\(number)"])
    case .raiseLowestPN(let sci, let number, let value):
      write(["command": "pn_rxsa", "sci": hexadecimal(sci), "an": "\(number)", "pn": "\(value)"])
    case .addTransmitAssociation(let sak): write(key("add_txsa", sak))
    case .enableTransmit(let number, let key): write(["command": "enable_txsa", "an": "\(number)", "ki": "\(key)"])
    case .removeTransmitAssociation(let number, _): write(["command": "del_txsa", "an": "\(number)"])
    }
  }

  private static func key(_ command: String, _ sak: SAK) -> [String: String] {
    let digits = sak.key.withUnsafeBytes { bytes in
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    return ["command": command, "an": "\(sak.associationNumber)", "ki": "\(sak.identifier)", "key": digits]
  }

  private static func hexadecimal(_ sci: SCI) -> String {
    let digits = String(sci.rawValue, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
