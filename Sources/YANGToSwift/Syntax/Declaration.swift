// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Swift source text as a value: what the translations build and the renderer prints.
indirect enum Declaration: Equatable {
  case type(TypeDeclaration)
  case property(PropertyDeclaration)
  case function(FunctionDeclaration)
  case enumCase(EnumCaseDeclaration)
  case typeAlias(String, TypeExpression)
}

struct TypeDeclaration: Equatable {
  enum Keyword: String { case structure = "struct", enumeration = "enum", `extension` }
  var comment = Comment()
  var keyword: Keyword
  var name: String
  var conformances: [String] = []
  var members: [Declaration] = []
}

struct PropertyDeclaration: Equatable {
  var comment = Comment()
  var isStatic = false
  var isConstant = false
  var name: String
  var type: TypeExpression?
  /// The initial value.
  var value: Expression?
  /// The body of a computed property.
  var getter: [Statement]?
}

struct FunctionDeclaration: Equatable {
  struct Parameter: Equatable {
    var label: String?
    var name: String
    var type: TypeExpression
    var defaultValue: String?
    var isInout = false
  }
  var comment = Comment()
  var isStatic = false
  /// `init`, `init?` or `func name`.
  var head: String
  var parameters: [Parameter] = []
  /// The type thrown.
  var error: String?
  var result: TypeExpression?
  var body: [Statement] = []
}

struct EnumCaseDeclaration: Equatable {
  var comment = Comment()
  var name: String
  var payload: TypeExpression?
  /// The raw value, a string.
  var rawValue: String?
}

indirect enum TypeExpression: Equatable {
  case named(String)
  case optional(TypeExpression)
  case array(TypeExpression)
  case generic(String, TypeExpression)
}

/// An expression, as source text.
enum Expression: Equatable {
  case text(String)
  /// A bracketed list that may be broken over lines: what stands before it, its elements, what stands after.
  case list(String, [String], String)
}

enum Statement: Equatable {
  case line(String)
  /// `head { body }`, and what may follow the brace on its line.
  indirect case block(String, [Statement])
  /// `if … { } else if … { } else { }`: a nil condition is the else.
  indirect case branches([Branch])
  indirect case select(String, [Choice])

  struct Branch: Equatable {
    var condition: String?
    var body: [Statement]
  }
  struct Choice: Equatable {
    /// `case …` or `default`.
    var pattern: String
    var body: [Statement]
  }
}

/// A documentation comment: paragraphs, wrapped when rendered.
struct Comment: Equatable {
  var paragraphs: [String] = []

  init(_ paragraphs: [String] = []) { self.paragraphs = paragraphs.filter { !$0.isEmpty } }

  init(description: String?, facts: String) {
    var paragraphs = Self.paragraphs(of: description ?? "")
    paragraphs.append(facts)
    self.init(paragraphs)
  }

  /// A YANG description's paragraphs, each with its white space made single.
  private static func paragraphs(of text: String) -> [String] {
    var paragraphs: [String] = []
    var words: [Substring] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let parts = line.split(whereSeparator: \.isWhitespace)
      if parts.isEmpty, !words.isEmpty {
        paragraphs.append(words.joined(separator: " "))
        words = []
      }
      words += parts
    }
    if !words.isEmpty { paragraphs.append(words.joined(separator: " ")) }
    return paragraphs
  }
}

/// One file of generated Swift.
struct SourceFile: Equatable {
  /// The file's name.
  var name: String
  var header: [String]
  var imports: [String]
  var declarations: [Declaration]
}
