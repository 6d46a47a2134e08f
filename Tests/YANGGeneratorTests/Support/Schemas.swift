// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Testing
import YANG

@testable import YANGGenerator

/// The schemas that the tests generate data for.
enum Schemas {
  static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let harnessFolder = project + "/Tests/YANGGeneratorTests/yang"

  static let harness = Result {
    try compile([harnessFolder], ["harness", "harness-more"])
  }

  /// What the agent serves.
  static let agent = Result {
    try compile([project + "/yang"], nil)
  }

  /// What is to come.
  static let unserved = Result {
    try compile([project + "/yang", project + "/yang-unserved"], nil)
  }

  private static func compile(_ folders: [String], _ names: [String]?) throws -> Schema {
    try Schema.compile(directories: folders, implementing: names).schema
  }

  static var seed: UInt64 {
    ProcessInfo.processInfo.environment["AGENTD_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...UInt64(UInt32.max))
  }

  /// More in the long runs.
  static func rounds(_ short: Int, long: Int) -> Int {
    ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1" ? long : short
  }
}

/// The agent's own view of a document.
enum AgentView {
  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  /// The tree of a configuration in XML; throws what is wrong with its structure and values.
  static func tree(_ xml: String, _ schema: Schema) throws -> InteriorNode {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: nil),
      tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed(Array("<config>\(xml)</config>".utf8))
    try tokenizer.finish()
    return try parser.data()
  }
}
