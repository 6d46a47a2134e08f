// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models
import Testing

@testable import agentd

@Suite struct UsersBackendTests {
  typealias User = IETFSystem.System.Authentication.User

  /// The blob of a key begins with the name of its algorithm.
  private let blob: [UInt8] = [0, 0, 0, 11] + Array("ssh-ed25519".utf8) + [0, 0, 0, 1, 7]

  @Test func hashesThatProtectAreTaken() {
    #expect(UsersBackend.faults(of: User(name: "u", password: "$6$salt$hash")).isEmpty)
    #expect(UsersBackend.faults(of: User(name: "u", password: "$5$salt$hash")).isEmpty)
    #expect(UsersBackend.faults(of: User(name: "u")).isEmpty)
  }

  @Test func md5IsRefusedWithoutRepeatingIt() {
    let faults = UsersBackend.faults(of: User(name: "u", password: "$1$salt$sesame"))
    #expect(faults.count == 1)
    #expect(!faults.joined().contains("sesame"))
  }

  @Test func aKeyIsOfTheAlgorithmItSays() {
    var user = User(name: "u")
    user.authorizedKey.set(.init(name: "right", algorithm: "ssh-ed25519", keyData: blob))
    #expect(UsersBackend.faults(of: user).isEmpty)
    user.authorizedKey.set(.init(name: "wrong", algorithm: "ssh-rsa", keyData: blob))
    user.authorizedKey.set(.init(name: "short", algorithm: "ssh-ed25519", keyData: [0, 0]))
    #expect(UsersBackend.faults(of: user).count == 2)
  }
}
