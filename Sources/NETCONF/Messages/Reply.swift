// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// Content that is written as it is pulled, so that a large one costs no more memory than a small one.
protocol PulledContent: AnyObject {
  /// Appends what comes next, about `limit` bytes at most.
  /// - Returns: true when there is more.
  func write(into output: inout [UInt8], limit: Int) -> Bool
}

/// What answers a request.
enum ReplyBody {
  case ok
  case errors([DatastoreError])
  /// Everything between the `rpc-reply` tags.
  case content(any PulledContent)

  static func error(_ error: DatastoreError) -> ReplyBody { .errors([error]) }
}

/// The attributes of a request, written as they are to be echoed in its reply (RFC 6241 section 4.2).
struct EchoedAttributes: Sendable {
  private(set) var text: [UInt8] = []
  private var count = 0

  /// Notes an attribute of the request's element.
  mutating func append(_ attribute: XMLTag.Attribute) {
    if let namespace = attribute.namespaceText {
      count += 1
      // The prefix is ours: what the request called it is nobody's business but the parser's.
      text.append(markup: " xmlns:a\(count)=\"")
      text.append(escaping: namespace)
      text.append(markup: "\" a\(count):\(attribute.nameText)=\"")
    } else {
      text.append(markup: " \(attribute.nameText)=\"")
    }
    for byte in attribute.value {
      switch byte {
      // White space that attribute normalisation would change.
      case 0x09: text.append(markup: "&#9;" as StaticString)
      case 0x0A: text.append(markup: "&#10;" as StaticString)
      default: text.append(escaping: byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}

/// One `rpc-reply` on its way out.
struct ReplyWriter {
  private enum State {
    case beginning
    case content(any PulledContent)
    case end
    case done
  }

  private let attributes: EchoedAttributes
  private let body: ReplyBody
  private var state = State.beginning

  init(_ body: ReplyBody, attributes: EchoedAttributes) {
    self.body = body
    self.attributes = attributes
  }

  /// Appends what comes next, about `limit` bytes at most.
  /// - Returns: true when there is more.
  mutating func write(into output: inout [UInt8], limit: Int) -> Bool {
    let start = output.count
    while output.count - start < limit {
      switch state {
      case .beginning:
        output.append(markup: "<rpc-reply xmlns=\"\(Namespace.base)\"")
        output.append(contentsOf: attributes.text)
        output.append(UInt8(ascii: ">"))
        state = .end
        switch body {
        case .ok: output.append(markup: "<ok/>" as StaticString)
        case .errors(let errors): for error in errors { RPCErrorWriter.append(error, to: &output) }
        case .content(let content): state = .content(content)
        }
      case .content(let content):
        let written = output.count - start
        if !content.write(into: &output, limit: limit - written) { state = .end }
      case .end:
        output.append(markup: "</rpc-reply>" as StaticString)
        state = .done
        return false
      case .done: return false
      }
    }
    return true
  }
}
