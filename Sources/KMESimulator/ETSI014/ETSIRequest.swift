// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// A request of ETSI GS QKD 014 V1.1.1, checked and typed (section 5).
enum ETSIRequest: Equatable {
  case status(slave: String)
  case newKeys(slave: String, number: Int, sizeInBits: Int?)
  case keysByID([String], master: String)

  init(_ request: HTTPRequest) throws(CallFailure) {
    let call = Call(path: request.path)
    guard request.method == "GET" || request.method == "POST" && call != .etsiStatus else {
      var failure = CallFailure(405, "the method is not allowed")
      failure.allowedMethods = call == .etsiStatus ? "GET" : "GET, POST"
      throw failure
    }
    let sae = request.path[3]
    guard (1...255).contains(sae.utf8.count) else { throw CallFailure(400, "the SAE ID is empty or too long") }
    let isPost = request.method == "POST"
    switch call {
    case .etsiEncKeys:
      let form = try isPost ? Self.decode(KeyRequest.self, request.body) : KeyRequest(query: request)
      try form.check()
      self = .newKeys(slave: sae, number: form.number ?? 1, sizeInBits: form.size)
    case .etsiDecKeys:
      self = .keysByID(try isPost ? Self.identifiers(request.body) : Self.identifier(request), master: sae)
    default:
      self = .status(slave: sae)
    }
  }

  /// The exactly one key_ID of a GET.
  private static func identifier(_ request: HTTPRequest) throws(CallFailure) -> [String] {
    let values = request.values(ofParameter: "key_ID")
    guard values.count == 1, !values[0].isEmpty else {
      throw CallFailure(400, "a GET names exactly one key_ID; more go into a POST")
    }
    return values
  }

  private static func identifiers(_ body: [UInt8]) throws(CallFailure) -> [String] {
    let list = try decode(KeyIdentifiers.self, body).key_IDs.map(\.key_ID)
    guard !list.isEmpty, Set(list).count == list.count else {
      throw CallFailure(400, "key_IDs is empty or names a key twice")
    }
    return list
  }

  private static func decode<Form: Decodable>(_ type: Form.Type, _ body: [UInt8]) throws(CallFailure) -> Form {
    do {
      return try JSONDecoder().decode(type, from: Data(body.isEmpty ? Array("{}".utf8) : body))
    } catch {
      throw CallFailure(400, "the body is not of the required form")
    }
  }
}

/// The members of a key request, all optional.
private struct KeyRequest: Decodable {
  var number: Int?
  var size: Int?
  var additional_slave_SAE_IDs: [String]?
  var extension_mandatory: [Anything]?

  /// Any JSON value: only its presence matters.
  struct Anything: Decodable {
    init(from decoder: any Decoder) throws {}
  }

  init(query request: HTTPRequest) throws(CallFailure) {
    for item in request.query where item.name != "number" && item.name != "size" {
      throw CallFailure(400, "a GET has no parameter but number and size")
    }
    number = try Self.integer(request, "number")
    size = try Self.integer(request, "size")
  }

  private static func integer(_ request: HTTPRequest, _ name: String) throws(CallFailure) -> Int? {
    let values = request.values(ofParameter: name)
    guard let text = values.first else { return nil }
    guard values.count == 1, text.utf8.count < 10, let value = Int(text) else {
      throw CallFailure(400, "\(name) is not a number")
    }
    return value
  }

  func check() throws(CallFailure) {
    guard additional_slave_SAE_IDs?.isEmpty ?? true else {
      throw CallFailure(400, "keys for additional SAEs are not offered")
    }
    guard extension_mandatory?.isEmpty ?? true else {
      throw CallFailure(400, "a mandatory extension is not supported")
    }
  }
}

/// The members of a request for keys by their IDs.
private struct KeyIdentifiers: Decodable {
  struct Identifier: Decodable {
    var key_ID: String
  }

  var key_IDs: [Identifier]
}
