// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

// The SKIP calls. Status codes follow draft-cisco-skip-02 where it gives one; for what it leaves open (a bad remote
// system, a missing parameter, a size not offered) they are those that deployed servers give: 400 for what the client
// asked wrongly, 500 when the remote system's KME cannot be reached.
extension Simulation {
  mutating func answer(
    _ request: SKIPRequest, _ shape: AnswerShape, _ context: Context
  ) throws(CallFailure) -> [Effect] {
    let configuration = instances[context.instance].configuration
    switch request {
    case .capabilities:
      let capabilities = Capabilities(
        offersEntropy: configuration.offersEntropy, offersKey: configuration.offersKey,
        algorithm: configuration.algorithm, localSystemID: configuration.localSystemID,
        remoteSystemIDs: configuration.remoteSystemIDs)
      return finish(.skip(.capabilities(capabilities)), shape, context)
    case .newKey(let remoteSystemID, let size):
      return try makeKey(for: remoteSystemID, bits: size ?? configuration.keyBits, shape, context)
    case .keyByID(let identifier, let remoteSystemID):
      return try fetchKey(identifier, from: remoteSystemID, shape, context)
    case .entropy(let minimum):
      let bits = minimum ?? 256
      guard configuration.offersEntropy, bits <= configuration.maximumBits else {
        throw CallFailure(503, "there is not enough entropy")
      }
      return finish(.skip(.entropy(try randomBytes((bits + 7) / 8))), shape, context)
    }
  }

  private mutating func makeKey(
    for remoteSystemID: String, bits: Int, _ shape: AnswerShape, _ context: Context
  ) throws(CallFailure) -> [Effect] {
    let instance = instances[context.instance]
    guard instance.configuration.offersKey else { throw CallFailure(404, "keys are not offered") }
    guard instance.knows(remoteSystem: remoteSystemID) else { throw CallFailure(400, "the remote system is unknown") }
    guard bits.isMultiple(of: 8), bits <= instance.configuration.maximumBits else {
      throw CallFailure(400, "the size is not a multiple of 8 up to \(instance.configuration.maximumBits)")
    }
    let key = SharedKey(id: try newKeyIdentifier(instance.configuration), bytes: try randomBytes(bits / 8))
    note(context) { $0.keyID = key.id }
    let told = try damaged(key, shape.keyDamage) { () throws(CallFailure) in
      try newKeyIdentifier(instance.configuration)
    }
    return try share(
      [key], from: instance.configuration.localSystemID, to: remoteSystemID,
      answer: .skip(.key(id: told.id, key: told.bytes)),
      failure: CallFailure(500, "the remote system's KME cannot be reached or takes no key"), shape, context)
  }

  private mutating func fetchKey(
    _ identifier: String, from remoteSystemID: String, _ shape: AnswerShape, _ context: Context
  ) throws(CallFailure) -> [Effect] {
    let instance = instances[context.instance]
    guard instance.configuration.offersKey else { throw CallFailure(404, "keys are not offered") }
    guard instance.knows(remoteSystem: remoteSystemID) else { throw CallFailure(400, "the remote system is unknown") }
    if shape.keyDamage.isExpired { instances[context.instance].store.expire(identifier) }
    let taken = instances[context.instance].store.take(identifier, remoteSystemID: remoteSystemID, now: context.now)
    guard let key = taken else { throw CallFailure(400, "the key is not found") }
    instances[context.instance].statistics.keysFetched += 1
    let told = try damaged(SharedKey(id: identifier, bytes: key), shape.keyDamage) { () throws(CallFailure) in
      try newKeyIdentifier(instance.configuration)
    }
    return finish(.skip(.key(id: told.id, key: told.bytes)), shape, context)
  }

  /// An identifier that tells nothing about the key.
  private func newKeyIdentifier(_ configuration: InstanceConfiguration) throws(CallFailure) -> String {
    let bytes = try randomBytes(configuration.keyIDBits / 8)
    return String(decoding: Hexadecimal.encode(bytes, letters: configuration.keyIDLetters), as: UTF8.self)
  }
}
