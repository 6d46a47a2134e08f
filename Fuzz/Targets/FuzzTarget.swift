// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What is fuzzed: each takes any octets, and must neither crash nor hang nor break what it promises.
///
/// `Fuzz/run` feeds them from libFuzzer; the tests feed them the corpus and every input that ever crashed one.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// A YANG module.
  case yang
  /// An XPath expression, parsed, checked and evaluated.
  case xpath
  /// Configuration and edits in XML.
  case xml
  /// Configuration in JSON.
  case json
  /// The body of an MKPDU.
  case mkpdu
  /// An LLDPDU, and what CAK mode reads of it.
  case lldp
  /// A packet of VICI.
  case vici
  /// A NETCONF byte stream.
  case framing

  /// Longer inputs add time and nothing else.
  public static let maximumLength = 65_536

  public func run(_ bytes: [UInt8]) {
    guard bytes.count <= Self.maximumLength else { return }
    switch self {
    case .yang: Fuzzing.yang(bytes)
    case .xpath: Fuzzing.xpath(bytes)
    case .xml: Fuzzing.xml(bytes)
    case .json: Fuzzing.json(bytes)
    case .mkpdu: Fuzzing.mkpdu(bytes)
    case .lldp: Fuzzing.lldp(bytes)
    case .vici: Fuzzing.vici(bytes)
    case .framing: Fuzzing.framing(bytes)
    }
  }
}

enum Fuzzing {
  /// Ends the process when a promise is broken, as a crash would.
  static func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { preconditionFailure(message()) }
  }
}
