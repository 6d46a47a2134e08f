// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Glibc

/// What came of a non-blocking step on a connection.
enum TransportResult: Equatable {
  /// So many bytes were moved; for a handshake, it is complete.
  case done(Int)
  /// The step has to be repeated when the descriptor is ready in this way.
  case again(Readiness)
  /// The other end closed.
  case ended
  /// The connection is beyond use.
  case failed
}

/// The server's end of one TLS connection: owns the SSL and frees it once.
final class TLSSession {
  let context: TLSContext
  /// The PSK identity, or the common name of the client's certificate.
  var client: String?
  /// The hash that the client computed its TLS 1.3 binder with.
  var offeredHash = PreSharedKey.Hash.sha256
  private let ssl: OpaquePointer

  init?(_ context: TLSContext, descriptor: Int32) {
    guard let ssl = SSL_new(context.pointer) else { return nil }
    self.context = context
    self.ssl = ssl
    SSL_set_fd(ssl, descriptor)
    SSL_set_accept_state(ssl)
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    SSL_set_ex_data(ssl, 0, nil)
    SSL_free(ssl)
  }

  func handshake() -> TransportResult {
    ERR_clear_error()
    let result = SSL_do_handshake(ssl)
    guard result == 1 else { return failure(result) }
    if client == nil { client = certificateCommonName() }
    return .done(0)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportResult {
    ERR_clear_error()
    let result = SSL_read(ssl, buffer.baseAddress, Int32(buffer.count))
    return result > 0 ? .done(Int(result)) : failure(result)
  }

  func write(_ buffer: UnsafeRawBufferPointer) -> TransportResult {
    ERR_clear_error()
    let result = SSL_write(ssl, buffer.baseAddress, Int32(buffer.count))
    return result > 0 ? .done(Int(result)) : failure(result)
  }

  /// Sends the closing alert, if the connection still takes it.
  func shutdown() {
    ERR_clear_error()
    SSL_shutdown(ssl)
    ERR_clear_error()
  }

  private func failure(_ result: Int32) -> TransportResult {
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: .again(.readable)
    case SSL_ERROR_WANT_WRITE: .again(.writable)
    case SSL_ERROR_ZERO_RETURN: .ended
    default: .failed
    }
  }

  private func certificateCommonName() -> String? {
    guard let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
    defer { X509_free(certificate) }
    var text = [CChar](repeating: 0, count: 256)
    let length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, &text, Int32(text.count))
    guard length > 0 else { return nil }
    return String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// One accepted connection, with or without TLS: owns the descriptor and closes it once.
final class Transport {
  let descriptor: Int32
  private let session: TLSSession?

  /// `nil` when OpenSSL cannot make a session; the descriptor is closed then.
  init?(_ descriptor: Int32, _ context: TLSContext?) {
    self.descriptor = descriptor
    if let context {
      guard let session = TLSSession(context, descriptor: descriptor) else {
        close(descriptor)
        return nil
      }
      self.session = session
    } else {
      session = nil
    }
  }

  deinit {
    close(descriptor)
  }

  /// Who the client is, as far as TLS tells.
  var client: String? { session?.client }

  func handshake() -> TransportResult {
    session?.handshake() ?? .done(0)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportResult {
    if let session { return session.read(into: buffer) }
    return plainResult(recv(descriptor, buffer.baseAddress, buffer.count, 0), .readable)
  }

  func write(_ buffer: UnsafeRawBufferPointer) -> TransportResult {
    if let session { return session.write(buffer) }
    return plainResult(send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL)), .writable)
  }

  /// Ends the sending in order.
  func shutdown() {
    session?.shutdown()
    Glibc.shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Makes the close a reset.
  func prepareReset() {
    var setting = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &setting, socklen_t(MemoryLayout<linger>.size))
  }

  private func plainResult(_ result: Int, _ direction: Readiness) -> TransportResult {
    if result > 0 { return .done(result) }
    if result == 0 { return .ended }
    return errno == EAGAIN || errno == EINTR ? .again(direction) : .failed
  }
}
