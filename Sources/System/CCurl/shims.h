// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CCURL_SHIMS_H
#define AGENTD_CCURL_SHIMS_H
#include <curl/curl.h>
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
#endif
