/* Looks before anything is served, and then every few seconds. */
#include "store_schema.h"

#include <errno.h>
#include <stdlib.h>

#include <weir/database.h>
#include <weir/loop.h>

#include "say.h"
#include "store.h"

struct store_schema {
	unsigned parts; /* they do not change while the process serves */
	struct weir_database_watch *watch;
	bool lacks; /* a part could not be used when it was looked at first */
};

static void store_schema_on_change(void *context, const struct weir_database_part *part)
{
	struct store_schema *schema = context;
	const char *lack = store_part_lack(part);
	char waits[STORE_WAITS_SIZE];
	if (!store_parts_include(schema->parts, part))
		return;
	/* The first look reports what is missing alone. */
	schema->lacks |= lack && !weir_database_watch_looks(schema->watch);
	if (lack)
		say("the tables of %s in the database are %s", part->name, lack);
	else if (store_part_waits(part, waits, sizeof waits))
		say_at(WEIR_LOG_WARNING, "the tables of %s in the database are %s", part->name,
		        waits);
	else if (weir_database_watch_looks(schema->watch))
		say_at(WEIR_LOG_INFO, "the tables of %s in the database have version %u now",
		        part->name, part->have);
}

int store_schema_follow(
        struct weir_loop *loop, const struct config *config, struct store_schema **ret)
{
	*ret = NULL;
	if (!config->store.database)
		return 0;
	struct store_schema *schema = calloc(1, sizeof *schema);
	if (!schema)
		return -ENOMEM;
	schema->parts = store_parts(config);
	int error = weir_database_watch_create(config->store.database, loop,
	        (uint32_t)config->store.refresh_ms, store_schema_on_change, schema, &schema->watch);
	if (error < 0)
		store_schema_destroy(schema);
	else
		*ret = schema;
	return error;
}

bool store_schema_replied(const struct store_schema *schema)
{
	return weir_database_watch_looks(schema->watch);
}

bool store_schema_lacks(const struct store_schema *schema)
{
	return schema->lacks;
}

void store_schema_destroy(struct store_schema *schema)
{
	if (!schema)
		return;
	weir_database_watch_destroy(schema->watch);
	free(schema);
}
