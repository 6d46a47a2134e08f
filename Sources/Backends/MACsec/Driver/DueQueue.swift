// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Which slot is due next: a binary heap in which what was superseded stays until it comes up, and is then passed over.
struct DueQueue: Sendable {
  private struct Entry: Sendable {
    var due: Duration
    var slot: Int
  }
  private var heap: [Entry] = []
  /// By slot: when it is due; nil when it is not.
  private var dues: [Duration?] = []

  /// Puts a slot at a time, moves it there, or with nil takes it out.
  mutating func set(_ slot: Int, due: Duration?) {
    while dues.count <= slot { dues.append(nil) }
    guard dues[slot] != due else { return }
    dues[slot] = due
    guard let due else { return }
    heap.append(Entry(due: due, slot: slot))
    var place = heap.count - 1
    while place > 0, heap[place].due < heap[(place - 1) / 2].due {
      heap.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  /// When the first is due.
  mutating func nextDue() -> Duration? {
    dropSuperseded()
    return heap.first?.due
  }

  /// Takes out a slot that is due.
  mutating func take(now: Duration) -> Int? {
    dropSuperseded()
    guard let first = heap.first, first.due <= now else { return nil }
    removeFirst()
    dues[first.slot] = nil
    return first.slot
  }

  private mutating func dropSuperseded() {
    while let first = heap.first, dues[first.slot] != first.due { removeFirst() }
  }

  private mutating func removeFirst() {
    let last = heap.removeLast()
    guard !heap.isEmpty else { return }
    heap[0] = last
    var place = 0
    while true {
      var least = place
      for child in [2 * place + 1, 2 * place + 2] where child < heap.count && heap[child].due < heap[least].due {
        least = child
      }
      guard least != place else { return }
      heap.swapAt(place, least)
      place = least
    }
  }
}
