// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import KMESimulator

extension Endpoint: ExpressibleByArgument {
  /// Reads an address from the command line.
  public init?(argument: String) {
    try? self.init(parsing: argument)
  }
}

extension PreSharedKey.Hash: ExpressibleByArgument {}
extension ListenerConfiguration.TLSVersion: ExpressibleByArgument {}
extension CertificateConfiguration.ClientPolicy: ExpressibleByArgument {}
extension Hexadecimal.LetterCase: ExpressibleByArgument {}

/// How clients authenticate: the same for every listener that a command makes.
struct SecurityOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The identity of the pre-shared key.", valueName: "identity"))
  var pskId: String?

  @Option(help: ArgumentHelp("A file with the pre-shared key in hexadecimal digits.", valueName: "file"))
  var pskKeyFile: String?

  @Option(help: "The hash that the key is bound to in TLS 1.3: sha256, sha384, or any for the client's choice.")
  var pskHash = PreSharedKey.Hash.any

  @Option(help: ArgumentHelp("The server's certificate chain, PEM, instead of a pre-shared key.", valueName: "file"))
  var certificate: String?

  @Option(help: ArgumentHelp("The private key of the certificate, PEM.", valueName: "file"))
  var key: String?

  @Option(help: ArgumentHelp("The authorities that sign clients' certificates, PEM.", valueName: "file"))
  var clientAuthorities: String?

  @Option(help: "Whether clients show a certificate: none, optional, required (the default with --client-authorities).")
  var client: CertificateConfiguration.ClientPolicy?

  @Flag(help: "No TLS at all: for a front end such as stunnel on this machine.")
  var plain = false

  @Option(
    name: .customLong("tls"), parsing: .upToNextOption,
    help: ArgumentHelp("The versions of TLS spoken: 1.2, 1.3 or both.", valueName: "versions"))
  var tlsVersions = ListenerConfiguration.TLSVersion.allCases

  func security() throws -> ListenerConfiguration.Security {
    let hasKey = pskId != nil || pskKeyFile != nil
    let hasCertificate = certificate != nil || key != nil
    switch (hasKey, hasCertificate, plain) {
    case (true, false, false):
      guard let pskId, let pskKeyFile else { throw ValidationError("--psk-id and --psk-key-file belong together.") }
      return .psk([PreSharedKey(identity: pskId, source: .file(pskKeyFile), hash: pskHash)])
    case (false, true, false):
      guard let certificate, let key else { throw ValidationError("--certificate and --key belong together.") }
      guard clientAuthorities != nil || [nil, CertificateConfiguration.ClientPolicy.none].contains(client) else {
        throw ValidationError("--client needs --client-authorities.")
      }
      return .certificate(
        CertificateConfiguration(
          certificate: certificate, key: key, clientAuthorities: clientAuthorities, client: client))
    case (false, false, true): return .plain
    default: throw ValidationError("Give exactly one of --psk-id, --certificate and --plain.")
    }
  }
}

/// What concerns the process and not one instance.
struct ProcessOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where the control interface listens, on loopback: 127.0.0.1:PORT or unix:/path; port 0 for any.",
      valueName: "address"))
  var control: Endpoint?

  @Option(
    name: .customLong("fault"),
    help: ArgumentHelp(
      "A fault in force from the start, such as status,call=key,status=503,count=2 (see 'kmesim faults').",
      valueName: "fault"))
  var faults: [String] = []

  func parsedFaults() throws -> [Fault] { try faults.map { try Fault(parsing: $0) } }
}
