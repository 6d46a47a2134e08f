// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A resolved type: the built-in base with every restriction that the typedef chain and the leaf put on it
/// (RFC 7950 section 9).
///
/// Sendable for the reason given at `SchemaNode`, and without run-time access checks where values are parsed.
public final class SchemaType: @unchecked Sendable {
  public enum Base: String, Sendable, CaseIterable {
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
  @exclusivity(unchecked) public internal(set) var ranges: [Restriction.Interval] = []
  public internal(set) var rangeError = Restriction.ErrorText()
  /// Allowed intervals of length: characters of a string, octets of a binary.
  @exclusivity(unchecked) public internal(set) var lengths: [Restriction.Interval] = []
  public internal(set) var lengthError = Restriction.ErrorText()
  /// All patterns must match (or must not, for invert-match).
  @exclusivity(unchecked) public internal(set) var patterns: [Pattern] = []
  @exclusivity(unchecked) public internal(set) var fractionDigits: UInt8 = 0
  @exclusivity(unchecked) public internal(set) var enums: [EnumValue] = []
  @exclusivity(unchecked) public internal(set) var bits: [BitValue] = []
  /// Bases of an identityref: a value derives from all of them.
  public internal(set) var identityBases: [Identity] = []
  /// Values an identityref can take in this schema.
  @exclusivity(unchecked) public internal(set) var identities: [Identity] = []
  public internal(set) var path: XPathExpression?
  /// The leaf or leaf-list that a leafref's path leads to.
  @exclusivity(unchecked) public internal(set) unowned(unsafe) var leafrefTarget: SchemaNode?
  public internal(set) var requiresInstance = true
  @exclusivity(unchecked) public internal(set) var members: [SchemaType] = []
  /// How a secret of this type is written and read; nil for types that hold no secret.
  @exclusivity(unchecked) public internal(set) var secretEncoding: SecretEncoding?

  /// Whether values are password hashes of crypt(3), a clear text after `$0$` standing for its hash (RFC 7317).
  @exclusivity(unchecked) public internal(set) var isPasswordHash = false

  /// The schema the type belongs to, for module names in instance-identifiers. Set when the schema is published, which
  /// then owns the type.
  unowned(unsafe) var schema: Schema?
  /// Positions in `enums`, `bits` by name; filled by `finish()`.
  @exclusivity(unchecked) var nameIndex: [String: Int] = [:]
  /// Values of an identityref by name.
  @exclusivity(unchecked) var identityIndex: [String: [Identity]] = [:]
  /// The whole range of an integer base as one closed interval when `ranges` has at most one, for the quick check.
  @exclusivity(unchecked) var leastInteger: Int128 = 0
  @exclusivity(unchecked) var greatestInteger: Int128 = 0

  init(base: Base) { self.base = base }

  init(copying other: SchemaType) {
    base = other.base
    typedefName = other.typedefName
    typedefModule = other.typedefModule
    typedefChain = other.typedefChain
    ranges = other.ranges
    rangeError = other.rangeError
    lengths = other.lengths
    lengthError = other.lengthError
    patterns = other.patterns
    fractionDigits = other.fractionDigits
    enums = other.enums
    bits = other.bits
    identityBases = other.identityBases
    identities = other.identities
    path = other.path
    leafrefTarget = other.leafrefTarget
    requiresInstance = other.requiresInstance
    members = other.members
    secretEncoding = other.secretEncoding
    isPasswordHash = other.isPasswordHash
  }

  /// Builds the indexes, when nothing of the type changes any more.
  func finish() {
    nameIndex = [:]
    for (index, value) in enums.enumerated() { nameIndex[value.name] = index }
    for (index, bit) in bits.enumerated() { nameIndex[bit.name] = index }
    identityIndex = Dictionary(grouping: identities, by: \.name)
    if let whole = base.integerRange {
      leastInteger = ranges.first?.lower ?? whole.lower
      greatestInteger = ranges.last?.upper ?? whole.upper
    }
  }

  /// The type that values are of: for a leafref that of its target, at the end of a chain of leafrefs.
  public var valueType: SchemaType {
    var type = self
    // The compiler refuses chains that are circles; the bound is for a schema that is still in the making.
    for _ in 0..<64 {
      guard type.base == .leafref, let target = type.leafrefTarget?.type else { return type }
      type = target
    }
    return type
  }
}

extension SchemaType.Base {
  public var isInteger: Bool { integerRange != nil }

  /// All values of an integer type.
  var integerRange: Restriction.Interval? {
    switch self {
    case .int8: Restriction.Interval(lower: Int128(Int8.min), upper: Int128(Int8.max))
    case .int16: Restriction.Interval(lower: Int128(Int16.min), upper: Int128(Int16.max))
    case .int32: Restriction.Interval(lower: Int128(Int32.min), upper: Int128(Int32.max))
    case .int64: Restriction.Interval(lower: Int128(Int64.min), upper: Int128(Int64.max))
    case .uint8: Restriction.Interval(lower: 0, upper: Int128(UInt8.max))
    case .uint16: Restriction.Interval(lower: 0, upper: Int128(UInt16.max))
    case .uint32: Restriction.Interval(lower: 0, upper: Int128(UInt32.max))
    case .uint64: Restriction.Interval(lower: 0, upper: Int128(UInt64.max))
    default: nil
    }
  }
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
