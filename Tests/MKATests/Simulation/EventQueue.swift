// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What is to happen, in the order of its time and then of its arrival.
struct EventQueue<Element> {
  private var heap: [(time: Duration, sequence: Int, element: Element)] = []
  private var sequence = 0

  var nextTime: Duration? { heap.first?.time }

  mutating func push(_ element: Element, at time: Duration) {
    sequence += 1
    heap.append((time, sequence, element))
    var child = heap.count - 1
    while child > 0, precedes(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> (time: Duration, element: Element)? {
    guard let first = heap.first else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) { least = child }
      guard least != parent else { break }
      heap.swapAt(least, parent)
      parent = least
    }
    return (first.time, first.element)
  }

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    (heap[a].time, heap[a].sequence) < (heap[b].time, heap[b].sequence)
  }
}
