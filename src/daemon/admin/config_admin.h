/* The settings of the admin listener: rules that no row of the table can express. */
#ifndef DAEMON_CONFIG_ADMIN_H
#define DAEMON_CONFIG_ADMIN_H

#include "table.h"

struct config;

enum {
	CONFIG_ADMIN_TOKEN_MIN = 32, /* characters, so that a token cannot be guessed */
	CONFIG_ADMIN_TOKEN_MAX = 512,
};

/*
 * Checks what the options of the command line have made of it. Returns 0, or -EINVAL, which was
 * reported.
 */
int config_admin_check(const struct config *config);

#endif
