// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CLIBSSH_SHIMS_H
#define AGENTD_CLIBSSH_SHIMS_H
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

/* libssh marks these three as deprecated in favour of callbacks that must answer at once; an answer that takes its time
   (a password hash on another thread) needs the message instead. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline const char *agentd_ssh_message_password(ssh_message message) {
  return ssh_message_auth_password(message);
}
static inline ssh_key agentd_ssh_message_public_key(ssh_message message) {
  return ssh_message_auth_pubkey(message);
}
static inline int agentd_ssh_message_public_key_state(ssh_message message) {
  return (int)ssh_message_auth_publickey_state(message);
}
#pragma GCC diagnostic pop
#endif
