// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser

@main
struct KMESim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kmesim",
    abstract: "Key management entities (KMEs) of a quantum key network, simulated for labs and tests.",
    discussion: """
      kmesim answers the Secure Key Integration Protocol (SKIP) over TLS with pre-shared keys or certificates, as the \
      KMEs of one network that share keys: a key made at one is fetched once at the other. Keys come from the \
      operating system's random numbers and not from quantum devices. Use it to try out and to test, never to protect.

      Two KMEs that share keys, on any free ports, with a control interface:
        kmesim lab --control 127.0.0.1:0

      One KME on a port of its own; others join it over a socket:
        kmesim serve --listen 127.0.0.1:10001 --local-id Alice --remote-id Bob \\
          --psk-id router --psk-key-file psk.hex --network-listen /run/kmesim/network.sock

      When it is ready it prints one line of JSON for each listener, such as
        {"instance":"A","address":"127.0.0.1","port":10001,"security":"psk"}
      and serves until it gets SIGINT or SIGTERM. The manual is docs/kmesim.md.
      """,
    subcommands: [Serve.self, Lab.self, Run.self, MakeCertificates.self, Faults.self])
}
