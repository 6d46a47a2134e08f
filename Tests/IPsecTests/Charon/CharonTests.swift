// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import IPsec

/// Whether charon can be run here: Debian's package is there, and we may make network namespaces.
let charonIsInstalled = access("/usr/sbin/charon-systemd", X_OK) == 0 && geteuid() == 0

/// Settings of a private charon in an empty network namespace of its own.
func privateCharon(_ directory: TestDirectory) -> CharonSettings {
  var settings = CharonSettings(directory: directory.path + "/charon")
  settings.launcher = ["/usr/bin/unshare", "--net"]
  settings.dataPlane = .userspace
  settings.log = .file(level: 1)
  return settings
}

@Suite(
  .serialized, .enabled(if: charonIsInstalled, "charon-systemd is not installed, or these tests are not run as root"))
struct CharonTests {
  @Test func aCharonIsStartedAskedAndStopped() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    let charon = try start(privateCharon(directory), log)
    #expect(await log.waitForReady())
    let process = try #require(await runningProcess(charon))
    let client = try #require(charon.client)
    let answer = try await client.call("version")
    #expect(answer["daemon"] == "charon-systemd")
    #expect(getsid(process) == process, "charon has a session of its own")
    #expect(await log.wait { if case .listening(let unknown) = $0 { unknown == ["no-such-event"] } else { false } })

    // What real answers look like: empty lists, a refusal, an unknown command.
    #expect(try await client.list("list-sas", event: "list-sa").isEmpty)
    await #expect(throws: VICIError(.refused, "")) { try await client.call("load-shared") }
    await #expect(throws: VICIError(.unknown, "")) { try await client.call("no-such-command") }
    await #expect(throws: VICIError(.unknown, "")) { try await client.list("list-sas", event: "no-such-event") }
    let stats = try await client.call("stats")
    #expect(stats.list("plugins").contains("kernel-libipsec"))

    charon.stop()
    #expect(await eventually { charon.status == .stopped })
    #expect(kill(process, 0) != 0, "charon has ended")
  }

  @Test func aCharonThatIsKilledIsStartedAgain() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    let charon = try start(privateCharon(directory), log)
    defer { charon.stop() }
    #expect(await log.waitForReady())
    let first = try #require(await runningProcess(charon))
    let begin = ContinuousClock.now
    kill(first, SIGKILL)
    #expect(await log.waitForReady(count: 2))
    #expect(begin.duration(to: .now) < .seconds(5))
    let second = try #require(await runningProcess(charon))
    #expect(second != first)
    #expect(charon.restartCount == 1)
    #expect(try await charon.client?.call("version")["daemon"] == "charon-systemd")
    charon.stop()
    #expect(await eventually { charon.status == .stopped })
  }

  @Test func aCharonOutlivesItsSupervisorAndIsAdopted() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    let settings = privateCharon(directory)
    let first = try start(settings, log)
    #expect(await log.waitForReady())
    let process = try #require(await runningProcess(first))
    try await first.client?.call("load-conn", connection("kept"))
    first.leave()
    #expect(await eventually { first.status == .stopped })
    #expect(kill(process, 0) == 0, "charon lives on")

    let secondLog = NoticeLog()
    let second = try start(settings, secondLog)
    #expect(await secondLog.waitForReady())
    #expect(await eventually { second.status == .running(process, isAdopted: true) })
    #expect(second.restartCount == 0)
    #expect(!second.runsOldSettings)
    let list = try await second.client?.list("list-conns", event: "list-conn")
    #expect(list?.first?.section("kept") != nil, "what was loaded is still there")

    // An adopted one is watched as well.
    kill(process, SIGKILL)
    #expect(await secondLog.waitForReady(count: 2))
    #expect(try await second.client?.list("list-conns", event: "list-conn").isEmpty == true)
    second.stop()
    #expect(await eventually { second.status == .stopped })
  }

  @Test func anAdoptedCharonWithOtherSettingsIsSaidToHaveThem() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    var settings = privateCharon(directory)
    let first = try start(settings, log)
    #expect(await log.waitForReady())
    first.leave()
    #expect(await eventually { first.status == .stopped })
    settings.retransmissions = 2
    let secondLog = NoticeLog()
    let second = try start(settings, secondLog)
    #expect(await secondLog.waitForReady())
    #expect(second.runsOldSettings)
    second.stop()
    #expect(await eventually { second.status == .stopped })
  }

  @Test func aStoppedCharonThatWasFoundIsReplaced() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    let settings = privateCharon(directory)
    let first = try start(settings, log)
    #expect(await log.waitForReady())
    let process = try #require(await runningProcess(first))
    first.leave()
    #expect(await eventually { first.status == .stopped })
    kill(process, SIGSTOP)
    let secondLog = NoticeLog()
    var limits = CharonSupervisor.Limits()
    limits.readyLimit = .seconds(2)
    let second = try start(settings, secondLog, limits)
    #expect(await secondLog.waitForReady())
    var replacement = try #require(await runningProcess(second))
    for _ in 0..<500 where replacement == process {
      try await Task.sleep(for: .milliseconds(10))
      replacement = try #require(await runningProcess(second))
    }
    #expect(replacement != process)
    second.stop()
    #expect(await eventually { second.status == .stopped })
  }

  @Test func aProgramThatIsNotThereIsSaidSo() async throws {
    let directory = TestDirectory()
    var settings = privateCharon(directory)
    settings.launcher = []
    settings.program = "/no/such/charon"
    let charon = try start(settings, NoticeLog())
    defer { charon.stop() }
    let isDown = await eventually {
      if case .down(let reason, _) = charon.status { reason.contains("/no/such/charon") } else { false }
    }
    #expect(isDown)
  }

  // MARK: Support

  private func start(
    _ settings: CharonSettings, _ log: NoticeLog, _ limits: CharonSupervisor.Limits = .init()
  ) throws -> Charon {
    let charon = try Charon(settings: settings, events: ["ike-updown", "no-such-event"], limits: limits) { notice in
      if case .vici(let notice) = notice { log.append(notice) }
    }
    try charon.start()
    return charon
  }

  private func runningProcess(_ charon: Charon) async -> Int32? {
    var found: Int32?
    _ = await eventually {
      if case .running(let process, _) = charon.status { found = process }
      return found != nil
    }
    return found
  }

  private func connection(_ name: String) -> VICIMessage {
    var local = VICIMessage()
    local.add("auth", "psk")
    var connection = VICIMessage()
    connection.add("version", 2)
    connection.add("remote_addrs", ["192.0.2.2"])
    connection.add("local", local)
    connection.add("remote", local)
    return VICIMessage([.section(name: name, connection)])
  }
}
