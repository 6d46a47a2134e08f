// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Interfaces
import KeyService
import Netlink
import Secrets
import Synchronization

/// A key service that has every key at once, so that what is measured is ours.
final class PromptKeyService: KeyService {
  private let clients = KeyClientRegistry()

  func register(_ client: KeyClient, profile: String) -> KeyClientRegistration {
    clients.register(client, profile: profile)
  }
  func capabilities(profile: String, deadline: Duration) async throws(KeyServiceError) -> KeyServiceCapabilities {
    throw .unknownProfile(profile)
  }
  func newKey(_ request: NewKeyRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    throw .unknownProfile(profile)
  }
  func key(_ request: KeyByIdentifierRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    let bytes: SecretBytes
    do throws(SecretsError) { bytes = try SecretBytes.random(count: 32) } catch { throw .busy }
    return KeyMaterial(identifier: request.identifier, remoteSystem: "far", secret: bytes)
  }
  func entropy(_ request: EntropyRequest, profile: String) async throws(KeyServiceError) -> SecretBytes {
    throw .unknownProfile(profile)
  }
}

/// Links that are only counted: no kernel is needed for a thousand tunnels.
final class CountedLinks: TunnelLinks {
  let hasXFRMInterfaces = true
  private let made = Mutex<Set<String>>([])

  var count: Int { made.withLock { $0.count } }

  func ensure(_ tunnel: String, identifier: UInt32, underlying: String?) throws(TunnelLinkError) -> String {
    made.withLock { _ = $0.insert(tunnel) }
    return tunnel
  }
  func adopt(_ tunnel: String, link: String) {}
  func route(_ destinations: [AddressPrefix], to tunnel: String) {}
  func removeStrays(except tunnels: Set<String>) throws(TunnelLinkError) {}
  func remove(_ tunnel: String) throws(TunnelLinkError) { made.withLock { _ = $0.remove(tunnel) } }
}

/// Asks for the key of a PPK ID as charon's plugin does (docs/charon-plugin.md).
///
/// - Returns: whether there was a key; nil when nobody answered.
func askForPPK(at path: String, id: String, connection: String) -> Bool? {
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
  let connected = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
  guard connected == 0 else { return nil }
  func field(_ text: String) -> [UInt8] { [UInt8(text.utf8.count >> 8), UInt8(text.utf8.count & 255)] + text.utf8 }
  let fields = field(id) + field(connection)
  let question = [1, UInt8(fields.count >> 8), UInt8(fields.count & 255)] + fields
  guard send(descriptor, question, question.count, Int32(MSG_NOSIGNAL)) == question.count else { return nil }
  var answer = [UInt8](repeating: 0, count: 64)
  let count = recv(descriptor, &answer, answer.count, 0)
  return count >= 4 ? answer[1] == 0 && answer[3] == 32 : nil
}
