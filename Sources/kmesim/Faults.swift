// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import KMESimulator

struct Faults: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the kinds of faults with their parameters.",
    discussion: """
      A fault is written KIND,PARAMETER=VALUE,… for --fault, as the same words in the query of POST /faults on the \
      control interface, or as a JSON object. Every fault takes instance=NAME, count=N (strike N times, then be gone) \
      and skip=N (let N pass first); those that do not concern whole connections take call=CALL, one of \
      \(Call.allCases.map(\.rawValue).joined(separator: ", ")).
      """)

  func run() {
    for line in Fault.catalogue { print(line) }
  }
}
