/* The database of the process, made of the section `store`. */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <weir/database.h>
#include <weir/error.h>

#include "helper.h"
#include "say.h"
#include "store.h"

bool store_has(const struct config *config, enum config_store_part part)
{
	return config->store.url && (config->store.parts >> part & 1);
}

struct weir_database *store_database(const struct config *config, enum config_store_part part)
{
	return store_has(config, part) ? config->store.database : NULL;
}

void store_options(const struct config *config, const char *user, struct weir_postgres_options *ret)
{
	const struct config_store *store = &config->store;
	/* Most calls are short, and share connections. A stream has one of its own. */
	unsigned connections = (unsigned)store->connections;
	weir_postgres_options_init(ret);
	ret->url = store->url;
	ret->name = "store";
	ret->user = user;
	ret->password = store->password;
	ret->batches_max = max_of(connections / 3, 1u);
	ret->streams_max = connections - ret->batches_max;
	if (!store->prepares)
		ret->statements_max = 0;
}

int store_open(const struct config *config, struct weir_database **ret)
{
	struct weir_postgres_options options;
	char why[WEIR_POSTGRES_WHY_MAX];
	*ret = NULL;
	if (!config->store.url)
		return 0;
	const struct passwd *entry = config->user ? NULL : getpwuid(geteuid());
	store_options(config, entry ? entry->pw_name : config->user, &options);
	int error = weir_database_create(&options, why, ret);
	if (error < 0)
		say("cannot use the database: %s", why);
	return error;
}

void store_leave(struct weir_database *database, struct weir_loop *loop)
{
	if (database)
		weir_database_leave(database, loop);
}

bool store_same(const struct config *a, const struct config *b)
{
	const struct config_store *one = &a->store, *other = &b->store;
	return text_equal(one->url, other->url) && text_equal(one->password, other->password) &&
	       (!one->url ||
	               (one->parts == other->parts && one->connections == other->connections &&
	                       one->prepares == other->prepares));
}
