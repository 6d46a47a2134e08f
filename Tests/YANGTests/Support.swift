// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// Names the file of an inline module `<name>.yang`, for the locations in messages.
func source(_ text: String, file: String? = nil) -> SourceText {
  let words = text.split(whereSeparator: { " \n\t{\"'".contains($0) })
  let name = words.count > 1 ? String(words[1]) : "text"
  return SourceText(file: file ?? "\(name).yang", bytes: Array(text.utf8))
}

/// A module of YANG 1.1 named `m` around a body that starts in line 2.
func module(_ body: String, name: String = "m", version: String = "1.1") -> String {
  "module \(name) { yang-version \(version); namespace \"urn:\(name)\"; prefix \(name);\n\(body)\n}"
}

/// The schema of modules that must compile.
func schema(
  _ texts: String..., features: FeatureSelection = .all, implementing: [String]? = nil,
  at place: Testing.SourceLocation = #_sourceLocation
) throws -> Schema {
  do throws(YANGErrors) {
    return try Schema.compile(sources: texts.map { source($0) }, implementing: implementing, features: features).schema
  } catch {
    Issue.record("\(error)", sourceLocation: place)
    throw error
  }
}

/// The findings about modules, errors or warnings.
func findings(_ texts: [String]) -> [YANGDiagnostic] {
  do throws(YANGErrors) { return try Schema.compile(sources: texts.map { source($0) }).warnings } catch {
    return error.diagnostics
  }
}

/// Expects an error in a line (counted from 1) whose description has a part, and no other error.
func expectError(
  _ texts: String..., line: Int, _ part: String, file: String? = nil,
  at place: Testing.SourceLocation = #_sourceLocation
) {
  let errors = findings(texts).filter { $0.severity == .error }
  let isFound = errors.contains {
    $0.location?.line == line && $0.description.contains(part) && (file == nil || $0.location?.file == file)
  }
  #expect(
    isFound && errors.count == 1, "expected one error in line \(line) with '\(part)', got \(errors)",
    sourceLocation: place)
}

/// As `expectError`, for a body within `module m`: its first line is line 2.
func expectBodyError(
  _ body: String, line: Int, _ part: String, version: String = "1.1",
  at place: Testing.SourceLocation = #_sourceLocation
) {
  expectError(module(body, version: version), line: line, part, at: place)
}

extension Schema {
  /// The data node at `/a/b` of module `m`.
  func node(_ path: String, in module: String = "m") throws -> SchemaNode {
    try #require(node(at: "/\(module):" + path.dropFirst()), "no node \(path)")
  }
}

extension SchemaNode {
  func parse(_ text: String) throws(ValueError) -> Value {
    guard let type else { throw ValueError(.lexical, "no type") }
    return try type.parse(text, resolvePrefix: { _ in self.module }, sealer: nil)
  }

  func canonical(_ text: String) throws -> String {
    let type = try #require(self.type)
    return type.canonicalText(of: try parse(text), prefix: \.prefix)
  }

  func accepts(_ text: String) -> Bool { (try? parse(text)) != nil }
}
