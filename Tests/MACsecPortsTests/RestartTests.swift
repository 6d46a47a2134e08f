// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import MKA
import Models
import Secrets
import Testing

@testable import MACsecPorts

/// An agent that ends without a word, while its data plane goes on.
@Suite(.serialized) struct RestartTests {
  private static func folder() throws -> String {
    let folder = FileManager.default.temporaryDirectory.appending(path: "macsec-\(UUID().uuidString)")
    return folder.path
  }

  /// Two agents, the first of which keeps its state in a directory; and how to start that one again.
  struct RestartLab {
    let wires: (Int32, Int32)
    let directory: String
    let sealer: Sealer
    let second: AgentFixture

    init() throws {
      var ends: [Int32] = [-1, -1]
      try #require(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &ends) == 0)
      let pair = (ends[0], ends[1])
      wires = pair
      directory = try RestartTests.folder()
      sealer = try Sealer(try MasterKey())
      second = try AgentFixture(wires: { _ in dup(pair.1) })
      try second.commit(PortTests.configuration(second))
      second.setLink("eth0", number: 2)
    }

    func start(_ secYs: [String: RecordingSecY] = [:], sealer: Sealer? = nil) throws -> AgentFixture {
      let wire = wires.0
      let first = try AgentFixture(
        wires: { _ in dup(wire) }, sealer: sealer ?? self.sealer, directory: directory, secYs: secYs)
      try first.commit(PortTests.configuration(first))
      first.setLink("eth0", number: 1)
      return first
    }

    func isSecured(_ first: AgentFixture) -> Bool {
      guard let one = first.secY(), let other = second.secY(), let key = one.transmitting else { return false }
      return key == other.transmitting && one.status == .protected && other.status == .protected
    }
  }

  @Test func itGoesOnAsTheSameMember() async throws {
    let lab = try RestartLab()
    defer { try? FileManager.default.removeItem(atPath: lab.directory) }
    var first: AgentFixture? = try lab.start()
    try await wait("secured") { lab.isSecured(first!) }
    let secYs = first!.secYs.withLock { $0 }
    let before = try #require(try first!.state(MKAInterfaceModel.self).first?.session.ca.first)
    let key = secYs["eth0"]?.transmitting
    // Not a word: the driver ends as it does when the process is killed.
    first!.backend.shutdown()
    first = nil
    let again = try lab.start(secYs)
    try await wait("resumed") { try again.port()?.restarts.resumed == 1 }
    try await wait("secured") { lab.isSecured(again) }
    let after = try #require(try again.state(MKAInterfaceModel.self).first?.session.ca.first)
    #expect(after.myMi == before.myMi && after.myMn ?? 0 > before.myMn ?? 0)
    #expect(secYs["eth0"]?.transmitting == key && secYs["eth0"]?.installed.count == 1)
    try await Task.sleep(for: .seconds(3))
    #expect(lab.isSecured(again) && lab.second.secY()?.transmitting == key)
    // The files tell nothing to who has not the master key.
    let files = try FileManager.default.contentsOfDirectory(atPath: lab.directory)
    #expect(files == ["eth0"])
    let attributes = try FileManager.default.attributesOfItem(atPath: lab.directory + "/eth0")
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }

  @Test func aDataPlaneThatWasMadeAnewMeansANewMember() async throws {
    let lab = try RestartLab()
    defer { try? FileManager.default.removeItem(atPath: lab.directory) }
    var first: AgentFixture? = try lab.start()
    try await wait("secured") { lab.isSecured(first!) }
    let before = try #require(try first!.state(MKAInterfaceModel.self).first?.session.ca.first?.myMi)
    first!.backend.shutdown()
    first = nil
    let again = try lab.start()
    try await wait("secured") { lab.isSecured(again) }
    #expect(try again.port()?.restarts.resumed == 0 && again.port()?.restarts.renewed == 1)
    #expect(try again.port()?.restarts.lastReason?.contains("data plane") == true)
    #expect(try again.state(MKAInterfaceModel.self).first?.session.ca.first?.myMi != before)
  }

  @Test func whatIsKeptIsReadByWhoWroteItOnly() throws {
    let directory = try Self.folder()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let sealer = try Sealer(try MasterKey())
    let store = try PortStore(directory: directory, sealer: sealer, boot: "one")
    #expect(store.read(port: "a/b").resumption == nil)
    let restarts = PortStore.Restarts(resumed: 3, renewed: 4, lastReason: "because")
    #expect(store.write(nil, restarts: restarts, port: "HundredGigE0/1/0/10"))
    #expect(store.read(port: "HundredGigE0/1/0/10").restarts == restarts)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["HundredGigE0%2f1%2f0%2f10"])
    // Torn, foreign and empty files are as good as none.
    let path = directory + "/HundredGigE0%2f1%2f0%2f10"
    let bytes = try Data(contentsOf: URL(filePath: path))
    for count in 0..<bytes.count {
      try bytes.prefix(count).write(to: URL(filePath: path))
      #expect(store.read(port: "HundredGigE0/1/0/10").resumption == nil)
    }
    store.remove(port: "HundredGigE0/1/0/10")
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
  }
}
