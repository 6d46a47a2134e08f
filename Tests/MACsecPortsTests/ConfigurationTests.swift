// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import MKA
import Models
import Secrets
import Testing
import YANG

@testable import MACsecPorts

/// What is refused at commit, where, and why; and what configuration means.
@Suite struct ConfigurationTests {
  let fixture: AgentFixture
  var configuration = ConfigurationFixture()

  init() throws {
    fixture = try AgentFixture(wires: { _ in -1 })
    configuration.setChain("mac_chain", [try keyModel(fixture.sealer, ckn: "abcd", cak: cakOfTests)])
    configuration.setPolicy("p")
  }

  @Test func itsPathsAreThoseOfTheModels() throws {
    let registry = BackendRegistry([fixture.backend], schema: productSchema)
    #expect(registry.mistakes().isEmpty, "\(registry.mistakes())")
    let open = registry.unprovidedPaths().filter { $0.contains("macsec") || $0.contains("keychain") }
    #expect(open.isEmpty, "\(open)")
  }

  @Test func thePublishedGuideIsTaken() throws {
    var configuration = configuration
    configuration.setPolicy("mac_policy") { policy in
      policy.confOffset = .confOffset30
      policy.securityPolicy = .mustSecure
      policy.windowSize = 64
      policy.cipherSuite = .gcmAESXPN256
      policy.keyServerPriority = 0
      policy.includeICVIndicator = .init()
    }
    configuration.setChain("fallback_mac_chain", [try keyModel(fixture.sealer, ckn: "ef01", cak: cakOfTests)])
    configuration.protect("eth0", chain: "mac_chain", fallback: "fallback_mac_chain", policy: "mac_policy")
    configuration.protect("HundredGigE0/1/0/10", chain: "mac_chain")
    #expect(try fixture.refusals(configuration) == [])
  }

  @Test func namesThatStandForNothingAreRefusedOrWarnedOf() throws {
    var configuration = configuration
    configuration.protect("eth0", chain: "none", fallback: "nor", policy: "nothing")
    configuration.setPolicy("q") { $0.ppk = .init(sksProfile: "nobody") }
    let place = "/interfaces/interface[eth0]/macsec/psk-keychain"
    #expect(
      try fixture.refusals(configuration) == [
        "/macsec-policy/policy-names/policy-name[q]/ppk/sks-profile: there is no SKS profile nobody",
        "\(place)/keychain-name: there is no key chain none",
        "\(place)/fallback-psk-keychain: there is no key chain nor",
        "\(place)/policy: there is no MACsec policy nothing",
      ])
    configuration.settings.referenceCheck = .warn
    try fixture.commit(configuration)
  }

  @Test(arguments: ["abc", "xyz1", "0"])
  func aKeyNameIsAnEvenNumberOfHexadecimalDigits(ckn: String) throws {
    var configuration = configuration
    configuration.setChain("c", [try keyModel(fixture.sealer, ckn: ckn, cak: cakOfTests)])
    let refusals = try fixture.refusals(configuration)
    #expect(refusals.count == 1 && refusals[0].hasPrefix("/key/chains/chain[c]/macsec/keys/key[\(ckn)]"), "\(refusals)")
  }

  @Test func theLengthOfAKeyFollowsItsAlgorithm() throws {
    var configuration = configuration
    for (name, cak, is128, isRefused) in [
      ("a", String(cakOfTests.prefix(32)), true, false), ("b", String(cakOfTests.prefix(32)), false, true),
      ("c", cakOfTests, true, true), ("d", String(repeating: "g", count: 64), false, true),
    ] {
      configuration.setChain(name, [try keyModel(fixture.sealer, ckn: "01", cak: cak, is128: is128)])
      let refusals = try fixture.refusals(configuration).filter { $0.contains("chain[\(name)]") }
      #expect(refusals.isEmpty != isRefused, "\(name): \(refusals)")
      #expect(!refusals.contains { $0.contains(cak) }, "no key in a reason")
    }
  }

  @Test func lifetimesAreThoseOfTheCalendar() throws {
    func model(_ change: (inout KeyModel) -> Void) throws -> KeyChainModel {
      var key = try keyModel(fixture.sealer, ckn: "01", cak: cakOfTests)
      change(&key)
      return KeyChainModel(
        keyChainName: "c", macsec: .init(keys: .init(key: [key])), timezone: .init(gmt: .init()))
    }
    let mapping = KeyChainMapping(sealer: fixture.sealer)
    let plain = mapping.map(try model { _ in })
    #expect(plain.chain?.keys.first?.start == .seconds(1_577_836_800) && plain.chain?.keys.first?.end == nil)
    let bounded = mapping.map(
      try model { key in
        key.lifetime.infinite = nil
        key.lifetime.endTime = .init(hour: 12, minute: 30, second: 5, month: .february, dayOfMonth: 29, year: 2020)
      })
    #expect(bounded.chain?.keys.first?.end == .seconds(1_582_979_405))
    let duration = mapping.map(
      try model { key in
        key.lifetime.infinite = nil
        key.lifetime.duration = 3_600
      })
    #expect(duration.chain?.keys.first?.end == .seconds(1_577_840_400))
    for change in [
      { (key: inout KeyModel) in key.lifetime.startTime = nil },
      { (key: inout KeyModel) in
        key.lifetime.startTime?.dayOfMonth = 31; key.lifetime.startTime?.month = .june
      },
      { (key: inout KeyModel) in
        key.lifetime.infinite = nil
        key.lifetime.endTime = .init(hour: 0, minute: 0, second: 0, month: .january, dayOfMonth: 1, year: 2019)
      },
      { (key: inout KeyModel) in key.keyString = nil },
    ] {
      let refused = mapping.map(try model(change))
      #expect(refused.errors.count == 1 && refused.chain?.keys.isEmpty == true)
    }
  }

  @Test func aFallbackKeyChainIsAnotherOneAndHasNoEnd() throws {
    var configuration = configuration
    configuration.protect("eth0", chain: "mac_chain", fallback: "mac_chain")
    #expect(try fixture.refusals(configuration).contains { $0.contains("another one than the primary") })
    var key = try keyModel(fixture.sealer, ckn: "99", cak: cakOfTests)
    key.lifetime.infinite = nil
    key.lifetime.duration = 1_000
    configuration.setChain("short", [key])
    configuration.protect("eth0", chain: "mac_chain", fallback: "short")
    #expect(try fixture.refusals(configuration).contains { $0.contains("infinite lifetime") })
    configuration.setChain("same", [try keyModel(fixture.sealer, ckn: "ABCD", cak: cakOfTests)])
    configuration.protect("eth0", chain: "mac_chain", fallback: "same")
    #expect(try fixture.refusals(configuration).contains { $0.contains("both have the key name") })
    configuration.setChain("empty", [])
    configuration.protect("eth0", chain: "mac_chain", fallback: "empty")
    #expect(try fixture.refusals(configuration).contains { $0.contains("has no key") })
  }

  @Test func whatCannotBeDoneIsRefusedWithTheLeaf() throws {
    let cases: [(String, (inout PolicyModel) -> Void)] = [
      ("enable-legacy-fallback", { $0.enableLegacyFallback = .init() }),
      ("enable-legacy-sak-write", { $0.enableLegacySAKWrite = .init() }),
      ("impose-overhead-on-bundle", { $0.imposeOverheadOnBundle = .init() }),
      ("allow/ptp-in-clear", { $0.allow.ptpInClear = .init() }),
      ("enable-fault-detection", { $0.enableFaultDetection = .init() }),
      ("sak-rekey-interval", { $0.sakRekeyInterval = .init(minutes: 1, seconds: 60) }),
      ("key-service", { $0.keyService.attempts = 4 }), ("key-lifetime", { $0.keyLifetime.maximumAge = 100 }),
      ("ppk", { $0.ppk = .init() }),
    ]
    for (leaf, change) in cases {
      var configuration = configuration
      configuration.setPolicy("x", change)
      let refusals = try fixture.refusals(configuration)
      #expect(
        refusals.count == 1 && refusals[0].hasPrefix("/macsec-policy/policy-names/policy-name[x]/\(leaf): "),
        "\(leaf): \(refusals)")
    }
    var configuration = configuration
    configuration.device.fips = .init()
    var interface = InterfaceModel(interfaceName: "eth1")
    interface.eap = .init()
    interface.macsecService = .init(decryptPort: "GigabitEthernet", pskKeychain: "mac_chain")
    configuration.interfaces.set(interface)
    configuration.protect("eth2", chain: nil, policy: "p")
    let refusals = try fixture.refusals(configuration)
    #expect(refusals.count == 4, "\(refusals)")
    for place in [
      "/macsec/fips", "interface[eth1]/eap", "interface[eth1]/macsec-service", "[eth2]/macsec/psk-keychain",
    ] {
      #expect(refusals.contains { $0.contains(place) }, "\(place)")
    }
  }

  @Test func keysOfRoutingProtocolsAreRefused() throws {
    var configuration = configuration
    var chain = KeyChainModel(keyChainName: "r")
    chain.acceptTolerance = .init(toleranceValue: 5)
    chain.keys.key.set(.init(keyName: "1"))
    configuration.chains.chains.chain.set(chain)
    configuration.protect("eth0", chain: "r")
    let refusals = try fixture.refusals(configuration)
    #expect(refusals.contains { $0.hasPrefix("/key/chains/chain[r]/keys: ") })
    #expect(refusals.contains { $0.hasPrefix("/key/chains/chain[r]/accept-tolerance: ") })
    #expect(refusals.contains { $0.contains("is not for MACsec") })
  }

  @Test func whatTheDataPlaneCannotDoIsRefused() throws {
    let capability = SecYCapability(
      cipherSuites: [.gcmAES128, .gcmAESXPN256], confidentialityOffsets: [.zero], maximumVLANTagsInClear: 0)
    let fixture = try AgentFixture(wires: { _ in -1 }, sealer: fixture.sealer, capability: capability)
    for (text, change) in [
      ("cipher suite", { (policy: inout PolicyModel) in policy.cipherSuite = .gcmAES256 }),
      ("confidentiality offset", { $0.confOffset = .confOffset50 }), ("VLAN tags", { $0.vlanTagsInClear = 1 }),
    ] {
      var configuration = configuration
      configuration.setPolicy("x", change)
      configuration.protect("eth0", chain: "mac_chain", policy: "x")
      let refusals = try fixture.refusals(configuration)
      #expect(refusals.count == 1 && refusals[0].contains(text), "\(refusals)")
    }
    var configuration = configuration
    configuration.device.dataPlane = .kernel
    configuration.protect("eth0", chain: "mac_chain")
    #expect(try fixture.refusals(configuration).contains { $0.contains("no data plane") })
  }

  @Test func aPolicyMeansWhatItsLeafsSay() throws {
    var model = PolicyModel(policyName: "all")
    model.keyServerPriority = 7
    model.cipherSuite = .gcmAES256
    model.windowSize = 100
    model.confOffset = .confOffset50
    model.securityPolicy = .shouldSecure
    model.vlanTagsInClear = 2
    model.policyException = .lacpInClear
    model.sakRekeyInterval.minutes = 5
    model.includeICVIndicator = .init()
    model.delayProtection = .init()
    model.useEAPOLPAEInICV = .init()
    model.suspendOnRequest.disable = .init()
    model.suspendFor.disable = .init()
    model.maxAn = ._1
    model.allow.lldpInClear = .init()
    model.allow.pauseFrameInClear = .init()
    model.logging.sakRekey.summaryInterval = 60
    let (policy, errors) = PolicyMapping.map(model)
    #expect(errors.isEmpty)
    var expected = Policy()
    expected.keyServerPriority = 7
    expected.cipherSuite = .gcmAES256
    expected.replayWindow = 100
    expected.confidentialityOffset = .fifty
    expected.securityPolicy = .shouldSecure
    expected.sakRekeyInterval = .seconds(300)
    expected.includesICVIndicator = true
    expected.delayProtection = true
    expected.usesStandardHeaderInICV = true
    expected.suspendsOnRequest = false
    expected.suspendsItself = false
    expected.maximumAssociationNumber = 1
    #expect(policy.mka == expected)
    #expect(policy.exceptions == ClearExceptions(lldp: true, slowProtocols: true, pause: true, vlanTags: 2))
    #expect(policy.rekeyLogging == .summary(.seconds(60)))
    #expect(PolicyMapping.map(PolicyModel(policyName: "none")).policy.mka == Policy(), "the defaults of the guide")
  }

  @Test func keysOfAServiceHaveTheirSettings() throws {
    var model = PolicyModel(policyName: "q")
    model.ppk = .init(sksProfile: "R1toR2")
    model.keyService.remoteSystemID = "bob"
    model.keyService.onFailure = .fallBack
    model.keyService.requestTimeout = 5
    model.keyLifetime.refreshInterval = 600
    model.keyLifetime.maximumAge = 3_600
    model.keyLifetime.alarmThreshold = 50
    model.keyLifetime.buffer.size = 4
    let (policy, errors) = PolicyMapping.map(model)
    #expect(errors.isEmpty)
    guard case .ppk(let ppk) = policy.mka.keyDistribution else { return #expect(Bool(false), "no PPK") }
    #expect(ppk.remoteSystem == "bob" && ppk.onFailure == .fallBack && ppk.timeout == .seconds(5) && ppk.attempts == 3)
    #expect(policy.mka.sakRekeyInterval == .seconds(600))
    #expect(policy.mka.keyLifetime == KeyLifetime(maximumAge: .seconds(3_600), alarmAge: .seconds(1_800)))
    #expect(policy.keySource?.profile == "R1toR2" && policy.keySource?.bufferSize == 4)
    model.keyLifetime.refreshInterval = nil
    #expect(PolicyMapping.map(model).errors.map(\.element) == ["key-lifetime/maximum-age"])
  }
}
