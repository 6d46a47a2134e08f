// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANGToSwift

@Suite struct ConfigurationParserTests {
  @Test func everyKeyword() {
    var parser = ConfigurationParser(file: "generate.conf")
    let configuration = parser.parse(
      """
      # comment
      module a   # all of it
      root /b:c/d
      without /b:c/d/e
      acronyms TLS PSK
      namespace x-*-cfg *
      name /b:c/d/f other
      """)
    #expect(parser.diagnostics.isEmpty)
    #expect(configuration.wants == [.module("a"), .subtree("/b:c/d")])
    #expect(configuration.modules == ["a", "b"])
    #expect(configuration.exclusions == ["/b:c/d/e"])
    #expect(configuration.acronyms == ["TLS", "PSK"])
    #expect(configuration.namespaceRules == [.init(pattern: "x-*-cfg", replacement: "*")])
    #expect(configuration.names == ["/b:c/d/f": "other"])
  }

  @Test func allMistakesAreReportedWithTheirLines() {
    var parser = ConfigurationParser(file: "f.conf")
    _ = parser.parse("modul a\nroot\nname /a b\nname /a c\n")
    #expect(parser.diagnostics.map(\.location) == ["f.conf:1:1", "f.conf:2:1", "f.conf:4:1"])
  }

  @Test(arguments: [
    ("Cisco-IOS-XR-um-sks-server-cfg", "sks-server"), ("Cisco-IOS-XR-um-", nil), ("ietf-system", nil),
    ("Cisco-IOS-XR-um-x-oper", nil),
  ])
  func namespaceRules(_ module: String, _ expected: String?) {
    let rule = Configuration.NamespaceRule(pattern: "Cisco-IOS-XR-um-*-cfg", replacement: "*")
    #expect(rule.apply(module) == expected)
  }
}
