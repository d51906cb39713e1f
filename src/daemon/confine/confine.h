/*
 * The rights of a server process. The master forks it with the rights of `user`; it confines
 * itself further once it has read its configuration, before its threads start.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include <stdbool.h>

struct config;

/*
 * Between fork and exec: becomes the configured user for good, without capabilities, and gives up
 * gaining rights by exec. `user` is NULL, or of this machine. Returns 0 or a negative errno, which
 * was reported.
 */
int confine_become(const char *user);

/*
 * In the server: other processes of the user cannot read its memory from here on. The kernel ends
 * it when the process `master` ends.
 */
void confine_begin(int master);

/*
 * Confines this process to what the configuration needs, by Landlock and seccomp. Call it before
 * threads start. A protection that the kernel or this build lacks is left out, and reported.
 * Returns 0 or a negative errno, which was reported.
 */
int confine_apply(const struct config *config);

/*
 * Confine the key process: to no file and no network, before its threads start, and to few system
 * calls, of all threads. Return 0, also where the kernel or this build lacks the protection, or a
 * negative errno.
 */
int confine_keys_begin(void);
int confine_keys_finish(void);

/*
 * Confines the process that obtains certificates, likewise: to its directory, and the ports of the
 * authorities.
 */
int confine_apply_acme(const struct config *config);

/* Whether a process that was confined for one configuration may serve this one. */
bool confine_covers(const struct config *config);

/*
 * Whether a directory was replaced by another of its name, to which this process has no right.
 * Looks at some of them in each call.
 */
bool confine_is_stale(void);

/* Frees the memory, for the end of the process. */
void confine_end(void);

/* Prints which confinement a server process would have, for `weir check`. */
void confine_print(const struct config *config);

#endif
