// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A MAC Security Entity (SecY, IEEE 802.1AE-2018 clause 10): the tables, and what happens to each frame.
///
/// Frames come and go in buffers of the caller and are changed in place; there is no input or output here, no clock and
/// no allocation by frame. It belongs to one thread.
///
/// Packet numbers never repeat under a key: a key whose name was installed for transmission once is refused ever after.
public final class SecurityEntity {
  /// Octets that must be free before a frame that is to be protected, and behind it.
  public static let headroom = SecTAG.longLength
  public static let tailroom = SecTAG.icvLength
  /// The most that a frame grows by.
  public static let overhead = headroom + tailroom
  public static let mostReceiveChannels = 128
  /// How many names of used keys are remembered.
  static let mostUsedKeys = 1_024

  public let sci: UInt64
  public internal(set) var settings = SecYSettings()
  public internal(set) var status = ControlledPortStatus.blocked
  /// Octets of the longest frame that the parent port takes, addresses and EtherType included, one VLAN tag in clear not.
  public var longestFrame: Int

  var interface = SecYCounts.Interface()
  var transmitCounts: SecYCounts.TransmitChannel
  var transmitAssociations: [TransmitAssociation?] = [nil, nil, nil, nil]
  var enabled: TransmitAssociation?
  var channels: [UInt64: ReceiveChannel] = [:]
  /// The channel of the last frame, or the only one.
  var recent: ReceiveChannel?
  private var usedKeys: Set<KeyName> = []
  private var usedOrder: [KeyName] = []

  public init(sci: UInt64, longestFrame: Int = 1_514) {
    self.sci = sci
    self.longestFrame = longestFrame
    transmitCounts = SecYCounts.TransmitChannel(sci: sci)
  }

  private var hasAssociations: Bool {
    transmitAssociations.contains { $0 != nil } || channels.values.contains { !$0.isEmpty }
  }

  // MARK: Commands

  /// - Throws: `state` when the suite changes under installed associations, or a value is out of range.
  public func configure(_ settings: SecYSettings) throws(SecYEngineError) {
    guard settings.cipherSuite == self.settings.cipherSuite || !hasAssociations else {
      throw SecYEngineError(.state, "another cipher suite needs all associations to be removed first")
    }
    guard settings.vlanTagsInClear <= 2 else {
      throw SecYEngineError(.state, "at most 2 VLAN tags can stand in clear, not \(settings.vlanTagsInClear)")
    }
    self.settings = settings
  }

  public func setPort(_ status: ControlledPortStatus) { self.status = status }

  /// - Throws: `exists`, `limit`.
  public func addReceiveChannel(_ sci: UInt64) throws(SecYEngineError) {
    guard channels[sci] == nil else { throw SecYEngineError(.exists, "there is a receive channel \(Self.text(sci))") }
    guard channels.count < Self.mostReceiveChannels else {
      throw SecYEngineError(.limit, "there are \(channels.count) receive channels already")
    }
    channels[sci] = ReceiveChannel(sci: sci)
    recent = channels.count == 1 ? channels[sci] : nil
  }

  /// Its associations go with it. No error when it is not there.
  public func removeReceiveChannel(_ sci: UInt64) {
    channels[sci] = nil
    recent = channels.count == 1 ? channels.first?.value : nil
  }

  /// - Throws: `absent` without its channel, `exists`, `invalidKey`, `cryptography`.
  public func addReceiveAssociation(
    _ sci: UInt64, _ number: UInt8, key: AssociationKey, lowestPN: UInt64 = 1
  ) throws(SecYEngineError) {
    let channel = try channel(sci)
    guard number < 4 else { throw SecYEngineError(.state, "association number \(number) is not 0 to 3") }
    guard channel[Int(number)] == nil else {
      throw SecYEngineError(.exists, "receive channel \(Self.text(sci)) has an association \(number)")
    }
    let cipher = try FrameCipher(
      suite: settings.cipherSuite, key: key.bytes, sci: sci, extension: key.extension, encrypts: false)
    let association = ReceiveAssociation(cipher: cipher, key: key.identifier, nextPN: 1)
    association.raise(lowestPN)
    channel[Int(number)] = association
  }

  /// Does nothing when another key, or none, is there.
  public func removeReceiveAssociation(_ sci: UInt64, _ number: UInt8, key: KeyName) {
    guard number < 4, let channel = channels[sci], channel[Int(number)]?.key == key else { return }
    channel[Int(number)] = nil
  }

  /// Takes no packet number below this any more. Never lowers.
  ///
  /// - Throws: `absent`.
  public func raiseLowestPN(_ sci: UInt64, _ number: UInt8, _ lowest: UInt64) throws(SecYEngineError) {
    guard number < 4, let association = try channel(sci)[Int(number)] else {
      throw SecYEngineError(.absent, "receive channel \(Self.text(sci)) has no association \(number)")
    }
    association.raise(lowest)
  }

  /// Installs a key for transmission, not yet in use.
  ///
  /// - Throws: `exists` also for a key that was used before, `invalidKey`, `cryptography`.
  public func addTransmitAssociation(
    _ number: UInt8, key: AssociationKey, nextPN: UInt64 = 1
  ) throws(SecYEngineError) {
    guard number < 4, nextPN > 0 else {
      throw SecYEngineError(.state, "association number \(number) is not 0 to 3, or packet number \(nextPN) is 0")
    }
    guard transmitAssociations[Int(number)] == nil else {
      throw SecYEngineError(.exists, "there is a transmit association \(number)")
    }
    guard !usedKeys.contains(key.identifier) else {
      throw SecYEngineError(.exists, "key \(key.identifier) was installed before: its packet numbers would repeat")
    }
    let cipher = try FrameCipher(
      suite: settings.cipherSuite, key: key.bytes, sci: sci, extension: key.extension, encrypts: true)
    var counts = SecYCounts.TransmitAssociation(associationNumber: number, key: key.identifier)
    counts.nextPN = nextPN
    transmitAssociations[Int(number)] = TransmitAssociation(cipher: cipher, counts: counts)
    remember(key.identifier)
  }

  private func remember(_ key: KeyName) {
    usedKeys.insert(key)
    usedOrder.append(key)
    if usedOrder.count > Self.mostUsedKeys { usedKeys.remove(usedOrder.removeFirst()) }
  }

  /// From the next frame on it transmits, and no other.
  ///
  /// - Throws: `absent` when another key, or none, has the number.
  public func enableTransmit(_ number: UInt8, key: KeyName) throws(SecYEngineError) {
    guard number < 4, let association = transmitAssociations[Int(number)], association.counts.key == key else {
      throw SecYEngineError(.absent, "there is no transmit association \(number) with key \(key)")
    }
    enabled?.counts.isEnabled = false
    association.counts.isEnabled = true
    enabled = association
  }

  /// Does nothing when another key, or none, has the number.
  public func removeTransmitAssociation(_ number: UInt8, key: KeyName) {
    guard number < 4, let association = transmitAssociations[Int(number)], association.counts.key == key else { return }
    transmitAssociations[Int(number)] = nil
    if enabled === association { enabled = nil }
  }

  private func channel(_ sci: UInt64) throws(SecYEngineError) -> ReceiveChannel {
    guard let channel = channels[sci] else {
      throw SecYEngineError(.absent, "there is no receive channel \(Self.text(sci))")
    }
    return channel
  }

  static func text(_ sci: UInt64) -> String {
    let digits = String(sci, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  // MARK: Read-out

  /// Counts frames that were lost before they came here.
  public func countOverrun(_ frames: UInt64) { interface.inPktsOverrun += frames }

  public var counts: SecYCounts {
    var transmit = transmitCounts
    transmit.associations = transmitAssociations.compactMap { $0?.counts }
    var counts = SecYCounts(transmit: transmit)
    counts.interface = interface
    counts.receive = channels.values.sorted { $0.counts.sci < $1.counts.sci }.map { channel in
      var counts = channel.counts
      counts.associations = (0..<4).map { number in
        var counts = channel.associationCounts[number]
        if let association = channel[number] {
          counts.nextPN = association.nextPN
          counts.lowestPN = association.lowestPN(window: settings.replayWindow)
          counts.key = association.key
        }
        return counts
      }
      return counts
    }
    return counts
  }
}
