// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Dispatch
import Glibc
import Logging
import NETCONF

/// `agentd run`: serves until it is told to stop.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run the agent in the foreground.",
    discussion: """
      When it is ready it prints one line of JSON on standard output with the addresses that it listens on, and serves \
      until it gets SIGTERM or SIGINT. It logs to standard error.
      """)

  @Option(
    help: ArgumentHelp(
      "Where NETCONF over SSH listens; may be repeated; port 0 for any free port. Default: all addresses, port 830.",
      valueName: "address:port"))
  var listen: [ListenOption] = []

  @Option(help: "trace, debug, info, notice, warning, error or critical.")
  var logLevel = LogLevel.info

  @Option(
    help: ArgumentHelp(
      """
      What carries IPsec tunnels: private, a charon of the agent's own; none; or the VICI socket of a charon that is \
      started by others, whose other connections are left alone.
      """,
      valueName: "private|none|socket"))
  var charon = CharonOption.own

  @Option(
    help: """
      Where the private charon has its configuration and sockets, and where the plugin of any charon asks for PPKs, at \
      agentd.ppk. Default: charon in the data directory.
      """)
  var charonDirectory: String?

  @Option(
    help: ArgumentHelp(
      "The program that protects frames where the kernel cannot. Default: secyd beside this program.",
      valueName: "path"))
  var secyd: String?

  @Option(
    help: ArgumentHelp(
      """
      The plugin by which the private charon asks for the keys of PPK IDs. Default: libstrongswan-agentd-ppk.so in \
      lib/agentd beside the folder of the agent's program, or in /usr/lib/agentd; without it (none) keys are fetched \
      after charon has missed them.
      """, valueName: "file|none"))
  var charonPlugin: String?

  @Flag(
    help: """
      Take configuration that nothing in this agent carries out, in place of refusing it: for tests of modules and of \
      clients, never for a device.
      """)
  var takeUnserved = false

  @OptionGroup var common: CommonOptions

  func run() async throws {
    let level = logLevel.level
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
    signal(SIGPIPE, SIG_IGN)
    let stopped = StopSignals()
    let agent = try Agent(
      common,
      charon: charon.choice(directory: charonDirectory ?? common.dataDirectory + "/charon", plugin: charonPlugin),
      secyd: .besideAgent(dataDirectory: common.dataDirectory, program: secyd),
      takesUnserved: takeUnserved)
    let addresses = listen.isEmpty ? [ListenAddress(host: "::", port: 830)] : listen.map(\.address)
    let server = try agent.server(listening: addresses)
    try server.start()
    let list = server.addresses.map { #"{"address":"\#($0.host)","port":\#($0.port)}"# }.joined(separator: ",")
    print(#"{"netconf":[\#(list)]}"#)
    fflush(nil)
    await stopped.wait()
    server.stop()
    await agent.stop()
  }
}

/// `address:port`, or `[address]:port` for IPv6.
struct ListenOption: ExpressibleByArgument {
  let address: ListenAddress

  init?(argument: String) {
    guard let colon = argument.lastIndex(of: ":"), let port = UInt16(argument[argument.index(after: colon)...]) else {
      return nil
    }
    var host = argument[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else { return nil }
    address = ListenAddress(host: String(host), port: port)
  }
}

/// How much is logged.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
  case trace, debug, info, notice, warning, error, critical

  var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}

/// SIGTERM and SIGINT, waited for.
private struct StopSignals {
  private let stream: AsyncStream<Void>
  private let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    self.stream = stream
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { continuation.yield() }
      source.resume()
      return source
    }
  }

  func wait() async {
    for await _ in stream { return }
  }
}
