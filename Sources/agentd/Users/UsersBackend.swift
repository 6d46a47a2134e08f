// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import NETCONF

/// The backend of ietf-system's users: whoever the configuration names may log in.
struct UsersBackend: Backend {
  typealias User = IETFSystem.System.Authentication.User

  let name = "users"
  let subscriptions = [User.schemaPath]
  let operationalPaths: [String] = []
  let operations: [String] = []
  /// The users that the SSH server asks.
  let directory: UserDirectory

  func prepare(_ changes: ChangeSet) -> [Refusal] {
    var refusals: [Refusal] = []
    for change in changes.changes[User.schemaPath] ?? [] {
      do {
        guard let user = try change.typed(User.self)?.new else { continue }
        refusals += Self.faults(of: user).map { Refusal(path: change.path, reason: $0) }
      } catch {
        refusals.append(Refusal(path: change.path, reason: error.message))
      }
    }
    return refusals
  }

  /// What is wrong with a user, in words for who configured it.
  static func faults(of user: User) -> [String] {
    var faults: [String] = []
    if let hash = user.password, !(hash.hasPrefix("$5$") || hash.hasPrefix("$6$")) {
      faults.append("an MD5 hash does not protect a password: give its SHA-512 hash ($6$…)")
    }
    for key in user.authorizedKey where SSHPublicKey(blob: key.keyData).algorithm != key.algorithm {
      faults.append("the authorized key '\(key.name)' is no key of the algorithm \(key.algorithm)")
    }
    return faults
  }

  func apply(_ changes: ChangeSet) {
    guard changes.changes[User.schemaPath]?.isEmpty == false else { return }
    load(from: changes.newRoot)
  }

  /// Takes the users of a whole configuration.
  func load(from root: InteriorNode) {
    let users = (try? IETFSystem.System.Authentication.read(from: root))?.user ?? []
    directory.update(
      users.map { user in
        UserDirectory.User(
          name: user.name, authorizedKeys: user.authorizedKey.map { SSHPublicKey(blob: $0.keyData) },
          passwordHash: user.password)
      })
  }
}
