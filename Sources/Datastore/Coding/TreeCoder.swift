// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// The form in which trees and diffs are stored: compact, and by names instead of places in the schema, so that it
/// outlives changes of the models. Secrets are in it only sealed.
///
/// Layout: two bytes of mark, a version, the kind; the table of names (module and name of each schema node, enum, bit
/// and identity that occurs); then the content, which refers to the table. Numbers are of variable length.
public enum TreeCoder {
  static let mark: [UInt8] = [0xA9, 0x54]
  static let version: UInt8 = 1
  /// Containers and entries inside each other.
  static let maximumDepth = 256
  /// Reported problems of one piece; more are only counted.
  static let maximumProblems = 100

  enum Kind: UInt8 { case tree = 1, diff = 2 }
  enum NodeTag: UInt8 { case leaf, leafList, container, list, any, anyJSON }
  enum ValueTag: UInt8 {
    case empty, no, yes, int, uint, decimal, string, binary, enumeration, bits, identity, instance, union, sealed
  }

  /// Something stored that the schema does not have any more, or not so; it was left out.
  public struct Problem: Sendable, Hashable, CustomStringConvertible {
    /// A path by names.
    public let path: String
    public let reason: String
    public var description: String { "\(path): \(reason)" }
  }

  /// What was read, and what of it no longer fits.
  public struct Decoded<Content: Sendable>: Sendable {
    public let content: Content
    /// At most 100.
    public let problems: [Problem]
  }

  // MARK: Writing

  /// A whole tree.
  public static func encode(_ root: InteriorNode) -> [UInt8] {
    var encoder = TreeEncoder()
    encoder.append(root)
    return encoder.finished(.tree)
  }

  /// A diff. `withOld` keeps what was there before, for who reads the history.
  public static func encode(_ diff: Diff, withOld: Bool = true) -> [UInt8] {
    var encoder = TreeEncoder()
    encoder.append(diff, withOld: withOld)
    return encoder.finished(.diff)
  }

  // MARK: Reading

  /// Reads a tree. Bytes that are not what `encode` makes throw; what no longer fits the schema is left out and told.
  ///
  /// - Parameters:
  ///   - isSameSchema: the bytes were written under this very schema (`SchemaFingerprint`), so that values need not be
  ///     checked against their types again.
  ///   - sealer: seals what became a secret only in this schema.
  public static func decodeTree(
    _ bytes: [UInt8], schema: Schema, isSameSchema: Bool, sealer: Sealer?
  ) throws(TreeCodingError) -> Decoded<InteriorNode> {
    try read(bytes, .tree, schema, isSameSchema, sealer) { decoder throws(TreeCodingError) in
      let node = try decoder.interior(schema.root, path: "", depth: 0)
      return node ?? InteriorNode(schema: schema.root)
    }
  }

  /// Reads a diff; as `decodeTree`. Changes that no longer fit are left out.
  public static func decodeDiff(
    _ bytes: [UInt8], schema: Schema, isSameSchema: Bool, sealer: Sealer?
  ) throws(TreeCodingError) -> Decoded<Diff> {
    try read(bytes, .diff, schema, isSameSchema, sealer) { decoder throws(TreeCodingError) in try decoder.diff() }
  }

  private static func read<Content>(
    _ bytes: [UInt8], _ kind: Kind, _ schema: Schema, _ isSameSchema: Bool, _ sealer: Sealer?,
    _ body: (inout TreeDecoder) throws(TreeCodingError) -> Content
  ) throws(TreeCodingError) -> Decoded<Content> {
    let result = bytes.withUnsafeBytes { bytes -> Result<Decoded<Content>, TreeCodingError> in
      do throws(TreeCodingError) {
        var decoder = TreeDecoder(
          bytes, schema: schema, reader: ValueReader(schema: schema, sealer: sealer), isSameSchema: isSameSchema)
        try decoder.begin(kind)
        let content = try body(&decoder)
        guard decoder.input.isAtEnd else { throw decoder.input.failure("there is data behind the end") }
        return .success(Decoded(content: content, problems: decoder.problems))
      } catch { return .failure(error) }
    }
    return try result.get()
  }
}

/// Says whether two schemas are the same for stored values: a digest of all modules' texts and features.
public struct SchemaFingerprint: Sendable, Hashable {
  /// Sixteen bytes.
  public let bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }

  public init(of schema: Schema) {
    // Two 64-bit FNV-1a digests with different beginnings. What is to be told apart is our own files, not an attack.
    var first: UInt64 = 0xCBF2_9CE4_8422_2325
    var second: UInt64 = 0x6C62_272E_07BB_0142
    func add(_ byte: UInt8) {
      first = (first ^ UInt64(byte)) &* 0x100_0000_01B3
      second = (second ^ UInt64(byte)) &* 0x100_0000_01B3 &+ 0x9E37_79B9_7F4A_7C15
    }
    func add(_ bytes: some Sequence<UInt8>) {
      for byte in bytes { add(byte) }
      add(0)
    }
    for module in schema.modules {
      add(module.name.utf8)
      add(module.isImplemented ? 1 : 0)
      for feature in module.enabledFeatures { add(feature.utf8) }
      add(module.source.bytes)
      for submodule in module.submodules { add(submodule.source.bytes) }
    }
    bytes = [first, second].flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
  }
}
