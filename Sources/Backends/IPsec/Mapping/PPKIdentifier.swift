// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How PPK IDs are told to charon, which reads a type of identity out of every text.
///
/// A manual ID has only letters, digits, `+` and `/`. charon takes such a text as a name, at both ends and whatever it
/// looks like, so it goes as it is, and both ends agree on its bytes. An ID of a key service may be any text: an initiator
/// sends it by `keyid:`, which keeps the bytes, and the key is loaded under both forms, since a responder reads the bytes
/// that come as a text without that prefix.
public enum PPKIdentifier {
  /// RFC 8784 sets no limit; the published model's.
  public static let maximumLength = 127

  /// Why a manual ID cannot be used; nil when it can.
  public static func fault(ofManual id: String) -> String? {
    guard (1...maximumLength).contains(id.utf8.count) else { return "a PPK ID has 1 to \(maximumLength) characters" }
    let isPlain = id.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2f: true
      default: false
      }
    }
    return isPlain ? nil : "a manual PPK ID has only letters, digits, + and /"
  }

  /// Why an ID of a key service cannot be used; nil when it can. A responder would read it as something else.
  public static func fault(ofDynamic id: String) -> String? {
    guard (1...maximumLength).contains(id.utf8.count) else { return "a PPK ID has 1 to \(maximumLength) characters" }
    guard id.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return "a PPK ID has only printable characters" }
    if id.contains(where: { "=@:*%".contains($0) }) { return "charon reads =, @, :, * and % in an ID as a type" }
    if IPv4Address(String(id.split(separator: "/").first ?? "")) != nil { return "charon reads the ID as an address" }
    if id.split(separator: "-").count == 2, IPv4Address(String(id.split(separator: "-")[0])) != nil {
      return "charon reads the ID as a range of addresses"
    }
    return nil
  }

  /// What an initiator's `ppk_id` says for an ID of a key service.
  public static func dynamicIdentity(_ id: String) -> String { "keyid:\(id)" }

  /// The owners that the key is loaded under.
  public static func owners(_ id: String) -> [String] { [id, "keyid:\(id)"] }
}
