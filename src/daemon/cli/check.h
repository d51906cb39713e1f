/* `weir check`: reads a configuration, and says everything that is wrong with it. */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "options.h"

/* The exit code. */
int check(const struct options *options);

#endif
