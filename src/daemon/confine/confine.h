/*
 * What a server process may still do. The master forks it with the rights of `user`; it confines
 * itself further once it has read its configuration, before its threads start.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include <stdbool.h>

struct config;

/*
 * Between fork and exec: becomes the configured user for good, without capabilities, and gives up
 * gaining rights by exec. `user` is NULL, or of this machine. Returns 0 or a negative errno, which was
 * reported.
 */
int confine_become(const char *user);

/*
 * In the server: other processes of the user cannot read its memory from here on. The kernel ends it
 * when the process `master` ends.
 */
void confine_begin(int master);

#endif
