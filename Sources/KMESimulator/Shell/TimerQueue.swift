// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Actions in the order of their time: a binary heap; a cancelled action stays in it, empty, until its time.
struct TimerQueue {
  /// Names a scheduled action.
  typealias Token = UInt64

  private struct Entry {
    var deadline: Duration
    var token: Token
  }

  private var heap: [Entry] = []
  private var actions: [Token: () -> Void] = [:]
  private var nextToken: Token = 1

  /// The time of the earliest entry.
  var nextDeadline: Duration? { heap.first?.deadline }

  mutating func schedule(at deadline: Duration, _ action: @escaping () -> Void) -> Token {
    let token = nextToken
    nextToken += 1
    actions[token] = action
    heap.append(Entry(deadline: deadline, token: token))
    var child = heap.count - 1
    while child > 0, heap[child].deadline < heap[(child - 1) / 2].deadline {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
    return token
  }

  mutating func cancel(_ token: Token) {
    actions[token] = nil
  }

  /// The action whose time has come, if any; call again until it returns `nil`.
  mutating func popDue(now: Duration) -> (() -> Void)? {
    while let first = heap.first, first.deadline <= now {
      removeFirst()
      if let action = actions.removeValue(forKey: first.token) { return action }
    }
    return nil
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
        if heap[child].deadline < heap[least].deadline { least = child }
      }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
