// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CLINUX_SHIMS_H
#define AGENTD_CLINUX_SHIMS_H
// Interfaces of Linux and of the C library that Swift's own module for it leaves out.
#include <crypt.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* prctl takes variable arguments, which Swift cannot pass. At most 15 bytes of the name are kept. */
static inline void agentd_set_thread_name(const char *name) { prctl(PR_SET_NAME, name); }

/* Hidden without _GNU_SOURCE: close all descriptors from that one on in the new process. */
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

/* Who listens at the far end of a connected Unix socket; 0, or -1 with errno. struct ucred is hidden without _GNU_SOURCE. */
static inline int agentd_peer_of(int descriptor, int *process, unsigned *user) {
  struct { int process; unsigned user, group; } peer = {0, 0, 0};
  socklen_t length = sizeof peer;
  int result = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  *process = peer.process;
  *user = peer.user;
  return result;
}

/* A descriptor that becomes readable when the process ends, or -1 with errno; also for processes that are no children. */
static inline int agentd_pidfd_open(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }
#endif
