// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Secrets

/// What ports need to be resumed after the agent was killed: a file for each, sealed.
///
/// Each write replaces the whole content in one call, which the kernel finishes even if the process is killed in it.
/// The files are not synced: a resumption is of no use after a crash of the whole system, which takes the SecY with it;
/// the identifier of the boot tells. A file that does not open is as good as none.
final class PortStore: Sendable {
  /// How a port came through restarts.
  struct Restarts: Sendable, Hashable {
    var resumed: UInt64 = 0
    var renewed: UInt64 = 0
    var lastReason: String?
  }

  private static let magic = Array("agentd-macsec-2\n".utf8)
  private static let maximumLength = 65_536
  private let directory: String
  private let sealer: Sealer
  private let boot: String

  /// Makes the directory, for this user only.
  init(directory: String, sealer: Sealer, boot: String = SystemClock.bootIdentifier()) throws(MKAError) {
    self.directory = directory
    self.sealer = sealer
    self.boot = boot
    guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
      throw MKAError(.system, "cannot make \(directory): \(String(cString: strerror(errno)))")
    }
  }

  /// What can go wrong is that the port begins anew after a restart, so nobody is told but by the result.
  @discardableResult
  func write(_ resumption: KaYResumption?, keys: SecretBytes? = nil, restarts: Restarts, port: String) -> Bool {
    var bytes = Self.magic
    func put(_ value: some Collection<UInt8>) {
      withUnsafeBytes(of: UInt32(value.count).bigEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: value)
    }
    func put(_ value: UInt64) { withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) } }
    put(Array(boot.utf8))
    put(restarts.resumed)
    put(restarts.renewed)
    put(Array((restarts.lastReason ?? "").utf8))
    for secret in [resumption?.encoded(), keys] {
      if let secret {
        guard let sealed = try? sealer.seal(secret) else { return false }
        put(sealed.serialized)
      } else {
        put([])
      }
    }
    let descriptor = open(path(port), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else { return false }
    return ftruncate(descriptor, off_t(bytes.count)) == 0
  }

  /// What was kept of this boot, the keys of CAK mode among it, and how restarts went.
  func read(port: String) -> (resumption: KaYResumption?, keys: SecretBytes?, restarts: Restarts) {
    let descriptor = open(path(port), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return (nil, nil, Restarts()) }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: Self.maximumLength * 2)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > Self.magic.count, bytes.starts(with: Self.magic) else { return (nil, nil, Restarts()) }
    var rest = bytes[Self.magic.count..<count]
    func take() -> ArraySlice<UInt8>? {
      guard rest.count >= 4 else { return nil }
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count - 4 >= length else { return nil }
      defer { rest = rest.dropFirst(4 + length) }
      return rest.dropFirst(4).prefix(length)
    }
    func number() -> UInt64? {
      guard rest.count >= 8 else { return nil }
      defer { rest = rest.dropFirst(8) }
      return rest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
    guard let boot = take(), let resumed = number(), let renewed = number(), let reason = take(), let sealed = take()
    else { return (nil, nil, Restarts()) }
    let restarts = Restarts(
      resumed: resumed, renewed: renewed, lastReason: reason.isEmpty ? nil : String(decoding: reason, as: UTF8.self))
    guard !self.boot.isEmpty, boot.elementsEqual(self.boot.utf8) else { return (nil, nil, restarts) }
    func opened(_ sealed: ArraySlice<UInt8>?) -> SecretBytes? {
      sealed.flatMap { $0.isEmpty ? nil : try? sealer.open(Sealed(serialized: $0)) }
    }
    let resumption = opened(sealed).flatMap { try? KaYResumption(decoding: $0) }
    return (resumption, opened(take()), restarts)
  }

  /// Forgets a port that is no longer configured.
  func remove(port: String) {
    unlink(path(port))
    unlink(bondPath(port))
  }

  // MARK: Bonds

  /// Keeps the name of the bond that a port's link was taken out of, until the system is booted; nil forgets it.
  func keep(bond: String?, port: String) {
    guard let bond else {
      unlink(bondPath(port))
      return
    }
    let bytes = Array("\(boot)\n\(bond)\n".utf8)
    let descriptor = open(bondPath(port), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    // Without it the link does not go back by itself after a restart of the agent.
    _ = pwrite(descriptor, bytes, bytes.count, 0)
  }

  /// The bond that is kept for a port.
  func bond(port: String) -> String? {
    let descriptor = open(bondPath(port), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    let lines = bytes[..<count].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard lines.count == 3, !boot.isEmpty, lines[0].elementsEqual(boot.utf8), (1...15).contains(lines[1].count) else {
      return nil
    }
    return String(decoding: lines[1], as: UTF8.self)
  }

  /// No port's file has a point in its name.
  private func bondPath(_ port: String) -> String { path(port) + ".bond" }

  /// The names of ports may hold slashes.
  private func path(_ port: String) -> String {
    var name = ""
    for byte in port.utf8 {
      let character = Character(Unicode.Scalar(byte))
      if character.isASCII, character.isLetter || character.isNumber || "-_".contains(character) {
        name.append(character)
      } else {
        name += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return "\(directory)/\(name)"
  }
}
