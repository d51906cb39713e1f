/* Commands of the admin socket about bans. */
#ifndef DAEMON_ADMIN_BANS_H
#define DAEMON_ADMIN_BANS_H

#include "admin_command.h"

struct weir_bans;
struct weir_loop;

struct admin_bans {
	struct admin_table table;
	struct weir_bans *bans;
	struct weir_loop *loop; /* for its clock */
};

/* Fills it; `table` can be registered then. */
void admin_bans_init(struct admin_bans *commands, struct weir_bans *bans, struct weir_loop *loop);

#endif
