// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A compiled module (RFC 7950 section 5.1).
///
/// Sendable for the reason given at `SchemaNode`.
public final class Module: @unchecked Sendable {
  public let name: String
  /// The XML namespace.
  public let namespace: String
  public let prefix: String
  /// The latest revision, `yyyy-mm-dd`, nil for a module without revisions.
  public let revision: String?
  /// True when the schema has the module's data nodes; false when it is there only because others import it.
  public internal(set) var isImplemented: Bool
  public let yangVersion: YANGVersion
  /// Names of features that are supported (their if-feature conditions hold).
  public internal(set) var enabledFeatures: [String] = []
  public internal(set) var features: [String] = []
  public internal(set) var submodules: [Submodule] = []
  public internal(set) var identities: [Identity] = []
  /// Deviation and augment relations for ietf-yang-library: modules that deviate this one.
  public internal(set) var deviatedBy: [String] = []
  public internal(set) var organization: String?
  public internal(set) var summary: String?
  /// The file the module was read from, and its text, which get-schema hands out.
  public let source: SourceText

  init(
    name: String, namespace: String, prefix: String, revision: String?, isImplemented: Bool,
    yangVersion: YANGVersion, source: SourceText
  ) {
    self.name = name
    self.namespace = namespace
    self.prefix = prefix
    self.revision = revision
    self.isImplemented = isImplemented
    self.yangVersion = yangVersion
    self.source = source
  }
}

public enum YANGVersion: String, Sendable {
  case one = "1"
  case onePointOne = "1.1"
}

/// A submodule that a module includes.
public struct Submodule: Sendable {
  public let name: String
  public let revision: String?
  public let source: SourceText
}

/// An identity (RFC 7950 section 7.18) with everything it derives from.
///
/// Sendable for the reason given at `SchemaNode`.
public final class Identity: @unchecked Sendable, Hashable {
  public let name: String
  public let module: Module
  public internal(set) var bases: [Identity] = []
  /// All identities this one derives from, directly or not, without itself.
  public internal(set) var ancestors: Set<Identity> = []

  init(name: String, module: Module) {
    self.name = name
    self.module = module
  }

  public static func == (left: Identity, right: Identity) -> Bool { left === right }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
