// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Tells whether coded trees were written under the same schema: SHA-256 over the texts of all modules and their features.
enum SchemaFingerprint {
  static func make(of schema: Schema) -> [UInt8] {
    var digest = FieldDigest()
    for module in schema.modules {
      digest.add(module.name)
      digest.add(module.revision)
      digest.add(module.isImplemented ? 1 : 0)
      digest.add(module.source.bytes)
      for submodule in module.submodules { digest.add(submodule.source.bytes) }
      for feature in module.enabledFeatures.sorted() { digest.add(feature) }
    }
    return digest.finish() ?? []
  }
}
