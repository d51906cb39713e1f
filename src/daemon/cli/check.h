/* `weir check`: reads a configuration, and reports everything that is wrong with it. */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "options.h"

/* Returns the exit code. */
int check(const struct options *options);

#endif
