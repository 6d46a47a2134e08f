// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Secrets

@Suite struct MasterKeyTests {
  private func withDirectory(_ body: (String) throws -> Void) throws {
    let directory = NSTemporaryDirectory() + "agentd-secrets-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
  }

  private func write(_ count: Int, mode: mode_t, to path: String) {
    _ = FileManager.default.createFile(atPath: path, contents: Data(repeating: 7, count: count))
    chmod(path, mode)
  }

  @Test func createsOnceAndLoadsTheSame() throws {
    try withDirectory { directory in
      let path = directory + "/master.key"
      let first = try Sealer(try MasterKey.loadOrCreate(path: path))
      let sealed = try first.seal(SecretBytes(copying: [1]))
      let again = try Sealer(try MasterKey.loadOrCreate(path: path))
      #expect(try again.open(sealed).count == 1)
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600 && status.st_size == 32)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["master.key"])
    }
  }

  @Test func manyCreatorsGetOneKey() async throws {
    let directory = NSTemporaryDirectory() + "agentd-secrets-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let sealed = try await withThrowingTaskGroup(of: Sealed.self) { group in
      for _ in 0..<8 {
        group.addTask {
          try Sealer(try MasterKey.loadOrCreate(path: directory + "/key")).seal(SecretBytes(copying: [5]))
        }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(sealed.count == 1)
  }

  @Test(arguments: [0o640, 0o604, 0o660, 0o666, 0o610] as [mode_t])
  func refusesModesThatLetOthersIn(mode: mode_t) throws {
    try withDirectory { directory in
      write(32, mode: mode, to: directory + "/key")
      let error = #expect(throws: SecretsError(.keyFile, "")) { try MasterKey.loadOrCreate(path: directory + "/key") }
      #expect(error?.message.contains("mode \(String(mode, radix: 8))") == true)
    }
  }

  @Test func acceptsReadOnlyCredentials() throws {
    try withDirectory { directory in
      write(32, mode: 0o400, to: directory + "/key")
      _ = try MasterKey.load(path: directory + "/key")
    }
  }

  @Test(arguments: [0, 31, 33])
  func refusesAnotherLength(count: Int) throws {
    try withDirectory { directory in
      write(count, mode: 0o600, to: directory + "/key")
      #expect(throws: SecretsError(.keyFile, "")) { try MasterKey.loadOrCreate(path: directory + "/key") }
    }
  }

  @Test func refusesLinksDirectoriesAndMissingFiles() throws {
    try withDirectory { directory in
      write(32, mode: 0o600, to: directory + "/key")
      symlink(directory + "/key", directory + "/link")
      for path in [directory + "/link", directory, directory + "/none"] {
        #expect(throws: SecretsError(.keyFile, ""), "\(path)") { try MasterKey.load(path: path) }
      }
      #expect(throws: SecretsError(.keyFile, "")) { try MasterKey.loadOrCreate(path: directory + "/none/key") }
    }
  }

  @Test func refusesAnotherOwner() throws {
    guard geteuid() == 0 else { return }  // only root can give a file away
    try withDirectory { directory in
      write(32, mode: 0o600, to: directory + "/key")
      chown(directory + "/key", 12345, 12345)
      let error = #expect(throws: SecretsError(.keyFile, "")) { try MasterKey.load(path: directory + "/key") }
      #expect(error?.message.contains("12345") == true)
    }
  }
}
