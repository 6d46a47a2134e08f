// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink

/// What keeps frames in clear off the parent link.
extension Port {
  /// Keeps frames in clear off the parent link, under must-secure always, else while the port is secured; and off its
  /// own stack always. False when that cannot be done.
  @discardableResult
  mutating func guardParent(_ link: Link, _ world: PortWorld, now: Moment) -> Bool {
    let isProtectedOnly = settings.policy.mka.securityPolicy == .mustSecure || active?.kay.isSecured == true
    let wanted = Guarded(
      link: link.index, name: link.name,
      rule: isProtectedOnly ? .protectedOnly(settings.policy.guardExceptions) : .cutOff)
    // Somebody may have flushed all filters of the system.
    guard wanted != guarded || now.uptime >= nextGuardCheck else { return true }
    nextGuardCheck = now.uptime + Self.guardCheckInterval
    do throws(SecYError) {
      try world.environment.guardParent(wanted.name, wanted.rule)
      guarded = wanted
      if problem == guardProblem { problem = nil }
      guardProblem = nil
      return true
    } catch {
      guarded = nil
      guardProblem = error.message
      problem = error.message
      return false
    }
  }

  /// Filters of the system were taken away, perhaps this port's.
  mutating func checkGuard(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    nextGuardCheck = .zero
    if guarded != nil, let link { guardParent(link, world, now: now) }
  }

  /// Lets everything pass the parent link again.
  mutating func openParent(_ world: PortWorld) {
    guard let going = guarded else { return }
    do throws(SecYError) {
      try world.environment.guardParent(going.name, .open)
      guarded = nil
    } catch { problem = error.message }
  }
}
