// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The compiler on a folder of modules.
struct Compilation {
  let folder: String

  func measure(_ report: inout Report) throws {
    var modules = 0
    let time = try milliseconds { modules = try Schema.compile(directory: folder).schema.modules.count }
    report.add("compile the \(modules) modules of \(folder)", time, "ms", atMost: 100)
  }
}
