// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CCURL_SHIMS_H
#define AGENTD_CCURL_SHIMS_H
#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
// libcurl's option calls are variadic macros, which Swift cannot call: one typed function each.
static inline CURLcode agentd_curl_set_long(CURL *handle, CURLoption option, long value) {
  return (curl_easy_setopt)(handle, option, value);
}
static inline CURLcode agentd_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
  return (curl_easy_setopt)(handle, option, value);
}
static inline CURLcode agentd_curl_set_string(CURL *handle, CURLoption option, const char *value) {
  return (curl_easy_setopt)(handle, option, value);
}
static inline CURLcode agentd_curl_set_off(CURL *handle, CURLoption option, curl_off_t value) {
  return (curl_easy_setopt)(handle, option, value);
}
// The bytes must live as long as the handle: they are not copied by this call.
static inline CURLcode agentd_curl_set_blob(CURL *handle, CURLoption option, const void *bytes, size_t length) {
  struct curl_blob blob = {(void *)bytes, length, CURL_BLOB_NOCOPY};
  return (curl_easy_setopt)(handle, option, &blob);
}
static inline CURLcode agentd_curl_set_write(CURL *handle, size_t (*function)(char *, size_t, size_t, void *),
                                             void *data) {
  CURLcode code = (curl_easy_setopt)(handle, CURLOPT_WRITEFUNCTION, function);
  return code ? code : (curl_easy_setopt)(handle, CURLOPT_WRITEDATA, data);
}
static inline CURLcode agentd_curl_set_prerequest(CURL *handle, curl_prereq_callback function, void *data) {
  CURLcode code = (curl_easy_setopt)(handle, CURLOPT_PREREQFUNCTION, function);
  return code ? code : (curl_easy_setopt)(handle, CURLOPT_PREREQDATA, data);
}
static inline CURLcode agentd_curl_set_open_socket(CURL *handle, curl_opensocket_callback function, void *data) {
  CURLcode code = (curl_easy_setopt)(handle, CURLOPT_OPENSOCKETFUNCTION, function);
  return code ? code : (curl_easy_setopt)(handle, CURLOPT_OPENSOCKETDATA, data);
}
static inline CURLcode agentd_curl_set_ssl_context(CURL *handle, curl_ssl_ctx_callback function, void *data) {
  CURLcode code = (curl_easy_setopt)(handle, CURLOPT_SSL_CTX_FUNCTION, function);
  return code ? code : (curl_easy_setopt)(handle, CURLOPT_SSL_CTX_DATA, data);
}
static inline CURLcode agentd_curl_get_long(CURL *handle, CURLINFO info, long *value) {
  return (curl_easy_getinfo)(handle, info, value);
}
// OpenSSL's connection (SSL *) while the transfer has one, else NULL.
static inline void *agentd_curl_get_ssl(CURL *handle) {
  struct curl_tlssessioninfo *session = NULL;
  CURLcode code = (curl_easy_getinfo)(handle, CURLINFO_TLS_SSL_PTR, &session);
  return code || !session || session->backend != CURLSSLBACKEND_OPENSSL ? NULL : session->internals;
}
static inline CURLMcode agentd_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return (curl_multi_setopt)(multi, option, value);
}
static inline CURLMcode agentd_curl_multi_set_socket(CURLM *multi, curl_socket_callback function, void *data) {
  CURLMcode code = (curl_multi_setopt)(multi, CURLMOPT_SOCKETFUNCTION, function);
  return code ? code : (curl_multi_setopt)(multi, CURLMOPT_SOCKETDATA, data);
}
static inline CURLMcode agentd_curl_multi_set_timer(CURLM *multi, curl_multi_timer_callback function, void *data) {
  CURLMcode code = (curl_multi_setopt)(multi, CURLMOPT_TIMERFUNCTION, function);
  return code ? code : (curl_multi_setopt)(multi, CURLMOPT_TIMERDATA, data);
}
// The result in a message, which is a union.
static inline CURLcode agentd_curl_message_result(const CURLMsg *message) { return message->data.result; }

// Memory for libcurl that is wiped when it is given back: its buffers hold keys.
static inline void agentd_wiping_free(void *pointer) {
  if (!pointer) return;
  explicit_bzero(pointer, malloc_usable_size(pointer));
  free(pointer);
}
static inline void *agentd_wiping_realloc(void *pointer, size_t size) {
  if (!pointer) return malloc(size);
  if (size == 0) {
    agentd_wiping_free(pointer);
    return NULL;
  }
  size_t old = malloc_usable_size(pointer);
  void *fresh = malloc(size);
  if (!fresh) return NULL;
  memcpy(fresh, pointer, old < size ? old : size);
  agentd_wiping_free(pointer);
  return fresh;
}
static inline CURLcode agentd_curl_global_init(void) {
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, agentd_wiping_free, agentd_wiping_realloc, strdup, calloc);
}
#endif
