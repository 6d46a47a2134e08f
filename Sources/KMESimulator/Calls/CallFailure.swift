// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An answer of a KME other than 200.
struct CallFailure: Error, Equatable {
  var status: Int
  /// The text of the body.
  var message: String
  /// The methods that a 405 names.
  var allowedMethods = "GET"

  init(_ status: Int, _ message: String) {
    self.status = status
    self.message = message
  }

  var response: HTTPResponse {
    switch status {
    // ETSI GS QKD 014 section 5: this answer has no body.
    case 401: HTTPResponse(status: 401)
    case 405:
      HTTPResponse(
        status: 405, headers: [HeaderField("Allow", allowedMethods)], body: HTTPResponse.failure(405, message).body)
    default: .failure(status, message)
    }
  }
}

/// The content of a 200 answer of either protocol, before it is written as JSON, so that faults can change it.
enum CallAnswer: Equatable {
  case skip(SKIPAnswer)
  case etsi(ETSIAnswer)

  func body(letters: Hexadecimal.LetterCase, deformation: Deformation?) -> [UInt8] {
    let bytes =
      switch self {
      case .skip(let answer): answer.body(letters: letters, deformation: deformation)
      case .etsi(let answer): answer.body(deformation: deformation)
      }
    return deformation == .malformedJSON ? Array(bytes.dropLast()) + Array(",]".utf8) : bytes
  }

  /// Ways in which a body can be wrong although the rest of the answer is right.
  enum Deformation: Equatable {
    case malformedJSON
    case wrongTypes
    case missingMember
    case oddDigits
    case notHexadecimal
  }
}
