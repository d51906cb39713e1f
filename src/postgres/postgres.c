/*
 * The pool. Invariants: a call is either in a queue, or delayed, or in the batch of one connection;
 * a connection has a batch exactly while it is busy.
 *
 * Batches and streams have a share of the connections each, so that neither starves the other. A
 * batch takes all that waits. While one is under way, calls gather for the next until it ends, or
 * they fill a batch, or some time has passed: the busier the database, the larger the batches, and
 * the fewer commits and flushes a call costs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"

/* -- statements -------------------------------------------------------------------------------- */

/* FNV-1a. The texts are those of the program, so that nobody chooses them to collide. */
static uint64_t postgres_hash(const char *text)
{
	uint64_t hash = 14695981039346656037u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash;
}

int postgres_find_statement(struct weir_postgres *postgres, const char *text)
{
	size_t slot = postgres_hash(text) % POSTGRES_SLOTS;
	for (; postgres->slots[slot]; slot = (slot + 1) % POSTGRES_SLOTS)
		if (strcmp(postgres->statements[postgres->slots[slot] - 1], text) == 0)
			return postgres->slots[slot] - 1;
	if (postgres->statement_count == postgres->options.statements_max ||
	        strlen(text) > POSTGRES_PREPARED_SIZE_MAX)
		return -1;
	char *copy = weir_span_copy(weir_span_of(text));
	if (!copy)
		return -1;
	postgres->statements[postgres->statement_count++] = copy;
	postgres->slots[slot] = (uint16_t)postgres->statement_count;
	return (int)postgres->statement_count - 1;
}

/* -- connections for calls --------------------------------------------------------------------- */

int64_t postgres_jitter(int64_t ms)
{
	uint32_t random;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = 0;
	return ms / 2 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}

static void postgres_on_backoff(struct weir_timer *timer)
{
	postgres_schedule(WEIR_CONTAINER(timer, struct weir_postgres, backoff));
}

void postgres_back_off(struct weir_postgres *postgres)
{
	int64_t ms = WEIR_POSTGRES_BACKOFF_MS;
	for (unsigned i = 0; i < postgres->failures && ms < WEIR_POSTGRES_BACKOFF_MAX_MS; i++)
		ms *= 2;
	postgres->failures++;
	weir_timer_start(postgres->loop, &postgres->backoff,
	        postgres_jitter(min_of(ms, (int64_t)WEIR_POSTGRES_BACKOFF_MAX_MS)),
	        postgres_on_backoff);
}

/* The connection that was used last: others may become idle for so long that they are closed. */
static struct postgres_connection *postgres_take_idle(const struct weir_postgres *postgres)
{
	const struct weir_list *link = postgres->connections.prev;
	for (; link != &postgres->connections; link = link->prev) {
		struct postgres_connection *connection =
		        WEIR_CONTAINER(link, struct postgres_connection, link);
		if (connection->state == POSTGRES_IDLE)
			return connection;
	}
	return NULL;
}

static bool postgres_may_batch(const struct weir_postgres *postgres)
{
	return !weir_list_empty(&postgres->batchers) &&
	       postgres->batch_count < postgres->options.batches_max &&
	       postgres->late_count < WEIR_POSTGRES_LATE_MAX;
}

/* A call to be repeated has waited before, and one that must be alone has nothing to gather. */
static bool postgres_repeats(const struct weir_postgres *postgres)
{
	return WEIR_CONTAINER(postgres->batchers.next, struct weir_postgres_call, queue)->repeated;
}

/* Whether the calls that wait have waited for others for long enough. */
static bool postgres_has_gathered(const struct weir_postgres *postgres)
{
	if (postgres->batch_count > 0)
		return postgres->gathered;
	return postgres->batcher_count >= postgres->expected ||
	       weir_loop_now_ms(postgres->loop) >= postgres->expected_until_ms;
}

/* Of a batch, or of what may wait: more calls would be refused. */
static bool postgres_is_full(const struct weir_postgres *postgres)
{
	const struct weir_postgres_options *options = &postgres->options;
	return postgres->waiting_count >= min_of(options->batch_max, options->waiting_max) ||
	       postgres->waiting_bytes >= min_of(options->batch_bytes, options->waiting_bytes / 2);
}

static bool postgres_wants_batch(const struct weir_postgres *postgres)
{
	return postgres_may_batch(postgres) &&
	       (postgres_has_gathered(postgres) || postgres_repeats(postgres) ||
	               postgres_is_full(postgres));
}

/* A call that waits for others is sent long before its time is over. */
static int64_t postgres_gather_ms(const struct weir_postgres *postgres)
{
	return min_of((uint32_t)WEIR_POSTGRES_GATHER_MS, postgres->options.wait_ms / 2);
}

/* Callers that are far away, or have gone, would make all others wait: nobody is for a while. */
static void postgres_on_return_time(struct weir_timer *timer)
{
	struct weir_postgres *postgres = WEIR_CONTAINER(timer, struct weir_postgres, returning);
	postgres->expected = 0;
	postgres->unexpected = WEIR_POSTGRES_RETURN_EVERY - 1;
	postgres_schedule(postgres);
}

void postgres_await_return(struct weir_postgres *postgres, unsigned count, int64_t took_ms)
{
	if (postgres->unexpected) {
		postgres->unexpected--;
		return;
	}
	int64_t now_ms = weir_loop_now_ms(postgres->loop);
	postgres->returned = postgres->batcher_count;
	postgres->expected = count + postgres->batcher_count;
	int64_t most_ms = max_of(took_ms, (int64_t)WEIR_POSTGRES_RETURN_MS);
	postgres->expected_at_most_ms = now_ms + min_of(most_ms, postgres_gather_ms(postgres));
	postgres->expected_until_ms =
	        min_of(now_ms + WEIR_POSTGRES_RETURN_MS, postgres->expected_at_most_ms);
}

/* Each call gives the others more time. */
static void postgres_gather_returning(struct weir_postgres *postgres)
{
	int64_t now_ms = weir_loop_now_ms(postgres->loop);
	if (postgres->batcher_count > postgres->returned)
		postgres->expected_until_ms =
		        min_of(now_ms + WEIR_POSTGRES_RETURN_MS, postgres->expected_at_most_ms);
	postgres->returned = postgres->batcher_count;
	weir_timer_start_precise(postgres->loop, &postgres->returning,
	        postgres->expected_until_ms - now_ms, postgres_on_return_time);
}

static void postgres_on_gather(struct weir_timer *timer)
{
	struct weir_postgres *postgres = WEIR_CONTAINER(timer, struct weir_postgres, gather);
	postgres->gathered = true;
	postgres_schedule(postgres);
}

void postgres_gather_end(struct weir_postgres *postgres)
{
	postgres->gathered = false;
	postgres->expected = 0;
	weir_timer_stop(&postgres->gather);
	weir_timer_stop(&postgres->returning);
}

/* Returns how many streams could be sent now if there were connections. */
static unsigned postgres_wants_streams(const struct weir_postgres *postgres)
{
	unsigned most = postgres->options.streams_max - postgres->stream_count;
	unsigned count = 0;
	const struct weir_list *link = postgres->streamers.next;
	for (; link != &postgres->streamers && count < most; link = link->next)
		count++;
	return count;
}

static void postgres_open_connections(struct weir_postgres *postgres)
{
	unsigned wanted = postgres_wants_batch(postgres) + postgres_wants_streams(postgres);
	while (postgres->opening_count < wanted && !weir_timer_running(&postgres->backoff)) {
		int error = postgres_connection_open(postgres);
		if (error < 0) {
			text_copy(postgres->why, sizeof postgres->why, weir_error_text(error));
			postgres_back_off(postgres);
		}
	}
}

/* The calls wait for others: behind a batch under way, or for callers of the last one. */
static void postgres_gather(struct weir_postgres *postgres)
{
	if (postgres->batch_count == 0)
		postgres_gather_returning(postgres);
	else if (!weir_timer_running(&postgres->gather))
		weir_timer_start(postgres->loop, &postgres->gather, postgres_gather_ms(postgres),
		        postgres_on_gather);
}

static void postgres_dispatch(struct weir_task *task)
{
	struct weir_postgres *postgres = WEIR_CONTAINER(task, struct weir_postgres, task);
	struct postgres_connection *idle;
	while (postgres_wants_batch(postgres) && (idle = postgres_take_idle(postgres)))
		postgres_batch_start(idle, false);
	while (postgres_wants_streams(postgres) && (idle = postgres_take_idle(postgres)))
		postgres_batch_start(idle, true);
	if (postgres_may_batch(postgres) && !postgres_wants_batch(postgres))
		postgres_gather(postgres);
	postgres_open_connections(postgres);
}

void postgres_schedule(struct weir_postgres *postgres)
{
	postgres->task.run = postgres_dispatch;
	weir_loop_defer(postgres->loop, &postgres->task);
}

/* -- life -------------------------------------------------------------------------------------- */

void weir_postgres_options_init(struct weir_postgres_options *options)
{
	*options = (struct weir_postgres_options){
	        .name = "postgres",
	        .streams_max = WEIR_POSTGRES_STREAMS_MAX,
	        .batches_max = WEIR_POSTGRES_BATCHES_MAX,
	        .batch_max = WEIR_POSTGRES_BATCH_MAX,
	        .batch_bytes = WEIR_POSTGRES_BATCH_BYTES,
	        .waiting_max = WEIR_POSTGRES_WAITING_MAX,
	        .waiting_bytes = WEIR_POSTGRES_WAITING_BYTES,
	        .statements_max = WEIR_POSTGRES_STATEMENTS_MAX,
	        .connect_ms = WEIR_POSTGRES_CONNECT_MS,
	        .wait_ms = WEIR_POSTGRES_WAIT_MS,
	        .answer_ms = WEIR_POSTGRES_ANSWER_MS,
	        .idle_ms = WEIR_POSTGRES_IDLE_MS,
	};
}

int weir_postgres_create(struct weir_loop *loop, const struct weir_postgres_options *options,
        char ret_why[WEIR_POSTGRES_WHY_MAX], struct weir_postgres **ret)
{
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(-ENOMEM));
	if (postgres_options_check(options, ret_why) < 0)
		return -EINVAL;
	struct weir_postgres *postgres = calloc(1, sizeof *postgres);
	if (!postgres)
		return -ENOMEM;
	postgres->loop = loop;
	postgres->options = *options;
	postgres->resolver = options->resolver;
	weir_list_init(&postgres->connections);
	weir_list_init(&postgres->late);
	weir_list_init(&postgres->calls);
	weir_list_init(&postgres->batchers);
	weir_list_init(&postgres->streamers);
	weir_list_init(&postgres->backoff.link);
	weir_list_init(&postgres->gather.link);
	weir_list_init(&postgres->returning.link);
	postgres->cells = postgres_metrics_of(loop, options->name);
	int error = postgres->cells ? postgres_target_init(&postgres->target, options, ret_why)
	                            : -ENOMEM;
	/* They were copied. */
	postgres->options.url = postgres->options.name = NULL;
	postgres->options.user = postgres->options.password = NULL;
	if (error) {
		weir_postgres_destroy(postgres);
		return error;
	}
	*ret = postgres;
	return 0;
}

void weir_postgres_destroy(struct weir_postgres *postgres)
{
	if (!postgres)
		return;
	while (!weir_list_empty(&postgres->calls))
		postgres_call_free(
		        WEIR_CONTAINER(postgres->calls.next, struct weir_postgres_call, link));
	/* Statements of streams may run for long: cancel them at the server. */
	WEIR_LIST_EACH_SAFE (
	        struct postgres_connection, connection, next, &postgres->connections, link) {
		if (connection->state == POSTGRES_BUSY)
			postgres_connection_cancel(connection);
		postgres_connection_free(connection);
	}
	postgres_late_end_all(postgres);
	weir_timer_stop(&postgres->backoff);
	weir_timer_stop(&postgres->gather);
	weir_timer_stop(&postgres->returning);
	weir_loop_cancel(postgres->loop, &postgres->task);
	if (!postgres->options.resolver)
		weir_resolver_destroy(postgres->resolver);
	for (unsigned i = 0; i < postgres->statement_count; i++)
		free(postgres->statements[i]);
	postgres_target_finish(&postgres->target);
	free(postgres);
}

unsigned weir_postgres_connections(const struct weir_postgres *postgres)
{
	return postgres->connection_count;
}

const char *weir_postgres_failure(const struct weir_postgres *postgres)
{
	return postgres->failures ? postgres->why : NULL;
}

unsigned weir_postgres_waiting(const struct weir_postgres *postgres)
{
	return postgres->waiting_count;
}
