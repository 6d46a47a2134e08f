// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Testing
import YANG

@testable import YANGGenerator

/// The agent's edits and its incremental validation, driven like a server but without one: replies and trees are those of
/// the generator's model.
@Suite struct EditAgreementTests {
  /// What the datastore does, on one thread.
  private final class TreeTarget: DriveTarget {
    let view: AgentView
    private var running: InteriorNode
    private var candidate: InteriorNode
    /// Every so many commits one is confirmed and forgotten: what a drive has to notice.
    var forgetsEvery: Int?
    private var commits = 0

    init(_ schema: Schema) {
      view = AgentView(schema)
      running = InteriorNode(schema: schema.root)
      candidate = running
    }

    func edit(_ xml: String, defaultOperation: String) throws(GeneratorError) -> ServerReply {
      let operation = EditOperation(rawValue: defaultOperation) ?? .merge
      return reply {
        let changed = try view.edit(xml).applied(to: candidate, defaultOperation: operation)
        candidate = try view.validator.resolvingConditions(from: candidate, to: changed)
      }
    }

    func validate() throws(GeneratorError) -> ServerReply {
      reply {
        let errors = view.validator.validate(old: running, new: candidate)
        let whole = view.validator.validate(candidate)
        // What a change brought about is all that is wrong.
        #expect(Set(errors.map(\.message)) == Set(whole.map(\.message)))
        if !errors.isEmpty { throw DatastoreFailure(errors) }
      }
    }

    func commit() throws(GeneratorError) -> ServerReply {
      let reply = try validate()
      guard reply.errors.isEmpty else { return reply }
      commits += 1
      if let forgetsEvery, commits.isMultiple(of: forgetsEvery) { return reply }
      running = candidate
      return reply
    }

    func discardChanges() throws(GeneratorError) -> ServerReply {
      candidate = running
      return ServerReply(text: "ok", errors: [])
    }

    func running(below tops: [SchemaNode]) throws(GeneratorError) -> ServerReply {
      ServerReply(text: "<reply><data>\(view.xml(running))</data></reply>", errors: [])
    }

    private func reply(_ body: () throws -> Void) -> ServerReply {
      do {
        try body()
        return ServerReply(text: "ok", errors: [])
      } catch let failure as DatastoreFailure {
        let errors = failure.errors.map { ReportedError($0.tag.rawValue, appTag: $0.appTag) }
        return ServerReply(text: failure.errors.map(\.message).joined(separator: "; "), errors: errors)
      } catch {
        return ServerReply(text: "\(error)", errors: [ReportedError("malformed-message")])
      }
    }
  }

  @Test(arguments: ["harness", "agent", "unserved"])
  func repliesAndTreesAreThoseOfTheModel(_ name: String) throws {
    let schema = try Schemas.named(name)
    let seed = Schemas.seed
    var options = Drive.Options()
    options.edits = name == "harness" ? Schemas.rounds(700, long: 20_000) : Schemas.rounds(150, long: 4_000)
    options.isExact = true
    do {
      var drive = try Drive(TreeTarget(schema), schema: schema, modules: nil, seed: seed, options: options)
      try drive.run()
      print("\(name), seed \(seed): \(drive.summary)")
      #expect(drive.summary.commits > 30 && drive.summary.refusedEdits > 20, "seed \(seed)")
    } catch {
      Issue.record("\(name), seed \(seed): \(error)")
    }
  }

  /// A server that does wrong is noticed: at once, or counted to the end.
  @Test func aForgetfulServerIsNoticed() throws {
    let schema = try Schemas.named("harness")
    let seed = Schemas.seed
    let target = TreeTarget(schema)
    target.forgetsEvery = 10
    var options = Drive.Options()
    options.edits = 120
    var strict = try Drive(target, schema: schema, modules: nil, seed: seed, options: options)
    #expect("seed \(seed)") {
      try strict.run()
    } throws: { error in
      "\(error)".hasPrefix("running differs")
    }
    #expect(strict.summary.edits < 120, "seed \(seed)")
    options.keepsGoing = true
    var patient = try Drive(target, schema: schema, modules: nil, seed: seed, options: options)
    try patient.run()
    #expect(patient.summary.edits == 120)
    #expect((2...12).contains(patient.summary.differences), "seed \(seed): \(patient.summary)")
    #expect(patient.differences.count == patient.summary.differences)
  }
}
