/*
 * In place of the layers postgres and database, in a build without libpq: a configuration with
 * `store` is refused, so nothing that would use a database is called.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/postgres.h>

#include "helper.h"

void weir_postgres_options_init(struct weir_postgres_options *options)
{
	*options = (struct weir_postgres_options){0};
}

int weir_postgres_list_needs(const struct weir_postgres_options *options,
        weir_postgres_need_fn *need, void *context, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	(void)options, (void)need, (void)context;
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, "this program was built without PostgreSQL");
	return -ENOSYS;
}

#define NEVER_CALLED(name)                                                                         \
	void name(void);                                                                           \
	void name(void)                                                                            \
	{                                                                                          \
		abort();                                                                           \
	}

NEVER_CALLED(weir_database_create)
NEVER_CALLED(weir_database_leave)
NEVER_CALLED(weir_database_release)
