// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Testing
import YANG

@testable import YANGGenerator

/// The agent's parser and validator on generated documents, against the generator's own judge, whose conditions libxml2
/// evaluates.
@Suite struct AgreementTests {
  @Test(arguments: ["harness", "agent", "unserved"])
  func validDocumentsAreTaken(_ name: String) throws {
    let schema = try Schemas.named(name)
    let view = AgentView(schema)
    let seed = Schemas.seed
    var generator = DocumentGenerator(schema: schema, seed: seed)
    var count = 0
    for round in 0..<Schemas.rounds(60, long: 2_000) {
      guard let document = try generator.valid() else { continue }
      count += 1
      let xml = XMLText(document, schema: schema).text
      let errors = view.complaints(xml: xml)
      #expect(errors.isEmpty, "\(name), seed \(seed), round \(round): \(errors.map(\.message)) in \(xml)")
    }
    #expect(count > 30, "seed \(seed): only \(count) documents were found")
  }

  /// Of documents that break constraints, both find the same to be wrong.
  @Test(arguments: ["harness", "agent", "unserved"])
  func draftsHaveTheSameViolations(_ name: String) throws {
    let schema = try Schemas.named(name)
    let view = AgentView(schema)
    let seed = Schemas.seed
    var generator = DocumentGenerator(schema: schema, seed: seed)
    var broken = 0
    for round in 0..<Schemas.rounds(150, long: 6_000) {
      let draft = generator.draft()
      let xml = XMLText(draft, schema: schema).text
      guard let tree = try? view.tree(xml: xml) else {
        Issue.record("\(name), seed \(seed), round \(round): refused: \(xml)")
        continue
      }
      let theirs = Set(try generator.judge.violations(in: draft).map(Finding.init))
      let errors = view.validator.validate(tree)
      let ours = Set(errors.map(Finding.init))
      if !theirs.isEmpty { broken += 1 }
      guard errors.count < Validator.maximumErrors else { continue }
      let (extra, missing) = (ours.subtracting(theirs), theirs.subtracting(ours))
      #expect(
        extra.isEmpty && missing.isEmpty,
        "\(name), seed \(seed), round \(round): also found \(extra), not found \(missing) in \(xml)")
    }
    #expect(broken > 10, "seed \(seed): only \(broken) drafts were broken")
  }

  @Test(arguments: ["harness", "agent", "unserved"])
  func brokenDocumentsAreRefused(_ name: String) throws {
    let schema = try Schemas.named(name)
    let view = AgentView(schema)
    let seed = Schemas.seed
    var generator = DocumentGenerator(schema: schema, seed: seed)
    for round in 0..<Schemas.rounds(80, long: 4_000) {
      guard let document = try generator.broken() else { continue }
      let xml = XMLText(document.root, schema: schema).text
      let tags = Set(view.complaints(xml: xml).map(\.tag.rawValue))
      #expect(
        !tags.isDisjoint(with: document.tags),
        "\(name), seed \(seed), round \(round): \(document.rule): \(tags), not \(document.tags), for \(xml)")
    }
  }

  /// What is compared of an error: the rule, and where it is as far as the schema goes.
  private struct Finding: Hashable, CustomStringConvertible {
    let description: String

    init(_ violation: Violation) {
      let node = violation.node
      let isData = node.kind != .choice && node.kind != .case
      let place = isData ? node.path : node.dataParent?.path ?? ""
      description = "\(violation.tag) \(violation.appTag ?? "-") \(place)"
    }

    init(_ error: DatastoreError) {
      let place = error.path?.steps.last?.schema.path ?? ""
      description = "\(error.tag.rawValue) \(error.appTag ?? "-") \(place)"
    }
  }
}
