// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What an event of charon's says.
public enum CharonEvent: Sendable, Equatable {
  /// An IKE SA is established, or gone. The SA is without its children.
  case sessionUp(IKESA)
  case sessionDown(IKESA)
  /// A child SA is installed, or gone: the SA with that child alone.
  case childUp(IKESA)
  case childDown(IKESA)
  /// A new IKE SA took the place of an old one, with its children.
  case rekeyed(old: IKESA, new: IKESA)
  /// A new child took the place of an old one, which carries its last counters.
  case childRekeyed(session: IKESA, old: ChildSA, new: ChildSA)
  /// A line of charon's log.
  case log(LogLine)

  /// A line of charon's log, with the SA that it is about if there is one.
  public struct LogLine: Sendable, Equatable {
    public let connection: String?
    public let uniqueID: UInt32?
    public let message: String
  }

  /// The events to subscribe to.
  public static let names = ["ike-updown", "child-updown", "ike-rekey", "child-rekey", "log"]

  /// Nil when it is another event, or lacks what tells whom it is about.
  public init?(_ name: String, _ message: VICIMessage) {
    let isUp = message["up"] == "yes"
    switch name {
    case "log":
      guard let text = message["msg"] else { return nil }
      self = .log(
        LogLine(
          connection: message["ikesa-name"], uniqueID: message["ikesa-uniqueid"].flatMap { UInt32($0) },
          message: String(text.prefix(512))))
    case "ike-updown":
      guard let sa = IKESA.list(message).first else { return nil }
      self = isUp ? .sessionUp(sa) : .sessionDown(sa)
    case "child-updown":
      guard let sa = IKESA.list(message).first else { return nil }
      self = isUp ? .childUp(sa) : .childDown(sa)
    case "ike-rekey":
      guard let (connection, section) = message.sections.first,
        let old = section.section("old").flatMap({ IKESA(connection: connection, $0) }),
        let new = section.section("new").flatMap({ IKESA(connection: connection, $0) })
      else { return nil }
      self = .rekeyed(old: old, new: new)
    case "child-rekey":
      guard let session = IKESA.list(message).first, let section = message.sections.first?.message,
        let pair = section.section("child-sas")?.sections.first?.message,
        let old = pair.section("old").flatMap({ ChildSA($0) }), let new = pair.section("new").flatMap({ ChildSA($0) })
      else { return nil }
      self = .childRekeyed(session: session, old: old, new: new)
    default: return nil
    }
  }
}
