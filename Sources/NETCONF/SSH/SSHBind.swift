// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibSSH

/// Owns one `ssh_bind` of libssh: the host keys and options that new sessions get. Accepting is done outside of it. Not
/// for several threads: each event loop has its own.
final class SSHBind {
  let bind: ssh_bind

  init(hostKeys: HostKeys) throws(ServerError) {
    guard let bind = ssh_bind_new() else { throw .ssh("out of memory") }
    self.bind = bind
    // The machine's own configuration of libssh servers is not ours.
    var processConfiguration = false
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &processConfiguration)
    for path in hostKeys.files {
      var key: ssh_key?
      guard ssh_pki_import_privkey_file(path, nil, nil, nil, &key) == SSH_OK, let key else {
        throw .hostKey(path, reason: "cannot be read as a private key")
      }
      // The key belongs to the bind from here on.
      guard ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, UnsafeRawPointer(key)) == SSH_OK else {
        ssh_key_free(key)
        throw .hostKey(path, reason: String(cString: ssh_get_error(UnsafeMutableRawPointer(bind))))
      }
    }
  }

  deinit { ssh_bind_free(bind) }
}
