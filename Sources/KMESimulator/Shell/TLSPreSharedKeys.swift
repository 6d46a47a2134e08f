// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

// OpenSSL's three callbacks for external pre-shared keys. In TLS 1.2 the identity comes with the client's key exchange;
// in TLS 1.3 with the hello, where the key is also bound to a hash. Which hash the client means shows only in the
// length of its binder, so the hello is looked at first and the cipher suites narrowed to that hash: a suite of the other hash
// would make OpenSSL ignore the key.

/// The session object behind an SSL pointer.
private func session(_ ssl: OpaquePointer?) -> TLSSession? {
  guard let ssl, let pointer = SSL_get_ex_data(ssl, 0) else { return nil }
  // The session owns the SSL and takes the pointer back before it goes.
  return Unmanaged<TLSSession>.fromOpaque(pointer).takeUnretainedValue()
}

let tls12KeyCallback:
  @convention(c) (
    OpaquePointer?, UnsafePointer<CChar>?, UnsafeMutablePointer<UInt8>?, UInt32
  ) -> UInt32 = { ssl, identity, target, capacity in
    guard let session = session(ssl), let identity, let target, SSL_version(ssl) != TLS1_3_VERSION else { return 0 }
    let name = String(cString: identity)
    guard let key = session.context.key(name), key.bytes.count <= Int(capacity) else { return 0 }
    session.client = name
    target.update(from: key.bytes, count: key.bytes.count)
    return UInt32(key.bytes.count)
  }

let tls13KeyCallback:
  @convention(c) (
    OpaquePointer?, UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<OpaquePointer?>?
  ) -> Int32 = { ssl, identity, length, result in
    result?.pointee = nil
    guard let session = session(ssl), let identity, let result else { return 0 }
    let name = String(decoding: UnsafeBufferPointer(start: identity, count: length), as: UTF8.self)
    // Without a session the handshake goes on to certificates, of which there are none, and fails there.
    guard let key = session.context.key(name) else { return 1 }
    let hash = key.hash == .any ? session.offeredHash : key.hash
    var suite: [UInt8] = hash == .sha384 ? [0x13, 0x02] : [0x13, 0x01]
    guard let cipher = SSL_CIPHER_find(ssl, &suite), let new = SSL_SESSION_new() else { return 0 }
    guard SSL_SESSION_set1_master_key(new, key.bytes, key.bytes.count) == 1, SSL_SESSION_set_cipher(new, cipher) == 1,
      SSL_SESSION_set_protocol_version(new, TLS1_3_VERSION) == 1
    else {
      SSL_SESSION_free(new)
      return 0
    }
    session.client = name
    result.pointee = new
    return 1
  }

let clientHelloCallback:
  @convention(c) (
    OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?
  ) -> Int32 = { ssl, _, _ in
    guard let session = session(ssl) else { return SSL_CLIENT_HELLO_ERROR }
    var start: UnsafePointer<UInt8>?
    var length = 0
    guard SSL_client_hello_get0_ext(ssl, UInt32(TLSEXT_TYPE_psk), &start, &length) == 1,
      let offer = OfferedPreSharedKey(UnsafeBufferPointer(start: start, count: length))
    else { return SSL_CLIENT_HELLO_SUCCESS }
    session.offeredHash = offer.binderLength == 48 ? .sha384 : .sha256
    let configured = session.context.key(offer.identity)?.hash ?? .any
    let hash = configured == .any ? session.offeredHash : configured
    let suites = hash == .sha384 ? "TLS_AES_256_GCM_SHA384" : "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
    return SSL_set_ciphersuites(ssl, suites) == 1 ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR
  }

/// The first identity and the length of its binder in a pre_shared_key extension (RFC 8446 section 4.2.11).
struct OfferedPreSharedKey: Equatable {
  var identity: String
  var binderLength: Int

  init?(_ bytes: some Sequence<UInt8>) {
    var rest = Array(bytes)[...]
    guard let listLength = Self.number(2, &rest), rest.count > listLength else { return nil }
    var identities = rest.prefix(listLength)
    rest = rest.dropFirst(listLength)
    guard let length = Self.number(2, &identities), identities.count >= length + 4 else { return nil }
    identity = String(decoding: identities.prefix(length), as: UTF8.self)
    guard Self.number(2, &rest) != nil, let binderLength = Self.number(1, &rest) else { return nil }
    self.binderLength = binderLength
  }

  /// Takes a big-endian number off the front.
  private static func number(_ size: Int, _ rest: inout ArraySlice<UInt8>) -> Int? {
    guard rest.count >= size else { return nil }
    defer { rest = rest.dropFirst(size) }
    return rest.prefix(size).reduce(0) { $0 << 8 | Int($1) }
  }
}
