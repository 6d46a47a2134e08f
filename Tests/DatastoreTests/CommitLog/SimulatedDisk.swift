// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Synchronization

/// A pseudo-random sequence that a printed seed repeats.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &+ 0x9E37_79B9_7F4A_7C15 }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// A disk in memory that can lose its power: what was not synchronized is then lost, kept, or torn at sectors.
final class SimulatedDisk: Sendable {
  static let sectorBytes = 512

  enum Change {
    case write(offset: Int, bytes: [UInt8])
    case truncate(Int)
  }
  struct File {
    /// What a power loss cannot take.
    var durable: [UInt8]?
    var current: [UInt8] = []
    var pending: [Change] = []
  }
  /// What fails next, and how.
  enum Fault {
    case none
    /// From this operation (counted from 0) on nothing reaches the disk.
    case powerLoss(at: Int)
    /// Exactly this operation fails with an I/O error; a failed synchronization leaves the writes pending.
    case inputOutput(at: Int)
    /// Writes that make the disk bigger than this fail.
    case full(bytes: Int)
  }
  enum Outcome { case done, ioError, full }

  struct State {
    var files: [String: File] = [:]
    var operationCount = 0
    var syncCount = 0
    var fault = Fault.none
    var failedOperations = 0
  }
  let state: Mutex<State>

  init(files: [String: [UInt8]] = [:]) {
    var state = State()
    for (name, bytes) in files { state.files[name] = File(durable: bytes, current: bytes) }
    self.state = Mutex(state)
  }

  func setFault(_ fault: Fault) { state.withLock { $0.fault = fault } }
  var operationCount: Int { state.withLock { $0.operationCount } }
  var syncCount: Int { state.withLock { $0.syncCount } }
  var bytes: Int { state.withLock { $0.files.values.reduce(0) { $0 + $1.current.count } } }

  /// What lies on the disk after the power was lost: of the writes since the last synchronization each sector is kept
  /// with the given probability.
  func imagesAfterPowerLoss(keeping probability: Double, seed: UInt64) -> [String: [UInt8]] {
    var random = SeededRandom(seed)
    func keeps() -> Bool { Double.random(in: 0..<1, using: &random) < probability }
    return state.withLock { state in
      var images: [String: [UInt8]] = [:]
      for (name, file) in state.files.sorted(by: { $0.key < $1.key }) {
        // A name that was never synchronized may be gone with its file.
        guard file.durable != nil || keeps() else { continue }
        var image = file.durable ?? []
        for change in file.pending {
          switch change {
          case .truncate(let length): if keeps() { image.resize(to: length) }
          case .write(let offset, let bytes):
            var done = 0
            while done < bytes.count {
              let at = offset + done
              let count = min(bytes.count - done, Self.sectorBytes - at % Self.sectorBytes)
              if keeps() {
                if image.count < at + count { image.resize(to: at + count) }
                image.replaceSubrange(at..<at + count, with: bytes[done..<done + count])
              }
              done += count
            }
          }
        }
        images[name] = image
      }
      return images
    }
  }

  // MARK: Operations

  func open(_ name: String) { state.withLock { if $0.files[name] == nil { $0.files[name] = File() } } }
  func exists(_ name: String) -> Bool { state.withLock { $0.files[name] != nil } }
  func size(_ name: String) -> Int { state.withLock { $0.files[name]?.current.count ?? 0 } }

  func read(_ name: String, offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
    state.withLock { state in
      guard let bytes = state.files[name]?.current, offset < bytes.count else { return 0 }
      let count = min(target.count, bytes.count - offset)
      bytes.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count])) }
      return count
    }
  }

  func write(_ name: String, offset: Int, bytes: [UInt8]) -> Outcome {
    change(name, .write(offset: offset, bytes: bytes)) { file in
      if file.current.count < offset + bytes.count { file.current.resize(to: offset + bytes.count) }
      file.current.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
  }

  func truncate(_ name: String, to length: Int) -> Outcome {
    change(name, .truncate(length)) { $0.current.resize(to: length) }
  }

  func synchronize(_ name: String) -> Outcome {
    state.withLock { state in
      let outcome = state.begin(growing: 0)
      guard outcome == .done else { return outcome }
      state.syncCount += 1
      let current = state.files[name]?.current
      state.files[name]?.durable = current
      state.files[name]?.pending = []
      return .done
    }
  }

  func remove(_ name: String) -> Outcome {
    state.withLock { state in
      let outcome = state.begin(growing: 0)
      if outcome == .done { state.files[name] = nil }
      return outcome
    }
  }

  private func change(_ name: String, _ change: Change, _ apply: (inout File) -> Void) -> Outcome {
    state.withLock { state in
      var growth = 0
      if case .write(let offset, let bytes) = change {
        growth = max(0, offset + bytes.count - (state.files[name]?.current.count ?? 0))
      }
      let outcome = state.begin(growing: growth)
      guard outcome == .done, var file = state.files[name] else { return outcome }
      apply(&file)
      file.pending.append(change)
      state.files[name] = file
      return .done
    }
  }
}

extension SimulatedDisk.State {
  mutating func begin(growing growth: Int) -> SimulatedDisk.Outcome {
    let number = operationCount
    operationCount += 1
    switch fault {
    case .none: return .done
    case .powerLoss(let at): if number < at { return .done }
    case .inputOutput(let at): if number != at { return .done }
    case .full(let limit):
      if growth == 0 || files.values.reduce(0, { $0 + $1.current.count }) + growth <= limit { return .done }
      failedOperations += 1
      return .full
    }
    failedOperations += 1
    return .ioError
  }
}

extension [UInt8] {
  fileprivate mutating func resize(to length: Int) {
    if count > length {
      removeLast(count - length)
    } else {
      append(contentsOf: repeatElement(0, count: length - count))
    }
  }
}
