/* The configuration as the program uses it: the file's, the command line's, the defaults. */
#ifndef DAEMON_LOAD_H
#define DAEMON_LOAD_H

#include "config.h"
#include "options.h"

/*
 * `previous` is what is served until now, or NULL. NULL: it could not be, and everything that is
 * wrong was said. Blocks on the disk.
 */
struct config *config_load(const struct options *options, const struct config *previous);

#endif
