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

  static func named(_ name: String) throws -> Schema {
    switch name {
    case "harness": try harness.get()
    case "agent": try agent.get()
    default: try unserved.get()
    }
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

/// The agent's own view of documents.
struct AgentView {
  let schema: Schema
  let validator: Validator
  private let xml: XMLEncoding
  private let json: JSONEncoding

  init(_ schema: Schema) {
    self.schema = schema
    validator = Validator(schema: schema)
    xml = XMLEncoding(schema: schema)
    json = JSONEncoding(schema: schema)
  }

  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  /// The tree of a configuration in XML; throws what is wrong with its structure and values.
  func tree(xml text: String) throws -> InteriorNode { try parsed(text, .configuration).data() }

  func edit(_ text: String) throws -> Edit { try parsed(text, .edit).edit() }

  private func parsed(_ text: String, _ purpose: DataParser.Purpose) throws -> DataParser {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: purpose, reader: ValueReader(schema: schema, sealer: nil), tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed(Array("<config>\(text)</config>".utf8))
    try tokenizer.finish()
    return parser
  }

  func tree(json text: String) throws -> InteriorNode {
    let parser = JSONDataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: nil), encoding: json)
    try parser.feed(Array(text.utf8))
    try parser.finish()
    return try parser.data()
  }

  func xml(_ tree: InteriorNode) -> String {
    String(decoding: XMLWriter(encoding: xml, content: tree, sealer: nil).writeAll(), as: UTF8.self)
  }

  func json(_ tree: InteriorNode) -> String {
    String(decoding: JSONWriter(encoding: json, content: tree, sealer: nil).writeAll(), as: UTF8.self)
  }

  /// What is wrong with a document; empty for a valid one.
  func complaints(xml text: String) -> [DatastoreError] { complaints { try tree(xml: text) } }
  func complaints(json text: String) -> [DatastoreError] { complaints { try tree(json: text) } }

  private func complaints(_ tree: () throws -> InteriorNode) -> [DatastoreError] {
    do {
      return validator.validate(try tree())
    } catch let failure as DatastoreFailure {
      return failure.errors
    } catch {
      return [DatastoreError(.malformedMessage, message: "\(error)")]
    }
  }
}
