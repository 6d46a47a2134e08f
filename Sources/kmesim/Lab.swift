// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import KMESimulator

struct Lab: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve two KMEs, A and B, that share keys.",
    discussion: """
      A's localSystemID is Alice and B's is Bob, unless told otherwise; each has the other as its remote system. \
      Without any security option both take the pre-shared key 'kmesim-lab', which everyone can read in this program: \
      identity 'lab', key 6b6d6573696d2d6c6162 in hexadecimal digits.

      With certificates they also answer ETSI GS QKD 014; the client's certificate says which SAE it is.
      """)

  @Option(help: ArgumentHelp("Where A listens; port 0 for any free port.", valueName: "address:port"))
  var a: Endpoint = .tcp(host: "127.0.0.1", port: 0)

  @Option(help: ArgumentHelp("Where B listens; port 0 for any free port.", valueName: "address:port"))
  var b: Endpoint = .tcp(host: "127.0.0.1", port: 0)

  @Option(help: ArgumentHelp("A's localSystemID.", valueName: "id"))
  var aId = "Alice"

  @Option(help: ArgumentHelp("B's localSystemID.", valueName: "id"))
  var bId = "Bob"

  @Option(
    name: .customLong("a-sae"),
    help: ArgumentHelp("An SAE that A serves over ETSI GS QKD 014, as its certificate names it.", valueName: "name"))
  var aSAEs = ["sae-a"]

  @Option(
    name: .customLong("b-sae"),
    help: ArgumentHelp("An SAE that B serves over ETSI GS QKD 014, as its certificate names it.", valueName: "name"))
  var bSAEs = ["sae-b"]

  @OptionGroup(title: "Security") var security: SecurityOptions
  @OptionGroup(title: "Control") var process: ProcessOptions

  func run() throws {
    let isOpen =
      security.pskId == nil && security.pskKeyFile == nil && security.certificate == nil
      && security.key == nil && !security.plain
    let protection: ListenerConfiguration.Security =
      isOpen
      ? .psk([PreSharedKey(identity: "lab", source: .hexadecimal("6b6d6573696d2d6c6162"), hash: security.pskHash)])
      : try security.security()
    func instance(_ name: String, _ id: String, _ remote: String, _ address: Endpoint) -> InstanceConfiguration {
      var instance = InstanceConfiguration(
        name: name, localSystemID: id, remoteSystemIDs: [remote],
        listeners: [ListenerConfiguration(address: address, security: protection, tlsVersions: security.tlsVersions)])
      let (own, others) = name == "A" ? (aSAEs, bSAEs) : (bSAEs, aSAEs)
      instance.etsi = ETSIConfiguration(
        kmeID: id, saes: own, peers: [ETSIConfiguration.Peer(kmeID: remote, systemID: remote, saes: others)])
      return instance
    }
    try serve(
      Configuration(
        instances: [instance("A", aId, bId, a), instance("B", bId, aId, b)], control: process.control,
        faults: process.parsedFaults()))
  }
}
