// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What of the schema becomes Swift, and how names are spelt: the content of a generator configuration file.
public struct Configuration: Equatable, Sendable {
  /// Something that the file asks for.
  public enum Want: Equatable, Sendable {
    /// Every top-level node, rpc and notification of a module.
    case module(String)
    /// The subtree at a schema path, `/module:a/b`.
    case subtree(String)

    /// The module's name or the path, as it is written.
    public var subject: String {
      switch self {
      case .module(let name): return name
      case .subtree(let path): return path
      }
    }

    /// The module whose file the types go to: the one that the path starts in.
    public var module: String {
      switch self {
      case .module(let name): return name
      case .subtree(let path):
        let first = path.drop { $0 == "/" }
        return String(first.prefix { $0 != ":" && $0 != "/" })
      }
    }
  }

  /// How the names of some modules become the names of their Swift namespaces: a pattern with at most one `*`, and
  /// a replacement in which `*` is what the pattern's `*` matched.
  public struct NamespaceRule: Equatable, Sendable {
    public var pattern: String
    public var replacement: String

    /// The replacement for a module's name, nil when the pattern does not match it.
    func apply(_ name: String) -> String? {
      guard let star = pattern.firstIndex(of: "*") else { return name == pattern ? replacement : nil }
      let head = pattern[..<star]
      let tail = pattern[pattern.index(after: star)...]
      guard name.utf8.count > head.utf8.count + tail.utf8.count, name.hasPrefix(head), name.hasSuffix(tail) else {
        return nil
      }
      let middle = String(name.dropFirst(head.count).dropLast(tail.count))
      return replacement.split(separator: "*", omittingEmptySubsequences: false).joined(separator: middle)
    }
  }

  public var wants: [Want] = []
  /// Schema paths of subtrees that are left out of what is wanted.
  public var exclusions: [String] = []
  /// Words with a spelling of their own, such as `IPv4`; matched without regard to case.
  public var acronyms: [String] = []
  /// The first rule that matches decides.
  public var namespaceRules: [NamespaceRule] = []
  /// Swift names chosen by hand, by schema path (or by module name for a namespace).
  public var names: [String: String] = [:]
  /// Where a module's name or a path stands in the file, as `file:line:column`, for messages.
  public var locations: [String: String] = [:]

  public init() {}

  /// The modules that get a file of their own, without duplicates, sorted.
  public var modules: [String] { Set(wants.map(\.module)).sorted() }
}
