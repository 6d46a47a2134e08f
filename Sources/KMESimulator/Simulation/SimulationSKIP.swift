// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

// The SKIP calls. Status codes follow draft-cisco-skip-02 where it gives one; for what it leaves open (a bad remote
// system, a missing parameter, a size not offered) they are those that deployed servers give: 400 for what the client
// asked wrongly, 500 when the remote system's KME cannot be reached.
extension Simulation {
  mutating func answer(
    _ request: SKIPRequest, _ shape: AnswerShape, _ context: Context
  ) throws(SKIPFailure) -> [Effect] {
    let configuration = instances[context.instance].configuration
    switch request {
    case .capabilities:
      let capabilities = Capabilities(
        offersEntropy: configuration.offersEntropy, offersKey: configuration.offersKey,
        algorithm: configuration.algorithm, localSystemID: configuration.localSystemID,
        remoteSystemIDs: configuration.remoteSystemIDs)
      return finish(.capabilities(capabilities), shape, context)
    case .newKey(let remoteSystemID, let size):
      return try makeKey(for: remoteSystemID, bits: size ?? configuration.keyBits, shape, context)
    case .keyByID(let identifier, let remoteSystemID):
      return try fetchKey(identifier, from: remoteSystemID, shape, context)
    case .entropy(let minimum):
      let bits = minimum ?? 256
      guard configuration.offersEntropy, bits <= configuration.maximumBits else {
        throw SKIPFailure(503, "there is not enough entropy")
      }
      return finish(.entropy(try randomBytes((bits + 7) / 8)), shape, context)
    }
  }

  private mutating func makeKey(
    for remoteSystemID: String, bits: Int, _ shape: AnswerShape, _ context: Context
  ) throws(SKIPFailure) -> [Effect] {
    let instance = instances[context.instance]
    guard instance.configuration.offersKey else { throw SKIPFailure(404, "keys are not offered") }
    guard instance.knows(remoteSystem: remoteSystemID) else { throw SKIPFailure(400, "the remote system is unknown") }
    guard bits.isMultiple(of: 8), bits <= instance.configuration.maximumBits else {
      throw SKIPFailure(400, "the size is not a multiple of 8 up to \(instance.configuration.maximumBits)")
    }
    guard shape.synchronisation != .failed else { throw SKIPFailure(500, "the remote system's KME failed") }
    let key = try randomBytes(bits / 8)
    let identifier = try newKeyIdentifier(instance.configuration)
    note(context) { $0.keyID = identifier }
    let answer = try damaged(identifier, key, shape.keyDamage, instance.configuration)
    var share = KeyShare(
      token: String(decoding: Hexadecimal.encode(try randomBytes(16)), as: UTF8.self),
      from: instance.configuration.localSystemID, to: remoteSystemID, keyID: identifier, key: key,
      lifetime: .seconds(instance.configuration.keyLifetimeSeconds))
    switch shape.synchronisation {
    case .delayed(let delay): share.availableIn = delay
    case .lost: return finishNewKey(answer, shape, context)
    case .prompt, .failed: break
    }
    if shape.keyDamage.isExpired { share.lifetime = .zero }
    switch deliver(share, now: context.now) {
    case .accepted: return finishNewKey(answer, shape, context)
    case .refused: throw SKIPFailure(500, "the remote system's KME cannot be reached or takes no key")
    case .sent(let link):
      sharing.waiting[share.token] = KeySharing.Waiting(
        answer: answer, shape: shape, context: context, deadline: context.now + KeySharing.patience)
      return [.send(.share(share), link: link)]
    }
  }

  mutating func finishNewKey(_ answer: SKIPAnswer, _ shape: AnswerShape, _ context: Context) -> [Effect] {
    instances[context.instance].statistics.keysMade += 1
    return finish(answer, shape, context)
  }

  private mutating func fetchKey(
    _ identifier: String, from remoteSystemID: String, _ shape: AnswerShape, _ context: Context
  ) throws(SKIPFailure) -> [Effect] {
    let instance = instances[context.instance]
    guard instance.configuration.offersKey else { throw SKIPFailure(404, "keys are not offered") }
    guard instance.knows(remoteSystem: remoteSystemID) else { throw SKIPFailure(400, "the remote system is unknown") }
    if shape.keyDamage.isExpired { instances[context.instance].store.expire(identifier) }
    let taken = instances[context.instance].store.take(identifier, remoteSystemID: remoteSystemID, now: context.now)
    guard let key = taken else { throw SKIPFailure(400, "the key is not found") }
    instances[context.instance].statistics.keysFetched += 1
    let answer = try damaged(identifier, key, shape.keyDamage, instance.configuration)
    return finish(answer, shape, context)
  }

  /// What the client is told instead of the right identifier and key, if a fault wants that.
  private func damaged(
    _ identifier: String, _ key: [UInt8], _ damage: AnswerShape.KeyDamage, _ configuration: InstanceConfiguration
  ) throws(SKIPFailure) -> SKIPAnswer {
    var key = key
    if damage.hasWrongKey { key = try randomBytes(key.count) }
    if let bits = damage.lengthInBits { key = bits == 0 ? [] : try randomBytes(bits / 8) }
    return .key(id: damage.hasWrongID ? try newKeyIdentifier(configuration) : identifier, key: key)
  }

  /// An identifier that tells nothing about the key.
  private func newKeyIdentifier(_ configuration: InstanceConfiguration) throws(SKIPFailure) -> String {
    let bytes = try randomBytes(configuration.keyIDBits / 8)
    return String(decoding: Hexadecimal.encode(bytes, letters: configuration.keyIDLetters), as: UTF8.self)
  }

  private func randomBytes(_ count: Int) throws(SKIPFailure) -> [UInt8] {
    let bytes = random(count)
    guard bytes.count == count else { throw SKIPFailure(500, "the random number generator failed") }
    return bytes
  }
}
