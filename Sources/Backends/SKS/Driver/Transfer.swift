// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CCurl
import Glibc
import Secrets

/// One HTTP request on a connection of its own: owns its easy handle and frees it once.
///
/// No connection is ever used for two requests, which closes three traps at once: libcurl's pool does not tell
/// pre-shared keys apart, it re-sends a request silently when a kept connection dies, and a changed credential would
/// not count until the old connection goes. Used by the driver's thread only.
final class Transfer {
  let key: ProfileTable.RequestKey
  let easy: UnsafeMutableRawPointer
  private let body = WipedBuffer(limit: SKIPAnswer.maximumLength)
  private let binding: SourceBinding?
  private var credential: PSKCredential?
  private var blobs: [SecretBytes] = []
  private var headers: UnsafeMutablePointer<curl_slist>?
  private var destination: UnsafeMutablePointer<curl_slist>?
  /// What TLS agreed on; nil until the connection stands.
  private(set) var tls: TLSSession?
  /// Whether the connection stood and the request went out: from then on the server may have processed it.
  private var wasSent = false
  private var isTooLarge = false
  private var bindProblem: SourceBinding.Problem?
  private var hasOpenedSocket = false

  /// Prepares the request; a failure is of stage `refused`.
  init(
    _ order: HTTPDriver.Order, sealer: Sealer, layer3Link: SourceBinding.Layer3Link
  ) throws(TransportFailure) {
    guard let easy = curl_easy_init() else {
      throw TransportFailure(stage: .refused, cause: .other, clientCode: 2)
    }
    self.easy = easy
    key = order.key
    do { binding = try SourceBinding(order.configuration, layer3Link: layer3Link) } catch {
      curl_easy_cleanup(easy)
      throw error
    }
    // From here on `deinit` cleans up.
    try configure(order)
    try authenticate(order, sealer: sealer)
  }

  deinit {
    curl_easy_cleanup(easy)
    curl_slist_free_all(headers)
    curl_slist_free_all(destination)
  }

  // MARK: Options

  private func set(_ option: CURLoption, _ value: Int) throws(TransportFailure) {
    try check(agentd_curl_set_long(easy, option, value))
  }

  private func set(_ option: CURLoption, _ value: String?) throws(TransportFailure) {
    try check(agentd_curl_set_string(easy, option, value))
  }

  private func check(_ code: CURLcode) throws(TransportFailure) {
    guard code != CURLE_OK else { return }
    throw TransportFailure(stage: .refused, cause: .other, clientCode: UInt16(clamping: code.rawValue))
  }

  private func configure(_ order: HTTPDriver.Order) throws(TransportFailure) {
    guard let server = order.configuration.server else {
      throw TransportFailure(stage: .refused, cause: .other, clientCode: 3)
    }
    let settings = order.configuration.settings
    let name = order.configuration.tls.serverName ?? server.host
    try set(CURLOPT_URL, "https://\(name.urlText):\(server.port)\(order.request.target)")
    if name != server.host {
      destination = curl_slist_append(nil, "::\(server.host.urlText):\(server.port)")
      try check(agentd_curl_set_pointer(easy, CURLOPT_CONNECT_TO, destination))
    }
    try set(CURLOPT_PATH_AS_IS, 1)
    try set(CURLOPT_PROTOCOLS_STR, "https")
    try set(CURLOPT_HTTPGET, 1)
    try set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    try set(CURLOPT_FOLLOWLOCATION, 0)
    try set(CURLOPT_NOSIGNAL, 1)
    try set(CURLOPT_FRESH_CONNECT, 1)
    try set(CURLOPT_FORBID_REUSE, 1)
    try set(CURLOPT_CONNECTTIMEOUT_MS, Int(settings.connectTimeout.millisecondsRoundedUp))
    try set(CURLOPT_TIMEOUT_MS, Int(settings.requestTimeout.millisecondsRoundedUp))
    try set(CURLOPT_BUFFERSIZE, 16_384)
    try check(agentd_curl_set_off(easy, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(SKIPAnswer.maximumLength)))
    try set(CURLOPT_USERAGENT, "agentd")
    headers = curl_slist_append(nil, "Accept: application/json")
    try check(agentd_curl_set_pointer(easy, CURLOPT_HTTPHEADER, headers))
    try set(CURLOPT_NOPROXY, "")
    if let proxy = order.configuration.proxy {
      try set(CURLOPT_PROXY, "http://\(proxy.host.urlText):\(proxy.port)")
      try set(CURLOPT_HTTPPROXYTUNNEL, 1)
      try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    } else {
      try set(CURLOPT_PROXY, "")  // none, whatever the environment says
    }
    try setCallbacks()
  }

  private func setCallbacks() throws(TransportFailure) {
    let this = Unmanaged.passUnretained(self).toOpaque()
    try check(
      agentd_curl_set_write(
        easy,
        { bytes, _, count, data in
          guard let bytes, let data else { return 0 }
          let transfer = Unmanaged<Transfer>.fromOpaque(data).takeUnretainedValue()
          return transfer.receive(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
        }, this))
    try check(
      agentd_curl_set_prerequest(
        easy,
        { data, _, _, _, _ in
          guard let data else { return 1 }
          Unmanaged<Transfer>.fromOpaque(data).takeUnretainedValue().connectionStands()
          return 0  // CURL_PREREQFUNC_OK
        }, this))
    guard binding != nil else { return }
    try check(
      agentd_curl_set_open_socket(
        easy,
        { data, _, address in
          guard let data, let address else { return -1 }
          return Unmanaged<Transfer>.fromOpaque(data).takeUnretainedValue().openSocket(address.pointee)
        }, this))
  }

  private func connectionStands() {
    wasSent = true
    tls = agentd_curl_get_ssl(easy).map { TLSSession(OpaquePointer($0)) }
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
    isTooLarge = isTooLarge || !body.append(bytes)
    return !isTooLarge
  }

  private func openSocket(_ address: curl_sockaddr) -> curl_socket_t {
    let descriptor = socket(address.family, address.socktype | Int32(SOCK_CLOEXEC.rawValue), address.protocol)
    guard descriptor >= 0 else { return -1 }
    if let problem = binding?.bind(descriptor, family: address.family) {
      bindProblem = problem
      close(descriptor)
      return -1
    }
    hasOpenedSocket = true
    return descriptor
  }

  // MARK: TLS

  private func authenticate(_ order: HTTPDriver.Order, sealer: Sealer) throws(TransportFailure) {
    let (least, most) =
      switch order.configuration.tls.version {
      case .negotiated: (CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_3)
      case .tls12: (CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2)
      case .tls13: (CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_MAX_TLSv1_3)
      }
    try set(CURLOPT_SSLVERSION, Int(least) | Int(most))
    try set(CURLOPT_SSL_SESSIONID_CACHE, 0)
    try set(CURLOPT_SSL_ENABLE_ALPN, 0)
    let unusable = TransportFailure(stage: .refused, cause: .credential, clientCode: 58)
    switch order.configuration.authentication {
    case .psk(let key):
      do { credential = try PSKCredential(key, hash: order.hash, sealer: sealer) } catch { throw unusable }
      // libcurl would insist on a certificate; the credential's own check takes its place.
      try set(CURLOPT_SSL_VERIFYPEER, 0)
      try set(CURLOPT_SSL_VERIFYHOST, 0)
      try check(
        agentd_curl_set_ssl_context(
          easy, PSKCredential.configureContext, credential.map { Unmanaged.passUnretained($0).toOpaque() }))
    case .certificates(let credentials):
      try verifyPeer()
      // Only the trustpoint's authorities count, not those that the system trusts.
      try set(CURLOPT_CAINFO, nil)
      try set(CURLOPT_CAPATH, nil)
      try set(CURLOPT_CAINFO_BLOB, SecretBytes(copying: credentials.authorities))
      guard let chain = credentials.chain, let sealedKey = credentials.privateKey else { return }
      let privateKey: SecretBytes
      do { privateKey = try sealer.open(sealedKey) } catch { throw unusable }
      try set(CURLOPT_SSLCERT_BLOB, SecretBytes(copying: chain))
      try set(CURLOPT_SSLCERTTYPE, "PEM")
      try set(CURLOPT_SSLKEY_BLOB, privateKey)
      try set(CURLOPT_SSLKEYTYPE, "PEM")
      try set(CURLOPT_KEYPASSWD, "")  // or OpenSSL would ask the terminal for an encrypted key's
    case .systemTrust: try verifyPeer()
    }
  }

  private func verifyPeer() throws(TransportFailure) {
    try set(CURLOPT_SSL_VERIFYPEER, 1)
    try set(CURLOPT_SSL_VERIFYHOST, 2)
  }

  private func set(_ option: CURLoption, _ blob: SecretBytes) throws(TransportFailure) {
    blobs.append(blob)
    try check(blob.withUnsafeBytes { agentd_curl_set_blob(easy, option, $0.baseAddress, $0.count) })
  }

  // MARK: The result

  func result(_ code: CURLcode) -> HTTPResult {
    guard code != CURLE_OK else {
      return .response(status: UInt16(clamping: info(CURLINFO_RESPONSE_CODE)), body: body.contents)
    }
    return .failure(failure(code))
  }

  private func info(_ info: CURLINFO) -> Int {
    var value = 0
    return agentd_curl_get_long(easy, info, &value) == CURLE_OK ? value : 0
  }

  private func failure(_ code: CURLcode) -> TransportFailure {
    let proxyStatus = info(CURLINFO_HTTP_CONNECTCODE)
    var failure = TransportFailure(
      stage: wasSent ? .noAnswer : .notSent, cause: .other, clientCode: UInt16(clamping: code.rawValue),
      systemError: Int32(clamping: info(CURLINFO_OS_ERRNO)))
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST: failure.cause = .resolve
    case CURLE_COULDNT_RESOLVE_PROXY: failure.cause = .resolveProxy
    case CURLE_COULDNT_CONNECT: failure.cause = .connect
    case CURLE_OPERATION_TIMEDOUT: failure.cause = .timeout
    case CURLE_SSL_CONNECT_ERROR: failure.cause = .tls
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR: failure.cause = .certificate
    case CURLE_SEND_ERROR: failure.cause = .send
    case CURLE_RECV_ERROR, CURLE_PARTIAL_FILE: failure.cause = .receive
    case CURLE_GOT_NOTHING: failure.cause = .closed
    case CURLE_FILESIZE_EXCEEDED: failure.cause = .answerTooLarge
    case CURLE_WRITE_ERROR: failure.cause = isTooLarge ? .answerTooLarge : .other
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY: failure.cause = .malformedAnswer
    case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE:
      failure.cause = .credential
      if !wasSent { failure.stage = .refused }
    case CURLE_FAILED_INIT, CURLE_URL_MALFORMAT, CURLE_OUT_OF_MEMORY, CURLE_BAD_FUNCTION_ARGUMENT:
      if !wasSent { failure.stage = .refused }
    default: break
    }
    // The proxy's refusal: it answered, but no tunnel came of it.
    if !wasSent, proxyStatus >= 300 {
      failure.cause = .proxyRefused
      failure.proxyStatus = UInt16(clamping: proxyStatus)
    }
    // No socket could be bound at all: that is ours to tell, not a connection that failed.
    if !wasSent, !hasOpenedSocket, let bindProblem {
      failure.stage = .refused
      switch bindProblem {
      case .vrf(let number): (failure.cause, failure.systemError) = (.vrf, number)
      case .address(let number): (failure.cause, failure.systemError) = (.sourceInterface, number)
      }
    }
    // Only failures of the system itself leave a number that tells something.
    if ![.connect, .send, .receive, .vrf, .sourceInterface].contains(failure.cause) { failure.systemError = 0 }
    return failure
  }
}
