/* Reading a configuration from a file. */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include "config.h"
#include "problems.h"

/*
 * Blocks on the disk. NULL: something is wrong, all of which is in `problems` now; its `file` is
 * the path to read. Relative paths start at the file's directory. `previous` is what is served
 * until now, or NULL.
 */
struct config *config_file_read(struct problems *problems, const struct config *previous);

#endif
