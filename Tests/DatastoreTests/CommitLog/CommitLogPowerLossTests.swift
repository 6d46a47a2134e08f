// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Datastore

/// What a commit log holds after the power was lost at any moment: all that was acknowledged, and of the commit in
/// flight all or nothing.
@Suite struct CommitLogPowerLossTests {
  static let isLong = ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1"
  static let session = SessionIdentity(id: 7, user: "op")
  static let fingerprint = [UInt8](repeating: 9, count: 32)

  /// Diffs of different sizes, some of them several pages long, that name their number.
  static func diff(_ number: Int) -> [UInt8] {
    let sizes = [40, 300, 5000, 1, 20_000, 700]
    return Array("commit \(number) ".utf8)
      + [UInt8](repeating: UInt8(number & 0xFF), count: sizes[number % sizes.count])
  }

  static func policy() -> CommitLog.Policy {
    var policy = CommitLog.Policy()
    policy.bytesPerCheckpoint = 40_000
    return policy
  }

  static func open(_ disk: SimulatedDisk) throws -> (log: CommitLog, recovery: CommitLog.Recovery) {
    let prefix = SimulatedFileSystem.mount(disk)
    let log = try CommitLog(
      path: prefix + "commits.db", vfs: SimulatedFileSystem.name, directory: nil, policy: policy())
    return (log, try log.recover())
  }

  /// The numbers of the commits that the log stands for. A snapshot's tree names the commits in it.
  static func contents(_ recovery: CommitLog.Recovery) -> [[UInt8]] {
    (recovery.snapshot.map { [$0.tree] } ?? []) + recovery.commits.map(\.diff)
  }

  /// Runs commits, snapshots and checkpoints until the disk dies; returns what was acknowledged.
  static func run(_ disk: SimulatedDisk, commits: Int) -> (acknowledged: Int, attempted: Int) {
    var acknowledged = 0
    var attempted = 0
    do {
      let (log, _) = try open(disk)
      for number in 1...commits {
        attempted = number
        _ = try log.append(
          time: .init(seconds: Int64(number), nanoseconds: 0), session: session, schema: fingerprint, diff: diff(number)
        )
        acknowledged = number
        if number % 5 == 0 { try log.writeSnapshot(schema: fingerprint, tree: [UInt8(number)]) }
        try log.maintain()
      }
    } catch {}
    return (acknowledged, attempted)
  }

  /// The last commit in what was recovered, after checking that all before it are there.
  static func lastCommit(_ recovery: CommitLog.Recovery, _ context: String) -> Int {
    #expect(recovery.damage.isEmpty, "\(context): \(recovery.damage)")
    var number = 0
    if let snapshot = recovery.snapshot {
      number = Int(snapshot.tree.first ?? 0)
      #expect(snapshot.commit == UInt64(number), "\(context)")
    }
    for record in recovery.commits {
      number += 1
      #expect(record.diff == diff(number), "\(context): commit \(number)")
      #expect(record.metadata.id == UInt64(number), "\(context)")
    }
    return number
  }

  @Test func keepsEveryAcknowledgedCommitWhenThePowerIsLostAtAnyOperation() throws {
    let commits = Self.isLong ? 40 : 12
    let healthy = SimulatedDisk()
    let whole = Self.run(healthy, commits: commits)
    SimulatedFileSystem.unmount(healthy)
    #expect(whole.acknowledged == commits)
    // One synchronization for a commit at least: an acknowledgement never precedes it.
    #expect(healthy.syncCount >= commits)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("power loss: seed \(seed), \(healthy.operationCount) operations, \(healthy.syncCount) synchronizations")
    let variants: [Double] = Self.isLong ? [0, 1, 0.5, 0.5, 0.5, 0.9, 0.9, 0.1, 0.1] : [0, 1, 0.5, 0.9]
    for moment in 0...healthy.operationCount {
      let disk = SimulatedDisk()
      disk.setFault(.powerLoss(at: moment))
      let done = Self.run(disk, commits: commits)
      SimulatedFileSystem.unmount(disk)
      for (index, probability) in variants.enumerated() {
        let images = disk.imagesAfterPowerLoss(keeping: probability, seed: seed &+ UInt64(moment * 100 + index))
        let restarted = SimulatedDisk(files: images)
        defer { SimulatedFileSystem.unmount(restarted) }
        let context = "seed \(seed), power lost at operation \(moment), variant \(index)"
        do {
          let (log, recovery) = try Self.open(restarted)
          let last = Self.lastCommit(recovery, context)
          #expect(
            last == done.acknowledged || last == done.attempted,
            "\(context): acknowledged \(done.acknowledged), attempted \(done.attempted), found \(last)")
          // Life goes on.
          let next = try log.append(
            time: .init(seconds: 0, nanoseconds: 0), session: Self.session, schema: Self.fingerprint,
            diff: Self.diff(last + 1))
          #expect(next.id == UInt64(last + 1), "\(context)")
        } catch {
          Issue.record("\(context): acknowledged \(done.acknowledged): \(error)")
        }
      }
    }
  }

  @Test func undoesACommitThatAnInputOutputErrorRefused() throws {
    let commits = 6
    let healthy = SimulatedDisk()
    _ = Self.run(healthy, commits: commits)
    SimulatedFileSystem.unmount(healthy)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("input/output error: seed \(seed)")
    for moment in 0..<healthy.operationCount {
      let disk = SimulatedDisk()
      defer { SimulatedFileSystem.unmount(disk) }
      disk.setFault(.inputOutput(at: moment))
      let context = "seed \(seed), error at operation \(moment)"
      guard let (log, _) = try? Self.open(disk) else { continue }
      var number = 1
      for _ in 1...commits {
        do {
          _ = try log.append(
            time: .init(seconds: 0, nanoseconds: 0), session: Self.session, schema: Self.fingerprint,
            diff: Self.diff(number))
          number += 1
        } catch {
          #expect(error.code == .inputOutput, "\(context): \(error)")
        }
        try? log.maintain()
      }
      // What was refused is not there after a power loss either; all that was acknowledged is.
      for (index, probability) in [0, 1, 0.5].enumerated() {
        let images = disk.imagesAfterPowerLoss(keeping: probability, seed: seed &+ UInt64(moment * 10 + index))
        let restarted = SimulatedDisk(files: images)
        defer { SimulatedFileSystem.unmount(restarted) }
        let (_, recovery) = try Self.open(restarted)
        #expect(Self.lastCommit(recovery, context) == number - 1, "\(context)")
      }
    }
  }

  @Test func doesNotBringBackACommitWhoseSynchronizationFailed() throws {
    // The refused commit is the last thing done: its pages are in the file, complete, and must not come back.
    for failing in 0..<60 {
      let disk = SimulatedDisk()
      defer { SimulatedFileSystem.unmount(disk) }
      let (log, _) = try Self.open(disk)
      _ = try log.append(
        time: .init(seconds: 0, nanoseconds: 0), session: Self.session, schema: Self.fingerprint, diff: Self.diff(1))
      disk.setFault(.inputOutput(at: disk.operationCount + failing))
      let refused =
        (try? log.append(
          time: .init(seconds: 0, nanoseconds: 0), session: Self.session, schema: Self.fingerprint, diff: Self.diff(2)))
        == nil
      for probability in [0.0, 1.0] {
        let restarted = SimulatedDisk(files: disk.imagesAfterPowerLoss(keeping: probability, seed: 1))
        defer { SimulatedFileSystem.unmount(restarted) }
        let last = Self.lastCommit(try Self.open(restarted).recovery, "operation \(failing)")
        #expect(last == (refused ? 1 : 2), "failing operation \(failing), kept \(probability)")
      }
      if !refused { return }
    }
    Issue.record("every commit was refused")
  }

  @Test func refusesACommitOnAFullDiskAndGoesOnWhenThereIsSpace() throws {
    let disk = SimulatedDisk()
    defer { SimulatedFileSystem.unmount(disk) }
    let (log, _) = try Self.open(disk)
    func append(_ number: Int) throws(CommitLogError) -> CommitMetadata {
      try log.append(
        time: .init(seconds: 0, nanoseconds: 0), session: Self.session, schema: Self.fingerprint,
        diff: Self.diff(number))
    }
    _ = try append(1)
    disk.setFault(.full(bytes: disk.bytes + 6000))
    #expect(throws: CommitLogError(.diskFull, "")) { try append(4) }
    #expect(try log.history(limit: 10).map(\.id) == [1])
    disk.setFault(.none)
    #expect(try append(2).id == 2)
    let restarted = SimulatedDisk(files: disk.imagesAfterPowerLoss(keeping: 0, seed: 1))
    defer { SimulatedFileSystem.unmount(restarted) }
    #expect(Self.lastCommit(try Self.open(restarted).recovery, "after a full disk") == 2)
  }
}
