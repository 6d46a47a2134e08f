// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import KeyService
import Secrets
import Synchronization
import Testing

@testable import SKS

/// A service whose profile is `P`, and what it told of its connection.
final class ServiceFixture: Sendable {
  static let identity = "router1"
  static let keyDigits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

  /// An interface whose addresses are on another link than its own: on the loopback interface.
  static let carried = "HundredGigE0/1/0/10"

  private final class Events: Sendable {
    let list = Mutex<[ConnectionEvent]>([])
  }

  let service: SKSService
  let sealer: Sealer
  private let told = Events()

  init() throws {
    sealer = try Sealer(try MasterKey())
    let layer3Link: @Sendable (String) -> String? = { $0 == Self.carried ? "lo" : nil }
    service = try SKSService(sealer: sealer, layer3Link: layer3Link) { [told] _, event, _ in
      told.list.withLock { $0.append(event) }
    }
  }

  deinit { service.shutdown() }

  var events: [ConnectionEvent] { told.list.withLock { $0 } }

  func seal(_ text: String) throws -> Sealed { try sealer.seal(SecretBytes(copying: Array(text.utf8))) }

  func psk(
    _ digits: String = keyDigits, identity: String = identity, hash: PreSharedKey.Hash = .automatic
  ) throws -> Authentication {
    .psk(try PreSharedKey(identity: identity, key: try seal(digits), form: .hexadecimal, hash: hash))
  }

  static let quick = Result {
    try ProfileSettings(
      connectTimeout: .seconds(3), requestTimeout: .seconds(3), minimumBackOff: .milliseconds(50),
      maximumBackOff: .milliseconds(200), keyWindow: .seconds(1))
  }

  /// Configures the profile for a port of 127.0.0.1.
  func configure(
    port: UInt16, _ authentication: Authentication, _ change: (inout ProfileConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = ProfileConfiguration(
      server: Endpoint(host: .ipv4("127.0.0.1"), port: port), authentication: authentication,
      settings: try Self.quick.get())
    change(&configuration)
    service.configure([("P", configuration)])
  }

  var state: ProfileOperationalState? { service.snapshot(of: "P") }

  /// Waits until the profile is as told, at most ten seconds.
  @discardableResult
  func wait(
    sourceLocation: SourceLocation = #_sourceLocation, until condition: (ProfileOperationalState) -> Bool
  ) async throws -> ProfileOperationalState {
    for _ in 0..<1_000 {
      if let state, condition(state) { return state }
      try await Task.sleep(for: .milliseconds(10))
    }
    let state = try #require(self.state, sourceLocation: sourceLocation)
    Issue.record("not reached: \(state)", sourceLocation: sourceLocation)
    return state
  }

  /// Takes one of everything from a key provider in good order, and checks all that came.
  func takeAll(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let connected = try await wait(sourceLocation: sourceLocation) { $0.status == .connected }
    #expect(connected.capabilities?.localSystem == "KP-A", sourceLocation: sourceLocation)
    let digits = CannedKME.keyDigits.lowercased()
    let key = try await service.newKey(try NewKeyRequest(sizeInBits: 256), profile: "P")
    let identifier = try #require(KeyIdentifier(CannedKME.keyID))
    #expect(key.identifier == identifier && hex(key.secret) == digits, sourceLocation: sourceLocation)
    let fetched = try await service.key(try KeyByIdentifierRequest(identifier: identifier), profile: "P")
    #expect(hex(fetched.secret) == digits && fetched.remoteSystem == "KP-B", sourceLocation: sourceLocation)
    let entropy = try await service.entropy(try EntropyRequest(sizeInBits: 128), profile: "P")
    #expect(hex(entropy) == "00112233445566778899aabbccddeeff", sourceLocation: sourceLocation)
    let state = try #require(self.state)
    #expect(state.statistics.responses.key == 1 && state.statistics.responses.keyWithID == 1)
    #expect(state.statistics.responses.entropy == 1 && state.statistics.validationFailed == 0)
    #expect(state.statistics.lastTransaction.statusText == "200 OK", sourceLocation: sourceLocation)
    #expect(state.statistics.responseTimes.maximum > 0, sourceLocation: sourceLocation)
  }

  func hex(_ secret: SecretBytes) -> String {
    secret.withUnsafeBytes { $0.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
  }
}
