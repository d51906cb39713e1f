/*
 * Exchanging the counts of guards. A row has the count of one front end for one network, and the
 * time of that count, so that a repeated write does no harm.
 *
 * Invariants: counts that were collected and not confirmed are in `pending`, and are sent again; no
 * counts are learnt that were read before a clearing has ended.
 */
#include <weir/database_guard.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/loop.h>

#include "helper.h"

/* The arrays have an element for each network. */
static const char guard_put[] =
        "INSERT INTO weir_guard (network, owner, wrong, changed, expires)"
        " SELECT n, $1, w, now() - a * interval '1 millisecond',"
        " now() + l * interval '1 millisecond'"
        " FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS t (n, w, a, l)"
        " ON CONFLICT (network, owner) DO UPDATE SET wrong = excluded.wrong,"
        " changed = excluded.changed, expires = excluded.expires";

#define GUARD_AGE_MS                                                                               \
	"(extract(epoch FROM now() - " WEIR_DATABASE_TIME("changed") ") * 1000)::bigint"

static const char guard_get[] = "SELECT network, sum(wrong), min(" GUARD_AGE_MS ")"
                                " FROM weir_guard WHERE owner <> $1 AND expires > now()"
                                " GROUP BY network ORDER BY 2 DESC LIMIT 4096";

static const char guard_expire[] = "DELETE FROM weir_guard WHERE expires < now()";

static const char guard_delete[] =
        "DELETE FROM weir_guard WHERE $1::text[] IS NULL OR network = ANY ($1::text[])";

enum {
	GUARD_BATCH = 256,     /* networks that one call writes */
	GUARD_EXPIRE_EACH = 16 /* one call of so many removes old rows */
};

struct weir_database_guard {
	struct weir_loop *loop;
	struct weir_postgres *pool;
	struct weir_guard *guard;
	const char *owner;
	uint32_t every_ms;
	struct weir_timer timer;
	struct weir_postgres_call *call;  /* the exchange; or NULL */
	struct weir_postgres_call *clear; /* or NULL */
	bool outdated;                    /* `call` may read rows that are being cleared */
	unsigned calls;
	struct weir_guard_share pending[GUARD_BATCH];
	size_t pending_count;
	int64_t pending_ms; /* when they were collected */
	struct weir_guard_share learnt[WEIR_GUARD_ADDRESSES_MAX];
	size_t learnt_count;
};

static void share_exchange(struct weir_database_guard *shared);

static void share_on_timer(struct weir_timer *timer)
{
	share_exchange(WEIR_CONTAINER(timer, struct weir_database_guard, timer));
}

static void share_wait(struct weir_database_guard *shared)
{
	uint32_t random;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = 0;
	weir_timer_start(shared->loop, &shared->timer,
	        shared->every_ms - random % (shared->every_ms / 2 + 1), share_on_timer);
}

/* -- rows -------------------------------------------------------------------------------------- */

/* Rows that no front end has written are passed over. */
static void share_on_row(void *context, const struct weir_postgres_row *row)
{
	struct weir_database_guard *shared = context;
	struct weir_guard_share share = {.left_ms = 0};
	uint64_t count, age_ms;
	if (shared->learnt_count == WEIR_GUARD_ADDRESSES_MAX ||
	        weir_network_parse(weir_postgres_row_value(row, 0), &share.network) < 0 ||
	        weir_span_number(weir_postgres_row_value(row, 1), 10, &count) < 0 ||
	        weir_span_number(weir_postgres_row_value(row, 2), 10, &age_ms) < 0)
		return;
	share.count = (unsigned)min_of(count, (uint64_t)UINT32_MAX);
	share.age_ms = (int64_t)min_of(age_ms, (uint64_t)INT64_MAX / 2);
	shared->learnt[shared->learnt_count++] = share;
}

static void share_on_again(void *context)
{
	((struct weir_database_guard *)context)->learnt_count = 0;
}

static void share_on_end(void *context, const struct weir_postgres_end *end)
{
	struct weir_database_guard *shared = context;
	bool outdated = shared->outdated;
	shared->call = NULL;
	shared->outdated = false;
	if (end->error == 0 && !outdated) {
		int64_t now_ms = weir_loop_now_ms(shared->loop);
		shared->pending_count = 0;
		for (size_t i = 0; i < shared->learnt_count; i++)
			weir_guard_learn(shared->guard, &shared->learnt[i], now_ms);
	}
	share_wait(shared);
}

static const struct weir_postgres_events share_events = {
        .row = share_on_row,
        .again = share_on_again,
        .end = share_on_end,
};

/* -- arrays ------------------------------------------------------------------------------------ */

/* The values of guard_put, as texts of arrays: "{a,b}". */
enum {
	ARRAY_NETWORKS,
	ARRAY_COUNTS,
	ARRAY_AGES,
	ARRAY_LEFT,
	ARRAYS
};

static int share_fill(const struct weir_database_guard *shared, struct weir_buffer arrays[ARRAYS])
{
	int64_t waited_ms = weir_loop_now_ms(shared->loop) - shared->pending_ms;
	int error = 0;
	for (size_t i = 0; i < shared->pending_count && error == 0; i++) {
		const struct weir_guard_share *share = &shared->pending[i];
		char network[WEIR_NETWORK_TEXT_MAX], before = i ? ',' : '{';
		weir_network_format(&share->network, network);
		error = weir_buffer_format(
		        &arrays[ARRAY_NETWORKS], SIZE_MAX, "%c%s", before, network);
		if (error == 0)
			error = weir_buffer_format(
			        &arrays[ARRAY_COUNTS], SIZE_MAX, "%c%u", before, share->count);
		if (error == 0)
			error = weir_buffer_format(&arrays[ARRAY_AGES], SIZE_MAX, "%c%" PRId64,
			        before, share->age_ms + waited_ms);
		if (error == 0)
			error = weir_buffer_format(&arrays[ARRAY_LEFT], SIZE_MAX, "%c%" PRId64,
			        before, share->left_ms - waited_ms);
	}
	for (int i = 0; i < ARRAYS && error == 0; i++)
		error = weir_buffer_append(&arrays[i], "}", 2, SIZE_MAX);
	return error;
}

/* -- calls ------------------------------------------------------------------------------------- */

static int share_start(struct weir_database_guard *shared, const struct weir_buffer arrays[ARRAYS])
{
	struct weir_postgres_value owner = weir_postgres_text(shared->owner);
	struct weir_postgres_value values[1 + ARRAYS] = {owner};
	struct weir_postgres_statement statements[3];
	struct weir_postgres_call_options options;
	unsigned count = 0;
	for (int i = 0; i < ARRAYS; i++)
		values[1 + i] = weir_postgres_text(arrays[i].data);
	if (shared->pending_count)
		statements[count++] =
		        (struct weir_postgres_statement){guard_put, values, 1 + ARRAYS};
	if (shared->calls++ % GUARD_EXPIRE_EACH == 0)
		statements[count++] = (struct weir_postgres_statement){guard_expire, NULL, 0};
	statements[count++] = (struct weir_postgres_statement){guard_get, &owner, 1};
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = count;
	options.idempotent = true;
	options.key = WEIR_SPAN("guard");
	shared->learnt_count = 0;
	return weir_postgres_call_start(
	        shared->pool, &options, &share_events, shared, &shared->call);
}

static void share_exchange(struct weir_database_guard *shared)
{
	struct weir_buffer arrays[ARRAYS] = {{0}};
	if (shared->clear) {
		share_wait(shared);
		return;
	}
	if (shared->pending_count == 0) {
		shared->pending_ms = weir_loop_now_ms(shared->loop);
		shared->pending_count = weir_guard_collect(
		        shared->guard, shared->pending_ms, shared->pending, GUARD_BATCH);
	}
	int error = share_fill(shared, arrays);
	if (error == 0)
		error = share_start(shared, arrays);
	if (error < 0)
		share_wait(shared);
	for (int i = 0; i < ARRAYS; i++)
		weir_buffer_finish(&arrays[i]);
}

static void share_on_cleared(void *context, const struct weir_postgres_end *end)
{
	(void)end;
	((struct weir_database_guard *)context)->clear = NULL;
}

struct share_listing {
	const struct weir_network *network;
	struct weir_buffer array;
	int error;
};

static void share_list(void *context, const struct weir_guard_entry *entry)
{
	struct share_listing *listing = context;
	char text[WEIR_NETWORK_TEXT_MAX];
	if (listing->error || !weir_networks_overlap(listing->network, &entry->network))
		return;
	weir_network_format(&entry->network, text);
	listing->error = weir_buffer_format(
	        &listing->array, SIZE_MAX, "%c%s", listing->array.size ? ',' : '{', text);
}

/* `array` has the networks; NULL: all. */
static void share_start_clear(struct weir_database_guard *shared, const char *array)
{
	static const struct weir_postgres_events events = {.end = share_on_cleared};
	struct weir_postgres_value value = {.binary = false};
	struct weir_postgres_statement statement = {guard_delete, &value, 1};
	struct weir_postgres_call_options options;
	if (array)
		value = weir_postgres_text(array);
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	options.key = WEIR_SPAN("guard");
	if (shared->clear)
		weir_postgres_call_cancel(shared->clear);
	shared->clear = NULL;
	weir_postgres_call_start(shared->pool, &options, &events, shared, &shared->clear);
}

size_t weir_database_guard_clear(
        struct weir_database_guard *shared, const struct weir_network *network)
{
	struct share_listing listing = {.network = network};
	if (network)
		weir_guard_each(
		        shared->guard, weir_loop_now_ms(shared->loop), share_list, &listing);
	if (listing.array.size && listing.error == 0)
		listing.error = weir_buffer_append(&listing.array, "}", 2, SIZE_MAX);
	size_t cleared = weir_guard_clear(shared->guard, network);
	shared->pending_count = 0;
	shared->outdated = shared->call;
	if (listing.error == 0 && (!network || listing.array.size))
		share_start_clear(shared, network ? listing.array.data : NULL);
	weir_buffer_finish(&listing.array);
	return cleared;
}

/* -- life -------------------------------------------------------------------------------------- */

int weir_database_guard_create(struct weir_database *database, struct weir_loop *loop,
        struct weir_guard *guard, uint32_t every_ms, struct weir_database_guard **ret)
{
	struct weir_postgres *pool;
	int error = weir_database_pool(database, loop, &pool);
	if (error < 0)
		return error;
	struct weir_database_guard *shared = calloc(1, sizeof *shared);
	if (!shared)
		return -ENOMEM;
	shared->loop = loop;
	shared->pool = pool;
	shared->guard = guard;
	shared->owner = weir_database_owner(database);
	shared->every_ms = every_ms;
	weir_list_init(&shared->timer.link);
	share_wait(shared);
	*ret = shared;
	return 0;
}

void weir_database_guard_destroy(struct weir_database_guard *shared)
{
	if (!shared)
		return;
	weir_timer_stop(&shared->timer);
	if (shared->call)
		weir_postgres_call_cancel(shared->call);
	if (shared->clear)
		weir_postgres_call_cancel(shared->clear);
	free(shared);
}
