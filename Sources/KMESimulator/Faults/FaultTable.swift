// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The faults in force, with the numbers they are removed by.
struct FaultTable {
  /// How many faults may be in force at once.
  static let capacity = 256

  struct Entry {
    let id: Int
    var fault: Fault
  }

  private(set) var entries: [Entry] = []
  private var nextID = 1

  /// Puts a fault in force and returns its number, or `nil` when the table is full.
  mutating func add(_ fault: Fault) -> Int? {
    guard entries.count < Self.capacity else { return nil }
    defer { nextID += 1 }
    entries.append(Entry(id: nextID, fault: fault))
    return nextID
  }

  /// Removes a fault; false when there is none of that number.
  mutating func remove(_ id: Int) -> Bool {
    let before = entries.count
    entries.removeAll { $0.id == id }
    return entries.count < before
  }

  mutating func removeAll() {
    entries = []
  }

  /// What strikes a connection that was just accepted: the first fault that matches.
  mutating func strike(connectionOf instance: String) -> Fault.Behaviour? {
    strike { $0.concernsConnections && ($0.instance == nil || $0.instance == instance) }.first
  }

  /// What strikes a request: every fault that matches, in the order they were put in force.
  mutating func strike(_ call: Call, of instance: String) -> [Fault.Behaviour] {
    strike {
      !$0.concernsConnections && ($0.instance == nil || $0.instance == instance) && ($0.call == nil || $0.call == call)
    }
  }

  private mutating func strike(where matches: (Fault) -> Bool) -> [Fault.Behaviour] {
    var struck: [Fault.Behaviour] = []
    for index in entries.indices where matches(entries[index].fault) {
      if entries[index].fault.skip > 0 {
        entries[index].fault.skip -= 1
        continue
      }
      if let count = entries[index].fault.count { entries[index].fault.count = count - 1 }
      struck.append(entries[index].fault.behaviour)
    }
    entries.removeAll { $0.fault.count == 0 }
    return struck
  }
}
