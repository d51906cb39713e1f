/* Looks before anything is served, in a loop of its own; then every few seconds. */
#include "store_schema.h"

#include <errno.h>
#include <stdlib.h>

#include <weir/database.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "resources.h"
#include "say.h"
#include "store.h"

/* -- the start --------------------------------------------------------------------------------- */

struct store_schema_look {
	const struct config *config;
	struct weir_timer timer;
	bool late;
	bool lacks;
};

static void store_schema_on_part(void *context, const struct weir_database_part *part)
{
	struct store_schema_look *look = context;
	const char *lack = store_part_lack(part);
	char waits[STORE_WAITS_SIZE];
	if (!store_uses(look->config, part))
		return;
	if (lack)
		say("the tables of %s in the database are %s", part->name, lack);
	else if (store_part_waits(part, waits, sizeof waits))
		say_at(WEIR_LOG_WARNING, "the tables of %s in the database are %s", part->name,
		        waits);
	look->lacks |= lack != NULL;
}

static void store_schema_on_late(struct weir_timer *timer)
{
	WEIR_CONTAINER(timer, struct store_schema_look, timer)->late = true;
}

static int store_schema_look(struct weir_loop *loop, const struct config *config, bool *ret_replied)
{
	struct store_schema_look look = {.config = config};
	struct weir_database_watch *watch;
	int error = weir_database_watch_create(
	        config->store.database, loop, STORE_START_MS, store_schema_on_part, &look, &watch);
	if (error < 0)
		return error;
	weir_list_init(&look.timer.link);
	weir_timer_start(loop, &look.timer, store_start_ms(config), store_schema_on_late);
	while (error >= 0 && !look.late && !weir_database_watch_looks(watch))
		error = weir_loop_turn(loop, -1);
	*ret_replied = weir_database_watch_looks(watch);
	weir_timer_stop(&look.timer);
	weir_database_watch_destroy(watch);
	return error < 0 ? error : look.lacks ? -EPROTO : 0;
}

int store_schema_check(const struct config *config, bool *ret_replied)
{
	struct weir_loop *loop;
	*ret_replied = false;
	if (!config->store.database)
		return 0;
	int error = resources_lend(config->user);
	if (error < 0)
		return error;
	error = weir_loop_create(&loop);
	if (error == 0) {
		error = store_schema_look(loop, config, ret_replied);
		store_leave(config->store.database, loop);
		weir_loop_destroy(loop);
	}
	resources_return();
	if (error < 0 && error != -EPROTO)
		say("cannot look at the database: %s", weir_error_text(error));
	return error;
}

/* -- later ------------------------------------------------------------------------------------- */

struct store_schema {
	struct config *config; /* held: its parts do not change while the process serves */
	struct weir_database_watch *watch;
};

static void store_schema_on_change(void *context, const struct weir_database_part *part)
{
	const struct store_schema *schema = context;
	const char *lack = store_part_lack(part);
	char waits[STORE_WAITS_SIZE];
	if (!store_uses(schema->config, part))
		return;
	/* The first look has no change to report, unless the start had no reply. */
	if (lack)
		say("the tables of %s in the database are %s", part->name, lack);
	else if (weir_database_watch_looks(schema->watch) == 0)
		return;
	else if (store_part_waits(part, waits, sizeof waits))
		say_at(WEIR_LOG_WARNING, "the tables of %s in the database are %s", part->name,
		        waits);
	else
		say_at(WEIR_LOG_INFO, "the tables of %s in the database have version %u now",
		        part->name, part->have);
}

int store_schema_follow(struct weir_loop *loop, struct config *config, struct store_schema **ret)
{
	*ret = NULL;
	if (!config->store.database)
		return 0;
	struct store_schema *schema = calloc(1, sizeof *schema);
	if (!schema)
		return -ENOMEM;
	schema->config = config_hold(config);
	int error = weir_database_watch_create(config->store.database, loop,
	        (uint32_t)config->store.refresh_ms, store_schema_on_change, schema, &schema->watch);
	if (error < 0)
		store_schema_destroy(schema);
	else
		*ret = schema;
	return error;
}

void store_schema_destroy(struct store_schema *schema)
{
	if (!schema)
		return;
	weir_database_watch_destroy(schema->watch);
	config_release(schema->config);
	free(schema);
}
