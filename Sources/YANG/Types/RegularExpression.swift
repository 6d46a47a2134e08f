// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import Synchronization

/// An XML Schema regular expression (XML Schema part 2, appendix F), matched by libxml2.
///
/// `@unchecked Sendable`: the compiled expression is made once under the lock. libxml2 2.9 counts a transition's use
/// inside the compiled expression when it has counters, so matches of such expressions must not run at the same time:
/// every match holds the lock.
final class RegularExpression: @unchecked Sendable {
  private enum Compiled {
    case no
    case invalid
    case yes(xmlRegexpPtr)
  }

  let source: String
  private let compiled = Mutex(CompiledBox())

  private struct CompiledBox: ~Copyable {
    nonisolated(unsafe) var state = Compiled.no
  }

  init(_ source: String) { self.source = source }

  deinit {
    compiled.withLock { box in
      if case .yes(let pointer) = box.state { xmlRegFreeRegexp(pointer) }
    }
  }

  private static func compile(_ box: inout CompiledBox, _ source: String) {
    guard case .no = box.state else { return }
    guard !source.utf8.contains(0), let pointer = xmlRegexpCompile(source) else {
      box.state = .invalid
      return
    }
    box.state = .yes(pointer)
  }

  var isValid: Bool {
    compiled.withLock { box in
      Self.compile(&box, source)
      if case .yes = box.state { return true }
      return false
    }
  }

  /// True when the whole text matches.
  func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard !text.contains(0) else { return false }
    let terminated = Array(text) + [0]
    return compiled.withLock { box in
      Self.compile(&box, source)
      guard case .yes(let pointer) = box.state else { return false }
      return xmlRegexpExec(pointer, terminated) == 1
    }
  }
}
