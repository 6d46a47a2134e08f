// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Prints a source file: the only place that knows indentation, wrapping and quoting.
struct Renderer {
  /// Lines are broken where they can be before they get longer.
  static let lineLength = 120

  private var lines: [String] = []
  private var depth = 0

  static func render(_ file: SourceFile) -> String {
    var renderer = Renderer()
    for line in file.header { renderer.write("// " + line) }
    renderer.write("")
    for name in file.imports { renderer.write("import " + name) }
    for declaration in file.declarations {
      renderer.write("")
      renderer.render(declaration)
    }
    return renderer.lines.joined(separator: "\n") + "\n"
  }

  private mutating func write(_ text: String) {
    lines.append(text.isEmpty ? "" : String(repeating: "  ", count: depth) + text)
  }

  private mutating func indented(_ body: (inout Renderer) -> Void) {
    depth += 1
    body(&self)
    depth -= 1
  }

  private mutating func render(_ declaration: Declaration) {
    switch declaration {
    case .type(let type): render(type)
    case .property(let property): render(property)
    case .function(let function): render(function)
    case .enumCase(let enumCase): render(enumCase)
    case .typeAlias(let name, let type): write("public typealias \(name) = \(Self.text(type))")
    }
  }

  private mutating func render(_ type: TypeDeclaration) {
    render(type.comment)
    let access = type.keyword == .extension ? "" : "public "
    let conformances = type.conformances.isEmpty ? "" : ": " + type.conformances.joined(separator: ", ")
    let head = "\(access)\(type.keyword.rawValue) \(type.name)\(conformances) {"
    if type.members.isEmpty {
      write(head + "}")
      return
    }
    write(head)
    indented { renderer in
      var previous: Declaration?
      for member in type.members {
        if let previous, Self.isApart(previous, member) { renderer.write("") }
        renderer.render(member)
        previous = member
      }
    }
    write("}")
  }

  /// True when an empty line stands between two members.
  private static func isApart(_ first: Declaration, _ second: Declaration) -> Bool {
    switch (first, second) {
    case (.property(let left), .property(let right)):
      left.isStatic != right.isStatic || left.getter != nil || right.getter != nil
    case (.enumCase, .enumCase): false
    default: true
    }
  }

  private mutating func render(_ property: PropertyDeclaration) {
    render(property.comment)
    var text = "public \(property.isStatic ? "static " : "")\(property.isConstant ? "let" : "var") \(property.name)"
    if let type = property.type { text += ": " + Self.text(type) }
    switch property.value {
    case .text(let value): text += " = " + value
    case .list(let head, let elements, let tail):
      writeList(text + " = " + head, elements, tail)
      return
    case nil: break
    }
    guard let getter = property.getter else {
      write(text)
      return
    }
    if getter.count == 1, case .line(let line) = getter[0], text.count + line.count + 2 * depth < Self.lineLength - 6 {
      write("\(text) { \(line) }")
    } else {
      write(text + " {")
      indented { $0.render(getter) }
      write("}")
    }
  }

  private mutating func writeList(_ head: String, _ elements: [String], _ tail: String) {
    let line = head + elements.joined(separator: ", ") + tail
    if line.count + 2 * depth <= Self.lineLength {
      write(line)
      return
    }
    write(head)
    indented { renderer in
      var line = ""
      for element in elements {
        if !line.isEmpty, line.count + element.count + 2 + 2 * renderer.depth > Self.lineLength {
          renderer.write(line)
          line = ""
        }
        line += (line.isEmpty ? "" : " ") + element + ","
      }
      if !line.isEmpty { renderer.write(line) }
    }
    write(tail)
  }

  private mutating func render(_ function: FunctionDeclaration) {
    render(function.comment)
    let head = "public \(function.isStatic ? "static " : "")\(function.head)"
    let parameters = function.parameters.map { parameter in
      let label = parameter.label.map { $0 + " " } ?? ""
      let value = parameter.defaultValue.map { " = " + $0 } ?? ""
      return "\(label)\(parameter.name): \(parameter.isInout ? "inout " : "")\(Self.text(parameter.type))\(value)"
    }
    var tail = ")"
    if let error = function.error { tail += " throws(\(error))" }
    if let result = function.result { tail += " -> " + Self.text(result) }
    tail += function.body.isEmpty ? " {}" : " {"
    let line = "\(head)(" + parameters.joined(separator: ", ") + tail
    if line.count + 2 * depth <= Self.lineLength {
      write(line)
    } else {
      write(head + "(")
      indented { renderer in
        for (index, parameter) in parameters.enumerated() {
          renderer.write(parameter + (index + 1 < parameters.count ? "," : ""))
        }
      }
      write(tail)
    }
    if !function.body.isEmpty {
      indented { $0.render(function.body) }
      write("}")
    }
  }

  private mutating func render(_ enumCase: EnumCaseDeclaration) {
    render(enumCase.comment)
    var text = "case " + enumCase.name
    if let payload = enumCase.payload { text += "(\(Self.text(payload)))" }
    if let value = enumCase.rawValue { text += " = " + Self.literal(value) }
    write(text)
  }

  private mutating func render(_ statements: [Statement]) {
    for statement in statements {
      switch statement {
      case .line(let text): write(text)
      case .block(let head, let body):
        write(head + " {")
        indented { $0.render(body) }
        write("}")
      case .branches(let branches):
        for (index, branch) in branches.enumerated() {
          let condition = branch.condition.map { "if \($0) " } ?? ""
          write(index == 0 ? "\(condition){" : "} else \(condition){")
          indented { $0.render(branch.body) }
        }
        write("}")
      case .select(let subject, let choices):
        write("switch \(subject) {")
        for choice in choices {
          if choice.body.count == 1, case .line(let line) = choice.body[0],
            choice.pattern.count + line.count + 2 * depth < Self.lineLength - 2
          {
            write("\(choice.pattern): \(line)")
          } else {
            write(choice.pattern + ":")
            indented { $0.render(choice.body) }
          }
        }
        write("}")
      }
    }
  }

  private mutating func render(_ comment: Comment) {
    for (index, paragraph) in comment.paragraphs.enumerated() {
      if index > 0 { write("///") }
      var line = "///"
      for word in paragraph.split(separator: " ") {
        if line.count + 1 + word.count + 2 * depth > Self.lineLength, line != "///" {
          write(line)
          line = "///"
        }
        line += " " + word
      }
      write(line)
    }
  }

  static func text(_ type: TypeExpression) -> String {
    switch type {
    case .named(let name): name
    case .optional(let inner): text(inner) + "?"
    case .array(let inner): "[" + text(inner) + "]"
    case .generic(let name, let argument): "\(name)<\(text(argument))>"
    }
  }

  /// A string literal.
  static func literal(_ text: String) -> String {
    var result = "\""
    for character in text.unicodeScalars {
      switch character {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default:
        if character.value < 0x20 || character.value == 0x7f {
          result += "\\u{" + String(character.value, radix: 16) + "}"
        } else {
          result.unicodeScalars.append(character)
        }
      }
    }
    return result + "\""
  }
}
