// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import IPsec

@Suite struct CharonSettingsTests {
  @Test func theTextNamesSocketsPortsAndTheDataPlaneInItsPlace() throws {
    var settings = CharonSettings(directory: "/run/agentd/charon", socketPath: "/run/charon.agentd.vici")
    settings.ikePort = 1500
    var text = try settings.configurationText()
    #expect(text.contains("  port = 1500\n"))
    #expect(text.contains("vici { socket = unix:///run/charon.agentd.vici }"))
    #expect(text.contains("error-notify { socket = unix:///run/agentd/charon/charon.enfy }"))
    #expect(!text.contains("kernel-libipsec"))
    #expect(!text.contains("filelog"))
    #expect(text.contains("journal { default = 0 }"))
    settings.dataPlane = .userspace
    settings.log = .file(level: 1)
    settings.retransmissions = 3
    settings.retransmissionInterval = 2
    text = try settings.configurationText()
    let load = try #require(text.split(separator: "\n").first { $0.contains("load =") })
    let plugins = load.split(separator: " ").map(String.init)
    let userspace = try #require(plugins.firstIndex(of: "kernel-libipsec"))
    let kernel = try #require(plugins.firstIndex(of: "kernel-netlink"))
    #expect(userspace < kernel, "the first that offers IPsec wins")
    #expect(text.contains("path = /run/agentd/charon/charon.log"))
    #expect(text.contains("retransmit_tries = 3\n  retransmit_timeout = 2\n  retransmit_base = 1\n"))
    #expect(text.filter { $0 == "{" }.count == text.filter { $0 == "}" }.count)
  }

  @Test(arguments: [
    "relative", "/a b", "/a}", "/a{", "/a#b", "/a\nb", "/ä", "/\"", "", "/" + String(repeating: "x", count: 90), "/a=b",
    "/a\\b", "/a$b",
  ])
  func aPathThatStrongswanConfWouldMisreadIsRefused(path: String) {
    #expect(throws: CharonError(.settings, "")) { try CharonSettings(directory: path).configurationText() }
    #expect(throws: CharonError(.settings, "")) {
      try CharonSettings(directory: "/run/x", socketPath: path).configurationText()
    }
  }

  @Test func numbersOutOfRangeAreRefused() {
    var settings = CharonSettings(directory: "/run/x")
    settings.retransmissions = 0
    #expect(throws: CharonError(.settings, "")) { try settings.configurationText() }
    settings = CharonSettings(directory: "/run/x")
    settings.retransmissionInterval = 61
    #expect(throws: CharonError(.settings, "")) { try settings.configurationText() }
  }

  @Test func theDirectoryHasToBeOursAlone() throws {
    let base = TestDirectory()
    var settings = CharonSettings(directory: base.path + "/c")
    try CharonDirectory(settings: settings).prepare()
    #expect(try posixMode(settings.directory) == 0o700)
    try CharonDirectory(settings: settings).prepare()
    chmod(settings.directory, 0o755)
    #expect(throws: CharonError(.directory, "")) { try CharonDirectory(settings: settings).prepare() }
    settings = CharonSettings(directory: base.path + "/link")
    symlink("/tmp", settings.directory)
    #expect(throws: CharonError(.directory, "")) { try CharonDirectory(settings: settings).prepare() }
    settings = CharonSettings(directory: base.path + "/no/such")
    #expect(throws: CharonError(.directory, "")) { try CharonDirectory(settings: settings).prepare() }
  }

  @Test func strongswanConfIsWrittenForItsOwnerOnlyAndReadBack() throws {
    let base = TestDirectory()
    let directory = CharonDirectory(settings: CharonSettings(directory: base.path + "/c"))
    try directory.prepare()
    #expect(directory.configurationText() == nil)
    try directory.write("a\n")
    try directory.write("b\n")
    #expect(directory.configurationText() == "b\n")
    #expect(try posixMode(directory.settings.configurationPath) == 0o600)
  }

  @Test func aLockIsHeldByOneOnlyAndNamesItsHolder() throws {
    let base = TestDirectory()
    let first = try CharonLock(path: base.path + "/lock")
    let isTaken = first.take()
    #expect(isTaken)
    first.record(12345)
    let second = try CharonLock(path: base.path + "/lock")
    let isTakenTwice = second.take()
    #expect(!isTakenTwice)
    let recorded = second.recorded
    #expect(recorded == 12345)
    first.record(7)
    let recordedLater = second.recorded
    #expect(recordedLater == 7)
    _ = consume first
    // A process that another test has just forked has a copy of the lock until it runs its own program.
    var isTakenAfterwards = second.take()
    for _ in 0..<500 where !isTakenAfterwards {
      usleep(10_000)
      isTakenAfterwards = second.take()
    }
    #expect(isTakenAfterwards)
  }

  private func posixMode(_ path: String) throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
  }
}
