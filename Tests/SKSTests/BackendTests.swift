// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Secrets
import Testing
import YANG

@testable import SKS

/// The backend's doors, without a key management entity.
@Suite struct BackendTests {
  let fixture: BackendFixture
  init() throws { fixture = try BackendFixture() }

  @Test func itsPathsAreThoseOfTheModels() throws {
    let registry = BackendRegistry([fixture.backend], schema: productSchema)
    #expect(registry.mistakes().isEmpty)
    #expect(!registry.unprovidedPaths().contains { $0.contains("sks") })
    #expect(registry.backend(forOperation: "/agentd-sks:test-key") != nil)
    #expect(productSchema.rpcs.contains { $0.path == "/agentd-sks:test-key" })
  }

  @Test func profilesAreShownInOrderAndByKey() throws {
    var configuration = ConfigurationFixture()
    for name in ["b", "a", "ä", "B", "c c"] { configuration.setRemote(name) }
    configuration.server.profiles.profile.set(ProfileModel(profileName: "empty"))
    try fixture.commit(configuration)
    let names = try fixture.state(ProfileStatModel.self).map(\.profileName)
    #expect(names == ["B", "a", "b", "c c", "empty", "ä"])
    #expect(try fixture.state(ProfileStateModel.self).map(\.profileName) == names)
    #expect(try fixture.state(ProfileStateModel.self, key: "b").map(\.profileName) == ["b"])
    #expect(try fixture.state(ProfileStateModel.self, key: "nobody").isEmpty)
    let empty = try fixture.profile("empty")
    #expect(empty.profileType == .profileTypeUnknown && empty.remoteProfileInfo == .init())
    configuration.server.profiles.profile.remove("a")
    try fixture.commit(configuration)
    #expect(try fixture.state(ProfileStatModel.self).count == 5 && fixture.backend.service.profileNames.count == 5)
  }

  @Test func entriesAreMadeOneAtATime() throws {
    var configuration = ConfigurationFixture()
    for number in 0..<100 { configuration.setRemote("p\(number)") }
    try fixture.commit(configuration)
    let schema = try #require(productSchema.node(at: ProfileStateModel.schemaPath))
    let entries = fixture.backend.operational(
      OperationalRequest(path: ProfileStateModel.schemaPath, schema: schema, keys: nil))
    #expect(entries.next() != nil)
    // What is removed while a reader is under way is not made up.
    try fixture.commit(ConfigurationFixture())
    #expect(entries.next() == nil)
  }

  @Test func aChangedMappingTouchesOnlyThoseWhoReferToIt() throws {
    var configuration = ConfigurationFixture()
    configuration.setRemote("uses") { $0.sourceInterface = "HundredGigE0/0/0/1" }
    configuration.setRemote("other") { $0.sourceInterface = "lo" }
    configuration.setRemote("none")
    try fixture.commit(configuration)
    func link(_ name: String) -> String? { fixture.backend.service.configuration(of: name)?.sourceInterface?.link }
    #expect(link("uses") == nil && link("other") == "lo")
    configuration.mappings.interfaceMapping.set(.init(xrName: "HundredGigE0/0/0/1", linuxName: "eth7"))
    let changes = try fixture.changes(to: configuration)
    #expect(changes.changes[ProfileModel.schemaPath] == nil)
    #expect(fixture.backend.affectedProfiles(changes) == ["uses"])
    try fixture.commit(configuration)
    #expect(link("uses") == "eth7" && link("other") == "lo")
    configuration.mappings.interfaceMapping.remove("HundredGigE0/0/0/1")
    try fixture.commit(configuration)
    #expect(link("uses") == nil)
    configuration.setRemote("uses")
    try fixture.commit(configuration)
    configuration.mappings.interfaceMapping.set(.init(xrName: "HundredGigE0/0/0/1", linuxName: "eth8"))
    #expect(fixture.backend.affectedProfiles(try fixture.changes(to: configuration)).isEmpty)
  }

  @Test func unknownOperationsAndProfilesAreErrors() async throws {
    var configuration = ConfigurationFixture()
    configuration.server.profiles.profile.set(ProfileModel(profileName: "empty"))
    try fixture.commit(configuration)
    let unknown = await #expect(throws: DatastoreError.self) { try await fixture.testKey(.init(profileName: "x")) }
    #expect(unknown?.tag == .invalidValue && unknown?.message == "there is no key service profile x")
    let empty = await #expect(throws: DatastoreError.self) { try await fixture.testKey(.init(profileName: "empty")) }
    #expect(empty?.tag == .operationFailed && empty?.message == "profile empty names no key management entity")
    let size = await #expect(throws: DatastoreError.self) {
      try await fixture.testKey(.init(profileName: "empty", size: 9))
    }
    #expect(size?.tag == .invalidValue)
  }

  @Test func tenThousandProfilesInOneCommit() throws {
    var configuration = ConfigurationFixture()
    let key = try fixture.seal("0123456789abcdef")
    for number in 0..<10_000 {
      configuration.setRemote("p\(number)") { $0.psk = .init(id: "r", key: .init(seven: key)) }
    }
    let changes = try fixture.changes(to: configuration)
    let start = ContinuousClock.now
    #expect(fixture.backend.prepare(changes).isEmpty)
    fixture.backend.apply(changes)
    let elapsed = ContinuousClock.now - start
    #expect(fixture.backend.service.profileNames.count == 10_000)
    // A debug build on a busy machine; a quadratic step would take minutes.
    #expect(elapsed < .seconds(20), "\(elapsed)")
  }
}
