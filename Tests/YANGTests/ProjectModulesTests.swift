// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import YANG

/// The modules in `yang/` compile, all of them together.
@Suite struct ProjectModulesTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("yang").resolvingSymlinksInPath().path

  @Test func compile() {
    do throws(YANGErrors) {
      let (schema, _) = try Schema.compile(directory: Self.folder)
      #expect(schema.nodes.count > 500)
      #expect(schema.node(at: "/Cisco-IOS-XR-um-sks-server-cfg:sks-server/profiles/profile")?.keys.count == 1)
    } catch {
      Issue.record("\(error)")
    }
  }
}
