// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Secrets
import Testing
import YANG

/// The product's own types fit the product's own modules.
@Suite struct SKSModelTests {
  private typealias Profile = SKSServer.Profiles.Profile

  @Test func aProfileGoesThroughTheTree() throws {
    var profile = Profile(profileName: "ProfileR1toR2")
    profile.type.remote = .init(kme: .init(server: .init(ipv4: "127.0.0.1", port: 10001), psk: .init(id: "r1")))
    profile.type.remote?.kme?.client.remoteSystemID = "r2"
    let schema = try #require(Schemas.product.node(at: Profile.schemaPath))
    let read = try Profile(profile.interiorNode(schema))
    #expect(read == profile)
    #expect(read.listKey == "ProfileR1toR2")
    #expect(read.type.remote?.kme?.server.host == "127.0.0.1")
    #expect(read.type.remote?.kme?.client.timers.connectTimeoutOrDefault == 5000)
  }

  @Test func secretsAreSealed() throws {
    let path = Profile.TypeContainer.Remote.KME.PSK.Key.schemaPath + "/seven"
    #expect(try #require(Schemas.product.node(at: path)).type?.secretEncoding != nil)
    let key = Profile.TypeContainer.Remote.KME.PSK.Key()
    #expect(type(of: key.seven) == Sealed?.self)
  }

  @Test func countersAreProducedAsATree() throws {
    typealias Stat = SKSServerOper.SKS.ProfileStats.ProfileStat
    var stat = Stat(profileName: "a")
    stat.httpCounters.requestTotal = 7
    stat.remoteProfileInfo.state = .stateConnected
    stat.remoteProfileInfo.capability.remoteID = [.init(remoteIdentifier: "b"), .init(remoteIdentifier: "b")]
    let schema = try #require(Schemas.product.node(at: Stat.schemaPath))
    let tree = stat.interiorNode(schema)
    #expect(tree.container("http-counters")?.leaf("request-total") == .uint(7))
    #expect(tree.container("remote-profile-info")?.container("capability")?.entries("remote-id")?.count == 2)
    #expect(try Stat(tree) == stat)
  }

  @Test func changesAreTyped() throws {
    let list = try #require(Schemas.product.node(at: Profile.schemaPath))
    func entry(_ name: String, _ port: UInt32) -> InteriorNode {
      var profile = Profile(profileName: name)
      profile.type.remote = .init(kme: .init(server: .init(port: port)))
      return profile.interiorNode(list)
    }
    func root(_ entries: [InteriorNode]) throws -> InteriorNode {
      let profiles = try SKSServer.Profiles(profile: KeyedList(entries.map { try Profile($0) }))
      return try SKSServer(profiles: profiles).interiorNode(schema: Schemas.product)
    }
    let old = try root([entry("changed", 1), entry("deleted", 1), entry("same", 1)])
    let new = try root([entry("changed", 2), entry("created", 1), entry("same", 1)])
    let before = try SKSServer(old).profiles.profile
    let after = try SKSServer(new).profiles.profile
    #expect(before.keys == ["changed", "deleted", "same"])
    #expect(after[key: "changed"]?.type.remote?.kme?.server.port == 2)
  }
}
