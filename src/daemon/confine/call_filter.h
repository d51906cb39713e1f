/*
 * The system calls that a server process and a key process may make. The others fail with EPERM:
 * exec, ptrace, new processes, mounts, memory that is executable. Built without libseccomp, nothing
 * is refused.
 */
#ifndef DAEMON_CALL_FILTER_H
#define DAEMON_CALL_FILTER_H

#include <stdbool.h>

/* Whether this program was built with it. */
bool call_filter_available(void);

enum call_filter {
	CALL_FILTER_SERVER,
	CALL_FILTER_SERVER_UNIX, /* may connect to Unix sockets: upstreams, the database */
	CALL_FILTER_KEYS,
};

/* Confines all threads of the process. Returns 0, -ENOSYS without libseccomp, or another errno. */
int call_filter_apply(enum call_filter which);

#endif
