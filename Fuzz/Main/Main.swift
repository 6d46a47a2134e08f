// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FuzzTargets
import Glibc

/// The target that the environment names.
private let target = FuzzTarget(rawValue: getenv("FUZZ_TARGET").map { String(cString: $0) } ?? "")

/// What libFuzzer calls.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let target else {
    print("FUZZ_TARGET is to be one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
    exit(2)
  }
  target.run(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}
