// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibSSH
import Glibc

/// The server's host keys, one file each of Ed25519, ECDSA (nistp256) and RSA (3072 bits), made on first use.
public struct HostKeys: Sendable {
  /// The private keys' files, each of mode 0600.
  public let files: [String]

  private static let kinds: [(name: String, type: ssh_keytypes_e, parameter: Int32)] = [
    ("ssh_host_ed25519_key", SSH_KEYTYPE_ED25519, 0),
    ("ssh_host_ecdsa_key", SSH_KEYTYPE_ECDSA_P256, 256),
    ("ssh_host_rsa_key", SSH_KEYTYPE_RSA, 3072),
  ]

  /// Finds the keys in a directory, which must exist, and makes those that are missing. A key that exists but cannot be
  /// used, or that others may read, is an error and is never replaced.
  public init(directory: String) throws(ServerError) {
    var files: [String] = []
    for kind in Self.kinds {
      let path = directory + "/" + kind.name
      if access(path, F_OK) == 0 {
        try Self.check(path)
      } else {
        try Self.make(kind.type, parameter: kind.parameter, at: path)
      }
      files.append(path)
    }
    self.files = files
  }

  private static func check(_ path: String) throws(ServerError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw .hostKey(path, reason: ServerError.text(errno)) }
    guard status.st_mode & 0o077 == 0 else {
      throw .hostKey(path, reason: "other users may read it; expected mode 0600")
    }
  }

  private static func make(_ type: ssh_keytypes_e, parameter: Int32, at path: String) throws(ServerError) {
    var key: ssh_key?
    guard ssh_pki_generate(type, parameter, &key) == SSH_OK, let key else {
      throw .hostKey(path, reason: "cannot be generated")
    }
    defer { ssh_key_free(key) }
    var text: UnsafeMutablePointer<CChar>?
    guard ssh_pki_export_privkey_base64(key, nil, nil, nil, &text) == SSH_OK, let text else {
      throw .hostKey(path, reason: "cannot be encoded")
    }
    let length = strlen(text)
    defer {
      explicit_bzero(text, length)
      ssh_string_free_char(text)
    }
    try write(UnsafeRawBufferPointer(start: text, count: length), to: path)
  }

  /// Writes a whole file or none: under another name first, synced, then renamed.
  private static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws(ServerError) {
    let temporary = path + ".new"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .hostKey(path, reason: ServerError.text(errno)) }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
      guard count > 0 else { throw .hostKey(path, reason: ServerError.text(errno)) }
      written += count
    }
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
      throw .hostKey(path, reason: ServerError.text(errno))
    }
  }
}
