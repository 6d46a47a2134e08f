// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Values of typedefs that everyone uses (RFC 6991), in their canonical form, from the blocks that are set aside for
/// documentation: the loopback and documentation addresses that nobody owns.
enum WellKnownValues {
  private static let addresses4 = ["192.0.2.1", "192.0.2.77", "198.51.100.3", "127.0.0.1", "127.0.0.2"]
  private static let addresses6 = ["2001:db8::1", "2001:db8:0:1::7", "::1"]
  private static let prefixes4 = ["192.0.2.0/24", "198.51.100.0/25", "203.0.113.4/32", "0.0.0.0/0"]
  private static let prefixes6 = ["2001:db8::/32", "2001:db8:1::/48", "::/0"]
  private static let names = ["a.example.com", "b.example.net", "c"]

  /// By the name of the typedef.
  static let texts: [String: [String]] = [
    "ipv4-address": addresses4, "ipv4-address-no-zone": addresses4, "ipv6-address": addresses6,
    "ipv6-address-no-zone": addresses6, "ip-address": addresses4 + addresses6,
    "ip-address-no-zone": addresses4 + addresses6, "ipv4-prefix": prefixes4, "ipv6-prefix": prefixes6,
    "ip-prefix": prefixes4 + prefixes6, "domain-name": names, "host": names + addresses4 + addresses6,
    "hostname": names,
    "uri": ["https://a.example.com/b", "urn:example:a"],
    "date-and-time": ["2026-11-21T10:20:30+00:00", "2027-02-28T23:59:59.5+00:00"],
    "phys-address": ["00:53:00:01:02:03", "00:53:ff"], "mac-address": ["00:53:00:01:02:03", "00:53:00:ff:ff:ff"],
    "hex-string": ["00:ff", "a0"], "uuid": ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"],
    "xpath1.0": ["/*", "count(//*)>1", "true()"], "node-instance-identifier": ["/"],
    // Clear texts, which a server encodes in its own way.
    "Proprietary-password": ["!one", "!two words"], "Type6-password": ["!three", "!four4four"],
    "crypt-hash": ["$6$abcdefgh$" + String(repeating: "x", count: 86)],
    "Interface-name": ["GigabitEthernet0/0/0/0", "TenGigE0/0/0/1", "Loopback0"],
  ]
}
