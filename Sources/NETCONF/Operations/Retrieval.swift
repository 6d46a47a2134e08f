// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// get and get-config, and the other content that comes from data trees.
extension ServerCore {
  /// The configuration in a datastore (RFC 6241 section 7.1): a snapshot of now, written as it is pulled.
  func configuration(of source: DatastoreName, filter: SubtreeFilter?) -> ReplyBody {
    let writer = XMLWriter(
      encoding: encoding, content: datastore.snapshot(of: source), filter: filter, sealer: sealer)
    return .content(DataContent(writer, element: "data"))
  }

  /// Configuration of running and operational state (RFC 6241 section 7.7).
  func everything(filter: SubtreeFilter?) -> ReplyBody {
    let writer = XMLWriter(
      encoding: encoding, content: datastore.running, filter: filter, operational: sources, sealer: sealer)
    return .content(DataContent(writer, element: "data"))
  }

  /// The output of an rpc; without any, the operation just succeeded (RFC 7950 section 7.14.4).
  func body(ofOutput output: InteriorNode?) -> ReplyBody {
    guard let output, !output.isEmpty else { return .ok }
    return .content(DataContent(XMLWriter(encoding: encoding, content: output, sealer: sealer), element: nil))
  }

  /// An event as a notification message (RFC 5277 section 4); nil when the filter does not let it pass.
  func message(of event: Event, filter: SubtreeFilter?) -> (any PulledContent)? {
    if let filter, !filter.selects(notification: event.content) { return nil }
    return NotificationContent(
      XMLWriter(encoding: encoding, element: event.content, filter: filter, sealer: sealer), time: event.time)
  }
}

/// What a writer gives, inside an element of the base namespace or none.
final class DataContent: PulledContent {
  private let writer: XMLWriter
  private let element: String?
  private var hasBegun = false

  init(_ writer: XMLWriter, element: String?) {
    self.writer = writer
    self.element = element
  }

  func write(into output: inout [UInt8], limit: Int) -> Bool {
    if !hasBegun {
      hasBegun = true
      if let element { output.append(markup: "<\(element)>") }
    }
    if writer.write(into: &output, limit: limit) { return true }
    if let element { output.append(markup: "</\(element)>") }
    return false
  }
}

/// A whole notification message.
final class NotificationContent: PulledContent {
  private let writer: XMLWriter
  private let time: Event.Time
  private var hasBegun = false

  init(_ writer: XMLWriter, time: Event.Time) {
    self.writer = writer
    self.time = time
  }

  func write(into output: inout [UInt8], limit: Int) -> Bool {
    if !hasBegun {
      hasBegun = true
      output.append(markup: "<notification xmlns=\"\(Namespace.notification)\">")
      output.append(element: "eventTime", text: time.dateAndTime)
    }
    if writer.write(into: &output, limit: limit) { return true }
    output.append(markup: "</notification>" as StaticString)
    return false
  }
}
