// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

/// AES-GCM with one key in one direction, ready to be used frame by frame.
///
/// It owns one context of the cryptographic library, made once and wiped by its end; a frame costs no allocation.
final class FrameCipher {
  private let context: OpaquePointer
  // The initialization vector is this with the packet number mixed into its last 8 octets (IEEE 802.1AE-2018 14.5, 14.7).
  private let vectorHigh: UInt32
  private let vectorLow: UInt64
  private let vector: UnsafeMutableRawBufferPointer

  /// - Parameters:
  ///   - key: of the length that the suite asks.
  ///   - extension: the short identifier and 12 octets of salt, for suites with extended packet numbers.
  /// - Throws: `invalidKey`, `cryptography`.
  init(
    suite: FrameCipherSuite, key: UnsafeRawBufferPointer, sci: UInt64, extension: AssociationKey.Extension?,
    encrypts: Bool
  ) throws(SecYEngineError) {
    guard key.count == suite.keyLength else {
      throw SecYEngineError(.invalidKey, "\(suite) takes a key of \(suite.keyLength) octets, not \(key.count)")
    }
    if suite.hasExtendedPacketNumbers {
      guard let `extension` else { throw SecYEngineError(.invalidKey, "\(suite) needs an SSCI and a salt") }
      vectorHigh = `extension`.salt.high ^ `extension`.ssci
      vectorLow = `extension`.salt.low
    } else {
      guard `extension` == nil else { throw SecYEngineError(.invalidKey, "\(suite) has no SSCI and no salt") }
      vectorHigh = UInt32(truncatingIfNeeded: sci >> 32)
      vectorLow = sci << 32
    }
    guard let context = EVP_CIPHER_CTX_new() else { throw Self.failure("no memory for a cipher context") }
    let cipher = suite.keyLength == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm()
    let keyBytes = key.bindMemory(to: UInt8.self).baseAddress
    guard EVP_CipherInit_ex(context, cipher, nil, keyBytes, nil, encrypts ? 1 : 0) == 1 else {
      EVP_CIPHER_CTX_free(context)
      throw Self.failure("the cipher context cannot be set up")
    }
    self.context = context
    vector = UnsafeMutableRawBufferPointer.allocate(byteCount: 12, alignment: 8)
    vector.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    EVP_CIPHER_CTX_free(context)
    vector.deallocate()
  }

  private static func failure(_ what: String) -> SecYEngineError { SecYEngineError(.cryptography, what) }

  /// Where things are in a frame. All lengths in octets.
  struct Layout {
    /// Destination and source address at 0, 12 octets, then this many octets of tags in clear, which are not covered.
    var clearTags: Int
    var tagLength: Int
    /// Of the user data: how much is covered but not encrypted, and how much is encrypted.
    var covered: Int
    var encrypted: Int

    var tagAt: Int { 12 + clearTags }
    var dataAt: Int { tagAt + tagLength }
    var icvAt: Int { dataAt + covered + encrypted }
  }

  @inline(__always)
  private func start(_ packetNumber: UInt64, _ frame: UnsafeMutablePointer<UInt8>, _ layout: Layout) -> Bool {
    vector.storeBytes(of: vectorHigh.bigEndian, as: UInt32.self)
    vector.storeBytes(of: (vectorLow ^ packetNumber).bigEndian, toByteOffset: 4, as: UInt64.self)
    var length: Int32 = 0
    let iv = vector.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard EVP_CipherInit_ex(context, nil, nil, nil, iv, -1) == 1 else { return false }
    let tagged = Int32(layout.tagLength + layout.covered)
    if layout.clearTags == 0 { return EVP_CipherUpdate(context, nil, &length, frame, 12 + tagged) == 1 }
    return EVP_CipherUpdate(context, nil, &length, frame, 12) == 1
      && EVP_CipherUpdate(context, nil, &length, frame + layout.tagAt, tagged) == 1
  }

  @inline(__always)
  private func transform(_ frame: UnsafeMutablePointer<UInt8>, _ layout: Layout) -> Bool {
    var length: Int32 = 0
    if layout.encrypted > 0 {
      let data = frame + layout.dataAt + layout.covered
      guard EVP_CipherUpdate(context, data, &length, data, Int32(layout.encrypted)) == 1 else { return false }
    }
    return EVP_CipherFinal_ex(context, frame + layout.icvAt, &length) == 1
  }

  /// Encrypts in place and writes the ICV behind the user data. False when the library fails, which leaves garbage.
  @inline(__always)
  func seal(_ frame: UnsafeMutablePointer<UInt8>, _ layout: Layout, packetNumber: UInt64) -> Bool {
    start(packetNumber, frame, layout) && transform(frame, layout)
      && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, frame + layout.icvAt) == 1
  }

  /// Checks the ICV and decrypts in place. False when the frame is not authentic; what was encrypted is garbage then.
  @inline(__always)
  func open(_ frame: UnsafeMutablePointer<UInt8>, _ layout: Layout, packetNumber: UInt64) -> Bool {
    start(packetNumber, frame, layout)
      && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, frame + layout.icvAt) == 1
      && transform(frame, layout)
  }
}
