// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

// A fault as flat JSON: {"kind": "status", "status": 503, "call": "key", "count": 2}. The kind decides which
// parameter may and must stand beside it; anything else is refused, so that a typing error is no silent no-op.
extension Fault: Codable {
  private enum Key: String, CodingKey, CaseIterable {
    case kind, instance, call, count, skip, milliseconds, status, bits, bytes, part
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: Key.self)
    let kind = try container.decode(String.self, forKey: .kind)
    guard let form = FaultForm.all[kind] else {
      throw SimulatorError(
        .fault, "unknown kind of fault '\(kind)'; kinds are \(FaultForm.all.keys.sorted().joined(separator: ", "))")
    }
    var number: Int?
    var part: Part?
    for key in [Key.milliseconds, .status, .bits, .bytes, .part] where container.contains(key) {
      guard key.rawValue == form.parameter else {
        throw SimulatorError(.fault, "a fault of kind '\(kind)' has no parameter '\(key.rawValue)'")
      }
      if key == .part {
        part = try container.decode(Part.self, forKey: key)
      } else {
        number = try container.decode(Int.self, forKey: key)
      }
    }
    behaviour = try form.behaviour(kind, number: number, part: part)
    instance = try container.decodeIfPresent(String.self, forKey: .instance)
    call = try container.decodeIfPresent(Call.self, forKey: .call)
    count = try container.decodeIfPresent(Int.self, forKey: .count)
    skip = try container.decodeIfPresent(Int.self, forKey: .skip) ?? 0
    guard count.map({ $0 > 0 }) ?? true, skip >= 0 else {
      throw SimulatorError(.fault, "'count' has to be at least 1 and 'skip' at least 0")
    }
    guard !concernsConnections || call == nil else {
      throw SimulatorError(.fault, "a fault of kind '\(kind)' strikes a connection, so it has no 'call'")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    let (kind, number, part) = FaultForm.parts(of: behaviour)
    try container.encode(kind, forKey: .kind)
    try container.encodeIfPresent(instance, forKey: .instance)
    try container.encodeIfPresent(call, forKey: .call)
    try container.encodeIfPresent(count, forKey: .count)
    if skip > 0 { try container.encode(skip, forKey: .skip) }
    if let part { try container.encode(part, forKey: .part) }
    if let number, let parameter = FaultForm.all[kind]?.parameter, let key = Key(rawValue: parameter) {
      try container.encode(number, forKey: key)
    }
  }

  /// Reads a fault from JSON, or from the short form `kind,name=value,name=value` of the command line.
  public init(parsing text: String) throws(SimulatorError) {
    if text.drop(while: \.isWhitespace).hasPrefix("{") {
      self = try decodeJSON(Fault.self, from: Array(text.utf8))
      return
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    var pairs = [QueryItem("kind", parts[0])]
    for part in parts.dropFirst() {
      guard let equals = part.firstIndex(of: "=") else {
        throw SimulatorError(.fault, "'\(part)' of the fault '\(text)' is not of the form name=value")
      }
      pairs.append(QueryItem(String(part[..<equals]), String(part[part.index(after: equals)...])))
    }
    try self.init(pairs: pairs)
  }

  /// Reads a fault from names and values, as a query string gives them.
  init(pairs: [QueryItem]) throws(SimulatorError) {
    let numbers: Set<String> = ["count", "skip", "milliseconds", "status", "bits", "bytes"]
    guard Set(pairs.map(\.name)).count == pairs.count else {
      throw SimulatorError(.fault, "a parameter of the fault is given twice")
    }
    var text = JSONText()
    for pair in pairs where numbers.contains(pair.name) && Int(pair.value) == nil {
      throw SimulatorError(.fault, "'\(pair.name)' is not a number: '\(pair.value)'")
    }
    text.object { text in
      for pair in pairs {
        if numbers.contains(pair.name), let number = Int(pair.value) {
          text.member(pair.name, number)
        } else {
          text.member(pair.name, pair.value)
        }
      }
    }
    self = try decodeJSON(Fault.self, from: text.bytes)
  }
}

/// How one kind of fault is written: its parameter's name, range and default.
struct FaultForm {
  var parameter: String?
  var range: ClosedRange<Int> = 0...0
  var defaultValue: Int?
  var make: @Sendable (Int) -> Fault.Behaviour

  /// Every kind by its name.
  static let all: [String: FaultForm] = [
    "refuse": plain(.refuse),
    "reset": plain(.reset),
    "silent-handshake": plain(.silentHandshake),
    "delay": FaultForm(parameter: "milliseconds", range: 1...3_600_000) { .delay(milliseconds: $0) },
    "status": FaultForm(parameter: "status", range: 400...599) { .status($0) },
    "malformed-json": plain(.malformedJSON),
    "wrong-types": plain(.wrongTypes),
    "missing-member": plain(.missingMember),
    "empty-body": plain(.emptyBody),
    "wrong-length-key": FaultForm(parameter: "bits", range: 0...65_536, defaultValue: 64) {
      .wrongLengthKey(bits: $0 / 8 * 8)
    },
    "odd-digits": plain(.oddDigits),
    "not-hexadecimal": plain(.notHexadecimal),
    "wrong-key": plain(.wrongKey),
    "wrong-key-id": plain(.wrongKeyID),
    "expired-key": plain(.expiredKey),
    "oversized-body": FaultForm(parameter: "bytes", range: 1...67_108_864, defaultValue: 1_048_576) {
      .oversizedBody(bytes: $0)
    },
    "oversized-header": FaultForm(parameter: "bytes", range: 1...16_777_216, defaultValue: 1_048_576) {
      .oversizedHeader(bytes: $0)
    },
    "drop": FaultForm(parameter: "part") { _ in .drop(part: .request) },
    "no-answer": plain(.noAnswer),
    "trickle": FaultForm(parameter: "milliseconds", range: 1...60_000) { .trickle(milliseconds: $0) },
    "garbage": plain(.garbage),
    "wrong-content-type": plain(.wrongContentType),
    "redirect": plain(.redirect),
    "synchronisation-delay": FaultForm(parameter: "milliseconds", range: 1...3_600_000) {
      .synchronisationDelay(milliseconds: $0)
    },
    "synchronisation-loss": plain(.synchronisationLoss),
    "synchronisation-failure": plain(.synchronisationFailure),
  ]

  private static func plain(_ behaviour: Fault.Behaviour) -> FaultForm {
    FaultForm { _ in behaviour }
  }

  /// Builds the behaviour, or says what is missing or out of range.
  func behaviour(_ kind: String, number: Int?, part: Fault.Part?) throws(SimulatorError) -> Fault.Behaviour {
    guard let parameter else { return make(0) }
    if parameter == "part" {
      guard let part else { throw SimulatorError(.fault, "a fault of kind '\(kind)' needs the parameter 'part'") }
      return .drop(part: part)
    }
    guard let number = number ?? defaultValue else {
      throw SimulatorError(.fault, "a fault of kind '\(kind)' needs the parameter '\(parameter)'")
    }
    guard range.contains(number) else {
      throw SimulatorError(
        .fault,
        "'\(parameter)' of a fault of kind '\(kind)' is \(number), not \(range.lowerBound) to \(range.upperBound)")
    }
    return make(number)
  }

  /// The kind's name and parameter of a behaviour.
  static func parts(of behaviour: Fault.Behaviour) -> (kind: String, number: Int?, part: Fault.Part?) {
    switch behaviour {
    case .refuse: ("refuse", nil, nil)
    case .reset: ("reset", nil, nil)
    case .silentHandshake: ("silent-handshake", nil, nil)
    case .delay(let milliseconds): ("delay", milliseconds, nil)
    case .status(let status): ("status", status, nil)
    case .malformedJSON: ("malformed-json", nil, nil)
    case .wrongTypes: ("wrong-types", nil, nil)
    case .missingMember: ("missing-member", nil, nil)
    case .emptyBody: ("empty-body", nil, nil)
    case .wrongLengthKey(let bits): ("wrong-length-key", bits, nil)
    case .oddDigits: ("odd-digits", nil, nil)
    case .notHexadecimal: ("not-hexadecimal", nil, nil)
    case .wrongKey: ("wrong-key", nil, nil)
    case .wrongKeyID: ("wrong-key-id", nil, nil)
    case .expiredKey: ("expired-key", nil, nil)
    case .oversizedBody(let bytes): ("oversized-body", bytes, nil)
    case .oversizedHeader(let bytes): ("oversized-header", bytes, nil)
    case .drop(let part): ("drop", nil, part)
    case .noAnswer: ("no-answer", nil, nil)
    case .trickle(let milliseconds): ("trickle", milliseconds, nil)
    case .garbage: ("garbage", nil, nil)
    case .wrongContentType: ("wrong-content-type", nil, nil)
    case .redirect: ("redirect", nil, nil)
    case .synchronisationDelay(let milliseconds): ("synchronisation-delay", milliseconds, nil)
    case .synchronisationLoss: ("synchronisation-loss", nil, nil)
    case .synchronisationFailure: ("synchronisation-failure", nil, nil)
    }
  }
}

extension Fault {
  /// The kinds of faults, one a line, with their parameter, its range and its default.
  public static var catalogue: [String] {
    FaultForm.all.sorted { $0.key < $1.key }.map { kind, form in
      guard let parameter = form.parameter else { return kind }
      if parameter == "part" {
        return "\(kind),part=\(Part.allCases.map(\.rawValue).joined(separator: "|"))"
      }
      let range = "\(form.range.lowerBound)...\(form.range.upperBound)"
      return "\(kind),\(parameter)=\(range)" + (form.defaultValue.map { " (\($0) if not given)" } ?? "")
    }
  }
}
