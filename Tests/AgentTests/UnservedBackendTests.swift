// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Testing
import YANG

@testable import agentd

/// What nobody serves is refused, beside what somebody serves.
@Suite struct UnservedBackendTests {
  private struct Served: Backend {
    let name = "served"
    let subscriptions: [String]
    let operationalPaths: [String] = []
    let operations: [String] = []
    func prepare(_ changes: ChangeSet) -> [Refusal] { [] }
    func apply(_ changes: ChangeSet) {}
  }

  @Test func theTopmostUnservedNodesAreItsOwn() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../yang")
    let schema = try Schema.compile(directory: folder.standardizedFileURL.path).schema
    let list = "/Cisco-IOS-XR-um-interface-cfg:interfaces/interface"
    let macsec = "\(list)/Cisco-IOS-XR-um-macsec-cfg:macsec"
    let unserved = UnservedBackend(schema: schema, besides: [Served(subscriptions: [macsec])])
    #expect(!unserved.subscriptions.contains { "\(macsec)/".hasPrefix("\($0)/") || $0.hasPrefix("\(macsec)/") })
    #expect(unserved.subscriptions.contains("\(list)/mtu"))
    #expect(!unserved.subscriptions.contains("\(list)/interface-name"), "a key is no configuration by itself")
    #expect(unserved.subscriptions.contains("/Cisco-IOS-XR-um-macsec-cfg:macsec-policy"))
    for path in unserved.subscriptions { #expect(schema.node(at: path) != nil, "\(path)") }
  }
}
