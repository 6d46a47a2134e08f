// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Foundation

/// Makes the file that `openssl s_server -psk_session` reads: a TLS 1.3 session that stands for an external key.
enum SessionFile {
  /// The key for TLS_AES_256_GCM_SHA384.
  static func writeSHA384(key: [UInt8], to path: String) throws {
    struct Failure: Error {}
    guard let context = SSL_CTX_new(TLS_client_method()), let ssl = SSL_new(context),
      let cipher = SSL_CIPHER_find(ssl, [0x13, 0x02]), let session = SSL_SESSION_new(),
      SSL_SESSION_set1_master_key(session, key, key.count) == 1, SSL_SESSION_set_cipher(session, cipher) == 1,
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1, let file = BIO_new_file(path, "w")
    else { throw Failure() }
    guard PEM_write_bio_SSL_SESSION(file, session) == 1 else { throw Failure() }
    BIO_free(file)
    SSL_SESSION_free(session)
    SSL_free(ssl)
    SSL_CTX_free(context)
  }
}
