/* The command `top` of the admin socket: the connections that lead in some order. */
#ifndef DAEMON_ADMIN_TOP_H
#define DAEMON_ADMIN_TOP_H

#include "admin_command.h"

struct worker;

struct admin_top {
	struct admin_table table;
	struct worker *const *workers;
	const unsigned *worker_count; /* 0 once the workers have been destroyed */
};

/* Fills it; `table` can be registered then. */
void admin_top_init(
        struct admin_top *commands, struct worker *const *workers, const unsigned *worker_count);

#endif
