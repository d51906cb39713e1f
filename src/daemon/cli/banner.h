/* What is told to whoever started the program: where it listens, what it serves, how to try it. */
#ifndef DAEMON_BANNER_H
#define DAEMON_BANNER_H

#include "config.h"
#include "endpoint.h"

/* To stdout, flushed. */
void banner_print(
        const struct config *config, const struct endpoint_list *endpoints, unsigned workers);

#endif
