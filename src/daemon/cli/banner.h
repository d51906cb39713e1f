/* Prints the banner: the addresses, the directories and zones that are served, commands to try. */
#ifndef DAEMON_BANNER_H
#define DAEMON_BANNER_H

#include "config.h"
#include "endpoint.h"

/* Prints to stdout, and flushes it. */
void banner_print(
        const struct config *config, const struct endpoint_list *endpoints, unsigned workers);

#endif
