/* Copyright the agentd authors. SPDX-License-Identifier: GPL-2.0-or-later (see LICENSE in this directory). */

/* What of strongSwan's configuration its headers look at, as Debian configures it. ME (mediation) adds members to structs
 * of libcharon, the rest chooses declarations. */
#ifndef CONFIG_H_INCLUDED
#define CONFIG_H_INCLUDED

#define ME
#define HAVE_SIGWAITINFO 1
#define HAVE_CLOSEFROM 1
#define HAVE_MEMRCHR 1
#define HAVE_FMEMOPEN 1
#define HAVE_EXPLICIT_BZERO 1
#define HAVE_CLOCK_GETTIME 1
#define HAVE_CONDATTR_CLOCK_MONOTONIC 1
#define HAVE_INT128 1
#define HAVE_GCC_ATOMIC_OPERATIONS 1
#define HAVE__BOOL 1
#define HAVE_STDINT_H 1

#endif
