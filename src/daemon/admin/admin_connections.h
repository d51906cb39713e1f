/* Commands of the admin socket about the connections of all workers. */
#ifndef DAEMON_ADMIN_CONNECTIONS_H
#define DAEMON_ADMIN_CONNECTIONS_H

#include "admin_command.h"

struct worker;

struct admin_connections {
	struct admin_table table;
	struct worker *const *workers;
	const unsigned *worker_count; /* 0 once the workers have been destroyed */
};

/* Fills it; `table` can be registered then. */
void admin_connections_init(struct admin_connections *commands, struct worker *const *workers,
        const unsigned *worker_count);

#endif
