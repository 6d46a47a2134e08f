// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#ifndef AGENTD_CSQLITE_SHIMS_H
#define AGENTD_CSQLITE_SHIMS_H
#include <sqlite3.h>
#endif
