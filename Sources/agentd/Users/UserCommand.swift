// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Datastore
import Glibc
import Models
import NETCONF
import Secrets

/// `agentd user`: shorthands that edit the users of ietf-system.
struct UserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Edit the users who may open NETCONF sessions.", subcommands: [Add.self])

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add a user, or add to one.",
      discussion: """
        Needs the agent not to be running: while it runs, users are edited over NETCONF like the rest of the \
        configuration (/ietf-system:system/authentication/user).
        """)

    @Argument(help: "The user's name.") var user: String
    @Option(help: ArgumentHelp("A file with the user's public keys, as OpenSSH writes them.", valueName: "file"))
    var authorizedKey: String?
    @Flag(help: "Read the user's password, one line, from standard input.") var passwordStdin = false
    @OptionGroup var common: CommonOptions

    func validate() throws {
      guard authorizedKey != nil || passwordStdin else {
        throw ValidationError("Give --authorized-key FILE or --password-stdin, or the user cannot log in.")
      }
    }

    func run() async throws {
      var added = IETFSystem.System.Authentication.User(name: user)
      if let authorizedKey {
        for key in try Self.keys(in: authorizedKey) { added.authorizedKey.set(key) }
      }
      if passwordStdin { added.password = try Self.hashFromStandardInput() }
      let agent = try Agent(common)
      try await agent.edit(
        IETFSystem.System.Authentication(user: [added]), comment: "agentd user add \(user)")
    }

    private static func keys(
      in file: String
    ) throws(AgentError) -> [IETFSystem.System.Authentication.User.AuthorizedKey] {
      let text = String(decoding: try SmallFile.read(file), as: UTF8.self)
      var keys: [IETFSystem.System.Authentication.User.AuthorizedKey] = []
      for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
        guard let parsed = AuthorizedKeyLine(line) else {
          throw AgentError(
            "\(file): not a public key of OpenSSH's form (algorithm, key, comment): '\(line.prefix(60))'")
        }
        keys.append(
          .init(
            name: parsed.comment.isEmpty ? parsed.algorithm : parsed.comment, algorithm: parsed.algorithm,
            keyData: parsed.key.blob))
      }
      guard !keys.isEmpty else { throw AgentError("\(file) holds no public key") }
      return keys
    }

    private static func hashFromStandardInput() throws(AgentError) -> String {
      var line = [UInt8](repeating: 0, count: PasswordHash.maximumPasswordLength + 2)
      defer { line.withUnsafeMutableBytes { bytes in _ = bytes.baseAddress.map { explicit_bzero($0, bytes.count) } } }
      var length = 0
      while length < line.count, read(STDIN_FILENO, &line[length], 1) == 1, line[length] != UInt8(ascii: "\n") {
        length += 1
      }
      guard (1...PasswordHash.maximumPasswordLength).contains(length) else {
        throw AgentError("a password has 1 to \(PasswordHash.maximumPasswordLength) bytes and no line break")
      }
      let hash = line.withUnsafeBytes { PasswordHash.make(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
      guard let hash else { throw AgentError("the password cannot be hashed: it holds a zero byte") }
      return hash
    }
  }
}
