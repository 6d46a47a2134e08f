// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// instance-identifiers as text (RFC 7950 section 9.13).
extension InstanceIdentifier {
  /// Steps of one instance-identifier, and predicates of one step.
  static let maximumSteps = 256

  static func parse(
    _ bytes: UnsafeBufferPointer<UInt8>, resolvePrefix: (String) -> Module?
  ) throws(ValueError) -> InstanceIdentifier {
    var scanner = Scanner(bytes: bytes)
    var steps: [Step] = []
    var module: Module?
    guard !bytes.isEmpty else { throw scanner.failure() }
    while !scanner.isAtEnd {
      guard scanner.take(UInt8(ascii: "/")), steps.count < maximumSteps else { throw scanner.failure() }
      let (prefix, name) = try scanner.name()
      if let prefix {
        guard let found = resolvePrefix(prefix) else {
          throw ValueError(.unknownPrefix, "the prefix '\(prefix)' of the instance-identifier is not declared")
        }
        module = found
      } else if module == nil {
        module = resolvePrefix("")
      }
      guard let module else { throw scanner.failure() }
      var predicates: [Predicate] = []
      while scanner.take(UInt8(ascii: "[")) {
        guard predicates.count < maximumSteps else { throw scanner.failure() }
        predicates.append(try scanner.predicate(in: module, resolvePrefix))
      }
      steps.append(Step(module: module.name, name: name, predicates: predicates))
    }
    return InstanceIdentifier(steps: steps)
  }

  /// The form with a prefix at every name, the prefix of a module given by its name.
  func append(to output: inout [UInt8], prefix: (String) -> String) {
    append(to: &output) { module, _ in prefix(module) }
  }

  /// The form of JSON (RFC 7951 section 6.11): a module's name stands where the module changes.
  public func append(jsonTo output: inout [UInt8]) {
    append(to: &output) { module, around in module == around ? "" : module }
  }

  /// `prefix` gets the name of a module and that of the module around.
  private func append(to output: inout [UInt8], prefix: (String, String?) -> String) {
    var around: String?
    func name(_ module: String, _ name: String) {
      let prefix = prefix(module, around)
      if !prefix.isEmpty {
        output += Array(prefix.utf8)
        output.append(UInt8(ascii: ":"))
      }
      output += Array(name.utf8)
    }
    func literal(_ text: String) {
      let quote = text.utf8.contains(UInt8(ascii: "'")) ? UInt8(ascii: "\"") : UInt8(ascii: "'")
      output.append(quote)
      output += Array(text.utf8)
      output.append(quote)
    }
    for step in steps {
      output.append(UInt8(ascii: "/"))
      name(step.module, step.name)
      around = step.module
      for predicate in step.predicates {
        output.append(UInt8(ascii: "["))
        switch predicate {
        case .key(let module, let key, let value):
          name(module, key)
          output.append(UInt8(ascii: "="))
          literal(value)
        case .value(let value):
          output += [UInt8(ascii: "."), UInt8(ascii: "=")]
          literal(value)
        case .position(let position): output += Array(String(position).utf8)
        }
        output.append(UInt8(ascii: "]"))
      }
    }
  }

  private struct Scanner {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }

    func failure() -> ValueError {
      ValueError(
        .lexical, "the instance-identifier is malformed at offset \(position)",
        expected: "/prefix:name[prefix:key='value']/… is expected")
    }

    mutating func skipSpace() {
      while !isAtEnd, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    mutating func take(_ byte: UInt8) -> Bool {
      guard !isAtEnd, bytes[position] == byte else { return false }
      position += 1
      return true
    }

    mutating func word() throws(ValueError) -> String {
      let start = position
      while !isAtEnd, Identifier.isPart(bytes[position]) { position += 1 }
      let word = String(decoding: bytes[start..<position], as: UTF8.self)
      guard Identifier.isValid(word) else { throw failure() }
      return word
    }

    mutating func name() throws(ValueError) -> (prefix: String?, name: String) {
      let first = try word()
      guard take(UInt8(ascii: ":")) else { return (nil, first) }
      return (first, try word())
    }

    mutating func literal() throws(ValueError) -> String {
      guard !isAtEnd, bytes[position] == UInt8(ascii: "'") || bytes[position] == UInt8(ascii: "\"") else {
        throw failure()
      }
      let quote = bytes[position]
      let start = position + 1
      guard let end = bytes[start...].firstIndex(of: quote) else { throw failure() }
      position = end + 1
      return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    mutating func predicate(
      in module: Module, _ resolvePrefix: (String) -> Module?
    ) throws(ValueError) -> Predicate {
      skipSpace()
      let result: Predicate
      if !isAtEnd, (0x30...0x39).contains(bytes[position]) {
        let start = position
        while !isAtEnd, (0x30...0x39).contains(bytes[position]) { position += 1 }
        guard let number = Int(String(decoding: bytes[start..<position], as: UTF8.self)), number > 0 else {
          throw failure()
        }
        result = .position(number)
      } else if take(UInt8(ascii: ".")) {
        try equals()
        result = .value(try literal())
      } else {
        let (prefix, key) = try name()
        var owner = module
        if let prefix {
          guard let found = resolvePrefix(prefix) else {
            throw ValueError(.unknownPrefix, "the prefix '\(prefix)' of the instance-identifier is not declared")
          }
          owner = found
        }
        try equals()
        result = .key(module: owner.name, name: key, value: try literal())
      }
      skipSpace()
      guard take(UInt8(ascii: "]")) else { throw failure() }
      return result
    }

    private mutating func equals() throws(ValueError) {
      skipSpace()
      guard take(UInt8(ascii: "=")) else { throw failure() }
      skipSpace()
    }
  }
}
