// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A SKIP request, checked and typed (draft-cisco-skip-02 section 4).
enum SKIPRequest: Equatable {
  case capabilities
  /// A new key that the named remote system will also get; the size is in bits.
  case newKey(remoteSystemID: String, sizeInBits: Int?)
  /// The key of this ID, made by the KME of the named remote system.
  case keyByID(String, remoteSystemID: String)
  /// Random bits; the amount is in bits.
  case entropy(minimumBits: Int?)

  /// The longest key identifier taken, in characters. The protocol's default is 32.
  static let longestKeyID = 512
  /// The longest system identifier taken, in bytes. Implementations have to take 32.
  static let longestSystemID = 255

  init(_ request: HTTPRequest) throws(CallFailure) {
    let call = Call(path: request.path)
    guard call != .unknown else { throw CallFailure(404, "no such path") }
    guard request.method == "GET" else { throw CallFailure(405, "only GET is allowed") }
    switch call {
    case .key:
      self = .newKey(
        remoteSystemID: try Self.remoteSystemID(request), sizeInBits: try Self.number(request, parameter: "size"))
    case .keyByID:
      let identifier = request.path[1]
      guard !identifier.isEmpty, identifier.utf8.count <= Self.longestKeyID,
        identifier.utf8.allSatisfy({ Hexadecimal.digit($0) != nil })
      else { throw CallFailure(400, "the key identifier is not a hexadecimal string") }
      self = .keyByID(identifier, remoteSystemID: try Self.remoteSystemID(request))
    case .entropy:
      self = .entropy(minimumBits: try Self.number(request, parameter: "minentropy"))
    default:
      self = .capabilities
    }
  }

  private static func remoteSystemID(_ request: HTTPRequest) throws(CallFailure) -> String {
    let values = request.values(ofParameter: "remoteSystemID")
    guard values.count == 1, let value = values.first, !value.isEmpty, value.utf8.count <= longestSystemID else {
      throw CallFailure(400, "the parameter remoteSystemID is missing, repeated, empty or too long")
    }
    return value
  }

  private static func number(_ request: HTTPRequest, parameter: String) throws(CallFailure) -> Int? {
    let values = request.values(ofParameter: parameter)
    guard let text = values.first else { return nil }
    guard values.count == 1, (1...7).contains(text.utf8.count),
      text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = Int(text), number > 0
    else { throw CallFailure(400, "the parameter \(parameter) is not a positive number") }
    return number
  }
}
