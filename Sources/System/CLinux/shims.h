// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CLINUX_SHIMS_H
#define AGENTD_CLINUX_SHIMS_H
// Interfaces of Linux and of the C library that Swift's own module for it leaves out.
#include <crypt.h>
#include <malloc.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
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

/* ioctl is variadic. */
static inline int agentd_ioctl(int descriptor, unsigned long request, void *argument) {
  return ioctl(descriptor, request, argument);
}

/* Sends messages laid out as struct mmsghdr, which is hidden without _GNU_SOURCE; how many, or -1 with errno. */
static inline int agentd_sendmmsg(int descriptor, void *messages, unsigned count) {
  return (int)syscall(SYS_sendmmsg, descriptor, messages, count, MSG_NOSIGNAL);
}

/* The status word of a frame in a packet ring, which the kernel writes from another core. */
static inline unsigned agentd_load_acquire(const unsigned *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void agentd_store_release(unsigned *word, unsigned value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

/* Keeps these capabilities (bits 0 to 63), drops all others for good, and lets no program that is run gain any. */
static inline int agentd_keep_only_capabilities(unsigned long long kept) {
  struct { unsigned version; int process; } header = {0x20080522, 0};
  struct { unsigned effective, permitted, inheritable; } data[2] = {
    {(unsigned)kept, (unsigned)kept, 0}, {(unsigned)(kept >> 32), (unsigned)(kept >> 32), 0}};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  for (int capability = 0; capability < 64; capability++)
    if (!(kept >> capability & 1)) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  return (int)syscall(SYS_capset, &header, data);
}

/* The capabilities that are in effect, or 0 when they cannot be read. */
static inline unsigned long long agentd_effective_capabilities(void) {
  struct { unsigned version; int process; } header = {0x20080522, 0};
  struct { unsigned effective, permitted, inheritable; } data[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return data[0].effective | (unsigned long long)data[1].effective << 32;
}
#endif
