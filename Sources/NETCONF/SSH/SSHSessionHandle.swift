// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibSSH

/// Owns one `ssh_session` of libssh, on the server's side and never blocking, and frees it once. Not for several
/// threads.
///
/// What this relies on in libssh 0.10:
/// - Every call that says it drives the session polls the socket once without waiting, reads at most one buffer, and
/// calls
///   the channels' callbacks from inside. The socket must not block: libssh sends only after it saw that it may.
/// - `ssh_channel_write` drives the session too when it cannot send all at once, so callbacks may run inside a write.
/// - Requests of the peer wait in a queue until `nextRequest` takes them; one pass can queue several.
final class SSHSessionHandle {
  let session: ssh_session
  private let socketCounter: UnsafeMutablePointer<ssh_counter_struct>

  /// Takes over an accepted socket, which must not block; closes it when it throws.
  init(accepting descriptor: Int32, with bind: SSHBind) throws(ServerError) {
    guard let session = ssh_new() else {
      close(descriptor)
      throw .ssh("out of memory")
    }
    self.session = session
    socketCounter = .allocate(capacity: 1)
    socketCounter.initialize(to: ssh_counter_struct())
    // Compression would let a peer make much out of little.
    for option in [SSH_OPTIONS_COMPRESSION_C_S, SSH_OPTIONS_COMPRESSION_S_C] {
      ssh_options_set(session, option, "none")
    }
    let accepted = ssh_bind_accept_fd(bind.bind, session, descriptor)
    guard accepted == SSH_OK else {
      let reason = String(cString: ssh_get_error(UnsafeMutableRawPointer(bind.bind)))
      if ssh_get_fd(session) != descriptor { close(descriptor) }
      ssh_free(session)
      socketCounter.deallocate()
      throw .ssh(reason)
    }
    ssh_set_blocking(session, 0)
    ssh_set_auth_methods(session, Int32(SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD))
    ssh_set_counters(session, socketCounter, nil)
  }

  deinit {
    // Closes the socket, whatever state the session is in.
    ssh_silent_disconnect(session)
    ssh_free(session)
    socketCounter.deallocate()
  }

  /// Sends our banner and begins the key exchange, which then goes on as the session is driven.
  func beginKeyExchange() { ssh_handle_key_exchange(session) }

  /// Takes the next waiting request; drives the session once when none waits.
  func nextRequest() -> SSHRequest? { ssh_message_get(session).map(SSHRequest.init) }

  /// -1 when the socket is closed.
  var descriptor: Int32 { ssh_get_fd(session) }
  /// How many bytes came in on the socket.
  var bytesReceived: UInt64 { socketCounter.pointee.in_bytes }
  /// True when the connection is over: closed by the peer, or broken.
  var isOver: Bool { ssh_get_status(session) & (SSH_CLOSED | SSH_CLOSED_ERROR) != 0 || descriptor < 0 }
  /// True while encrypted output waits for the socket to take it.
  var hasUnsentOutput: Bool { ssh_get_status(session) & SSH_WRITE_PENDING != 0 }
  /// Why the connection is over.
  var reason: String {
    guard let text = ssh_get_error(UnsafeMutableRawPointer(session)) else { return "" }
    return String(cString: text)
  }

  /// Says goodbye, if the socket takes it at once, and closes the socket.
  func disconnect(reason: String) {
    ssh_session_set_disconnect_message(session, reason)
    ssh_disconnect(session)
  }
}

/// A request of the peer that waits for an answer. Freed once; must not outlive its session.
final class SSHRequest {
  let message: ssh_message
  init(_ message: ssh_message) { self.message = message }
  deinit { ssh_message_free(message) }

  enum Kind {
    case service(String)
    case authentication(user: String, Method)
    /// The opening of a channel of type session.
    case openSession
    case channel(ssh_channel, ChannelRequest)
    /// Anything else: to be refused.
    case other
  }
  enum Method {
    case none
    case password(UnsafeRawBufferPointer)
    /// The key, nil when it cannot be written; whether it is only asked about, and whether a signature proved it.
    case publicKey(SSHPublicKey?, isProbe: Bool, isProven: Bool)
    case other
  }
  enum ChannelRequest {
    case subsystem(String)
    case shell
    case exec
    case other
  }

  /// What is asked. Pointers in it are valid as long as the request is.
  var kind: Kind {
    switch ssh_message_type(message) {
    case Int32(SSH_REQUEST_SERVICE.rawValue):
      return .service(ssh_message_service_service(message).map { String(cString: $0) } ?? "")
    case Int32(SSH_REQUEST_AUTH.rawValue):
      guard let name = ssh_message_auth_user(message) else { return .other }
      return .authentication(user: String(cString: name), method)
    case Int32(SSH_REQUEST_CHANNEL_OPEN.rawValue):
      return ssh_message_subtype(message) == Int32(SSH_CHANNEL_SESSION.rawValue) ? .openSession : .other
    case Int32(SSH_REQUEST_CHANNEL.rawValue):
      guard let channel = ssh_message_channel_request_channel(message) else { return .other }
      return .channel(channel, channelRequest)
    default: return .other
    }
  }

  private var method: Method {
    switch ssh_message_subtype(message) {
    case Int32(SSH_AUTH_METHOD_NONE): return .none
    case Int32(SSH_AUTH_METHOD_PASSWORD):
      guard let text = agentd_ssh_message_password(message) else { return .other }
      return .password(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    case Int32(SSH_AUTH_METHOD_PUBLICKEY):
      let state = agentd_ssh_message_public_key_state(message)
      let key = agentd_ssh_message_public_key(message).flatMap(SSHPublicKey.init(exporting:))
      return .publicKey(
        key, isProbe: state == SSH_PUBLICKEY_STATE_NONE.rawValue, isProven: state == SSH_PUBLICKEY_STATE_VALID.rawValue)
    default: return .other
    }
  }

  private var channelRequest: ChannelRequest {
    switch ssh_message_subtype(message) {
    case Int32(SSH_CHANNEL_REQUEST_SUBSYSTEM.rawValue):
      .subsystem(ssh_message_channel_request_subsystem(message).map { String(cString: $0) } ?? "")
    case Int32(SSH_CHANNEL_REQUEST_SHELL.rawValue): .shell
    case Int32(SSH_CHANNEL_REQUEST_EXEC.rawValue): .exec
    default: .other
    }
  }

  func refuse() { ssh_message_reply_default(message) }
  func acceptService() { ssh_message_service_reply_success(message) }
  func acceptAuthentication() { ssh_message_auth_reply_success(message, 0) }
  func acceptKeyProbe() { ssh_message_auth_reply_pk_ok_simple(message) }
  func acceptChannelRequest() { ssh_message_channel_request_reply_success(message) }
  /// Opens the channel that is asked for.
  func acceptChannel() -> ssh_channel? { ssh_message_channel_request_open_reply_accept(message) }
}

extension SSHPublicKey {
  init?(exporting key: ssh_key) {
    var text: UnsafeMutablePointer<CChar>?
    guard ssh_pki_export_pubkey_base64(key, &text) == SSH_OK, let text else { return nil }
    defer { ssh_string_free_char(text) }
    guard let blob = Base64.decode(UnsafeRawBufferPointer(start: text, count: strlen(text))) else { return nil }
    self.init(blob: blob)
  }
}
