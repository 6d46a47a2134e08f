// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct ProposalTests {
  @Test func oneOfEachBecomesOneText() {
    var proposal = IKEv2Proposal(name: "p")
    proposal.encryptions = [.aesCBC256]
    proposal.integrities = [.sha256]
    proposal.prfs = [.sha256]
    proposal.groups = [.ecp384]
    #expect(ProposalText.ike(proposal) == ["aes256-sha256-prfsha256-ecp384"])
  }

  @Test func severalOfEachStayTogetherButCombinedModesApart() {
    var proposal = IKEv2Proposal(name: "p")
    proposal.encryptions = [.aesGCM128, .aesCBC128, .aesGCM256, .aesCBC192]
    proposal.integrities = [.sha1, .sha512]
    proposal.prfs = [.sha384]
    proposal.groups = [.ecp521, .ecp256]
    #expect(
      ProposalText.ike(proposal) == [
        "aes128gcm16-aes256gcm16-prfsha384-ecp521-ecp256", "aes128-aes192-sha1-sha512-prfsha384-ecp521-ecp256",
      ])
    proposal.encryptions.swapAt(0, 1)
    #expect(ProposalText.ike(proposal).first?.hasPrefix("aes128-") == true)
  }

  @Test func aPRFThatIsNotGivenFollowsTheIntegrity() {
    var proposal = IKEv2Proposal(name: "p")
    proposal.encryptions = [.aesGCM256]
    proposal.groups = [.ecp384]
    #expect(ProposalText.ike(proposal) == ["aes256gcm16-prfsha512-prfsha384-prfsha256-ecp384"])
    proposal.encryptions = [.aesCBC256]
    proposal.integrities = [.sha384]
    #expect(ProposalText.ike(proposal) == ["aes256-sha384-prfsha384-ecp384"])
  }

  @Test func transformSetsNeedBoth() {
    var set = TransformSet(name: "t")
    set.encryption = .aes192
    #expect(ProposalText.esp(set, pfs: nil) == nil)
    set.integrity = .sha384
    #expect(ProposalText.esp(set, pfs: nil) == "aes192-sha384")
    #expect(ProposalText.esp(set, pfs: .ecp256) == "aes192-sha384-ecp256")
  }

  @Test func thePolicyThatSaysMoreIsTaken() throws {
    let address = try #require(IPv4Address("192.0.2.1"))
    var anywhere = IKEv2Policy(name: "a")
    anywhere.fvrf = .any
    var inRed = IKEv2Policy(name: "b")
    inRed.fvrf = .named(["red"])
    var here = IKEv2Policy(name: "c")
    here.localAddresses = [address]
    here.fvrf = .any
    var hereToo = here
    hereToo.name = "d"
    let all = [hereToo, inRed, anywhere, here]
    #expect(PolicySelection.policy(all, address: address, fvrf: nil)?.name == "c")
    #expect(PolicySelection.policy([anywhere, inRed], address: address, fvrf: "red")?.name == "b")
    #expect(PolicySelection.policy([anywhere, inRed], address: address, fvrf: nil)?.name == "a")
    #expect(PolicySelection.policy([inRed], address: address, fvrf: nil) == nil)
    #expect(PolicySelection.policy([IKEv2Policy(name: "e")], address: address, fvrf: "red") == nil)
    #expect(PolicySelection.policy([IKEv2Policy(name: "e")], address: address, fvrf: "default")?.name == "e")
  }
}
