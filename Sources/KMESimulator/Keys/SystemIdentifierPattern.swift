// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// One entry of a KME's list of remote systems: a name or a pattern as the POSIX shell has them.
///
/// The C library's `fnmatch` does the matching, so star, question mark, `[list]` and `[!list]` mean what they
/// mean in a shell.
enum SystemIdentifierPattern {
  static func matches(_ pattern: String, _ systemID: String) -> Bool {
    fnmatch(pattern, systemID, 0) == 0
  }
}
