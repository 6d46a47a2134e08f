// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CLIBSSH_SHIMS_H
#define AGENTD_CLIBSSH_SHIMS_H
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#endif
