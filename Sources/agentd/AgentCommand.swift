// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser

/// The program: `agentd run`, and the shorthands that edit the configuration of an agent that is not running.
@main
struct AgentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agentd",
    abstract: "A NETCONF management agent for quantum-safe links.",
    version: AgentVersion.text,
    subcommands: [RunCommand.self, UserCommand.self, CertificateCommand.self],
    defaultSubcommand: RunCommand.self)
}

/// The version of this agent.
enum AgentVersion {
  static let text = "0.1.0"
}

/// The options that every subcommand has.
struct CommonOptions: ParsableArguments {
  @Option(help: "Where the configuration, the keys and the history are kept. Made, for its owner only, when absent.")
  var dataDirectory = "/var/lib/agentd"

  @Option(
    name: .customLong("yang"),
    help: "The folder of the YANG modules. Default: $AGENTD_YANG, else the folder that was installed with the program.")
  var modelFolder: String?
}
