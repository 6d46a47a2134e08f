// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// Threads of the operating system, for loops that wait in system calls: tasks must not.
public enum SystemThread {
  private final class Body {
    let name: String
    let run: @Sendable () -> Void
    init(_ name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a thread that nobody joins; it ends when `body` returns.
  ///
  /// - Parameter name: for debuggers and `ps`; 15 bytes of it are kept.
  /// - Returns: 0, or the number of the error for which there is none: `EAGAIN` when the system has no more threads.
  public static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Int32 {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(name, body))
    let code = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
        agentd_set_thread_name(body.name)
        body.run()
        return nil
      }, context.toOpaque())
    guard code == 0 else {
      context.release()
      return code
    }
    pthread_detach(thread)
    return 0
  }
}
