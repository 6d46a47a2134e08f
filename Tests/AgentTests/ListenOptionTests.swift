// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import agentd

@Suite struct ListenOptionTests {
  @Test(arguments: [
    ("127.0.0.1:830", "127.0.0.1", 830), ("[::1]:0", "::1", 0), ("localhost:65535", "localhost", 65535),
  ])
  func addressesAndPortsAreRead(text: String, host: String, port: UInt16) {
    let option = ListenOption(argument: text)
    #expect(option?.address.host == host)
    #expect(option?.address.port == port)
  }

  @Test(arguments: ["", "830", "127.0.0.1", ":830", "[]:830", "127.0.0.1:65536", "127.0.0.1:x"])
  func whatIsNoneIsRefused(text: String) {
    #expect(ListenOption(argument: text) == nil)
  }
}
