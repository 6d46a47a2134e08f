// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import FoundationEssentials
import KMESimulator

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve the KMEs that a JSON file describes.",
    discussion: "Options that are given here replace or extend what the file says.")

  @Option(help: ArgumentHelp("The configuration; its members are described in docs/kmesim.md.", valueName: "file"))
  var config: String

  @Flag(help: "Only check the configuration.")
  var check = false

  @OptionGroup(title: "Control") var process: ProcessOptions

  func run() throws {
    guard let text = try? Data(contentsOf: URL(filePath: config)) else {
      throw ValidationError("Cannot read the file '\(config)'.")
    }
    var configuration = try Configuration(json: Array(text))
    if let control = process.control { configuration.control = control }
    configuration.faults += try process.parsedFaults()
    if check { try configuration.validate() } else { try serve(configuration) }
  }
}
