// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Testing
import YANG

@testable import YANGGenerator

/// Generated documents get the verdict that Debian's yanglint gives them, and the same canonical output.
///
/// `AGENTD_YANG_FOLDERS` names folders with modules, joined by colons; by default those that pyang brings.
@Suite(.serialized, .enabled(if: Yanglint.program != nil)) struct YanglintTests {
  @Test func agreesOnGeneratedDocuments() throws {
    let seed = Schemas.seed
    let count = Schemas.rounds(6, long: 100)
    var report = Report(seed: seed)
    for set in ModuleSet.all { try compare(set, count: count, seed: seed, into: &report) }
    print(report.summary)
    #expect(report.modules >= (ModuleSet.all.count > 60 ? 50 : 20), "too few modules have configuration")
  }

  private struct Report {
    let seed: UInt64
    var modules = 0
    var documents = 0
    var valid = 0
    var known = 0
    /// Sets with a module that yanglint does not compile.
    var refusedSets = 0
    var summary: String {
      """
      yanglint: seed \(seed), \(documents) documents (\(valid) valid) of \(modules) module sets, each in XML and JSON; \
      \(known) known differences; \(refusedSets) module sets that yanglint does not load
      """
    }
  }

  fileprivate struct Document {
    let instance: Instance
    /// Nil for a valid one.
    let rule: String?
  }

  private func compare(_ set: ModuleSet, count: Int, seed: UInt64, into report: inout Report) throws {
    var loader = SchemaLoader(searchPaths: set.folders)
    let names = set.files.compactMap { loader.load(file: $0) }
    guard names.count == set.files.count,
      let whole = try? SchemaCompiler(loader).compile(implementing: names).schema
    else { return }
    // Both are to implement the same modules, and support the features of these alone.
    let implemented = whole.modules.filter(\.isImplemented)
    let others = whole.modules.filter { !$0.isImplemented }.map { ($0.name, Set($0.features)) }
    let features = FeatureSelection(disabled: Dictionary(others) { $0.union($1) })
    guard let schema = try? SchemaCompiler(loader).compile(implementing: names, features: features).schema else {
      return
    }
    let companions = implemented.filter { !names.contains($0.name) }.map(\.source.file)
    let yanglint = Yanglint(folders: set.folders, modules: companions + set.files)
    guard try yanglint.loadsModules() else {
      report.refusedSets += 1
      return
    }
    var generator = DocumentGenerator(schema: schema, modules: names, seed: seed)
    guard !generator.tops.isEmpty else { return }
    var documents: [Document] = []
    for _ in 0..<count {
      if let valid = try generator.valid(), !valid.children.isEmpty {
        documents.append(Document(instance: valid, rule: nil))
      }
      if let broken = try generator.broken() { documents.append(Document(instance: broken.root, rule: broken.rule)) }
    }
    guard !documents.isEmpty else { return }
    report.modules += 1
    report.documents += documents.count
    report.valid += documents.count { $0.rule == nil }
    let view = AgentView(schema)
    try compareXML(documents, yanglint, view, set, &report)
    try compareJSON(documents, yanglint, view, set, &report)
  }

  // MARK: XML

  private func compareXML(
    _ documents: [Document], _ yanglint: Yanglint, _ view: AgentView, _ set: ModuleSet, _ report: inout Report
  ) throws {
    let texts = documents.map { XMLText($0.instance, schema: view.schema).text }
    let answers = try yanglint.judge(texts, suffix: "xml", output: "xml")
    let reader = InstanceReader(schema: view.schema)
    for (document, (text, answer)) in zip(documents, zip(texts, answers)) {
      let complaints = view.complaints(xml: text)
      if complaints.isEmpty != (answer.output != nil) {
        if KnownDifference.explains(answer, document.rule, complaints.map(\.message)) {
          report.known += 1
          continue
        }
        Issue.record(Comment(rawValue: difference(set, report.seed, document.rule, complaints, answer, text)))
        continue
      }
      guard let output = answer.output, let tree = try? view.tree(xml: text) else { continue }
      let theirs = try reader.read("<config>\(output)</config>").lines()
      let ours = try reader.read("<config>\(view.xml(tree))</config>").lines()
      if ours != theirs, Self.likened(ours) != Self.likened(theirs) {
        let lines = Set(ours).symmetricDifference(theirs).sorted()
        Issue.record("\(set.name), seed \(report.seed): canonical output differs: \(lines) for \(text)")
      }
    }
  }

  // MARK: JSON

  private func compareJSON(
    _ documents: [Document], _ yanglint: Yanglint, _ view: AgentView, _ set: ModuleSet, _ report: inout Report
  ) throws {
    let texts = documents.map { JSONText($0.instance).text }
    let answers = try yanglint.judge(texts, suffix: "json", output: "json")
    for (document, (text, answer)) in zip(documents, zip(texts, answers)) {
      let complaints = view.complaints(json: text)
      if complaints.isEmpty != (answer.output != nil) {
        if KnownDifference.explains(answer, document.rule, complaints.map(\.message)) {
          report.known += 1
          continue
        }
        Issue.record(Comment(rawValue: difference(set, report.seed, document.rule, complaints, answer, text)))
        continue
      }
      guard let output = answer.output, let tree = try? view.tree(json: text) else { continue }
      #expect(
        try document.instance.holdsContent || isSame(view.tree(json: output), tree, view),
        "\(set.name), seed \(report.seed): JSON output differs: \(output) for \(text)")
      // What we write says the same in either format.
      #expect(try view.tree(json: view.json(tree)) == tree, "\(set.name), seed \(report.seed): \(view.json(tree))")
      // The content of anydata keeps the encoding that it came in.
      if document.instance.holdsContent { continue }
      #expect(try view.tree(xml: view.xml(tree)) == tree, "\(set.name), seed \(report.seed): \(view.xml(tree))")
    }
  }

  private func isSame(_ left: InteriorNode, _ right: InteriorNode, _ view: AgentView) throws -> Bool {
    if left == right { return true }
    let reader = InstanceReader(schema: view.schema)
    return try Self.likened(reader.read("<config>\(view.xml(left))</config>").lines())
      == Self.likened(reader.read("<config>\(view.xml(right))</config>").lines())
  }

  /// Lines as both would write them: its plugin for XPath takes blanks out, that for addresses brings them into their
  /// canonical form.
  private static func likened(_ lines: [String]) -> [String] {
    lines.map { line in
      line.filter { $0 != " " }.split(separator: "\"", omittingEmptySubsequences: false)
        .map { canonicalAddress(String($0)) }.joined(separator: "\"")
    }.sorted()
  }

  private static func canonicalAddress(_ text: String) -> String {
    var address = in6_addr()
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_pton(AF_INET6, text, &address) == 1,
      inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count)) != nil
    else { return text }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private func difference(
    _ set: ModuleSet, _ seed: UInt64, _ rule: String?, _ complaints: [DatastoreError], _ answer: Yanglint.Answer,
    _ text: String
  ) -> String {
    let ours = complaints.isEmpty ? "valid" : complaints.map(\.message).joined(separator: "; ")
    let theirs = answer.output != nil ? "valid" : answer.complaint
    return "\(set.name), seed \(seed), \(rule ?? "valid"): we say \(ours); yanglint says \(theirs) of \(text)"
  }
}

/// Where yanglint's verdict is another than ours on purpose; docs/yang-conformance.md says why.
enum KnownDifference {
  static func explains(_ answer: Yanglint.Answer, _ rule: String?, _ complaints: [String]) -> Bool {
    // Its regular expressions are those of Perl, where \w, \d and \s are other sets of characters.
    if answer.complaint.contains("Unsatisfied pattern"), answer.complaint.contains("\\w") { return true }
    // In its XPath a literal cannot name an identity of a module that is only imported.
    if answer.complaint.contains("Unknown/non-implemented module") { return true }
    return false
  }
}

extension Instance {
  fileprivate var holdsContent: Bool { content != nil || children.contains(where: \.holdsContent) }
}
