// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension SecurityEntity {
  /// EAPOL, which belongs to the uncontrolled port.
  private static let eapol: UInt16 = 0x888E

  /// A frame that the parent port received (IEEE 802.1AE-2018 10.6, figure 10-5).
  ///
  /// - Parameters:
  ///   - buffer: holds the frame, changed in place.
  ///   - start: where the frame begins.
  ///   - length: of the frame in octets, from the destination address on, without a frame check sequence.
  public func receive(_ buffer: UnsafeMutableRawBufferPointer, start: Int, length: Int) -> FrameVerdict {
    guard length >= 14, start >= 0, start <= buffer.count, length <= buffer.count - start,
      let base = buffer.baseAddress
    else { return .discard }
    let frame = UnsafeMutableRawBufferPointer(start: base + start, count: length)
    let bytes = UnsafeRawBufferPointer(frame)
    var clearTags = 0
    var etherType = Octets.etherType(bytes, at: 12)
    while clearTags < 4 * Int(settings.vlanTagsInClear), VLAN.isTag(etherType), length >= 18 + clearTags {
      clearTags += 4
      etherType = Octets.etherType(bytes, at: 12 + clearTags)
    }
    guard etherType == SecTAG.etherType else {
      return receiveUntagged(bytes, etherType) ? .pass(start: start, length: length) : .discard
    }
    let at = 12 + clearTags
    guard let tag = SecTAG(bytes, at: at, length: length - at), !tag.isForKaY,
      tag.packetNumber != 0 || settings.cipherSuite.hasExtendedPacketNumbers
    else {
      interface.inPktsBadTag += 1
      return .discard
    }
    let secured = length - at - tag.length - SecTAG.icvLength
    let dataLength = tag.shortDataLength == 0 ? secured : tag.shortDataLength
    guard admit(frame, tag, clearTags: clearTags, dataLength: dataLength) else { return .discard }
    guard status != .blocked else {
      interface.inPktsBlocked += 1
      return .discard
    }
    (frame.baseAddress ?? base).advanced(by: tag.length).copyMemory(from: base + start, byteCount: at)
    return .pass(start: start + tag.length, length: at + dataLength)
  }

  /// Whether a frame without a SecTAG is delivered.
  private func receiveUntagged(_ frame: UnsafeRawBufferPointer, _ etherType: UInt16) -> Bool {
    guard etherType != Self.eapol else { return false }
    let isAdmitted = settings.clearProtocols.admits(etherType)
    switch status {
    case _ where isAdmitted: break
    case .unprotected: break
    case .protected where settings.validation != .strict: break
    case .blocked, .protected:
      interface.inPktsNoTag += 1
      return false
    }
    interface.inPktsUntagged += 1
    let source = Octets.address(frame, at: 6)
    if let recent, recent.counts.sci >> 16 == source {
      recent.counts.inPktsUntaggedHit += 1
    } else if let channel = channels.values.first(where: { $0.counts.sci >> 16 == source }) {
      channel.counts.inPktsUntaggedHit += 1
    }
    return true
  }

  @inline(__always)
  private func findChannel(_ sci: UInt64?) -> ReceiveChannel? {
    guard let sci else { return channels.count == 1 ? recent : nil }
    if let recent, recent.counts.sci == sci { return recent }
    guard let channel = channels[sci] else { return nil }
    recent = channel
    return channel
  }

  /// Finds the key, checks and decrypts; whether the frame is to be delivered. Counts it.
  private func admit(
    _ frame: UnsafeMutableRawBufferPointer, _ tag: SecTAG, clearTags: Int, dataLength: Int
  ) -> Bool {
    let mustBeProved = settings.validation == .strict || tag.isChanged
    guard let channel = findChannel(tag.sci) else {
      if mustBeProved { interface.inPktsNoSCI += 1 } else { interface.inPktsUnknownSCI += 1 }
      return !mustBeProved
    }
    let number = tag.associationNumber
    guard let association = channel[number] else {
      if mustBeProved {
        channel.counts.inPktsNotUsingSA += 1
        channel.associationCounts[number].inPktsNotUsingSA += 1
      } else {
        channel.counts.inPktsUnusedSA += 1
        channel.associationCounts[number].inPktsUnusedSA += 1
      }
      return !mustBeProved
    }
    let lowest = association.lowestPN(window: settings.replayWindow)
    let packetNumber =
      settings.cipherSuite.hasExtendedPacketNumbers
      ? ReceiveAssociation.recover(tag.packetNumber, lowest: lowest) : UInt64(tag.packetNumber)
    let isLate = packetNumber < lowest
    if isLate && settings.replayProtect {
      channel.counts.inPktsLate += 1
      return false
    }
    if settings.validation == .disabled && !tag.isChanged {
      if isLate { channel.counts.inPktsDelayed += 1 } else { channel.counts.inPktsUnchecked += 1 }
      return true
    }
    let clear = tag.isEncrypted ? min(settings.confidentiality.clearOctets ?? 0, dataLength) : dataLength
    let layout = FrameCipher.Layout(
      clearTags: clearTags, tagLength: tag.length, covered: clear, encrypted: dataLength - clear)
    guard let base = frame.baseAddress?.assumingMemoryBound(to: UInt8.self),
      association.cipher.open(base, layout, packetNumber: packetNumber)
    else {
      if mustBeProved {
        channel.counts.inPktsNotValid += 1
        channel.associationCounts[number].inPktsNotValid += 1
      } else {
        channel.counts.inPktsInvalid += 1
        channel.associationCounts[number].inPktsInvalid += 1
      }
      return !mustBeProved
    }
    association.proved(packetNumber)
    countProved(channel, number, tag, octets: UInt64(dataLength), isLate: isLate)
    return true
  }

  @inline(__always)
  private func countProved(_ channel: ReceiveChannel, _ number: Int, _ tag: SecTAG, octets: UInt64, isLate: Bool) {
    if tag.isEncrypted {
      channel.counts.inOctetsDecrypted += octets
      interface.inOctetsDecrypted += octets
    } else {
      channel.counts.inOctetsValidated += octets
      interface.inOctetsValidated += octets
    }
    if isLate {
      channel.counts.inPktsDelayed += 1
    } else {
      channel.counts.inPktsOK += 1
      channel.associationCounts[number].inPktsOK += 1
    }
  }
}
