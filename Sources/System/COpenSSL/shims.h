// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_COPENSSL_SHIMS_H
#define AGENTD_COPENSSL_SHIMS_H
#include <openssl/bio.h>
#include <openssl/cmac.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/prctl.h>
// Macros of OpenSSL, as functions.
static inline int agentd_ssl_ctx_new_index(CRYPTO_EX_free *release) {
  return CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, release);
}
static inline int agentd_ssl_ctx_set_session_cache_off(SSL_CTX *context) {
  return (int)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
// prctl is variadic, which Swift cannot call.
static inline int agentd_prctl_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
#endif
