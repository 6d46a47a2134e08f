// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

/// Where keys, key identifiers and entropy come from; tests pass their own.
public typealias RandomSource = @Sendable (_ byteCount: Int) -> [UInt8]

/// Random bytes of OpenSSL's generator; empty when it fails, which callers report as an internal error.
@Sendable public func systemRandomBytes(_ byteCount: Int) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: byteCount)
  return RAND_bytes(&bytes, Int32(byteCount)) == 1 ? bytes : []
}

/// Overwrites a buffer in a way that the optimiser keeps. Only the buffer of this very array is reached: a copy made
/// earlier keeps its content.
func wipe(_ bytes: inout [UInt8]) {
  bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
  bytes = []
}
