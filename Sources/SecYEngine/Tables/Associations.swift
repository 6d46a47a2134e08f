// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A key that frames are sent with.
final class TransmitAssociation {
  let cipher: FrameCipher
  var counts: SecYCounts.TransmitAssociation

  init(cipher: FrameCipher, counts: SecYCounts.TransmitAssociation) {
    self.cipher = cipher
    self.counts = counts
  }
}

/// A key that frames of one channel are received with.
final class ReceiveAssociation {
  let cipher: FrameCipher
  let key: KeyName
  /// One more than the highest packet number that was proved authentic.
  private(set) var nextPN: UInt64
  /// What was set from outside, below which nothing is taken.
  private var floor: UInt64 = 1

  init(cipher: FrameCipher, key: KeyName, nextPN: UInt64) {
    self.cipher = cipher
    self.key = key
    self.nextPN = nextPN
  }

  /// The lowest packet number that replay protection takes (IEEE 802.1AE-2018 10.6.2).
  @inline(__always)
  func lowestPN(window: UInt32) -> UInt64 {
    let window = UInt64(window)
    return max(floor, nextPN > window ? nextPN - window : 1)
  }

  /// The whole packet number of a frame with extended ones: the first from `lowest` on, half a turn long, that ends so.
  @inline(__always)
  static func recover(_ low: UInt32, lowest: UInt64) -> UInt64 {
    let high = lowest >> 32
    let turned = UInt32(truncatingIfNeeded: lowest) >> 31 == 1 && low >> 31 == 0
    return (turned ? high &+ 1 : high) << 32 | UInt64(low)
  }

  @inline(__always)
  func proved(_ packetNumber: UInt64) {
    if packetNumber >= nextPN { nextPN = packetNumber == .max ? .max : packetNumber + 1 }
  }

  /// Never lowers.
  func raise(_ lowest: UInt64) {
    floor = max(floor, lowest)
    nextPN = max(nextPN, lowest)
  }
}

/// A channel of a peer, with its up to four associations.
final class ReceiveChannel {
  var counts: SecYCounts.ReceiveChannel
  /// By association number; counted also where no key is installed.
  var associationCounts: [SecYCounts.ReceiveAssociation]
  private var zero: ReceiveAssociation?
  private var one: ReceiveAssociation?
  private var two: ReceiveAssociation?
  private var three: ReceiveAssociation?

  init(sci: UInt64) {
    counts = SecYCounts.ReceiveChannel(sci: sci)
    associationCounts = (0..<4).map { SecYCounts.ReceiveAssociation(associationNumber: $0) }
  }

  var isEmpty: Bool { zero == nil && one == nil && two == nil && three == nil }

  subscript(number: Int) -> ReceiveAssociation? {
    @inline(__always) get {
      switch number {
      case 0: zero
      case 1: one
      case 2: two
      default: three
      }
    }
    set {
      switch number {
      case 0: zero = newValue
      case 1: one = newValue
      case 2: two = newValue
      default: three = newValue
      }
      if newValue != nil {
        associationCounts[number] = SecYCounts.ReceiveAssociation(associationNumber: UInt8(number))
      }
    }
  }
}
