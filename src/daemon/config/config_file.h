/*
 * From files to a configuration: weir.yaml, the files that it includes, and the defaults.
 */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include "config.h"
#include "problems.h"

/* The configuration without a file: the defaults. Returns NULL without memory. */
struct config *config_file_default(void);

/*
 * Reads the file of `problems`; blocks on the disk. Returns NULL if something is wrong: all of it
 * was added to `problems`. `previous` is the configuration in effect, or NULL.
 */
struct config *config_file_read(struct problems *problems, const struct config *previous);

/* Replaces all sites by one with the defaults that serves `root`. Returns 0 or -ENOMEM. */
int config_file_set_root(struct config *config, const char *root);

/*
 * Makes a path of the command line absolute, so that it names the same file wherever the process
 * goes. Returns 0 or a negative errno, which was reported.
 */
int config_file_path(struct config *config, const char *path, const char **ret);

#endif
