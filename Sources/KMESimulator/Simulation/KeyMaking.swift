// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

// What making a key has in common in both protocols: taking from the pool, sharing with the other KME, faults on
// the way.
extension Simulation {
  /// Takes new keys from the pool, gives them to the KME of another system, and answers when that has taken them.
  /// - Parameters:
  ///   - from: the name under which the other KME keeps them.
  ///   - answer: what the client is told.
  ///   - failure: what it is told instead if the other KME does not take them.
  mutating func share(
    _ keys: [SharedKey], from: String, to system: String, answer: CallAnswer, failure: CallFailure,
    _ shape: AnswerShape, _ context: Context
  ) throws(CallFailure) -> [Effect] {
    guard shape.synchronisation != .failed else { throw failure }
    guard instances[context.instance].pool.take(keys.count, now: context.now) else {
      throw CallFailure(503, "there are not enough keys")
    }
    var share = KeyShare(
      token: String(decoding: Hexadecimal.encode(try randomBytes(16)), as: UTF8.self), from: from, to: system,
      keys: keys, lifetime: .seconds(instances[context.instance].configuration.keyLifetimeSeconds))
    switch shape.synchronisation {
    case .delayed(let delay): share.availableIn = delay
    case .lost: return finishNewKeys(answer, count: keys.count, shape, context)
    case .prompt, .failed: break
    }
    if shape.keyDamage.isExpired { share.lifetime = .zero }
    switch deliver(share, now: context.now) {
    case .accepted: return finishNewKeys(answer, count: keys.count, shape, context)
    case .refused: throw failure
    case .sent(let link):
      sharing.waiting[share.token] = KeySharing.Waiting(
        answer: answer, keyCount: keys.count, failure: failure, shape: shape, context: context,
        deadline: context.now + KeySharing.patience)
      return [.send(.share(share), link: link)]
    }
  }

  /// Counts new keys and tells the client.
  mutating func finishNewKeys(
    _ answer: CallAnswer, count: Int, _ shape: AnswerShape, _ context: Context
  ) -> [Effect] {
    instances[context.instance].statistics.keysMade += count
    return finish(answer, shape, context)
  }

  /// What the client is told instead of the right identifier and key, if a fault wants that.
  func damaged(
    _ key: SharedKey, _ damage: AnswerShape.KeyDamage, newIdentifier: () throws(CallFailure) -> String
  ) throws(CallFailure) -> SharedKey {
    var told = key
    if damage.hasWrongKey { told.bytes = try randomBytes(key.bytes.count) }
    if let bits = damage.lengthInBits { told.bytes = try randomBytes(bits / 8) }
    if damage.hasWrongID { told.id = try newIdentifier() }
    return told
  }

  /// Random bytes, or an internal error.
  func randomBytes(_ count: Int) throws(CallFailure) -> [UInt8] {
    guard count > 0 else { return [] }
    let bytes = random(count)
    guard bytes.count == count else { throw CallFailure(500, "the random number generator failed") }
    return bytes
  }
}
