// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// The key derivation function of MKA (IEEE 802.1X-2020 6.2.1): AES-CMAC in counter mode.
enum KeyDerivation {
  /// `bits` of key, 128 or 256. Each block is the CMAC of a counter, the label, a zero octet, the context and the
  /// length.
  static func derive(
    from key: SecretBytes, label: String, context: [UInt8], bits: Int
  ) throws(MKAError) -> SecretBytes {
    guard bits == 128 || bits == 256 else { throw MKAError(.invalidKey, "keys of 128 or 256 bits are derived") }
    let octets = bits / 8
    return try SecretBytes(capacity: octets) { (target) throws(MKAError) -> Int in
      for block in 0..<octets / AES.blockLength {
        var message = [UInt8(block + 1)]
        message.append(contentsOf: label.utf8)
        message.append(0)
        message.append(contentsOf: context)
        message.append(UInt8(bits >> 8))
        message.append(UInt8(bits & 0xFF))
        let start = block * AES.blockLength
        try AES.cmac(
          message, key: key, into: UnsafeMutableRawBufferPointer(rebasing: target[start..<start + AES.blockLength]))
      }
      return octets
    }
  }
}
