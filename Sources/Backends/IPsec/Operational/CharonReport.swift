// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// charon's counters of IKE messages and rekeys, over all connections, as `get-counters` tells them.
struct CharonCounters: Sendable, Equatable {
  /// Of one kind of exchange.
  struct Exchange: Sendable, Equatable {
    var requestsIn: UInt64 = 0
    var responsesIn: UInt64 = 0
    var requestsOut: UInt64 = 0
    var responsesOut: UInt64 = 0
  }

  var initial = Exchange()
  var authentication = Exchange()
  var createChild = Exchange()
  var informational = Exchange()
  var ikeRekeysBegun: UInt64 = 0
  var ikeRekeysAnswered: UInt64 = 0
  var childRekeys: UInt64 = 0
  /// Messages that could not be read.
  var invalid: UInt64 = 0
  /// Messages of no known IKE SA.
  var invalidSPI: UInt64 = 0

  var exchanges: [Exchange] { [initial, authentication, createChild, informational] }

  init() {}

  /// Nil when the answer has no counters: charon may lack the plugin.
  init?(_ answer: VICIMessage) {
    // The global counters are those of the connection without a name.
    guard let section = answer.section("counters")?.sections.first?.message else { return nil }
    func number(_ name: String) -> UInt64 { section[name].flatMap { UInt64($0) } ?? 0 }
    func exchange(_ name: String) -> Exchange {
      Exchange(
        requestsIn: number(name + "-in-req"), responsesIn: number(name + "-in-resp"),
        requestsOut: number(name + "-out-req"), responsesOut: number(name + "-out-resp"))
    }
    initial = exchange("ike-init")
    authentication = exchange("ike-auth")
    createChild = exchange("create-child")
    informational = exchange("info")
    ikeRekeysBegun = number("ike-rekey-init")
    ikeRekeysAnswered = number("ike-rekey-resp")
    childRekeys = number("child-rekey")
    invalid = number("invalid")
    invalidSPI = number("invalid-spi")
  }
}

/// What `stats` tells of the daemon.
struct CharonStatistics: Sendable, Equatable {
  static let mostPlugins = 256

  var ikeSAs: UInt32?
  var halfOpen: UInt32?
  var plugins: [String] = []

  init() {}

  init(_ answer: VICIMessage) {
    let counts = answer.section("ikesas")
    ikeSAs = counts?["total"].flatMap { UInt32($0) }
    halfOpen = counts?["half-open"].flatMap { UInt32($0) }
    plugins = answer.list("plugins").prefix(Self.mostPlugins).map { String($0.prefix(64)) }
  }
}

/// Failures that only charon's log and the key service tell of, counted since the agent began.
struct FailureCounts: Sendable, Equatable {
  var ppkIDMismatches: UInt32 = 0
  var ppkFetchFailures: UInt32 = 0
  var ppkAuthenticationFailures: UInt32 = 0
  var authenticationFailures: UInt32 = 0
  var ppkFallbacks: UInt32 = 0

  /// Takes a line of the log, of a connection that uses a PPK or does not.
  mutating func take(_ line: String, usesPPK: Bool) {
    if line.hasPrefix("received PPK_ID ") { ppkIDMismatches &+= 1 }
    switch NegotiationReport(line) {
    case .ppkMissing: ppkIDMismatches &+= 1
    case .failure where Self.authentication.contains(where: { line.hasPrefix($0) }):
      authenticationFailures &+= 1
      if usesPPK { ppkAuthenticationFailures &+= 1 }
    default: break
    }
  }

  private static let authentication = [
    "received AUTHENTICATION_FAILED notify", "tried ", "peer certificate verification failed",
    "no shared key found for ", "no trusted ",
  ]
}
