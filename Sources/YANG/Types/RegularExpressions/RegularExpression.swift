// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import Synchronization

/// An XML Schema regular expression (XML Schema part 2, appendix F).
///
/// libxml2 is the reference. Most text is matched by an automaton of our own where the expression is in the part of
/// the language that needs no interpretation; that both agree is held by a differential test. Either is made at its
/// first use.
final class RegularExpression: Sendable {
  /// The outcome of making the automaton: none for an expression that is left to libxml2.
  private final class Quick: Sendable {
    let automaton: Automaton?
    init(_ automaton: Automaton?) { self.automaton = automaton }
  }

  let source: String
  private let quick = AtomicLazyReference<Quick>()
  private let reference: ReferenceExpression

  init(_ source: String) {
    self.source = source
    reference = ReferenceExpression(source)
  }

  /// False when it is not a regular expression.
  var isValid: Bool { ExpressionSyntax.parse(source) != nil || reference.isValid }

  /// True when the whole text (UTF-8) matches.
  func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    if let automaton = automaton, let result = automaton.matches(text) { return result }
    return reference.matches(text)
  }

  /// Nil for an expression that is left to libxml2.
  var automaton: Automaton? {
    if let made = quick.load() { return made.automaton }
    return quick.storeIfNil(Quick(ExpressionSyntax.parse(source).flatMap(Automaton.init))).automaton
  }
}

/// The expression as libxml2 compiles and matches it.
///
/// Sendable: libxml2 does not say that an expression may be matched by several threads at once, so the lock is held
/// over each match, and the pointer is touched nowhere else.
final class ReferenceExpression: Sendable {
  private struct Compiled: ~Copyable {
    private let pointer: xmlRegexpPtr?

    init(_ source: String) {
      // libxml2 stops at a zero octet, and would report errors on standard error.
      pointer = source.utf8.contains(0) ? nil : Self.quietly { xmlRegexpCompile(source) }
    }

    deinit {
      if let pointer { xmlRegFreeRegexp(pointer) }
    }

    private static func quietly<R>(_ body: () -> R) -> R {
      let handler = __xmlStructuredError().pointee
      let context = __xmlStructuredErrorContext().pointee
      xmlSetStructuredErrorFunc(nil) { _, _ in }
      defer { xmlSetStructuredErrorFunc(context, handler) }
      return body()
    }

    var isValid: Bool { pointer != nil }

    func matches(_ terminated: [UInt8]) -> Bool {
      guard let pointer else { return false }
      return xmlRegexpExec(pointer, terminated) == 1
    }
  }

  private struct State: ~Copyable {
    var compiled: Compiled?
  }

  private let source: String
  private let state = Mutex(State())

  init(_ source: String) { self.source = source }

  var isValid: Bool {
    state.withLock { state in
      if state.compiled == nil { state.compiled = Compiled(source) }
      return state.compiled?.isValid ?? false
    }
  }

  func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard !text.contains(0) else { return false }
    let terminated = Array(text) + [0]
    return state.withLock { state in
      if state.compiled == nil { state.compiled = Compiled(source) }
      return state.compiled?.matches(terminated) ?? false
    }
  }
}
