// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization

/// A thread of the operating system, for a loop that waits in system calls: tasks must not.
///
/// It takes no signals, which are for others. It ends when its body returns; who lets go of this object earlier leaves
/// it to itself.
public final class SystemThread: Sendable {
  /// There is no thread.
  public struct Failure: Error, Sendable {
    /// `EAGAIN` when the system has no more threads.
    public let errorNumber: Int32
  }

  private final class Body {
    let name: String
    let run: () -> Void
    init(_ name: String, _ run: @escaping () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Nil once it is joined.
  private let handle: Mutex<pthread_t?>

  /// - Parameter name: for debuggers and `ps`; 15 bytes of it are kept.
  public init(_ name: String, _ body: sending @escaping () -> Void) throws(Failure) {
    var thread = pthread_t()
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    let context = Unmanaged.passRetained(Body(name, body))
    pthread_sigmask(SIG_SETMASK, &all, &before)
    let code = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
        agentd_set_thread_name(body.name)
        body.run()
        return nil
      }, context.toOpaque())
    pthread_sigmask(SIG_SETMASK, &before, nil)
    guard code == 0 else {
      context.release()
      throw Failure(errorNumber: code)
    }
    handle = Mutex(thread)
  }

  deinit {
    if let thread = handle.withLock({ $0.take() }) { pthread_detach(thread) }
  }

  /// Waits for its end. From the thread itself, or for a second time, it returns at once.
  public func join() {
    guard let thread = handle.withLock({ $0.take() }) else { return }
    if pthread_equal(thread, pthread_self()) != 0 { pthread_detach(thread) } else { pthread_join(thread, nil) }
  }
}
