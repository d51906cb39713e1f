/* A loop's part of a database, for the stores in it. Belongs to the loop's thread. */
#ifndef DATABASE_STATE_H
#define DATABASE_STATE_H

#include <weir/database.h>
#include <weir/list.h>

struct database_loop {
	struct weir_loop *loop;
	struct weir_postgres *pool;
	struct weir_list leavers; /* of struct database_leaver */
	size_t buffered;          /* bytes of bodies that are on the way to the database */
};

/* Embedded by something that a loop must not leave behind. */
struct database_leaver {
	struct weir_list link;
	/* Before the pool is destroyed. It must take the leaver out of its list, or free it. */
	void (*leave)(struct database_leaver *leaver);
};

/* As weir_database_pool. Valid until the loop leaves. */
int database_loop_get(
        struct weir_database *database, struct weir_loop *loop, struct database_loop **ret);

#endif
