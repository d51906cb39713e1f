/* `weir serve`: the daemon from its start to its end, and the configuration that it has. */
#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

#include <stdbool.h>

#include "config.h"
#include "options.h"

/* Returns the exit code. */
int serve(const struct options *options);

/* The server process, which the master executes; `arguments` begin with its verb. */
int serve_process(int count, char **arguments);

/* Whether the command line and the file, or the default, separate privileges. */
bool config_wants_master(const struct options *options);

/*
 * Makes the configuration in effect out of the command line, the file and the defaults; blocks on
 * the disk. `previous` is the configuration in effect, or NULL. Returns NULL if something is wrong:
 * all of it was reported.
 */
struct config *config_load(const struct options *options, const struct config *previous);

#endif
