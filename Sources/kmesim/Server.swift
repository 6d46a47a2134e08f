// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import KMESimulator

/// Serves until a signal says to end.
func serve(_ configuration: Configuration) throws {
  // Blocked before the first thread starts, so that the signals wait for sigwait below.
  var signals = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGINT)
  sigaddset(&signals, SIGTERM)
  pthread_sigmask(SIG_BLOCK, &signals, nil)
  let simulator = try Simulator(configuration)
  try simulator.start()
  // Past the C library's buffer, which would hold the lines back when the output is a pipe.
  let lines = Array(simulator.readyLines.map { $0 + "\n" }.joined().utf8)
  _ = write(STDOUT_FILENO, lines, lines.count)
  var signal: Int32 = 0
  sigwait(&signals, &signal)
  simulator.stop()
}
