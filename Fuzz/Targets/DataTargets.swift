// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

extension Fuzzing {
  static func yang(_ bytes: [UInt8]) {
    var loader = SchemaLoader(searchPaths: [])
    loader.load(sources: [SourceText(file: "fuzz.yang", bytes: bytes)])
    _ = try? SchemaCompiler(loader).compile()
  }

  /// A small schema for data of all kinds.
  static let module = """
    module f { yang-version 1.1; namespace "urn:f"; prefix f;
      identity base; identity one { base base; }
      container top { leaf s { type string { length "0..40"; } } leaf i { type int16 { range "-9..99"; } default 3; }
        leaf d { type decimal64 { fraction-digits 2; } } leaf b { type boolean; } leaf e { type empty; }
        leaf u { type union { type uint8; type enumeration { enum auto; } type identityref { base base; } } }
        leaf id { type identityref { base base; } } leaf at { type instance-identifier { require-instance false; } }
        leaf bits { type bits { bit x; bit y; } } leaf bin { type binary; } leaf big { type uint64; }
        leaf-list ll { type string; } leaf-list ul { type uint8; ordered-by user; max-elements 6; }
        list l { key "k n"; unique v; leaf k { type string; } leaf n { type uint8; } leaf v { type string; }
          container c { presence p; leaf r { type leafref { path "../../../l/k"; } } } }
        list o { key k; ordered-by user; leaf k { type string; } leaf w { when "../k != 'x'"; type string; } }
        choice ch { leaf a { type string; } container z { leaf y { type string; mandatory true; } } }
        must "count(l) < 4"; anydata any; }
    }
    """

  struct Data: Sendable {
    let schema: Schema
    let validator: Validator
    let xml: XMLEncoding
    let json: JSONEncoding

    init?() {
      let source = SourceText(file: "f.yang", bytes: Array(Fuzzing.module.utf8))
      guard let schema = try? Schema.compile(sources: [source]).schema else { return nil }
      self.schema = schema
      validator = Validator(schema: schema)
      xml = XMLEncoding(schema: schema)
      json = JSONEncoding(schema: schema)
    }
  }

  static let data = Data()

  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  private static func parsed(_ bytes: [UInt8], _ purpose: DataParser.Purpose, _ data: Data) -> DataParser? {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: data.schema.root, purpose: purpose, reader: ValueReader(schema: data.schema, sealer: nil),
      tokenizer: tokenizer)
    door.parser = parser
    do {
      // In two pieces, cut where the input says.
      let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % (bytes.count + 1)
      try tokenizer.feed(bytes[..<cut])
      try tokenizer.feed(bytes[cut...])
      try tokenizer.finish()
      return parser
    } catch { return nil }
  }

  static func xml(_ bytes: [UInt8]) {
    guard let data else { return }
    let start = InteriorNode(schema: data.schema.root)
    if let edit = try? parsed(bytes, .edit, data)?.edit(), let changed = try? edit.applied(to: start) {
      let settled = (try? data.validator.resolvingConditions(from: start, to: changed)) ?? changed
      let whole = data.validator.validate(settled)
      let change = data.validator.validate(old: start, new: settled)
      // From the empty configuration, which breaks no rule, both ways of validating see the same.
      require(whole.isEmpty == change.isEmpty, "validations differ")
    }
    guard let tree = try? parsed(bytes, .configuration, data)?.data() else { return }
    _ = data.validator.validate(tree)
    let written = XMLWriter(encoding: data.xml, content: tree, sealer: nil).writeAll()
    let document = Array("<c>".utf8) + written + Array("</c>".utf8)
    let again = try? parsed(document, .configuration, data)?.data()
    require(again == tree, "what is written is not what was read")
  }

  static func json(_ bytes: [UInt8]) {
    guard let data else { return }
    func parsed(_ pieces: [[UInt8]]) -> InteriorNode? {
      let parser = JSONDataParser(
        schema: data.schema.root, purpose: .configuration, reader: ValueReader(schema: data.schema, sealer: nil),
        encoding: data.json)
      do {
        for piece in pieces { try parser.feed(piece) }
        try parser.finish()
        return try parser.data()
      } catch { return nil }
    }
    let tree = parsed([bytes])
    let cut = bytes.isEmpty ? 0 : Int(bytes[bytes.count / 2]) % (bytes.count + 1)
    require(parsed([Array(bytes[..<cut]), Array(bytes[cut...])]) == tree, "pieces make another tree")
    guard let tree else { return }
    _ = data.validator.validate(tree)
    let written = JSONWriter(encoding: data.json, content: tree, sealer: nil).writeAll()
    require(parsed([written]) == tree, "what is written is not what was read")
  }

  static func xpath(_ bytes: [UInt8]) {
    guard let expression = String(validating: bytes, as: UTF8.self), expression.utf8.count <= 2_000 else { return }
    // As the condition of a module, with what YANG needs escaped.
    var quoted = ""
    for character in expression.unicodeScalars {
      if character == "\"" || character == "\\" { quoted.append("\\") }
      quoted.unicodeScalars.append(character)
    }
    let module = Fuzzing.module.split(separator: "must \"count(l) < 4\"")
    guard module.count == 2 else { return }
    let source = SourceText(file: "f.yang", bytes: Array("\(module[0])must \"\(quoted)\"\(module[1])".utf8))
    guard let schema = try? Schema.compile(sources: [source]).schema else { return }
    let data =
      "<c><top xmlns='urn:f'><s>a</s><ll>b</ll><l><k>a</k><n>1</n><c><r>a</r></c></l><l><k>b</k><n>2</n></l></top></c>"
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    door.parser = DataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: nil),
      tokenizer: tokenizer)
    try? tokenizer.feed(Array(data.utf8))
    try? tokenizer.finish()
    guard let tree = try? door.parser?.data() else { return }
    let validator = Validator(schema: schema)
    let whole = validator.validate(tree)
    let change = validator.validate(old: InteriorNode(schema: schema.root), new: tree)
    require(whole.map(\.message) == change.map(\.message), "validations differ")
  }
}

extension String {
  fileprivate init?(validating bytes: [UInt8], as encoding: UTF8.Type) {
    let text = String(decoding: bytes, as: encoding)
    guard Array(text.utf8) == bytes else { return nil }
    self = text
  }
}
