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
    let schema = Schemas.product
    func root(_ profiles: [(name: String, port: UInt32)]) throws -> InteriorNode {
      var server = SKSServer()
      for (name, port) in profiles {
        server.profiles.profile.set(
          Profile(profileName: name, type: .init(remote: .init(kme: .init(server: .init(port: port))))))
      }
      var builder = InteriorBuilder(schema: schema.root)
      builder.set(
        try #require(schema.node(at: SKSServer.schemaPath)), .container(try server.interiorNode(schema: schema)))
      return builder.build()
    }
    let old = try root([("changed", 1), ("deleted", 1), ("same", 1)])
    let new = try root([("changed", 2), ("created", 1), ("same", 1)])
    let changes = ChangeSet(subscriptions: [Profile.schemaPath], from: old, to: new, schema: schema)
    let typed = try changes.typed(Profile.self)
    #expect(typed.map(\.key) == ["changed", "created", "deleted"])
    #expect(typed[0].old?.type.remote?.kme?.server.port == 1)
    #expect(typed[0].new?.type.remote?.kme?.server.port == 2)
    #expect(typed[1].old == nil && typed[1].new != nil)
    #expect(typed[2].old != nil && typed[2].new == nil)
    #expect(typed[0].path.description.contains("[Cisco-IOS-XR-um-sks-server-cfg:profile-name='changed']"))
    #expect(try changes.typed(SKSServer.Pacing.self).isEmpty)
    #expect(try SKSServer.read(from: changes.newRoot)?.profiles.profile.keys == ["changed", "created", "same"])
  }

  @Test func readersAskForOneKeyOrAll() throws {
    typealias Stat = SKSServerOper.SKS.ProfileStats.ProfileStat
    let schema = try #require(Schemas.product.node(at: Stat.schemaPath))
    let one = OperationalRequest(path: Stat.schemaPath, schema: schema, keys: [.string("a")])
    #expect(try one.key(of: Stat.self) == "a")
    #expect(try OperationalRequest(path: Stat.schemaPath, schema: schema, keys: nil).key(of: Stat.self) == nil)
    let wrong = OperationalRequest(path: Stat.schemaPath, schema: schema, keys: [.uint(1)])
    #expect(throws: DatastoreError.self) { try wrong.key(of: Stat.self) }
  }

  @Test func everyGeneratedPathIsInTheModules() throws {
    let event = AgentdSKS.KMELost(
      profileName: "p", serverAddress: "127.0.0.1", serverPort: 1, reason: .refreshHTTPCDown)
    #expect(try event.interiorNode(schema: Schemas.product).leaf("server-port") == .uint(1))
    let input = AgentdSKS.TestKey.Input(profileName: "p")
    #expect(try AgentdSKS.TestKey.Input(input.interiorNode(schema: Schemas.product)) == input)
  }
}
