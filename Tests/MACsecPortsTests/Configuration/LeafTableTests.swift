// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Models
import Testing

@testable import MACsecPorts
@testable import MKA

/// Every leaf of Cisco-IOS-XR-um-macsec-cfg: what it changes, or that it is refused. None is silently ignored.
struct LeafTable {
  /// A leaf below a policy.
  struct Row {
    var leaf: String
    var set: (inout PolicyModel) -> Void
    /// What it makes of the default policy; nil for one that is refused.
    var effect: ((PortPolicy) -> Bool)?
    /// The test of the engine or the data plane that shows what comes of it: a file and a test in it.
    var shownBy: String = ""
  }

  static var policy: [Row] {
    [
      Row(
        leaf: "key-server-priority", set: { $0.keyServerPriority = 3 }, effect: { $0.mka.keyServerPriority == 3 },
        shownBy: "MKATests/EngineTests.swift theLowerPriorityLeads"),
      Row(
        leaf: "cipher-suite", set: { $0.cipherSuite = .gcmAES128 }, effect: { $0.mka.cipherSuite == .gcmAES128 },
        shownBy: "MACsecPortsTests/PortTests.swift theirConfigurationChangesAndGoes"),
      Row(
        leaf: "window-size", set: { $0.windowSize = 7 }, effect: { $0.mka.replayWindow == 7 },
        shownBy: "MKATests/PolicyEffectTests.swift theReplayWindowReachesTheSecY"),
      Row(
        leaf: "conf-offset", set: { $0.confOffset = .confOffset50 },
        effect: { $0.mka.confidentialityOffset == .fifty },
        shownBy: "MKATests/PolicyEffectTests.swift theConfidentialityOffsetReachesTheSecY"),
      Row(
        leaf: "security-policy", set: { $0.securityPolicy = .shouldSecure },
        effect: { $0.mka.securityPolicy == .shouldSecure },
        shownBy: "MKATests/PolicyEffectTests.swift onlyShouldSecurePassesFramesInClear"),
      Row(
        leaf: "vlan-tags-in-clear", set: { $0.vlanTagsInClear = 2 }, effect: { $0.exceptions.vlanTags == 2 },
        shownBy: "SecYEngineTests/FrameTests.swift vlan"),
      Row(
        leaf: "policy-exception", set: { $0.policyException = .lacpInClear },
        effect: { $0.exceptions.slowProtocols }, shownBy: "SecYEngineTests/FrameTests.swift clearProtocols"),
      Row(
        leaf: "allow/lacp-in-clear", set: { $0.allow.lacpInClear = .init() }, effect: { $0.exceptions.slowProtocols },
        shownBy: "SecYEngineTests/FrameTests.swift clearProtocols"),
      Row(
        leaf: "allow/lldp-in-clear", set: { $0.allow.lldpInClear = .init() }, effect: { $0.exceptions.lldp },
        shownBy: "SecYEngineTests/FrameTests.swift clearProtocols"),
      Row(
        leaf: "allow/pause-frame-in-clear", set: { $0.allow.pauseFrameInClear = .init() },
        effect: { $0.exceptions.pause }, shownBy: "SecYEngineTests/FrameTests.swift clearProtocols"),
      Row(
        leaf: "sak-rekey-interval/minutes", set: { $0.sakRekeyInterval.minutes = 2 },
        effect: { $0.mka.sakRekeyInterval == .seconds(120) },
        shownBy: "MKATests/EngineTests.swift rekeysByTheClockWithoutLoss"),
      Row(
        leaf: "sak-rekey-interval/seconds", set: { $0.sakRekeyInterval.seconds = 61 },
        effect: { $0.mka.sakRekeyInterval == .seconds(61) },
        shownBy: "MKATests/EngineTests.swift rekeysByTheClockWithoutLoss"),
      Row(
        leaf: "include-icv-indicator", set: { $0.includeICVIndicator = .init() },
        effect: { $0.mka.includesICVIndicator },
        shownBy: "MKATests/PolicyEffectTests.swift theICVIndicatorIsSentAsConfigured"),
      Row(
        leaf: "use-eapol-pae-in-icv", set: { $0.useEAPOLPAEInICV = .init() },
        effect: { $0.mka.usesStandardHeaderInICV },
        shownBy: "MKATests/PolicyEffectTests.swift theICVCoversTheStandardHeaderAsConfigured"),
      Row(
        leaf: "delay-protection", set: { $0.delayProtection = .init() }, effect: { $0.mka.delayProtection },
        shownBy: "MKATests/EngineTests.swift delayProtectionRaisesTheLowestPN"),
      Row(
        leaf: "suspend-on-request/disable", set: { $0.suspendOnRequest.disable = .init() },
        effect: { !$0.mka.suspendsOnRequest },
        shownBy: "MKATests/HostilePeerTests.swift withoutSuspensionASilentMemberIsLost"),
      Row(
        leaf: "suspend-for/disable", set: { $0.suspendFor.disable = .init() }, effect: { !$0.mka.suspendsItself },
        shownBy: "MKATests/PolicyEffectTests.swift whoDoesNotSuspendAsksForNothing"),
      Row(
        leaf: "max-an", set: { $0.maxAn = ._1 }, effect: { $0.mka.maximumAssociationNumber == 1 },
        shownBy: "MKATests/EngineTests.swift withMaxANOfOneTheNumbersAlternate"),
      Row(
        leaf: "ppk/sks-profile", set: { $0.ppk = .init(sksProfile: "k") }, effect: { $0.keySource?.profile == "k" },
        shownBy: "MKATests/PPKTests.swift keysOfTheServiceRollOverWithoutLoss"),
      Row(
        leaf: "logging/sak-rekey/disable", set: { $0.logging.sakRekey.disable = .init() },
        effect: { $0.rekeyLogging == .none },
        shownBy: "MACsecPortsTests/QueueTests.swift newSAKsAreLoggedAsThePolicySays"),
      Row(
        leaf: "logging/sak-rekey/summary-interval", set: { $0.logging.sakRekey.summaryInterval = 60 },
        effect: { $0.rekeyLogging == .summary(.seconds(60)) },
        shownBy: "MACsecPortsTests/QueueTests.swift newSAKsAreLoggedAsThePolicySays"),
      Row(leaf: "enable-legacy-fallback", set: { $0.enableLegacyFallback = .init() }),
      Row(leaf: "enable-legacy-sak-write", set: { $0.enableLegacySAKWrite = .init() }),
      Row(leaf: "impose-overhead-on-bundle", set: { $0.imposeOverheadOnBundle = .init() }),
      Row(leaf: "allow/ptp-in-clear", set: { $0.allow.ptpInClear = .init() }),
      Row(leaf: "enable-fault-detection", set: { $0.enableFaultDetection = .init() }),
    ]
  }
}

@Suite struct LeafTableTests {
  let fixture: AgentFixture
  var configuration = ConfigurationFixture()

  init() throws {
    fixture = try AgentFixture(wires: { _ in -1 })
    configuration.setChain("c", [try keyModel(fixture.sealer, ckn: "abcd", cak: cakOfTests)])
    configuration.settings.referenceCheck = .warn
  }

  @Test func noLeafOfAPolicyIsUnlisted() throws {
    let schema = try #require(productSchema.node(at: PolicyModel.schemaPath))
    let own = leafPaths(schema).filter { path in
      path != "policy-name" && !path.hasPrefix("key-service/") && !path.hasPrefix("key-lifetime/")
    }
    let listed = Set(LeafTable.policy.map(\.leaf))
    #expect(listed.count == LeafTable.policy.count)
    // What agentd-macsec adds beside is looked at by the tests of what it is for.
    let published = own.filter { path in
      guard let first = path.split(separator: "/").first else { return false }
      return schema.dataChildren(named: String(first)).contains { $0.module.name == schema.module.name }
    }
    #expect(published.symmetricDifference(listed).sorted() == [])
  }

  @Test func everyLeafOfAPolicyHasItsEffectOrIsRefused() throws {
    for row in LeafTable.policy {
      var changed = configuration
      changed.setPolicy("p", row.set)
      changed.protect("eth0", chain: "c", policy: "p")
      let refusals = try fixture.refusals(changed)
      guard let effect = row.effect else {
        let place = "/macsec-policy/policy-names/policy-name[p]/\(row.leaf): "
        #expect(refusals.count == 1 && refusals.first?.hasPrefix(place) == true, "\(row.leaf): \(refusals)")
        #expect(refusals.first.map { $0.count > place.count + 20 } == true, "a reason")
        continue
      }
      #expect(refusals == [], "\(row.leaf)")
      var model = PolicyModel(policyName: "p")
      #expect(!effect(PolicyMapping.map(model).policy), "\(row.leaf): so it is without the leaf")
      row.set(&model)
      #expect(effect(PolicyMapping.map(model).policy), "\(row.leaf)")
    }
  }

  /// The tests that the table names are there.
  @Test func everyEffectIsShownByATest() throws {
    let folder = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
    for row in LeafTable.policy where row.effect != nil {
      let words = row.shownBy.split(separator: " ").map(String.init)
      let text = try String(contentsOf: folder.appending(path: words[0]), encoding: .utf8)
      #expect(words.count == 2 && text.contains("func \(words[1])("), "\(row.leaf): \(row.shownBy)")
    }
  }

  @Test func everyOtherLeafHasItsEffectOrIsRefused() throws {
    func refusals(_ change: (inout ConfigurationFixture) -> Void) throws -> [String] {
      var changed = configuration
      change(&changed)
      return try fixture.refusals(changed)
    }
    #expect(try refusals { $0.device.shutdown = .init() } == [])
    #expect(try refusals { $0.device.fips = .init() }.first?.hasPrefix("/macsec/fips: ") == true)
    #expect(
      try refusals { configuration in
        configuration.interfaces.set(InterfaceModel(interfaceName: "e", eap: .init(policy: "p")))
      }.first?.hasPrefix("/interfaces/interface[e]/eap: ") == true)
    #expect(
      try refusals { configuration in
        configuration.interfaces.set(
          InterfaceModel(interfaceName: "e", macsecService: .init(decryptPort: "f", pskKeychain: "c", policy: "p")))
      }.first?.hasPrefix("/interfaces/interface[e]/macsec-service: ") == true)
    let list = try #require(productSchema.node(at: InterfaceModel.schemaPath))
    let leafs = leafPaths(list).filter { path in
      ["macsec/", "eap", "macsec-service/"].contains { path.hasPrefix($0) }
    }
    #expect(
      leafs.sorted() == [
        "eap/policy", "macsec-service/decrypt-port", "macsec-service/policy", "macsec-service/psk-keychain",
        "macsec/psk-keychain/fallback-psk-keychain", "macsec/psk-keychain/keychain-name",
        "macsec/psk-keychain/policy",
      ], "a leaf that nobody looks at")
  }
}
