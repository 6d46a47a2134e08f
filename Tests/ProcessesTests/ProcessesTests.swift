// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Processes

@Suite struct ProcessesTests {
  /// Waits until the child has ended.
  private func ending(of process: Int32) async throws -> DetachedProcess.Ending {
    for _ in 0..<2000 {
      if let ending = DetachedProcess.reap(process) { return ending }
      try await Task.sleep(for: .milliseconds(10))
    }
    kill(process, SIGKILL)
    throw CocoaError(.userCancelled)
  }

  @Test func aProgramEndsWithItsStatusOrBySignal() async throws {
    let failed = try DetachedProcess.start(["/bin/sh", "-c", "exit 7"], environment: [])
    #expect(try await ending(of: failed) == .status(7))
    let killed = try DetachedProcess.start(["/bin/sh", "-c", "kill -9 $$"], environment: [])
    #expect(try await ending(of: killed) == .signal(SIGKILL))
    #expect(DetachedProcess.reap(killed) == .unknown)
  }

  @Test func aMissingProgramIsSaid() {
    do {
      _ = try DetachedProcess.start(["/no/such/program"], environment: [])
      Issue.record("it was started")
    } catch {
      #expect(error.errorNumber == ENOENT && error.reason == "No such file or directory")
    }
  }

  @Test func itHasItsOwnSessionAndNothingOfOurs() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("processes-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let log = folder.path + "/log"
    try Data("old".utf8).write(to: URL(fileURLWithPath: log))
    let pipe = Pipe()
    setenv("PROCESSES_TESTS", "ours", 1)
    let process = try DetachedProcess.start(
      ["/bin/sh", "-c", "echo $NAME$PROCESSES_TESTS; ls /proc/self/fd >&2; cut -d' ' -f6 /proc/$$/stat >&2; echo >&3"],
      environment: ["NAME=value"], log: log, inherited: pipe.fileHandleForWriting.fileDescriptor)
    #expect(try await ending(of: process) == .status(0))
    let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
    // `ls` has one more, for the folder that it reads.
    #expect(lines == ["0", "1", "2", "3", "4", String(process)])
    #expect(pipe.fileHandleForReading.availableData == Data("\n".utf8))
  }

  @Test func controlGroupsAreFoundInWhatTheKernelSays() {
    let mounts = """
      22 1 0:20 / /proc rw - proc proc rw
      31 23 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
      32 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw
      """
    #expect(ControlGroup.mountPoint(in: mounts) == "/sys/fs/cgroup")
    #expect(ControlGroup.mountPoint(in: "") == nil)
    #expect(ControlGroup.path(in: "1:cpu:/\n0::/system.slice/agentd.service\n") == "/system.slice/agentd.service")
    #expect(ControlGroup.path(in: "1:cpu:/\n") == nil)
  }

  /// Where groups can be made: as root, with version 2.
  @Test func aProcessLeavesOurControlGroup() async throws {
    let own = try String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)
    let process = try DetachedProcess.start(["/bin/sleep", "60"], environment: [])
    let its = try String(contentsOfFile: "/proc/\(process)/cgroup", encoding: .utf8)
    kill(process, SIGKILL)
    #expect(try await ending(of: process) == .signal(SIGKILL))
    let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
    guard getuid() == 0, let mount = ControlGroup.mountPoint(in: mounts), let path = ControlGroup.path(in: own),
      access(mount + path, W_OK) == 0
    else { return }
    #expect(ControlGroup.path(in: its)?.hasSuffix("/agentd-\(process)") == true)
    #expect(ControlGroup.path(in: own) != ControlGroup.path(in: its))
  }
}
