// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import SecYControl
import SecYEngine

@main
struct Secyd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secyd",
    abstract: "A MAC Security Entity (IEEE 802.1AE) in userspace, for one port.",
    discussion: """
      secyd protects the frames of one Ethernet interface, its parent, and offers the result as a TAP interface, the       controlled port. agentd starts it where the kernel has no MACsec, programs it through a socket in its directory,       and finds it there again after a restart: the traffic goes on meanwhile.

      It holds no keys before it is programmed, and nothing but what is let through in clear passes until then. It       needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW. SIGTERM ends it and leaves the controlled port behind,       without a carrier, for the next secyd. The manual is docs/macsec-secy.md.
      """)

  @Option(help: "The interface whose frames are protected.")
  var parent: String

  @Option(help: "The name of the controlled port, made if it is not there.")
  var port: String

  @Option(help: "The secure channel identifier: 16 hexadecimal digits.")
  var sci: String

  @Option(help: "A directory of its own, for the socket 'control' and the file 'lock'.")
  var directory: String

  func validate() throws {
    guard sci.utf8.count == 16, UInt64(sci, radix: 16) != nil else {
      throw ValidationError("'\(sci)' is not 16 hexadecimal digits")
    }
  }

  func run() throws {
    do throws(SecydError) { try serve() } catch {
      let line = Array("secyd: \(error)\n".utf8)
      _ = write(2, line, line.count)
      throw ExitCode(1)
    }
  }

  private func serve() throws(SecydError) {
    umask(0o077)
    let isMemoryLocked = try Hardening.protectMemory()
    let lock = try DirectoryLock(path: directory + "/lock")
    // The daemon alone holds the ports: it exchanges the parent's when its MTU changes.
    let daemon = try makeDaemon(isMemoryLocked: isMemoryLocked)
    // Nothing is opened by a path from here on, and no file system is kept busy.
    _ = chdir("/")
    try daemon.run()
    _ = consume lock
  }

  private func makeDaemon(isMemoryLocked: Bool) throws(SecydError) -> Daemon {
    let parent = try ParentPort(name: parent)
    let port = try ControlledPort(
      name: port, address: parent.address, mtu: parent.mtu - SecurityEntity.overhead)
    let server = try ControlServer(path: directory + "/control")
    try Hardening.dropPrivileges()
    let sci = UInt64(sci, radix: 16) ?? 0
    let identity = Identity(
      instance: UInt64.random(in: 1...UInt64.max), process: UInt32(getpid()), sci: sci, parent: parent.name,
      parentIndex: parent.index, port: port.name, isMemoryLocked: isMemoryLocked)
    return try Daemon(
      parent: parent, port: port, entity: SecurityEntity(sci: sci), server: server, identity: identity)
  }
}
