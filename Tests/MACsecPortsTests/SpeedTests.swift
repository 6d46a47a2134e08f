// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import MKA
import Secrets
import Synchronization
import Testing

@testable import MACsecPorts

/// What the driver costs with its sockets, timers and files. Measured with `AGENTD_LONG=1`; the limit holds for
/// optimized builds.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1")) struct SpeedTests {
  private static func cpuTime() -> Duration {
    var value = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &value)
    return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
  }

  @Test func aThousandPortsTakeLessThanAThirdOfACore() async throws {
    var ends: [Int32] = []
    for _ in 0..<500 {
      var pair: [Int32] = [-1, -1]
      try #require(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &pair) == 0)
      ends += pair
    }
    let directory = FileManager.default.temporaryDirectory.appending(path: "macsec-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let sockets = ends
    let fixture = try AgentFixture(wires: { sockets[Int($0.dropFirst(3)) ?? 0] }, directory: directory)
    var configuration = ConfigurationFixture()
    configuration.setChain("c", [try keyModel(fixture.sealer, ckn: "abcd", cak: cakOfTests)])
    for number in 0..<ends.count { configuration.protect("eth\(number)", chain: "c") }
    try fixture.commit(configuration)
    let start = Self.cpuTime()
    fixture.setLinks(count: ends.count)
    for _ in 0..<600 {
      let secured = fixture.secYs.withLock { $0.values.count { $0.status == .protected } }
      if secured == ends.count { break }
      try await Task.sleep(for: .milliseconds(100))
    }
    #expect(fixture.secYs.withLock { $0.values.allSatisfy { $0.status == .protected } })
    let setUp = Self.cpuTime() - start
    let steady = Self.cpuTime()
    try await Task.sleep(for: .seconds(20))
    let share = (Self.cpuTime() - steady) / Duration.seconds(20)
    print("\(ends.count) ports: set up in \(setUp / ends.count) each, then \(Int(share * 1_000) / 10) % of a core")
    #if !DEBUG
      #expect(share < 0.3)
    #endif
  }
}
