// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What is driven: a server with a candidate datastore.
public protocol DriveTarget {
  /// edit-config on the candidate; `xml` is the content of config.
  func edit(_ xml: String, defaultOperation: String) throws(GeneratorError) -> ServerReply
  func validate() throws(GeneratorError) -> ServerReply
  func commit() throws(GeneratorError) -> ServerReply
  func discardChanges() throws(GeneratorError) -> ServerReply
  /// The content of running below some top-level nodes, within an element `data` of any document element.
  func running(below tops: [SchemaNode]) throws(GeneratorError) -> ServerReply
}

/// Drives a NETCONF server with generated edits, and compares its replies and its running datastore with what the
/// oracle says.
public struct Drive {
  public struct Options: Sendable {
    /// How many edits to send.
    public var edits = 500
    /// Every how many edits running is read and compared.
    public var checkEvery = 1
    /// Whether the server has to report exactly the errors that the oracle finds, with their app-tags; else one of them
    /// is enough.
    public var isExact = false
    /// The app-tag of errors by which the server refuses what no model forbids: such a commit counts as refused.
    public var refusalAppTag: String?
    /// Whether to go on after a difference, with what the server has then, and to count.
    public var keepsGoing = false
    /// Names of typedefs whose values a server may store in another form than it was given.
    public var hiddenTypes: Set<String> = ["crypt-hash"]

    public init() {}
  }

  /// What was done.
  public struct Summary: Sendable, CustomStringConvertible {
    public internal(set) var edits = 0
    public internal(set) var accepted = 0
    public internal(set) var refusedEdits = 0
    public internal(set) var commits = 0
    public internal(set) var refusedCommits = 0
    public internal(set) var refusedByBackend = 0
    public internal(set) var comparisons = 0
    /// With `keepsGoing`: how often the server did something else than the oracle.
    public internal(set) var differences = 0
    /// How often each error was expected and came.
    public internal(set) var errors: [String: Int] = [:]

    public var description: String {
      let tags = errors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
      return """
        \(edits) edits: \(accepted) accepted, \(refusedEdits) refused; \(commits) commits, \(refusedCommits) refused\
        \(refusedByBackend > 0 ? ", \(refusedByBackend) by what carries it out" : ""); running compared \(comparisons) \
        times\(differences > 0 ? "; \(differences) differences" : ""); errors: \(tags)
        """
    }
  }

  private let target: any DriveTarget
  private let schema: Schema
  private let options: Options
  private var generator: DocumentGenerator
  private let oracle: EditOracle
  private var running: Instance
  private var candidate: Instance
  public private(set) var summary = Summary()
  /// The latest edits, for the report of a difference.
  private var recent: [String] = []
  /// With `keepsGoing`: what differed, the first ones.
  public private(set) var differences: [String] = []
  private static let reportedDifferences = 100

  /// Reads what the server has, to begin with.
  ///
  /// - Throws: when the server has data that the modules do not have.
  public init(
    _ target: any DriveTarget, schema: Schema, modules: [String]?, seed: UInt64, options: Options
  ) throws(GeneratorError) {
    self.target = target
    self.schema = schema
    self.options = options
    generator = DocumentGenerator(schema: schema, modules: modules, seed: seed)
    guard !generator.tops.isEmpty else { throw GeneratorError("the modules have no configuration") }
    oracle = EditOracle(judge: generator.judge)
    running = Instance(schema.root)
    candidate = running
    // What another session left in the candidate is none of the edits'.
    _ = try target.discardChanges()
    running = try readRunning()
    candidate = running
  }

  /// Sends the edits.
  ///
  /// - Throws: at the first difference, with the edit, what was expected and what came; with `keepsGoing` only when the
  ///   server cannot be talked to any more.
  public mutating func run() throws(GeneratorError) {
    for number in 1...max(1, options.edits) {
      summary.edits = number
      do {
        try step(number)
        if number % max(1, options.checkEvery) == 0 || number == options.edits { try compareRunning() }
      } catch {
        guard options.keepsGoing else { throw error }
        try goOn(after: error)
      }
    }
  }

  /// Counts a difference and takes what the server has as given. A server that does not even answer is not gone on with.
  private mutating func goOn(after difference: GeneratorError) throws(GeneratorError) {
    summary.differences += 1
    if differences.count < Self.reportedDifferences { differences.append("\(difference)") }
    _ = try target.discardChanges()
    running = try readRunning()
    candidate = running
    recent = []
  }

  // MARK: One edit

  private mutating func step(_ number: Int) throws(GeneratorError) {
    let edit = try generator.edit(of: candidate)
    let xml = XMLText(edit.root, schema: schema).text
    let defaultOperation = edit.defaultOperation?.rawValue ?? "none"
    let reply = try target.edit(xml, defaultOperation: defaultOperation)
    let place = "edit \(number) (default operation \(defaultOperation)) \(xml)"
    recent = recent.suffix(5) + [place]
    if let rule = edit.rule {
      let tags = Set(reply.errors.map(\.tag))
      guard !tags.isDisjoint(with: edit.tags) else {
        throw GeneratorError(
          "\(place)\nbreaks a rule, \(rule): one of \(edit.tags.sorted()) is expected\n\(reply.text)")
      }
      return count(reply.errors, refused: \.refusedEdits)
    }
    switch try oracle.apply(edit.root, to: candidate, defaultOperation: edit.defaultOperation) {
    case .refused(let expected):
      try compare(reply, expected, place)
      count(reply.errors, refused: \.refusedEdits)
    case .changed(let changed):
      try compare(reply, [], place)
      candidate = changed
      summary.accepted += 1
      // Now and then several edits make one commit.
      if !generator.random.once(in: 4) { try commit(place) }
    }
  }

  private mutating func commit(_ place: String) throws(GeneratorError) {
    let expected = try oracle.violations(in: candidate)
    if generator.random.once(in: 6) {
      let reply = try target.validate()
      try compare(reply, expected, "validate after \(place)")
    }
    let reply = try target.commit()
    if let tag = options.refusalAppTag, !reply.errors.isEmpty, reply.errors.allSatisfy({ $0.appTag == tag }),
      expected.isEmpty
    {
      summary.refusedByBackend += 1
    } else {
      try compare(reply, expected, "commit after \(place)")
      if reply.errors.isEmpty {
        running = candidate
        summary.commits += 1
        return
      }
      count(reply.errors, refused: \.refusedCommits)
    }
    try compare(try target.discardChanges(), [], "discard-changes")
    candidate = running
  }

  private mutating func count(_ errors: [ReportedError], refused: WritableKeyPath<Summary, Int>) {
    summary[keyPath: refused] += 1
    for error in Set(errors) { summary.errors[error.description, default: 0] += 1 }
  }

  // MARK: Comparing

  private func compare(_ reply: ServerReply, _ expected: Set<ReportedError>, _ place: String) throws(GeneratorError) {
    let reported = Set(reply.errors)
    let isSame: Bool
    if expected.isEmpty || reported.isEmpty {
      isSame = expected.isEmpty == reported.isEmpty
    } else if options.isExact {
      isSame = reported == expected
    } else {
      isSame = !Set(reported.map(\.tag)).isDisjoint(with: expected.map(\.tag))
    }
    guard !isSame else { return }
    let wanted = expected.isEmpty ? "ok" : expected.map(\.description).sorted().joined(separator: ", ")
    throw GeneratorError(
      "\(place)\nexpected: \(wanted)\ncame: \(reply.text)\nrunning: \(XMLText(running, schema: schema).text)\ncandidate: \(XMLText(candidate, schema: schema).text)"
    )
  }

  private func isHidden(_ node: SchemaNode) -> Bool {
    guard let type = node.type?.valueType else { return false }
    if type.secretEncoding != nil || type.members.contains(where: { $0.secretEncoding != nil }) { return true }
    let names = (node.type?.typedefChain ?? []) + type.typedefChain
    return names.contains { name in
      name.split(separator: ":").last.map { options.hiddenTypes.contains(String($0)) } ?? false
    }
  }

  private mutating func compareRunning() throws(GeneratorError) {
    summary.comparisons += 1
    let theirs = try readRunning().lines(hiding: isHidden)
    let ours = running.lines(hiding: isHidden)
    guard ours != theirs else { return }
    let missing = Set(ours).subtracting(theirs).sorted()
    let extra = Set(theirs).subtracting(ours).sorted()
    throw GeneratorError(
      "running differs after \(recent.joined(separator: "\n"))\nmissing: \(missing)\nextra: \(extra)")
  }

  private func readRunning() throws(GeneratorError) -> Instance {
    let reply = try target.running(below: generator.tops)
    guard reply.errors.isEmpty else { throw GeneratorError("running cannot be read: \(reply.text)") }
    var root = try InstanceReader(schema: schema).read(reply.text, below: ["data"])
    root.normalize()
    return root
  }
}
