/* Makes the configuration in effect out of the command line, the file and the defaults. */
#ifndef DAEMON_LOAD_H
#define DAEMON_LOAD_H

#include "config.h"
#include "options.h"

/*
 * Blocks on the disk. `previous` is the configuration in effect, or NULL. Returns NULL if something
 * is wrong: all of it was reported.
 */
struct config *config_load(const struct options *options, const struct config *previous);

#endif
