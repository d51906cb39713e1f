/* The commands `status` and `metrics` of the admin socket. */
#ifndef DAEMON_ADMIN_SHOW_H
#define DAEMON_ADMIN_SHOW_H

#include "admin_command.h"

struct daemon_metrics;
struct worker;

struct admin_show {
	struct admin_table table;
	const struct daemon_metrics *metrics;
	struct worker *const *workers; /* as many as the metrics say */
};

/* Fills it; `table` can be registered then. */
void admin_show_init(struct admin_show *commands, const struct daemon_metrics *metrics,
        struct worker *const *workers);

#endif
