// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import KMESimulator

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Serve one KME, described by flags.")

  @Option(help: ArgumentHelp("Where to listen; port 0 for any free port.", valueName: "address:port"))
  var listen: Endpoint = .tcp(host: "127.0.0.1", port: 0)

  @Option(help: ArgumentHelp("The name in ready lines, faults and statistics.", valueName: "name"))
  var name: String?

  @Option(help: ArgumentHelp("The KME's localSystemID.", valueName: "id"))
  var localId: String

  @Option(
    name: .customLong("remote-id"),
    help: ArgumentHelp("A remoteSystemID, or a pattern such as 'site-*'; may be repeated.", valueName: "id"))
  var remoteIds: [String]

  @OptionGroup(title: "Security") var security: SecurityOptions

  @Option(help: ArgumentHelp("The size of a key if the client names none.", valueName: "bits"))
  var keyBits = 256

  @Option(help: ArgumentHelp("The length of a key identifier.", valueName: "bits"))
  var keyIdBits = 128

  @Option(help: "The letters of keys: lower, upper or mixed.")
  var keyLetters = Hexadecimal.LetterCase.lower

  @Option(help: "The letters of key identifiers: lower, upper or mixed.")
  var keyIdLetters = Hexadecimal.LetterCase.lower

  @Option(help: ArgumentHelp("How long a key waits to be fetched.", valueName: "seconds"))
  var keyLifetime = 3_600

  @Option(help: ArgumentHelp("The text of the capabilities' member 'algorithm'.", valueName: "text"))
  var algorithm = "QKD"

  @Flag(help: "Offer no entropy.")
  var noEntropy = false

  @Option(help: ArgumentHelp("Let other processes of the network join over this socket.", valueName: "path"))
  var networkListen: String?

  @Option(help: ArgumentHelp("Join the network of another process over its socket.", valueName: "path"))
  var networkJoin: String?

  @OptionGroup(title: "Control") var process: ProcessOptions

  func run() throws {
    let listener = ListenerConfiguration(
      address: listen, security: try security.security(), tlsVersions: security.tlsVersions)
    var instance = InstanceConfiguration(
      name: name ?? localId, localSystemID: localId, remoteSystemIDs: remoteIds, listeners: [listener])
    instance.keyBits = keyBits
    instance.keyIDBits = keyIdBits
    instance.keyLetters = keyLetters
    instance.keyIDLetters = keyIdLetters
    instance.keyLifetimeSeconds = keyLifetime
    instance.algorithm = algorithm
    instance.offersEntropy = !noEntropy
    let network: NetworkLink?
    switch (networkListen, networkJoin) {
    case (let path?, nil): network = .listen(try Endpoint(parsing: "unix:" + path))
    case (nil, let path?): network = .join(try Endpoint(parsing: "unix:" + path))
    case (nil, nil): network = nil
    default: throw ValidationError("Give at most one of --network-listen and --network-join.")
    }
    try serve(
      Configuration(
        instances: [instance], control: process.control, network: network, faults: process.parsedFaults()))
  }
}
