// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Secrets

@Suite struct SecretBytesTests {
  @Test func holdsAndCompares() {
    let one = SecretBytes(copying: [1, 2, 3])
    #expect(one.withUnsafeBytes { Array($0) } == [1, 2, 3])
    #expect(one.isEqual(to: SecretBytes(copying: [1, 2, 3])))
    #expect(!one.isEqual(to: SecretBytes(copying: [1, 2, 4])))
    #expect(!one.isEqual(to: SecretBytes(copying: [1, 2])))
    #expect(SecretBytes(copying: []).isEmpty && SecretBytes(copying: []).isEqual(to: SecretBytes(copying: [])))
  }

  @Test func isNeverPrinted() {
    let secret = SecretBytes(copying: Array("topsecret".utf8))
    var dumped = ""
    dump(secret, to: &dumped)
    #expect("\(secret)" == "<secret>" && String(reflecting: secret) == "<secret>" && !dumped.contains("storage"))
  }

  @Test func theUnusedRestIsWiped() {
    var address: UnsafeMutableRawPointer?
    let secret = SecretBytes(capacity: 8) { target in
      address = target.baseAddress
      target.copyBytes(from: [9, 9, 9, 9, 9, 9, 9, 9] as [UInt8])
      return 3
    }
    withExtendedLifetime(secret) {
      let all = UnsafeRawBufferPointer(start: address, count: 8)
      #expect(Array(all) == [9, 9, 9, 0, 0, 0, 0, 0])
    }
  }

  @Test func randomBytesDiffer() throws {
    let one = try SecretBytes.random(count: 32), two = try SecretBytes.random(count: 32)
    #expect(one.count == 32 && !one.isEqual(to: two))
  }

  @Test func coreDumpsAreOff() throws {
    try disableCoreDumps()
    var limit = rlimit()
    #expect(getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 && limit.rlim_max == 0)
  }
}

@Suite struct HKDFTests {
  // HKDF-SHA-256 of 32 bytes 0x0b without salt, info "agentd test", computed with Python's hmac module.
  @Test func knownAnswer() throws {
    let key = try MasterKey(SecretBytes(copying: [UInt8](repeating: 0x0b, count: 32))).subKey(purpose: "test")
    #expect(
      Hexadecimal.encode(key.withUnsafeBytes { Array($0) })
        == "356d22d495ab622af70d4f6f3b756706c8ea122cb0ab95b584989146a768ce06")
  }
}
