// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Elements in an order that is changed much: found by key, put and taken at the same cost anywhere.
struct LinkedOrder<Key: Hashable, Element> {
  /// Nil for what was taken out.
  private var elements: [Element?] = []
  private var previous: [Int] = []
  private var next: [Int] = []
  private var places: [Key: Int] = [:]
  private var first = -1
  private var last = -1

  var count: Int { places.count }

  func contains(_ key: Key) -> Bool { places[key] != nil }

  subscript(key: Key) -> Element? { places[key].flatMap { elements[$0] } }

  /// Puts an element in the place of the one with that key, else at the end.
  mutating func set(_ key: Key, _ element: Element) {
    if let place = places[key] {
      elements[place] = element
    } else {
      link(add(key, element), after: last)
    }
  }

  mutating func remove(_ key: Key) {
    guard let place = places.removeValue(forKey: key) else { return }
    unlink(place)
    elements[place] = nil
  }

  /// Puts an element at a place, whether it was there before or not; false when the neighbour is not there or itself.
  mutating func place(_ key: Key, _ element: Element, _ destination: LinkedDestination<Key>) -> Bool {
    var neighbour = -1
    switch destination {
    case .first, .last: break
    case .before(let other), .after(let other):
      guard other != key, let found = places[other] else { return false }
      neighbour = found
    }
    if let old = places[key] { unlink(old) }
    let place = add(key, element)
    switch destination {
    case .first: link(place, after: -1)
    case .last: link(place, after: last)
    case .before: link(place, after: previous[neighbour])
    case .after: link(place, after: neighbour)
    }
    return true
  }

  /// All elements in order.
  var ordered: [Element] {
    var result: [Element] = []
    result.reserveCapacity(count)
    var place = first
    while place >= 0 {
      if let element = elements[place] { result.append(element) }
      place = next[place]
    }
    return result
  }

  private mutating func add(_ key: Key, _ element: Element) -> Int {
    if let place = places[key] {
      elements[place] = element
      return place
    }
    places[key] = elements.count
    elements.append(element)
    previous.append(-1)
    next.append(-1)
    return elements.count - 1
  }

  private mutating func unlink(_ place: Int) {
    if previous[place] >= 0 { next[previous[place]] = next[place] } else { first = next[place] }
    if next[place] >= 0 { previous[next[place]] = previous[place] } else { last = previous[place] }
  }

  /// -1 links at the beginning.
  private mutating func link(_ place: Int, after left: Int) {
    let right = left >= 0 ? next[left] : first
    previous[place] = left
    next[place] = right
    if left >= 0 { next[left] = place } else { first = place }
    if right >= 0 { previous[right] = place } else { last = place }
  }
}

/// Where an element goes.
enum LinkedDestination<Key: Hashable> {
  case first, last
  case before(Key)
  case after(Key)
}
