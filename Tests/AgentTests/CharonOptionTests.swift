// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import IPsec
import Testing

@testable import agentd

@Suite struct CharonOptionTests {
  @Test func theChoicesAreRead() {
    #expect(CharonOption(argument: "private") == .own)
    #expect(CharonOption(argument: "none") == CharonOption.none)
    #expect(CharonOption(argument: "/run/charon.vici") == .shared("/run/charon.vici"))
    #expect(CharonOption(argument: "charon.vici") == nil)
    #expect(CharonOption(argument: "") == nil)
  }

  @Test func aPrivateCharonHasAnAbsoluteDirectory() {
    guard case .own(let settings) = CharonOption.own.choice(directory: "some/charon", plugin: "plugin.so") else {
      Issue.record("expected a charon of our own")
      return
    }
    #expect(settings.directory.hasPrefix("/"))
    #expect(settings.directory.hasSuffix("/some/charon"))
    #expect(settings.ppkPlugin?.hasPrefix("/") == true && settings.ppkPlugin?.hasSuffix("/plugin.so") == true)
    #expect(
      CharonOption.shared("/s").choice(directory: "/x", plugin: nil)
        == .shared(socket: "/s", ppkSocket: "/x/agentd.ppk"))
    #expect(CharonOption.shared("/s").choice(directory: "/x", plugin: "none") == .shared(socket: "/s"))
    guard case .own(let bare) = CharonOption.own.choice(directory: "/x", plugin: "none") else {
      Issue.record("expected a charon of our own")
      return
    }
    #expect(bare.ppkPlugin == nil)
    #expect(CharonOption.none.choice(directory: "/x", plugin: nil) == CharonChoice.none)
  }
}
