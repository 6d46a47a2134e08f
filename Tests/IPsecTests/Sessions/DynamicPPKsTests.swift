// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct DynamicPPKsTests {
  @Test func aKeyIsOfferedAFewTimesThenAFreshOne() {
    var keys = DynamicPPKs()
    #expect(keys.idToOfferAgain("t") == nil)
    keys.offer("a", "t")
    #expect(keys.idToOfferAgain("t") == "a")
    #expect(keys.idToOfferAgain("t") == "a")
    #expect(keys.idToOfferAgain("t") == nil)
    #expect(keys.release("t") == ["agentd-dynamic:a"])
    #expect(keys.release("t").isEmpty)
  }

  @Test func anIDIsLookedUpOnceAndFewAtATime() {
    var keys = DynamicPPKs()
    for index in 0..<DynamicPPKs.mostLookUps {
      let mayBegin = keys.beginLookUp("\(index)")
      #expect(mayBegin)
    }
    let isOneTooMany = keys.beginLookUp("more")
    #expect(!isOneTooMany)
    keys.lookedUp("0", "t", isLoaded: true)
    let isAgain = keys.beginLookUp("0")
    #expect(!isAgain)
    let isNew = keys.beginLookUp("more")
    #expect(isNew)
    #expect(keys.release("t") == ["agentd-dynamic:0"])
  }

  @Test func whatIsRememberedIsBounded() {
    var keys = DynamicPPKs()
    for index in 0...DynamicPPKs.mostRemembered {
      _ = keys.beginLookUp("\(index)")
      keys.lookedUp("\(index)", "t", isLoaded: false)
    }
    let isForgotten = keys.beginLookUp("0")
    #expect(isForgotten)
  }

  @Test func reconciliationLeavesTheseSecretsAlone() {
    var loaded = LoadedState()
    loaded.secrets = [DynamicPPKs.secretName("a")]
    #expect(ReconciliationPlan(desired: DesiredState(), loaded: loaded).isEmpty)
  }
}
