// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import SKS

/// What an engine tells beyond the published model, and the pinned system.
@Suite struct EngineDiagnosticsTests {
  private func configuration(
    refresh: Duration = .seconds(300), localSystem: String? = nil
  ) throws -> ProfileConfiguration {
    ProfileConfiguration(
      server: EngineHarness.endpoint(), settings: try ProfileSettings(refreshInterval: refresh),
      localSystem: localSystem)
  }

  @Test func failuresAreCountedUntilASuccess() throws {
    var harness = EngineHarness()
    for expected: UInt32 in 1...30 {
      harness.pollWhenDue()
      harness.fail(.notSent)
      #expect(harness.engine.diagnostics.consecutiveFailures == expected)
    }
    #expect(harness.engine.diagnostics.lastError == "no connection to the server")
    #expect(harness.engine.diagnostics.lastErrorTime == harness.now)
    let failed = harness.now
    harness.pollWhenDue()
    harness.answer(200, EngineHarness.capabilities)
    let known = harness.engine.diagnostics
    #expect(known.consecutiveFailures == 0 && known.connectedSince == harness.now)
    #expect(known.lastError != nil && known.lastErrorTime == failed, "it stays after recovery")
    // A refresh moves the time of the capabilities only.
    harness.pollWhenDue()
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.engine.diagnostics.connectedSince == known.connectedSince)
    #expect(harness.engine.diagnostics.capabilitiesReceived == harness.now)
    harness.pollWhenDue()
    harness.answer(500)
    #expect(harness.engine.diagnostics.connectedSince == nil)
    #expect(harness.engine.diagnostics.lastError == "500 Internal Server Error")
  }

  @Test func aSystemThatIsNotThePinnedOneIsNoConnection() throws {
    var harness = EngineHarness(try configuration(localSystem: "Carol"))
    harness.poll()
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.state == [ConnectionStatus.capabilityFailed, RefreshReason.receiveResponseFailed])
    #expect(harness.statistics.validationFailed == 1 && harness.statistics.responseSuccess == 1)
    #expect(harness.engine.pollDue ?? harness.now > harness.now && harness.events.isEmpty)
    harness.checkInvariants()
    harness.configure(try configuration(localSystem: "Alice"))
    harness.poll()
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.engine.status == .connected)
  }

  @Test func aRefreshIntervalOfZeroIsNone() throws {
    var harness = EngineHarness.connected(try configuration(refresh: .zero))
    #expect(harness.engine.pollDue == nil)
    // A failed request of a consumer asks nevertheless.
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.fail(.noAnswer, .closed, code: 52)
    #expect(harness.engine.status == .capabilityRefresh && harness.engine.pollDue != nil)
    harness.pollWhenDue()
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.engine.status == .connected && harness.engine.pollDue == nil)
    // Set and taken away while connected.
    harness.configure(try configuration(refresh: .seconds(60)))
    #expect(harness.engine.pollDue ?? harness.now > harness.now)
    #expect(harness.engine.pollDue ?? harness.now <= harness.now + .seconds(60))
    harness.configure(try configuration(refresh: .zero))
    #expect(harness.engine.pollDue == nil && harness.engine.status == .connected)
  }

  @Test func changesOfTLSBeginAnew() throws {
    var harness = EngineHarness.connected(try configuration())
    harness.change { $0.tls.version = .tls12 }
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.tlsPSKUpdate])
    #expect(harness.events.count == 1 && harness.engine.diagnostics.connectedSince == nil)
  }

  @Test func momentsBecomeTimesOfDay() {
    let clock = DayClock()
    let now = HTTPDriver.now()
    let (before, after) = (
      clock.dateAndTime(MonotonicInstant(nanoseconds: 0)), clock.dateAndTime(now + .seconds(86_400))
    )
    #expect(before < clock.dateAndTime(now) && clock.dateAndTime(now) < after)
    #expect(before.hasSuffix("Z") && before.utf8.count == after.utf8.count)
  }
}
