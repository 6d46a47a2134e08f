// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import KMESimulator

struct MakeCertificates: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "make-certificates",
    abstract: "Make an authority with server and client certificates for a lab.",
    discussion: """
      Writes ca.pem and ca-key.pem, and NAME.pem and NAME-key.pem for every name: P-256 keys, not encrypted. What is \
      there under these names is replaced. The files written are printed, one a line.
      """)

  @Argument(help: "The folder; made if it is not there.")
  var folder: String

  @Option(
    name: [.customLong("name"), .customLong("server")],
    help: ArgumentHelp("The common name of a server certificate; may be repeated.", valueName: "name"))
  var servers: [String] = []

  @Option(
    name: .customLong("client"),
    help: ArgumentHelp("The common name of a client certificate; may be repeated.", valueName: "name"))
  var clients: [String] = []

  @Option(
    name: .customLong("host"),
    help: ArgumentHelp(
      "A DNS name or address in every server certificate; may be repeated (default: localhost, 127.0.0.1, ::1).",
      valueName: "host"))
  var hosts: [String] = []

  @Option(help: ArgumentHelp("How long the certificates last; below zero they have run out.", valueName: "days"))
  var days = 365

  func run() throws {
    guard (-3_650...3_650).contains(days), days != 0 else {
      throw ValidationError("--days is not -3650 to 3650, or is 0.")
    }
    let files = try CertificateFolder(path: folder).write(
      servers: servers.isEmpty ? ["kme"] : servers, clients: clients.isEmpty ? ["client"] : clients,
      hosts: hosts.isEmpty ? ["localhost", "127.0.0.1", "::1"] : hosts, lifetimeInSeconds: days * 86_400)
    for file in files { print(file) }
  }
}
