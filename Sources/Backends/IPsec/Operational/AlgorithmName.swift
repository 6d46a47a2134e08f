// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// charon's words for algorithms in those that operators of routers read.
enum AlgorithmName {
  /// AES_CBC → AES-CBC; AES_GCM_16 → AES-GCM.
  static func encryption(_ word: String) -> String {
    if word.hasPrefix("AES_GCM") { return "AES-GCM" }
    return word.replacing("_", by: "-")
  }

  /// HMAC_SHA2_256_128, PRF_HMAC_SHA2_256 → SHA256; HMAC_SHA1_96 → SHA1. Without any, None.
  static func hash(_ word: String?) -> String {
    guard let word else { return "None" }
    for size in ["256", "384", "512"] where word.contains("SHA2_\(size)") { return "SHA\(size)" }
    if word.contains("SHA1") { return "SHA1" }
    return word.replacing("_", by: "-")
  }

  /// As a transform of ESP: AES_CBC of 256 bits → ESP_256_AES, of 128 bits → ESP_AES, as transform sets are written.
  static func espEncryption(_ word: String, keySize: Int?) -> String {
    let size = keySize.flatMap { $0 == 128 ? nil : "\($0)_" } ?? ""
    if word.hasPrefix("AES_GCM") { return "ESP_\(size)AES_GCM" }
    return word == "AES_CBC" ? "ESP_\(size)AES" : "ESP_\(size)\(word)"
  }

  /// HMAC_SHA2_384_192 → HMAC_SHA_384; HMAC_SHA1_96 → HMAC_SHA1. Without any, None.
  static func espAuthentication(_ word: String?) -> String {
    guard let word else { return "None" }
    for size in ["256", "384", "512"] where word.contains("SHA2_\(size)") { return "HMAC_SHA_\(size)" }
    return word.contains("SHA1") ? "HMAC_SHA1" : word
  }

  /// The number of a Diffie-Hellman group (IANA, Transform Type 4).
  static func group(_ word: String?) -> UInt32? {
    guard let word else { return nil }
    return groups[word]
  }

  private static let groups: [String: UInt32] = [
    "MODP_768": 1, "MODP_1024": 2, "MODP_1536": 5, "MODP_2048": 14, "MODP_3072": 15, "MODP_4096": 16, "MODP_6144": 17,
    "MODP_8192": 18, "ECP_256": 19, "ECP_384": 20, "ECP_521": 21, "MODP_1024_160": 22, "MODP_2048_224": 23,
    "MODP_2048_256": 24, "ECP_192": 25, "ECP_224": 26, "CURVE_25519": 31, "CURVE_448": 32, "ML_KEM_512": 35,
    "ML_KEM_768": 36, "ML_KEM_1024": 37,
  ]
}

/// Traffic selectors as operators of routers read them: from address/port to address/port.
enum SelectorText {
  /// All of a list.
  static func text(_ selectors: [String]) -> String? {
    selectors.isEmpty ? nil : selectors.map(text).joined(separator: ", ")
  }

  /// charon writes `10.1.0.0/24[tcp/80]`, `10.1.0.1..10.1.0.9`; what is none of these stays as it is.
  static func text(_ selector: String) -> String {
    var addresses = selector[...]
    var ports: (low: Int, high: Int) = (0, 65_535)
    if let open = selector.firstIndex(of: "["), selector.last == "]" {
      addresses = selector[..<open]
      let inside = selector[selector.index(after: open)...].dropLast()
      if let slash = inside.firstIndex(of: "/") {
        guard let range = range(inside[inside.index(after: slash)...]) else { return selector }
        ports = range
      }
    }
    guard let (first, last) = ends(addresses) else { return selector }
    return "\(first)/\(ports.low) - \(last)/\(ports.high)"
  }

  private static func range(_ text: Substring) -> (Int, Int)? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard let low = parts.first.flatMap({ Int($0) }), parts.count <= 2 else { return nil }
    guard parts.count == 2 else { return (low, low) }
    return Int(parts[1]).map { (low, $0) }
  }

  private static func ends(_ text: Substring) -> (IPv4Address, IPv4Address)? {
    if let dots = text.range(of: "..") {
      guard let first = IPv4Address(String(text[..<dots.lowerBound])),
        let last = IPv4Address(String(text[dots.upperBound...]))
      else { return nil }
      return (first, last)
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPv4Address(String(first)), parts.count <= 2 else { return nil }
    guard parts.count == 2 else { return (address, address) }
    guard let length = Int(parts[1]), (0...32).contains(length) else { return nil }
    let mask = length == 0 ? 0 : UInt32.max << (32 - UInt32(length))
    return (IPv4Address(bits: address.bits & mask), IPv4Address(bits: address.bits | ~mask))
  }
}

extension StringProtocol {
  fileprivate func replacing(_ sign: Character, by other: Character) -> String {
    String(map { $0 == sign ? other : $0 })
  }

  /// The first place of a text of ASCII.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
