/* `weir serve`: from the start to the end of the daemon. */
#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

#include "options.h"

/* Returns the exit code. */
int serve(const struct options *options);

#endif
