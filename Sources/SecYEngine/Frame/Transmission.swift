// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What becomes of a frame.
public enum FrameVerdict: Sendable, Equatable {
  /// Pass on the octets from `start` on.
  case pass(start: Int, length: Int)
  /// Drop it; it is counted.
  case discard
}

extension SecurityEntity {
  /// A frame from the controlled port that is to be sent (IEEE 802.1AE-2018 10.5).
  ///
  /// - Parameters:
  ///   - buffer: holds the frame, changed in place; `headroom` octets before the frame and `tailroom` behind it are
  ///     used too, without them it is discarded.
  ///   - start: where the frame begins.
  ///   - length: of the frame in octets, from the destination address on, without a frame check sequence.
  public func transmit(_ buffer: UnsafeMutableRawBufferPointer, start: Int, length: Int) -> FrameVerdict {
    guard length >= 14, start >= 0, start <= buffer.count, length <= buffer.count - start else { return .discard }
    let frame = UnsafeRawBufferPointer(rebasing: buffer[start..<start + length])
    var clearTags = 0
    var etherType = Octets.etherType(frame, at: 12)
    while clearTags < 4 * Int(settings.vlanTagsInClear), VLAN.isTag(etherType), length >= 18 + clearTags {
      clearTags += 4
      etherType = Octets.etherType(frame, at: 12 + clearTags)
    }
    if settings.clearProtocols.rawValue != 0, settings.clearProtocols.admits(etherType) {
      return sendInClear(start, length)
    }
    switch status {
    case .protected: return protect(buffer, start: start, length: length, clearTags: clearTags)
    case .unprotected: return sendInClear(start, length)
    case .blocked:
      interface.outPktsBlocked += 1
      return .discard
    }
  }

  private func sendInClear(_ start: Int, _ length: Int) -> FrameVerdict {
    interface.outPktsUntagged += 1
    return .pass(start: start, length: length)
  }

  private func protect(
    _ buffer: UnsafeMutableRawBufferPointer, start: Int, length: Int, clearTags: Int
  ) -> FrameVerdict {
    guard let association = enabled, association.counts.nextPN <= settings.cipherSuite.lastPacketNumber,
      let base = buffer.baseAddress
    else {
      interface.outPktsBlocked += 1
      return .discard
    }
    let source = Octets.address(UnsafeRawBufferPointer(buffer), at: start + 6)
    let namesChannel = settings.includesSCI || sci != source << 16 | 1
    let tagLength = namesChannel ? SecTAG.longLength : SecTAG.shortLength
    let sent = length + tagLength + SecTAG.icvLength
    guard sent - min(clearTags, 4) <= longestFrame else {
      interface.outPktsTooLong += 1
      transmitCounts.outPktsTooLong += 1
      return .discard
    }
    guard start >= tagLength, buffer.count - start - length >= SecTAG.icvLength else {
      interface.outPktsBlocked += 1
      return .discard
    }

    let first = start - tagLength
    let header = 12 + clearTags
    (base + first).copyMemory(from: base + start, byteCount: header)
    let frame = UnsafeMutableRawBufferPointer(start: base + first, count: sent)
    let dataLength = length - header
    let clear = min(settings.confidentiality.clearOctets ?? dataLength, dataLength)
    let encrypts = settings.confidentiality != .integrityOnly
    let packetNumber = association.counts.nextPN
    var control = association.counts.associationNumber
    if encrypts { control |= SecTAG.Bit.encrypted | SecTAG.Bit.changed }
    if !namesChannel { control |= SecTAG.Bit.endStation }
    SecTAG.write(
      to: frame, at: header, control: control, dataLength: dataLength,
      packetNumber: UInt32(truncatingIfNeeded: packetNumber), sci: namesChannel ? sci : nil)
    // Before the cipher runs: whatever happens then, this number is not used again.
    association.counts.nextPN += 1
    let layout = FrameCipher.Layout(
      clearTags: clearTags, tagLength: tagLength, covered: clear, encrypted: dataLength - clear)
    let octets = (base + first).assumingMemoryBound(to: UInt8.self)
    guard association.cipher.seal(octets, layout, packetNumber: packetNumber) else {
      interface.outPktsBlocked += 1
      return .discard
    }
    count(association, encrypts: encrypts, octets: UInt64(dataLength))
    return .pass(start: first, length: sent)
  }

  @inline(__always)
  private func count(_ association: TransmitAssociation, encrypts: Bool, octets: UInt64) {
    if encrypts {
      association.counts.outPktsEncrypted += 1
      transmitCounts.outPktsEncrypted += 1
      transmitCounts.outOctetsEncrypted += octets
      interface.outOctetsEncrypted += octets
    } else {
      association.counts.outPktsProtected += 1
      transmitCounts.outPktsProtected += 1
      transmitCounts.outOctetsProtected += octets
      interface.outOctetsProtected += octets
    }
  }
}

enum VLAN {
  /// A customer's or a service tag of IEEE 802.1Q.
  @inline(__always)
  static func isTag(_ etherType: UInt16) -> Bool { etherType == 0x8100 || etherType == 0x88A8 }
}
