/*
 * The system calls that a server process may make. The others fail with EPERM: exec, ptrace, new
 * processes, mounts, memory that is executable. Built without libseccomp, nothing is refused.
 */
#ifndef DAEMON_CALL_FILTER_H
#define DAEMON_CALL_FILTER_H

#include <stdbool.h>

/* Whether this program was built with it. */
bool call_filter_available(void);

/*
 * Confines all threads of the process; `unix_connect`: they may connect to Unix sockets. Returns 0,
 * -ENOSYS without libseccomp, or another errno.
 */
int call_filter_apply(bool unix_connect);

#endif
