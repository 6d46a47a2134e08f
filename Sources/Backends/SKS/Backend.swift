// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import KeyService
import Models
import Secrets
import Synchronization
import YANG

/// The backend of the session key service: profiles of Cisco-IOS-XR-um-sks-server-cfg and what agentd-sks adds.
///
/// A change of a trustpoint or of an interface's mapping is carried to the profiles that refer to it, and to no other.
public final class SKSBackend: Backend {
  public let name = "sks"
  public let subscriptions = [
    ProfileModel.schemaPath, SKSServer.Pacing.schemaPath, TrustpointModel.schemaPath,
    InterfaceMappingModel.schemaPath,
  ]
  public let operationalPaths = SKSBackend.stateLists
  public let operations = [AgentdSKS.TestKey.schemaPath]
  /// The keys, for consumers.
  public let service: SKSService

  private static let stateLists = [
    ProfileStatModel.schemaPath, ProfileStateModel.schemaPath, "/Cisco-IOS-XR-sks-server-oper:sks/self-mc-pubkeys",
    "/Cisco-IOS-XR-sks-server-oper:sks/peers", "/Cisco-IOS-XR-sks-server-oper:sks/peer-mc-pubkeys",
  ]

  private struct State {
    /// The configuration that was applied last.
    var root: InteriorNode?
    var references = ReferenceIndex()
    /// Certificates of the trustpoints that profiles refer to.
    var credentials: [String: ConfigurationMapper.Credentials] = [:]
  }
  private let state = Mutex(State())
  private let schema: Schema
  private let sealer: Sealer
  private let lists: ConfiguredLists

  /// Starts the service, with no profile. Fails when the modules are not in force, or the system gives no thread.
  public init(
    schema: Schema, sealer: Sealer, events: EventBus,
    layer3Link: @escaping @Sendable (_ interface: String) -> String? = { _ in nil }
  ) throws(SKSConfigurationError) {
    self.schema = schema
    self.sealer = sealer
    lists = try ConfiguredLists(schema)
    service = try SKSService(sealer: sealer, layer3Link: layer3Link) { profile, event, connection in
      if let event = ConnectionNotifications.event(profile, event, connection, schema: schema) { events.publish(event) }
    }
    let pacing = SKSServer.Pacing()
    service.pace(
      concurrentAttempts: Int(pacing.maxConcurrentAttemptsOrDefault),
      attemptsPerSecond: Int(pacing.maxAttemptsPerSecondOrDefault))
  }

  /// Ends the service; to be called before the process exits.
  public func shutdown() { service.shutdown() }

  // MARK: Configuration

  public func prepare(_ changes: ChangeSet) -> [Refusal] {
    let touched = touchedNames(changes)
    var mapper = state.withLock { state in
      self.mapper(changes.newRoot, state.credentials.filter { !touched.trustpoints.contains($0.key) })
    }
    // Certificates are looked at once for all the profiles that share them.
    var checked: [ObjectIdentifier: SKSConfigurationError?] = [:]
    var refusals: [Refusal] = []
    func check(_ profile: InteriorNode, at path: InstancePath) {
      do {
        let profile = try ProfileModel(profile)
        do throws(SKSConfigurationError) {
          let configuration = try mapper.configuration(of: profile)
          guard case .certificates(let credentials) = configuration.authentication else {
            return try configuration.check(sealer: sealer)
          }
          let identity = ObjectIdentifier(credentials)
          if checked[identity] == nil {
            do throws(SKSConfigurationError) {
              try configuration.check(sealer: sealer)
              checked[identity] = .some(nil)
            } catch { checked[identity] = .some(error) }
          }
          if let known = checked[identity], let error = known { throw error }
        } catch { refusals.append(Refusal(path: lists.place(error.element, below: path), reason: error.description)) }
      } catch { refusals.append(Refusal(path: path, reason: error.message)) }
    }
    for change in changes.changes[ProfileModel.schemaPath] ?? [] {
      if let profile = change.new?.interior { check(profile, at: change.path) }
    }
    for name in affectedProfiles(changes) {
      guard let profile = lists.profile(name, in: changes.newRoot) else { continue }
      check(profile, at: lists.path(ofProfile: name))
    }
    return refusals
  }

  public func apply(_ changes: ChangeSet) {
    if changes.changes[SKSServer.Pacing.schemaPath] != nil { pace(changes.newRoot) }
    let touched = touchedNames(changes)
    var applied: [(name: String, configuration: ProfileConfiguration?)] = []
    let affected = affectedProfiles(changes)
    state.withLock { state in
      for name in touched.trustpoints { state.credentials[name] = nil }
      var mapper = mapper(changes.newRoot, state.credentials)
      for change in changes.changes[ProfileModel.schemaPath] ?? [] {
        let name = change.path.lastKey
        let profile = change.new?.interior.flatMap { try? ProfileModel($0) }
        state.references.set(name, profile.map(ProfileReferences.init))
        // What was committed was prepared; should it be unusable nevertheless, the profile has no server.
        applied.append((name, profile.map { (try? mapper.configuration(of: $0)) ?? ProfileConfiguration() }))
      }
      for name in affected {
        guard let node = lists.profile(name, in: changes.newRoot), let profile = try? ProfileModel(node) else {
          continue
        }
        applied.append((name, (try? mapper.configuration(of: profile)) ?? ProfileConfiguration()))
      }
      // Trustpoints that no profile refers to any more are let go.
      state.credentials = mapper.credentials.filter { state.references.refersTo(trustpoint: $0.key) }
      state.root = changes.newRoot
    }
    service.configure(applied)
  }

  /// The profiles that did not change but refer to something that did, in order.
  func affectedProfiles(_ changes: ChangeSet) -> [String] {
    let changed = Set((changes.changes[ProfileModel.schemaPath] ?? []).map(\.path.lastKey))
    return state.withLock { $0.references.profiles(touchedNames(changes)) }.filter { !changed.contains($0) }
  }

  private func pace(_ root: InteriorNode) {
    let pacing = (try? SKSServer.Pacing.read(from: root)) ?? SKSServer.Pacing()
    service.pace(
      concurrentAttempts: Int(pacing.maxConcurrentAttemptsOrDefault),
      attemptsPerSecond: Int(pacing.maxAttemptsPerSecondOrDefault))
  }

  /// The trustpoints and interfaces that changed.
  private func touchedNames(_ changes: ChangeSet) -> ReferenceIndex.Names {
    func names(_ path: String) -> Set<String> { Set((changes.changes[path] ?? []).map(\.path.lastKey)) }
    return ReferenceIndex.Names(
      trustpoints: names(TrustpointModel.schemaPath), sourceInterfaces: names(InterfaceMappingModel.schemaPath))
  }

  private func mapper(
    _ root: InteriorNode, _ credentials: [String: ConfigurationMapper.Credentials]
  ) -> ConfigurationMapper {
    ConfigurationMapper(
      credentials: credentials,
      trustpoint: { [lists] name in lists.trustpoint(name, in: root).flatMap { try? TrustpointModel($0) } },
      linuxName: { [lists] name in
        lists.mapping(name, in: root).flatMap { try? InterfaceMappingModel($0) }?.linuxName
      })
  }

  // MARK: State

  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    guard let root = state.withLock({ $0.root }) else { return AnyIterator { nil } }
    let make: @Sendable (InteriorNode) -> InteriorNode? = { [service] profile in
      guard let name = profile.keys.first?.text, let state = service.snapshot(of: name) else { return nil }
      let isRemote = profile.container("type")?.container("remote") != nil
      switch request.path {
      case ProfileStatModel.schemaPath:
        return ProfileStatModel(state, isRemote: isRemote).interiorNode(request.schema)
      case ProfileStateModel.schemaPath:
        return ProfileStateModel(state, isRemote: isRemote).interiorNode(request.schema)
      default: return nil
      }
    }
    guard request.path == ProfileStatModel.schemaPath || request.path == ProfileStateModel.schemaPath else {
      return AnyIterator { nil }
    }
    if let keys = request.keys {
      var one = keys.first?.text.flatMap { lists.profile($0, in: root) }.flatMap(make)
      return AnyIterator { one.take() }
    }
    guard var profiles = lists.profiles(in: root)?.makeIterator() else { return AnyIterator { nil } }
    return AnyIterator {
      while let profile = profiles.next() {
        if let state = make(profile) { return state }
      }
      return nil
    }
  }

  // MARK: Operations

  public func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode? {
    guard operation.schema.path == AgentdSKS.TestKey.schemaPath else {
      throw DatastoreError(.operationNotSupported, message: "\(operation.schema.path) is not carried out here")
    }
    let output = try await testKey(try AgentdSKS.TestKey.Input(operation.input))
    return try output.interiorNode(schema: schema)
  }

  private func testKey(_ input: AgentdSKS.TestKey.Input) async throws(DatastoreError) -> AgentdSKS.TestKey.Output {
    let start = ContinuousClock.now
    let report: SKSService.KeyReport
    do throws(KeyServiceError) {
      if let text = input.keyID {
        guard let identifier = KeyIdentifier(text) else {
          throw .invalidRequest("\(text) is no identifier of a key")
        }
        report = try await service.testKey(
          profile: input.profileName, identifier: identifier, remoteSystem: input.remoteSystemID)
      } else {
        report = try await service.testKey(
          profile: input.profileName, remoteSystem: input.remoteSystemID, sizeInBits: input.size.map(Int.init))
      }
    } catch {
      throw DatastoreError(error.isMistakeOfCaller ? .invalidValue : .operationFailed, message: error.description)
    }
    let elapsed = (ContinuousClock.now - start).millisecondsRoundedUp
    return AgentdSKS.TestKey.Output(
      keyID: report.identifier.description, size: UInt32(report.sizeInBits),
      fingerprint: report.fingerprint.description, remoteSystemID: report.remoteSystem,
      responseTime: UInt32(clamping: elapsed))
  }
}

extension KeyServiceError {
  /// Whether the same call can never succeed as things are configured.
  fileprivate var isMistakeOfCaller: Bool {
    switch self {
    case .unknownProfile, .invalidRequest: true
    default: false
    }
  }
}

extension Value {
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}

extension InstancePath {
  /// The key of the entry that the path ends at.
  fileprivate var lastKey: String { steps.last?.keys.first?.text ?? "" }
}
