// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A queue of small integers (slots) by due time: a binary heap that knows where each slot stands.
///
/// It costs 16 bytes for each slot up to the highest one used, whatever happens to them. Setting, changing and removing
/// take logarithmic time. Slots that are due at the same moment come in no particular order.
struct DueQueue: Sendable {
  private var heap: [UInt32] = []
  /// By slot: its place in the heap plus 1, or 0.
  private var places: [UInt32] = []
  /// By slot: when it is due.
  private var dues: [UInt64] = []

  init() {}

  var count: Int { heap.count }

  /// The slot that is due first.
  var first: (slot: Int, due: MonotonicInstant)? {
    heap.first.map { (Int($0), MonotonicInstant(nanoseconds: dues[Int($0)])) }
  }

  /// Puts a slot at a time, moves it there, or with nil takes it out.
  mutating func set(_ slot: Int, due: MonotonicInstant?) {
    guard let due else {
      remove(slot)
      return
    }
    if slot >= places.count {
      places.append(contentsOf: repeatElement(0, count: slot + 1 - places.count))
      dues.append(contentsOf: repeatElement(0, count: slot + 1 - dues.count))
    }
    dues[slot] = due.nanoseconds
    if places[slot] == 0 {
      heap.append(UInt32(slot))
      places[slot] = UInt32(heap.count)
    }
    settle(Int(places[slot]) - 1)
  }

  private mutating func remove(_ slot: Int) {
    guard slot < places.count, places[slot] != 0 else { return }
    let place = Int(places[slot]) - 1
    places[slot] = 0
    let last = heap.removeLast()
    guard place < heap.count else { return }
    heap[place] = last
    places[Int(last)] = UInt32(place + 1)
    settle(place)
  }

  private mutating func settle(_ start: Int) {
    var place = start
    while place > 0, isEarlier(place, (place - 1) / 2) {
      swap(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
    while true {
      var earliest = place
      for child in [2 * place + 1, 2 * place + 2] where child < heap.count && isEarlier(child, earliest) {
        earliest = child
      }
      guard earliest != place else { return }
      swap(place, earliest)
      place = earliest
    }
  }

  private func isEarlier(_ one: Int, _ other: Int) -> Bool { dues[Int(heap[one])] < dues[Int(heap[other])] }

  private mutating func swap(_ one: Int, _ other: Int) {
    heap.swapAt(one, other)
    places[Int(heap[one])] = UInt32(one + 1)
    places[Int(heap[other])] = UInt32(other + 1)
  }
}
