// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A resolved type: the built-in base with every restriction that the typedef chain and the leaf put on it
/// (RFC 7950 section 9).
///
/// Sendable for the reason given at `SchemaNode`.
public final class SchemaType: @unchecked Sendable {
  public enum Base: String, Sendable {
    case binary, bits, boolean, decimal64, empty, enumeration, identityref
    case instanceIdentifier = "instance-identifier"
    case int8, int16, int32, int64, leafref, string, uint8, uint16, uint32, uint64, union
  }

  public let base: Base
  /// The name as written at the leaf, with the module that defines the typedef (nil for a built-in type).
  public internal(set) var typedefName: String?
  public internal(set) var typedefModule: Module?
  /// The typedef chain from the leaf outwards, `module:name` each; what hangs on a typedef (secrets) looks here.
  public internal(set) var typedefChain: [String] = []
  /// Allowed intervals of integers and decimal64 (scaled), in order; empty is the base's whole range.
  public internal(set) var ranges: [Restriction.Interval] = []
  public internal(set) var rangeError = Restriction.ErrorText()
  /// Allowed intervals of length: characters of a string, octets of a binary.
  public internal(set) var lengths: [Restriction.Interval] = []
  public internal(set) var lengthError = Restriction.ErrorText()
  /// All patterns must match (or must not, for invert-match).
  public internal(set) var patterns: [Pattern] = []
  public internal(set) var fractionDigits: UInt8 = 0
  public internal(set) var enums: [EnumValue] = []
  public internal(set) var bits: [BitValue] = []
  /// Bases of an identityref: a value derives from all of them.
  public internal(set) var identityBases: [Identity] = []
  /// Values an identityref can take in this schema.
  public internal(set) var identities: [Identity] = []
  public internal(set) var path: XPathExpression?
  /// The leaf or leaf-list that a leafref's path leads to.
  public internal(set) unowned(unsafe) var leafrefTarget: SchemaNode?
  public internal(set) var requiresInstance = true
  public internal(set) var members: [SchemaType] = []
  /// How a secret of this type is written and read; nil for types that hold no secret.
  public internal(set) var secretEncoding: SecretEncoding?

  init(base: Base) { self.base = base }
}

/// Restrictions shared by several built-in types.
public enum Restriction {
  /// A closed interval of the type's values; uint64 values stand in their own width.
  public struct Interval: Sendable, Hashable {
    public let lower: Int128
    public let upper: Int128
  }
  /// The substatements of a restriction that shape the error (RFC 7950 section 9.2.4).
  public struct ErrorText: Sendable {
    public var message: String?
    public var appTag: String?
    public init(message: String? = nil, appTag: String? = nil) {
      self.message = message
      self.appTag = appTag
    }
  }
}
