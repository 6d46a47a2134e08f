// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANGToSwift

@Suite struct RendererTests {
  private func render(_ declaration: Declaration) -> String {
    Renderer.render(SourceFile(name: "x.swift", header: ["h"], imports: ["YANG"], declarations: [declaration]))
  }

  @Test func structWithPropertiesAndAComment() {
    let text = render(
      .type(
        TypeDeclaration(
          comment: Comment(description: "One\n  two.\n\nThree.", facts: "Container."), keyword: .structure, name: "A",
          conformances: ["Sendable"],
          members: [
            .property(PropertyDeclaration(name: "x", type: .optional(.named("Int")))),
            .property(PropertyDeclaration(name: "y", type: .array(.named("Int")), value: .text("[]"))),
            .function(
              FunctionDeclaration(
                head: "init", parameters: [.init(name: "x", type: .named("Int"), defaultValue: "1")],
                body: [.line("self.x = x")])),
          ])))
    #expect(
      text == """
        // h

        import YANG

        /// One two.
        ///
        /// Three.
        ///
        /// Container.
        public struct A: Sendable {
          public var x: Int?
          public var y: [Int] = []

          public init(x: Int = 1) {
            self.x = x
          }
        }

        """)
  }

  @Test func longListsAndParametersAreBroken() {
    let names = (0..<20).map { "\"element-number-\($0)\"" }
    let text = render(
      .property(PropertyDeclaration(isStatic: true, isConstant: true, name: "l", value: .list("f([", names, "])"))))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= Renderer.lineLength })
    #expect(text.contains("public static let l = f([\n  \"element-number-0\", "))
    #expect(text.hasSuffix("\"element-number-19\",\n])\n"))
  }

  @Test(arguments: [("a\"b", #""a\"b""#), ("\\d", #""\\d""#), ("a\nb\u{1}", #""a\nb\u{1}""#)])
  func literals(_ text: String, _ expected: String) {
    #expect(Renderer.literal(text) == expected)
  }
}
