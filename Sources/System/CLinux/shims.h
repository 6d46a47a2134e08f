// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CLINUX_SHIMS_H
#define AGENTD_CLINUX_SHIMS_H
// Interfaces of Linux and of the C library that Swift's own module for it leaves out.
#include <crypt.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

/* prctl takes variable arguments, which Swift cannot pass. At most 15 bytes of the name are kept. */
static inline void agentd_set_thread_name(const char *name) { prctl(PR_SET_NAME, name); }
#endif
