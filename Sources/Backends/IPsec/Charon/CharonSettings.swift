// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A charon of our own: its program, its directory and sockets, and what its strongswan.conf says.
///
/// Nothing of /etc/strongswan.conf or /etc/swanctl is read: connections and secrets come over VICI alone.
public struct CharonSettings: Sendable, Equatable {
  /// What encrypts packets.
  public enum DataPlane: Sendable, Equatable {
    /// The kernel's ESP with XFRM interfaces: any number of route-based tunnels.
    case kernel
    /// charon's own ESP over one TUN device: one route-based tunnel, always in UDP.
    case userspace
  }

  /// Where charon's log goes.
  public enum Log: Sendable, Equatable {
    case journal
    /// `charon.log` in the directory, begun anew at each start.
    case file(level: Int)
  }

  /// The userspace data plane's TUN device.
  public static let userspaceDevice = "ipsec0"

  public var program = "/usr/sbin/charon-systemd"
  /// Words in front of the program, such as `/usr/sbin/ip netns exec blue`. They must end in the program's own process.
  public var launcher: [String] = []
  /// Made with mode 0700 if missing; holds strongswan.conf and the lock file.
  public var directory: String
  /// charon's VICI socket. Debian's AppArmor profile expects it as /run/charon.*.
  public var socketPath: String
  public var dataPlane = DataPlane.kernel
  public var log = Log.journal
  /// UDP ports of IKE and of IKE and ESP behind a NAT; 0 lets the kernel choose.
  public var ikePort: UInt16 = 500
  public var natPort: UInt16 = 4500
  /// How often an unanswered request is sent again.
  public var retransmissions = 5
  /// Seconds between them; nil leaves charon's growing times, which begin at 4 s.
  public var retransmissionInterval: Int?
  /// Worker threads. A look-up of a PPK holds one, as does an `initiate` that waits.
  public var threads = 32
  /// Half-open SAs that one peer address may have: tunnels to one peer come up at once, a flood does not.
  public var halfOpenPerPeer = 64

  /// The shared object of our plugin, by which charon asks for the PPK that a far end names; nil without it. charon loads
  /// plugins of its own folder only, so it comes as a preloaded library, and more may stand before it after colons.
  public var ppkPlugin: String?

  public init(directory: String, socketPath: String? = nil) {
    self.directory = directory
    self.socketPath = socketPath ?? directory + "/charon.vici"
  }

  /// Takes what `ikev2/global` says of all connections: charon has it in its settings, not in theirs.
  public mutating func take(_ global: IKEv2Global) {
    retransmissions = global.retransmission ?? 5
    retransmissionInterval = global.dpdRetryInterval
  }

  /// Where strongswan.conf is written.
  public var configurationPath: String { directory + "/strongswan.conf" }
  /// Held by charon as long as it lives; its text is charon's process identifier.
  public var lockPath: String { directory + "/charon.lock" }
  /// Where `error-notify` tells of failures.
  public var errorSocketPath: String { directory + "/charon.enfy" }

  /// Where our plugin asks.
  public var ppkSocketPath: String { directory + "/agentd.ppk" }
  /// What is started: the program, with what it needs around it.
  var command: [String] {
    // Not the launcher: it lacks what the plugin refers to.
    launcher + (ppkPlugin.map { ["/usr/bin/env", "LD_PRELOAD=\($0)"] } ?? []) + [program]
  }

  /// In the order in which charon has to load them: of two that offer the same, the first wins.
  private var plugins: [String] {
    let cryptography = ["random", "nonce", "openssl", "aes", "sha1", "sha2", "hmac", "kdf", "gmp", "gcm", "drbg"]
    let certificates = ["x509", "revocation", "constraints", "pubkey", "pkcs1", "pkcs7", "pkcs8", "pem"]
    let kernel = dataPlane == .userspace ? ["kernel-libipsec", "kernel-netlink"] : ["kernel-netlink"]
    return cryptography + certificates + kernel + ["socket-default", "vici", "counters", "error-notify"]
      + (ppkPlugin == nil ? [] : ["agentd-ppk"])
  }

  /// The text of strongswan.conf.
  ///
  /// - Throws: `settings` when a path cannot be written there, or a number is out of range.
  public func configurationText() throws(CharonError) -> String {
    for path in [directory, socketPath] + (ppkPlugin.map { $0.split(separator: ":").map(String.init) } ?? []) {
      try Self.check(path)
    }
    guard (1...10).contains(retransmissions), (1...60).contains(retransmissionInterval ?? 1),
      (8...1024).contains(threads), (1...100_000).contains(halfOpenPerPeer)
    else { throw CharonError(.settings, "a number of charon's settings is out of its range") }
    var lines = [
      "# Written by agentd, which writes it again: changes are lost.",
      "charon {",
      "  load = \(plugins.joined(separator: " "))",
      "  port = \(ikePort)",
      "  port_nat_t = \(natPort)",
      "  threads = \(threads)",
      "  block_threshold = \(halfOpenPerPeer)",
      "  retransmit_tries = \(retransmissions)",
    ]
    if let retransmissionInterval {
      lines += ["  retransmit_timeout = \(retransmissionInterval)", "  retransmit_base = 1"]
    }
    lines += [
      "  install_virtual_ip = no",
      // Routes are the interface's business. The userspace data plane installs its own whatever this says: its table
      // comes after the main one then.
      "  install_routes = no",
      "  routing_table_prio = 40000",
      "  close_ike_on_child_failure = yes",
      "  plugins {",
      "    vici { socket = unix://\(socketPath) }",
      "    error-notify { socket = unix://\(errorSocketPath) }",
    ]
    if ppkPlugin != nil { lines.append("    agentd-ppk { socket = \(ppkSocketPath) }") }
    lines.append("  }")
    if case .file(let level) = log {
      lines += [
        "  filelog {", "    agentd {", "      path = \(directory)/charon.log", "      append = no",
        "      flush_line = yes", "      default = \(min(max(level, 0), 2))", "    }", "  }",
      ]
    }
    lines += ["}", "charon-systemd { journal { default = \(log == .journal ? 0 : -1) } }", ""]
    return lines.joined(separator: "\n")
  }

  /// Letters and digits and a few signs: strongswan.conf gives others a meaning. Short enough for a Unix socket.
  private static func check(_ path: String) throws(CharonError) {
    let signs = Set("/._-:+@".unicodeScalars)
    let isWritable = path.unicodeScalars.allSatisfy { scalar in
      signs.contains(scalar) || (scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)))
    }
    guard path.hasPrefix("/"), isWritable, path.utf8.count <= 90 else {
      throw CharonError(
        .settings, "'\(path)' cannot be a path of charon: absolute, at most 90 letters, digits and /._-:+@")
    }
  }
}
