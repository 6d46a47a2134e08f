// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Datastore

/// A process that commits is killed at any moment; what it acknowledged is there.
///
/// The process is this test program, started again with the environment that enables the writer alone.
@Suite struct CommitLogKillTests {
  static let environment = ProcessInfo.processInfo.environment
  static let writerDirectory = environment["AGENTD_TEST_WRITER_DIRECTORY"]

  @Test(.enabled(if: writerDirectory != nil)) func writer() throws {
    let log = try CommitLog(directory: DataDirectory(path: Self.writerDirectory ?? ""))
    var number = try log.recover().commits.last.map { Int($0.metadata.id) } ?? 0
    while true {
      number += 1
      let metadata = try log.append(
        time: .init(seconds: 0, nanoseconds: 0), session: SessionIdentity(id: 1, user: "op"), schema: [],
        diff: CommitLogPowerLossTests.diff(number))
      // The acknowledgement: one line, unbuffered.
      let line = Array("acknowledged \(metadata.id)\n".utf8)
      _ = write(2, line, line.count)
    }
  }

  @Test(.enabled(if: writerDirectory == nil)) func everythingAcknowledgedSurvivesAKill() async throws {
    let rounds = Self.environment["AGENTD_LONG"] == "1" ? 300 : 6
    let seed = UInt64.random(in: 0...UInt64.max)
    print("kill loop: seed \(seed)")
    var random = SeededRandom(seed)
    let scratch = try ScratchDirectory()
    var acknowledged: UInt64 = 0
    for round in 1...rounds {
      let said = try await Self.runWriter(in: scratch.path, for: .milliseconds(Int.random(in: 0...150, using: &random)))
      acknowledged = max(acknowledged, said)
      let log = try CommitLog(directory: DataDirectory(path: scratch.path))
      let recovery = try log.recover()
      #expect(recovery.damage.isEmpty, "seed \(seed), round \(round): \(recovery.damage)")
      let found = UInt64(recovery.commits.count)
      #expect(
        found == acknowledged || found == acknowledged + 1,
        "seed \(seed), round \(round): acknowledged \(acknowledged), found \(found)")
      for (index, record) in recovery.commits.enumerated() {
        #expect(record.diff == CommitLogPowerLossTests.diff(index + 1), "seed \(seed), round \(round)")
      }
      acknowledged = found
    }
    #expect(acknowledged > 0, "the writer never committed")
  }

  /// Starts the writer, kills it some time after its first acknowledgement, and returns the last one.
  private static func runWriter(in directory: String, for time: Duration) async throws -> UInt64 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["--testing-library", "swift-testing", "--filter", "CommitLogKillTests/writer"]
    process.environment = environment.merging(["AGENTD_TEST_WRITER_DIRECTORY": directory]) { $1 }
    let pipe = Pipe()
    process.standardError = pipe
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let reader = Task.detached { () -> UInt64 in
      var text = Data()
      var killed = false
      while true {
        let part = pipe.fileHandleForReading.availableData
        if part.isEmpty { break }
        text.append(part)
        if !killed, text.contains(UInt8(ascii: "\n")) {
          killed = true
          try? await Task.sleep(for: time)
          kill(process.processIdentifier, SIGKILL)
        }
      }
      let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
      return lines.compactMap { $0.hasPrefix("acknowledged ") ? UInt64($0.dropFirst(13)) : nil }.max() ?? 0
    }
    let said = await reader.value
    process.waitUntilExit()
    return said
  }
}
