// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Features of models whose backends carry out a part of them: what is not named here is not in the schema.
enum ModelFeatures {
  static let supported: [String: Set<String>] = [
    // Of all that a tunnel can be, one protected by IPsec.
    "Cisco-IOS-XR-um-if-tunnel-cfg": ["is_tunnel_ip_ipsec_supported"]
  ]
}
