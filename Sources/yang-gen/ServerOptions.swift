// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import YANG
import YANGGenerator

/// `yang-gen --drive`.
struct ServerOptions: ParsableArguments {
  @Flag(help: "Send edits to a server in place of making documents.")
  var drive = false

  @Option(help: "The server's host.")
  var host = "127.0.0.1"

  @Option(help: "The server's port.")
  var port: UInt16 = 830

  @Option(help: "The user.")
  var user = "admin"

  @Option(help: "The file of the private key. Default: what ssh uses.")
  var key: String?

  @Flag(help: "Do not check the server's host key, as for a server on this machine that was just made.")
  var anyHostKey = false

  @Flag(help: "Want exactly the errors that the model finds, all of them and with their app-tags, not one of them.")
  var exact = false

  @Option(help: "Take errors with this app-tag for refusals that are no matter of the modules.")
  var refusalAppTag: String?

  @Option(help: "Compare running after every so many edits.")
  var checkEvery = 1

  @Flag(help: "Go on after a difference, with what the server has then, and count them.")
  var keepGoing = false

  func run(schema: Schema, modules: [String], edits: Int, seed: UInt64) throws {
    signal(SIGPIPE, SIG_IGN)
    let session = try SSHSession(command: command)
    guard session.announces("urn:ietf:params:netconf:capability:candidate:1.0") else {
      printError("the server has no candidate datastore, which this needs")
      throw ExitCode(1)
    }
    var options = Drive.Options()
    options.edits = edits
    options.checkEvery = checkEvery
    options.isExact = exact
    options.refusalAppTag = refusalAppTag
    options.keepsGoing = keepGoing
    var drive = try Drive(session, schema: schema, modules: modules, seed: seed, options: options)
    do {
      try drive.run()
      for difference in drive.differences { printError(difference) }
      print(drive.summary)
      guard drive.summary.differences == 0 else { throw ExitCode(1) }
    } catch let error as GeneratorError {
      printError("\(error)\nso far: \(drive.summary)")
      throw ExitCode(1)
    }
  }

  private var command: [String] {
    var command = ["ssh", "-q", "-T", "-o", "BatchMode=yes", "-p", "\(port)"]
    if anyHostKey { command += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"] }
    if let key { command += ["-o", "IdentitiesOnly=yes", "-i", key] }
    return command + ["\(user)@\(host)", "-s", "netconf"]
  }
}
