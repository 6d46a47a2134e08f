// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How words become Swift names: a pure function of the name and the list of acronyms.
struct Spelling {
  /// What is named: types and members begin differently.
  enum Form { case type, member }

  private let acronyms: [String: String]

  init(acronyms: [String]) {
    var table: [String: String] = [:]
    for acronym in acronyms { table[acronym.lowercased()] = acronym }
    self.acronyms = table
  }

  /// `http-proxy` is `HTTPProxy`.
  func typeName(_ name: String) -> String {
    Self.join(Words(name).list.map(capitalised))
  }

  /// `http-proxy` is `httpProxy`, `get-key-with-id` is `getKeyWithID`. Not escaped.
  func memberName(_ name: String) -> String {
    var words = Words(name).list
    guard let first = words.first else { return "_" }
    words = [lowered(first)] + words.dropFirst().map(capitalised)
    return Self.join(words)
  }

  func name(_ name: String, _ form: Form) -> String { form == .type ? typeName(name) : memberName(name) }

  /// The name as it is written after the first letter, with underscores for what is neither letter nor digit.
  func verbatim(_ name: String, _ form: Form) -> String {
    let name = Self.verbatim(name)
    let first = name.prefix(1)
    return (form == .type ? first.uppercased() : first.lowercased()) + name.dropFirst()
  }

  private static func verbatim(_ name: String) -> String {
    var result = ""
    for character in name.unicodeScalars {
      result.unicodeScalars.append(Words.isInWord(character) ? character : "_")
    }
    return result.first?.isNumber == true ? "_" + result : result
  }

  /// The names of the cases of one enumeration, bits type or identity set: names that come out equal are told apart
  /// by what `distinction` says of them.
  func caseNames(_ names: [String], distinction: (Int) -> String) -> [String] {
    let plain = names.map(memberName)
    var uses: [String: Int] = [:]
    for name in plain { uses[name, default: 0] += 1 }
    return plain.enumerated().map { index, name in
      uses[name, default: 0] > 1 ? name + "_" + distinction(index) : name
    }
  }

  private func capitalised(_ word: String) -> String {
    if let acronym = acronyms[word.lowercased()] { return acronym }
    return word.prefix(1).uppercased() + word.dropFirst()
  }

  /// The first word of a member: acronyms and words in capitals are lowered as a whole.
  private func lowered(_ word: String) -> String {
    if acronyms[word.lowercased()] != nil || word == word.uppercased() { return word.lowercased() }
    return word.prefix(1).lowercased() + word.dropFirst()
  }

  /// Words side by side; digits that meet are kept apart, a digit in front is covered.
  private static func join(_ words: [String]) -> String {
    var result = ""
    for word in words {
      if let last = result.last, let first = word.first, last.isNumber, first.isNumber { result += "_" }
      result += word
    }
    if result.isEmpty { return "_" }
    return result.first?.isNumber == true ? "_" + result : result
  }
}
