/* Commands of the admin socket about the guard against guessed passwords. */
#ifndef DAEMON_ADMIN_GUARD_H
#define DAEMON_ADMIN_GUARD_H

#include "admin_command.h"

struct weir_database_guard;
struct weir_guard;
struct weir_loop;

struct admin_guard {
	struct admin_table table;
	struct weir_guard *guard;
	struct weir_loop *loop;                    /* for its clock */
	struct weir_database_guard *const *shared; /* NULL there: it is of this process alone */
};

/* Fills it; `table` can be registered then. */
void admin_guard_init(struct admin_guard *commands, struct weir_guard *guard,
        struct weir_loop *loop, struct weir_database_guard *const *shared);

#endif
