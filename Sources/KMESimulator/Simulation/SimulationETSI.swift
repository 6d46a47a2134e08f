// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

// The calls of ETSI GS QKD 014. The caller is the SAE that the client's certificate names; a caller that this KME does
// not serve gets 401. A delivered key leaves the store on both sides; of several keys asked for by ID all are delivered
// or none.
extension Simulation {
  mutating func answer(
    _ request: ETSIRequest, _ shape: AnswerShape, _ context: Context
  ) throws(CallFailure) -> [Effect] {
    guard let etsi = instances[context.instance].configuration.etsi else { throw CallFailure(404, "no such path") }
    guard let caller = context.client, etsi.saes.contains(caller) else { throw CallFailure(401, "the SAE is unknown") }
    switch request {
    case .status(let slave):
      return finish(.etsi(.status(try status(etsi, master: caller, slave: slave, context))), shape, context)
    case .newKeys(let slave, let number, let size):
      return try makeKeys(etsi, master: caller, slave: slave, number: number, bits: size, shape, context)
    case .keysByID(let identifiers, let master):
      return try fetchKeys(etsi, identifiers, master: master, slave: caller, shape, context)
    }
  }

  /// The peer that serves an SAE; an SAE of this KME itself is a peer too, at the same place.
  private func peer(_ etsi: ETSIConfiguration, of sae: String, _ context: Context) throws(CallFailure)
    -> ETSIConfiguration.Peer
  {
    if let peer = etsi.peers.first(where: { $0.saes.contains(sae) }) { return peer }
    guard etsi.saes.contains(sae) else { throw CallFailure(400, "the SAE in the path is unknown") }
    let own = instances[context.instance].configuration.localSystemID
    return ETSIConfiguration.Peer(kmeID: etsi.kmeID, systemID: own, saes: etsi.saes)
  }

  private mutating func status(
    _ etsi: ETSIConfiguration, master: String, slave: String, _ context: Context
  ) throws(CallFailure) -> ETSIStatus {
    let peer = try peer(etsi, of: slave, context)
    let configuration = instances[context.instance].configuration
    let stored = instances[context.instance].pool.available(now: context.now)
    return ETSIStatus(
      sourceKME: etsi.kmeID, targetKME: peer.kmeID, masterSAE: master, slaveSAE: slave, keySize: configuration.keyBits,
      storedKeyCount: stored ?? configuration.capacity,
      maximumKeyCount: configuration.poolSize ?? configuration.capacity,
      maximumKeysPerRequest: etsi.maximumKeysPerRequest, maximumKeySize: configuration.maximumBits, minimumKeySize: 8)
  }

  private mutating func makeKeys(
    _ etsi: ETSIConfiguration, master: String, slave: String, number: Int, bits: Int?, _ shape: AnswerShape,
    _ context: Context
  ) throws(CallFailure) -> [Effect] {
    let peer = try peer(etsi, of: slave, context)
    let configuration = instances[context.instance].configuration
    let bits = bits ?? configuration.keyBits
    guard (1...etsi.maximumKeysPerRequest).contains(number) else {
      throw CallFailure(400, "number is not 1 to \(etsi.maximumKeysPerRequest)")
    }
    guard bits.isMultiple(of: 8), (8...configuration.maximumBits).contains(bits) else {
      throw CallFailure(400, "size is not a multiple of 8 from 8 to \(configuration.maximumBits)")
    }
    var keys: [SharedKey] = []
    for _ in 0..<number {
      keys.append(SharedKey(id: try newUUID(), bytes: try randomBytes(bits / 8)))
    }
    note(context) {
      $0.keyID = keys.map(\.id).joined(separator: " ")
      $0.remote = slave
    }
    var told: [SharedKey] = []
    for key in keys { told.append(try damaged(key, shape.keyDamage) { () throws(CallFailure) in try newUUID() }) }
    return try share(
      keys, from: Self.etsiPair(master: master, slave: slave), to: peer.systemID, answer: .etsi(.keys(told)),
      failure: CallFailure(503, "the keys cannot be made or shared"), shape, context)
  }

  private mutating func fetchKeys(
    _ etsi: ETSIConfiguration, _ identifiers: [String], master: String, slave: String, _ shape: AnswerShape,
    _ context: Context
  ) throws(CallFailure) -> [Effect] {
    note(context) {
      $0.keyID = identifiers.prefix(Self.logCapacity).joined(separator: " ")
      $0.remote = master
    }
    guard identifiers.count <= etsi.maximumKeysPerRequest else {
      throw CallFailure(400, "more than \(etsi.maximumKeysPerRequest) keys are asked for")
    }
    let pair = Self.etsiPair(master: master, slave: slave)
    if shape.keyDamage.isExpired { for id in identifiers { instances[context.instance].store.expire(id) } }
    for id in identifiers {
      let owner = instances[context.instance].store.remoteSystemID(of: id, now: context.now)
      guard let owner else { throw CallFailure(400, "one or more of the keys are not found") }
      guard owner == pair else { throw CallFailure(401, "the key is for another SAE") }
    }
    var keys: [SharedKey] = []
    for id in identifiers {
      let taken = instances[context.instance].store.take(id, remoteSystemID: pair, now: context.now)
      guard let taken else { throw CallFailure(400, "one or more of the keys are not found") }
      let key = SharedKey(id: id, bytes: taken)
      keys.append(try damaged(key, shape.keyDamage) { () throws(CallFailure) in try newUUID() })
    }
    instances[context.instance].statistics.keysFetched += keys.count
    return finish(.etsi(.keys(keys)), shape, context)
  }

  /// What the store has in place of SKIP's remote system: both SAEs. The separator cannot stand in a certificate's
  /// name or a path, so one pair is not taken for another.
  private static func etsiPair(master: String, slave: String) -> String {
    "etsi-014\u{0}\(master)\u{0}\(slave)"
  }

  /// A random UUID (RFC 9562 section 5.4).
  private func newUUID() throws(CallFailure) -> String {
    var bytes = try randomBytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Hexadecimal.encode(bytes).map { Character(UnicodeScalar($0)) }
    return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
  }
}
