// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// What the server implements: ietf-yang-library (RFC 8525), with the deprecated container of RFC 7895, which many
/// clients still read.
final class YANGLibraryProvider: ReadOnlyProvider {
  let name = "YANG library"
  let operationalPaths: [String]
  private let schema: Schema
  private let contentID: String

  init(schema: Schema, contentID: String) {
    self.schema = schema
    self.contentID = contentID
    operationalPaths = ["/ietf-yang-library:yang-library", "/ietf-yang-library:modules-state"]
      .filter { schema.node(at: $0) != nil }
  }

  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    var composer = NodeComposer(request.schema, in: schema)
    if request.schema.name == "yang-library" { compose(&composer) } else { composeModulesState(&composer) }
    return AnyIterator(CollectionOfOne(composer.build()).makeIterator())
  }

  private func compose(_ composer: inout NodeComposer) {
    composer.list("module-set", CollectionOfOne("all")) { name, set in
      set.leaf("name", name)
      set.list("module", schema.modules.filter(\.isImplemented)) { module, entry in
        entry.leaf("name", module.name)
        entry.leaf("revision", module.revision)
        entry.leaf("namespace", module.namespace)
        entry.list("submodule", module.submodules) { submodule, entry in
          entry.leaf("name", submodule.name)
          entry.leaf("revision", submodule.revision)
        }
        entry.leafList("feature", module.enabledFeatures)
        entry.leafList("deviation", module.deviatedBy)
      }
      set.list("import-only-module", schema.modules.filter { !$0.isImplemented }) { module, entry in
        entry.leaf("name", module.name)
        entry.leaf("revision", module.revision ?? "")
        entry.leaf("namespace", module.namespace)
        entry.list("submodule", module.submodules) { submodule, entry in
          entry.leaf("name", submodule.name)
          entry.leaf("revision", submodule.revision)
        }
      }
    }
    composer.list("schema", CollectionOfOne("all")) { name, entry in
      entry.leaf("name", name)
      entry.leafList("module-set", ["all"])
    }
    composer.list("datastore", ["running", "candidate", "operational"]) { name, entry in
      entry.leaf("name", "ietf-datastores:" + name)
      entry.leaf("schema", "all")
    }
    composer.leaf("content-id", contentID)
  }

  private func composeModulesState(_ composer: inout NodeComposer) {
    composer.leaf("module-set-id", contentID)
    composer.list("module", schema.modules) { module, entry in
      entry.leaf("name", module.name)
      entry.leaf("revision", module.revision ?? "")
      entry.leaf("namespace", module.namespace)
      entry.leafList("feature", module.enabledFeatures)
      entry.list("deviation", module.deviatedBy) { name, entry in
        entry.leaf("name", name)
        entry.leaf("revision", schema.module(named: name)?.revision ?? "")
      }
      entry.leaf("conformance-type", module.isImplemented ? "implement" : "import")
      entry.list("submodule", module.submodules) { submodule, entry in
        entry.leaf("name", submodule.name)
        entry.leaf("revision", submodule.revision ?? "")
      }
    }
  }

  /// The identifier of the library's content: the same for the same modules, revisions and features, whatever the
  /// process.
  static func contentID(of schema: Schema) -> String {
    // FNV-1a; nothing depends on it being hard to forge.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func mix(_ text: String) {
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
      hash = (hash ^ 0xFF) &* 0x100_0000_01B3
    }
    for module in schema.modules {
      mix(module.name)
      mix(module.revision ?? "")
      mix(module.isImplemented ? "implement" : "import")
      for text in module.enabledFeatures + module.deviatedBy { mix(text) }
      for submodule in module.submodules { mix(submodule.name + "@" + (submodule.revision ?? "")) }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The streams that create-subscription knows: nc-notifications (RFC 5277 section 3.2.5).
final class StreamsProvider: ReadOnlyProvider {
  let name = "notification streams"
  let operationalPaths: [String]
  private let schema: Schema

  init(schema: Schema) {
    self.schema = schema
    operationalPaths = ["/nc-notifications:netconf"].filter { schema.node(at: $0) != nil }
  }

  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    var composer = NodeComposer(request.schema, in: schema)
    composer.container("streams") { streams in
      streams.list("stream", CollectionOfOne("NETCONF")) { name, entry in
        entry.leaf("name", name)
        entry.leaf("description", "All notifications of the agent.")
        entry.leaf("replaySupport", "false")
      }
    }
    return AnyIterator(CollectionOfOne(composer.build()).makeIterator())
  }
}
