// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Models
import Secrets

/// `agentd cert`: shorthands that edit the trustpoints.
struct CertificateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cert", abstract: "Edit the trustpoints: certificates, keys and authorities.", subcommands: [Add.self])

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add a trustpoint, or add to one.",
      discussion: """
        A key profile names the trustpoint whose certificates authenticate its TLS. Needs the agent not to be running: \
        while it runs, trustpoints are edited over NETCONF (Cisco-IOS-XR-um-crypto-cfg with agentd-crypto).
        """)

    @Argument(help: "The trustpoint's name.") var trustpoint: String
    @Option(help: ArgumentHelp("The authorities that peers' certificates must lead to, PEM.", valueName: "file"))
    var ca: String?
    @Option(help: ArgumentHelp("Our certificate and its chain, PEM.", valueName: "file")) var certificate: String?
    @Option(help: ArgumentHelp("The private key of our certificate, PEM, not encrypted.", valueName: "file"))
    var key: String?
    @OptionGroup var common: CommonOptions

    func validate() throws {
      guard ca != nil || certificate != nil else { throw ValidationError("Give --ca, or --certificate and --key.") }
      guard (certificate == nil) == (key == nil) else {
        throw ValidationError("--certificate and --key belong together.")
      }
    }

    func run() async throws {
      var added = Crypto.CA.Trustpoint.Trustpoints.Trustpoint(trustpointName: trustpoint)
      added.caCertificates = try ca.map(Self.text)
      added.certificate = try certificate.map(Self.text)
      let agent = try Agent(common)
      if let key {
        let bytes = SecretBytes(copying: try SmallFile.read(key))
        added.privateKey = try agent.sealer.seal(bytes)
      }
      try await agent.edit(
        Crypto.CA.Trustpoint.Trustpoints(trustpoint: [added]), comment: "agentd cert add \(trustpoint)")
    }

    private static func text(_ file: String) throws(AgentError) -> String {
      guard let text = String(validating: try SmallFile.read(file), as: UTF8.self), text.contains("-----BEGIN ") else {
        throw AgentError("\(file) is not a PEM file")
      }
      return text
    }
  }
}
