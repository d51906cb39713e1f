/* Looking at the versions of the schema again and again. */
#include <weir/database.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/loop.h>

#include "helper.h"
#include "schema.h"

struct weir_database_watch {
	struct weir_loop *loop;
	struct weir_postgres *pool;
	struct weir_timer timer;
	struct weir_postgres_call *call; /* or NULL */
	uint32_t every_ms;
	weir_database_progress_fn *changed;
	void *context;
	uint64_t looks;
	struct weir_database_part known[SCHEMA_PARTS];
	struct weir_database_part next[SCHEMA_PARTS]; /* of the look under way */
};

static void watch_look(struct weir_database_watch *watch);

static void watch_reset(struct weir_database_watch *watch)
{
	for (unsigned i = 0; i < SCHEMA_PARTS; i++)
		weir_database_part(i, &watch->next[i]);
}

static void watch_on_timer(struct weir_timer *timer)
{
	watch_look(WEIR_CONTAINER(timer, struct weir_database_watch, timer));
}

static void watch_on_row(void *context, const struct weir_postgres_row *row)
{
	schema_read_row(row, ((struct weir_database_watch *)context)->next);
}

static void watch_on_again(void *context)
{
	watch_reset(context);
}

static void watch_compare(struct weir_database_watch *watch)
{
	for (unsigned i = 0; i < SCHEMA_PARTS; i++) {
		const struct weir_database_part *next = &watch->next[i];
		bool same = watch->known[i].have == next->have &&
		            watch->known[i].oldest == next->oldest;
		watch->known[i] = *next;
		if (!same || watch->looks == 0)
			watch->changed(watch->context, next);
	}
	watch->looks++;
}

static void watch_on_end(void *context, const struct weir_postgres_end *end)
{
	struct weir_database_watch *watch = context;
	watch->call = NULL;
	weir_timer_start(watch->loop, &watch->timer, watch->every_ms, watch_on_timer);
	/* undefined_table: nothing of it is there. */
	if (end->error == 0 || strcmp(end->state, "42P01") == 0)
		watch_compare(watch);
}

static const struct weir_postgres_events watch_events = {
        .row = watch_on_row,
        .again = watch_on_again,
        .end = watch_on_end,
};

static void watch_look(struct weir_database_watch *watch)
{
	struct weir_postgres_statement statement = {schema_look, NULL, 0};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	watch_reset(watch);
	if (weir_postgres_call_start(watch->pool, &options, &watch_events, watch, &watch->call) < 0)
		weir_timer_start(watch->loop, &watch->timer, watch->every_ms, watch_on_timer);
}

int weir_database_watch_create(struct weir_database *database, struct weir_loop *loop,
        uint32_t every_ms, weir_database_progress_fn *changed, void *context,
        struct weir_database_watch **ret)
{
	struct weir_postgres *pool;
	int error = weir_database_pool(database, loop, &pool);
	if (error < 0)
		return error;
	struct weir_database_watch *watch = calloc(1, sizeof *watch);
	if (!watch)
		return -ENOMEM;
	*watch = (struct weir_database_watch){.loop = loop,
	        .pool = pool,
	        .every_ms = every_ms,
	        .changed = changed,
	        .context = context};
	weir_list_init(&watch->timer.link);
	weir_timer_start(loop, &watch->timer, 0, watch_on_timer);
	*ret = watch;
	return 0;
}

uint64_t weir_database_watch_looks(const struct weir_database_watch *watch)
{
	return watch->looks;
}

void weir_database_watch_destroy(struct weir_database_watch *watch)
{
	if (!watch)
		return;
	weir_timer_stop(&watch->timer);
	if (watch->call)
		weir_postgres_call_cancel(watch->call);
	free(watch);
}
