// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink

/// The routes of `reverse-route`: to what a far end protects, as far as it is less than everything.
enum ReverseRoutes {
  /// More selectors than this of one tunnel are not looked at.
  static let most = 64

  /// The destinations to route to the tunnel.
  ///
  /// Everything (0.0.0.0/0) is no route to learn: it would send the tunnel's own packets into it. What is for some
  /// protocols or ports alone, or no prefix, cannot be a route.
  ///
  /// - Parameter selectors: in charon's words, such as `10.2.0.0/24` or `10.2.0.1/32[tcp/80]`.
  static func destinations(_ selectors: [String]) -> [AddressPrefix] {
    var destinations: [AddressPrefix] = []
    for selector in selectors.prefix(most) {
      let parts = selector.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, let length = UInt8(parts[1]), length > 0, length <= 32,
        let prefix = AddressPrefix(address: String(parts[0]), length: length), prefix.family == .ipv4,
        !destinations.contains(prefix)
      else { continue }
      destinations.append(prefix)
    }
    return destinations
  }
}
