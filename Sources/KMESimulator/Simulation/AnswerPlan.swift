// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What goes out on a connection in answer to one request, when, and what becomes of the connection.
struct AnswerPlan: Equatable {
  /// How an answer leaves the connection.
  enum Ending: Equatable {
    /// Ready for the next request.
    case keepOpen
    /// Closed in order, with TLS's closing alert.
    case close
    /// Closed without it, as if the process had died.
    case abort
  }

  var delay = Duration.zero
  var bytes: [UInt8] = []
  /// The pause between two bytes; `nil` to send as fast as the client reads.
  var byteInterval: Duration?
  var ending = Ending.keepOpen

  /// A whole response.
  init(_ response: HTTPResponse, keepsAlive: Bool) {
    bytes = response.encodedHead(keepsAlive: keepsAlive) + response.body
    ending = keepsAlive ? .keepOpen : .close
  }

  /// No answer, only the end of the connection.
  init(aborting delay: Duration) {
    self.delay = delay
    ending = .abort
  }

  /// Bytes that need not be HTTP, then the end of the connection.
  init(raw bytes: [UInt8], delay: Duration) {
    self.delay = delay
    self.bytes = bytes
    ending = .close
  }
}

/// What all the faults that struck one request make of its answer.
struct AnswerShape: Equatable {
  /// What is sent instead of an answer of the KME.
  enum Replacement: Equatable {
    case nothing
    case end
    case bytes([UInt8])
    case response(HTTPResponse)
  }

  /// What happens to a key on its way into the answer.
  struct KeyDamage: Equatable {
    var isExpired = false
    var hasWrongKey = false
    var hasWrongID = false
    var lengthInBits: Int?
  }

  /// What happens to a key on its way to the remote system's KME.
  enum Synchronisation: Equatable {
    case prompt
    case delayed(Duration)
    case lost
    case failed
  }

  private(set) var delay = Duration.zero
  private(set) var replacement: Replacement?
  private(set) var deformation: CallAnswer.Deformation?
  private(set) var keyDamage = KeyDamage()
  private(set) var synchronisation = Synchronisation.prompt
  private var hasEmptyBody = false
  private var bodyPadding = 0
  private var headerPadding = 0
  private var contentType: String?
  private var drop: Fault.Part?
  private var byteInterval: Duration?

  init(_ behaviours: [Fault.Behaviour]) {
    for behaviour in behaviours { add(behaviour) }
  }

  private mutating func add(_ behaviour: Fault.Behaviour) {
    switch behaviour {
    case .refuse, .reset, .silentHandshake: break
    case .delay(let milliseconds): delay += .milliseconds(milliseconds)
    case .status(let status): replacement = .response(.failure(status, "this answer is a fault of the simulator"))
    case .redirect:
      replacement = .response(
        HTTPResponse(status: 302, headers: [HeaderField("Location", "https://127.0.0.1:1/capabilities")]))
    case .garbage: replacement = .bytes(Array("220 this is not the protocol you look for\r\n\r\n".utf8))
    case .noAnswer: replacement = .nothing
    case .drop(.request): replacement = .end
    case .drop(let part): drop = part
    case .malformedJSON: deformation = .malformedJSON
    case .wrongTypes: deformation = .wrongTypes
    case .missingMember: deformation = .missingMember
    case .oddDigits: deformation = .oddDigits
    case .notHexadecimal: deformation = .notHexadecimal
    case .emptyBody: hasEmptyBody = true
    case .wrongLengthKey(let bits): keyDamage.lengthInBits = bits
    case .wrongKey: keyDamage.hasWrongKey = true
    case .wrongKeyID: keyDamage.hasWrongID = true
    case .expiredKey: keyDamage.isExpired = true
    case .oversizedBody(let bytes): bodyPadding = bytes
    case .oversizedHeader(let bytes): headerPadding = bytes
    case .trickle(let milliseconds): byteInterval = .milliseconds(milliseconds)
    case .wrongContentType: contentType = "text/html"
    case .synchronisationDelay(let milliseconds): synchronisation = .delayed(.milliseconds(milliseconds))
    case .synchronisationLoss: synchronisation = .lost
    case .synchronisationFailure: synchronisation = .failed
    }
  }

  /// The plan for a response, cut, padded and paced as the faults want it.
  func plan(_ original: HTTPResponse, keepsAlive: Bool) -> AnswerPlan {
    var response = original
    if hasEmptyBody { response.body = [] }
    if bodyPadding > response.body.count {
      response.body = Array(repeating: .space, count: bodyPadding - response.body.count) + response.body
    }
    if let contentType { response.contentType = contentType }
    if headerPadding > 0 {
      response.headers.append(HeaderField("X-Padding", String(repeating: "x", count: headerPadding)))
    }
    var plan = AnswerPlan(response, keepsAlive: keepsAlive)
    let headCount = plan.bytes.count - response.body.count
    switch drop {
    case .header: plan.bytes.removeSubrange((headCount / 2)...)
    case .body: plan.bytes.removeSubrange((headCount + response.body.count / 2)...)
    case .afterAnswer, .request, nil: break
    }
    if drop != nil { plan.ending = .abort }
    plan.delay = delay
    plan.byteInterval = byteInterval
    return plan
  }
}
