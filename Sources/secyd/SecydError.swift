// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Why secyd cannot run. It ends with the sentence on standard error.
struct SecydError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }

  /// With the operating system's reason.
  static func system(_ what: String) -> SecydError { SecydError("\(what): \(String(cString: strerror(errno)))") }
}
