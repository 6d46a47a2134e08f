// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Synchronization
import Testing

@testable import IPsec

@Suite struct PPKBuffersTests {
  private let owner = PPKBuffers.Owner(profile: "Qkd", remoteSystem: "Bob")

  private func policy(_ size: Int, maximumAge: Duration = .seconds(600), alarmBelow: Int = 0) -> PPKBuffers.Policy {
    .init(size: size, maximumAge: maximumAge, alarmBelow: alarmBelow)
  }

  @Test func keysAreHeldReadyAndOutliveAnOutage() async throws {
    let keys = SharedKeys()
    let alarms = Mutex<[Bool]>([])
    let buffers = PPKBuffers(keys, retryInterval: .milliseconds(20)) { _, _, isLow in
      alarms.withLock { $0.append(isLow) }
    }
    await buffers.prepare(for: [owner: policy(3, alarmBelow: 2)])
    #expect(await eventually { await buffers.bufferLevels[owner] == 3 })
    #expect(await keys.issued == 3)
    await keys.setDown(true)
    var ids: Set<String> = []
    for _ in 0..<3 { ids.insert(try await buffers.newPPK(profile: "Qkd", remoteSystem: "Bob").id) }
    #expect(ids.count == 3)
    #expect(await buffers.bufferLevels[owner] == 0)
    await #expect(throws: (any Error).self) { try await buffers.newPPK(profile: "Qkd", remoteSystem: "Bob") }
    #expect(alarms.withLock { $0 } == [true])
    await keys.setDown(false)
    #expect(await eventually { await buffers.bufferLevels[owner] == 3 })
    #expect(alarms.withLock { $0 } == [true, false])
  }

  @Test func keysOfOthersAreNotTakenAndUnwantedOnesAreLetGo() async throws {
    let keys = SharedKeys()
    let buffers = PPKBuffers(keys) { _, _, _ in }
    await buffers.prepare(for: [owner: policy(2)])
    #expect(await eventually { await buffers.bufferLevels[owner] == 2 })
    _ = try await buffers.newPPK(profile: "Qkd", remoteSystem: "Carol")
    #expect(await buffers.bufferLevels[owner] == 2)
    await buffers.prepare(for: [:])
    #expect(await buffers.bufferLevels.isEmpty)
  }

  @Test func keysThatWaitTooLongAreReplaced() async throws {
    let keys = SharedKeys()
    let buffers = PPKBuffers(keys) { _, _, _ in }
    await buffers.prepare(for: [owner: policy(1, maximumAge: .milliseconds(200))])
    #expect(await eventually(atMost: .seconds(60)) { await keys.issued >= 3 })
  }

  @Test func connectionsThatShareABufferWantTheLargest() throws {
    var fixture = try Fixture()
    func lifetime(_ size: Int, _ age: Int) -> PPKLifetime {
      var lifetime = PPKLifetime()
      (lifetime.bufferSize, lifetime.bufferMaximumAge) = (size, .seconds(age))
      return lifetime
    }
    for (number, size, age) in [(1, 2, 100), (2, 5, 300), (3, 0, 1)] {
      try fixture.addTunnel(
        number, destination: "10.10.20.\(number)",
        ppk: .dynamic(
          sksProfile: "Qkd", isRequired: true, remoteSystem: number == 3 ? "Carol" : "Bob",
          lifetime: lifetime(size, age)))
    }
    fixture.configuration.sksProfiles = ["Qkd"]
    let mapping = IPsecMapping(fixture.configuration, dataPlane: .kernel)
    #expect(
      PPKBuffers.wanted(mapping.desired.connections) == [owner: policy(5, maximumAge: .seconds(100))])
    for index in fixture.configuration.ipsecProfiles.indices {
      fixture.configuration.ipsecProfiles[index].isResponderOnly = true
    }
    let waiting = IPsecMapping(fixture.configuration, dataPlane: .kernel)
    #expect(PPKBuffers.wanted(waiting.desired.connections).isEmpty, "only who begins needs them")
  }
}
