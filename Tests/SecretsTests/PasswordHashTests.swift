// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@Suite struct PasswordHashTests {
  @Test func passwordHashes() {
    func matches(_ password: String, _ hash: String?) -> Bool {
      Array(password.utf8).withUnsafeBytes { PasswordHash.matches($0, hash: hash) }
    }
    let hash = Array("secret".utf8).withUnsafeBytes { PasswordHash.make($0) }
    #expect(hash?.hasPrefix("$6$") == true)
    #expect(matches("secret", hash))
    #expect(!matches("Secret", hash))
    #expect(!matches("secret", nil))
    #expect(!matches("", hash))
    // From the specification of the SHA-2 hashes for crypt.
    #expect(matches("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"))
    #expect(!matches("Hello world!", "$1$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"))
  }
}
