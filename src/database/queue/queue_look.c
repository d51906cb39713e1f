/*
 * Looking for messages that are due. Claims that are asked for in one turn are one statement, which
 * skips the rows that other front ends are claiming just then.
 *
 * Most looks begin where the last one has found nothing left, with some time for transactions that
 * were under way: rows that have gone leave dead entries in the index for as long as an old
 * snapshot exists, and an index that is read from its beginning would pass all of them each time.
 * A look from the beginning comes every WEIR_QUEUE_LOOK_MS: it finds messages that their front ends
 * have lost.
 *
 * Invariant: an asker is in `askers`, or in the look that is under way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

enum {
	QUEUE_LOOK_MAX = 100,  /* messages that are claimed together */
	QUEUE_LOOK_AGAIN_S = 5 /* after a failure */
};

struct queue_asker {
	struct weir_list link;
	weir_mail_queue_claimed_fn *claimed;
	void *context;
};

struct queue_look {
	struct queue_database *queue;
	struct weir_postgres_call *call;
	char lease[WEIR_DATABASE_ID_SIZE];
	int64_t started_ms;
	bool whole;
	unsigned wanted;
	struct weir_list askers;
	struct weir_list claims;
	unsigned found;
	unsigned taken_over;
	char now[sizeof((struct queue_database *)NULL)->low]; /* the database's time */
	int64_t due_s; /* until a message is due that is not yet; INT64_MAX: there is none */
	int error;
};

/*
 * $1 lease, $2 seconds of it, $3 how many, $4 from when on. The subquery is not merged into the
 * update, which could run it more than once.
 */
static const char look_claim[] =
        "WITH found AS MATERIALIZED (SELECT id, lease FROM weir_queue"
        " WHERE due > $4::timestamptz - interval '30 s' AND due <= now()"
        " AND (lease_end IS NULL OR lease_end <= now())"
        " ORDER BY due LIMIT $3::int FOR UPDATE SKIP LOCKED)"
        " UPDATE weir_queue AS q SET lease = $1::uuid, lease_end = now() + $2::int * interval '1 s'"
        " FROM found WHERE q.id = found.id"
        " RETURNING q.id, q.tries, q.warned, q.deleted, found.lease IS NOT NULL,"
        " " QUEUE_SQL_SINCE("q.arrived") ", " QUEUE_SQL_SINCE("q.due");

/*
 * Messages that are due and claimed do not count: their claims end unseen. One that is never due
 * does not count, either.
 */
static const char look_next[] =
        "SELECT now()::text, ceil(extract(epoch FROM min(due) - now()))::bigint FROM weir_queue"
        " WHERE due > now() AND due < " WEIR_DATABASE_TIME_END;

/* -- time -------------------------------------------------------------------------------------- */

static uint32_t look_random(void)
{
	uint32_t chance = 0;
	(void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
	return chance;
}

/* Front ends do not look all at once. */
static int64_t look_pause_s(int64_t most_s)
{
	return most_s - look_random() % (most_s / 2 + 1);
}

int64_t queue_look_next(struct weir_mail_queue *base)
{
	return queue_database_of(base)->next_s;
}

void queue_look_by(struct queue_database *queue, int64_t at_s)
{
	queue->next_s = min_of(queue->next_s, at_s);
}

/* -- the end of a look ------------------------------------------------------------------------- */

static void look_answer(struct weir_list *askers, int error)
{
	while (!weir_list_empty(askers)) {
		struct queue_asker *asker = WEIR_CONTAINER(askers->next, struct queue_asker, link);
		struct queue_asker copy = *asker;
		weir_list_remove(&asker->link);
		free(asker);
		copy.claimed(copy.context, error, NULL);
	}
}

void queue_claim_free(struct queue_claim *claim)
{
	weir_list_remove(&claim->link);
	if (claim->call)
		weir_postgres_call_cancel(claim->call);
	queue_load_cancel(claim);
	mail_queued_free(claim->queued);
	free(claim);
}

/* Gives each claim to an asker. */
static void look_load(struct queue_look *look)
{
	while (!weir_list_empty(&look->claims)) {
		struct queue_claim *claim =
		        WEIR_CONTAINER(look->claims.next, struct queue_claim, link);
		struct queue_asker *asker =
		        WEIR_CONTAINER(look->askers.next, struct queue_asker, link);
		weir_list_remove(&claim->link);
		weir_list_remove(&asker->link);
		weir_list_append(&look->queue->claims, &claim->link);
		claim->claimed = asker->claimed;
		claim->context = asker->context;
		free(asker);
		queue_load_start(claim);
	}
}

static void look_forget(struct queue_look *look)
{
	while (!weir_list_empty(&look->claims))
		queue_claim_free(WEIR_CONTAINER(look->claims.next, struct queue_claim, link));
	look->found = look->taken_over = 0;
	look->error = 0;
	look->due_s = INT64_MAX;
	look->now[0] = '\0';
}

/* When to look again, unless a wake-up has come meanwhile. */
static void look_plan(struct queue_look *look, int error)
{
	struct queue_database *queue = look->queue;
	int64_t now_s = weir_loop_wall_s(queue->loop);
	if (error) {
		queue_look_by(queue, now_s + look_pause_s(QUEUE_LOOK_AGAIN_S));
		return;
	}
	if (look->found == look->wanted) {
		queue->next_s = 0;
		return;
	}
	if (look->whole)
		queue->whole_look_ms =
		        look->started_ms +
		        min_of((int64_t)WEIR_QUEUE_LOOK_MS, (int64_t)queue->options.lease_s * 250);
	text_copy(queue->low, sizeof queue->low, look->now);
	if (look->due_s < queue->options.poll_s)
		queue_look_by(queue, now_s + max_of(look->due_s, 1) + look_random() % 2);
	queue_look_by(queue, now_s + look_pause_s(queue->options.poll_s));
}

static void look_end(struct queue_look *look, int error, bool unknown)
{
	struct queue_database *queue = look->queue;
	struct weir_list askers;
	if (error == 0 && look->error) {
		error = look->error;
		unknown = true; /* there are claims without memory for them */
	}
	queue->looking = NULL;
	look_plan(look, error);
	if (error) {
		look_forget(look);
		if (unknown)
			queue_store_give_up_lease(queue, look->lease);
	} else {
		atomic_fetch_add(&queue->taken_over, look->taken_over);
		look_load(look);
	}
	weir_list_move(&askers, &look->askers);
	free(look);
	/* These come at last: they may ask again. */
	look_answer(&askers, error ? error : -ENOENT);
	if (queue->changed)
		queue->changed(queue->context);
	if (!weir_list_empty(&queue->askers))
		weir_loop_defer(queue->loop, &queue->look);
}

/* -- calls ------------------------------------------------------------------------------------- */

static void look_on_claim(struct queue_look *look, const struct weir_postgres_row *row)
{
	struct queue_database *queue = look->queue;
	struct queue_claim *claim = calloc(1, sizeof *claim);
	struct weir_queued *queued = calloc(1, sizeof *queued);
	if (!claim || !queued) {
		free(claim);
		free(queued);
		look->error = -ENOMEM;
		return;
	}
	int64_t now_s = weir_loop_wall_s(queue->loop);
	claim->queue = queue;
	claim->queued = queued;
	text_copy_span(claim->id, sizeof claim->id, weir_postgres_row_value(row, 0));
	text_copy(claim->lease, sizeof claim->lease, look->lease);
	claim->until_ms = look->started_ms + (int64_t)queue->options.lease_s * 1000;
	claim->removes = queue_row_bool(row, 3);
	queued->fd = -1;
	queued->tries = queue_row_tries(row, 1);
	queued->warned = queue_row_bool(row, 2);
	queued->arrived_s = now_s - queue_row_number(row, 5);
	queued->next_s = now_s - queue_row_number(row, 6);
	weir_list_append(&look->claims, &claim->link);
	look->found++;
	look->taken_over += queue_row_bool(row, 4);
}

static void look_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_look *look = context;
	if (row->statement == 0) {
		look_on_claim(look, row);
		return;
	}
	text_copy_span(look->now, sizeof look->now, weir_postgres_row_value(row, 0));
	if (weir_postgres_row_value(row, 1).data)
		look->due_s = queue_row_number(row, 1);
}

static void look_on_again(void *context)
{
	look_forget(context);
}

static void look_on_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_look *look = context;
	look->call = NULL;
	look_end(look, database_outcome(end), end->outcome == WEIR_POSTGRES_UNKNOWN);
}

static const struct weir_postgres_events look_events = {
        .row = look_on_row,
        .again = look_on_again,
        .end = look_on_end,
};

static int look_call(struct queue_look *look)
{
	const struct queue_database *queue = look->queue;
	char lease_s[BODY_NUMBER_SIZE], wanted[BODY_NUMBER_SIZE],
	        low[96] = "1970-01-01 00:00:00+00";
	if (!look->whole)
		text_copy(low, sizeof low, queue->low);
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(look->lease),
	        body_value_number(queue->options.lease_s, lease_s),
	        body_value_number(look->wanted, wanted),
	        weir_postgres_text(low),
	};
	const struct weir_postgres_statement statements[] = {
	        {look_claim, values, 4},
	        {look_next, NULL, 0},
	};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = 2;
	look->started_ms = queue_boottime_ms();
	return weir_postgres_call_start(queue->pool, &options, &look_events, look, &look->call);
}

/* -- asking ------------------------------------------------------------------------------------ */

static int look_begin(struct queue_database *queue)
{
	struct queue_look *look = calloc(1, sizeof *look);
	if (!look)
		return -ENOMEM;
	look->queue = queue;
	look->due_s = INT64_MAX;
	look->whole = !queue->low[0] || queue_boottime_ms() >= queue->whole_look_ms;
	for (struct weir_list *at = queue->askers.next; at != &queue->askers; at = at->next)
		look->wanted++;
	int error = weir_database_make_id(look->lease);
	if (error == 0)
		error = look_call(look);
	if (error < 0) {
		free(look);
		return error;
	}
	weir_list_move(&look->askers, &queue->askers);
	weir_list_init(&queue->askers);
	weir_list_init(&look->claims);
	queue->looking = look;
	queue->next_s = INT64_MAX; /* until it has ended, or a message is put */
	return 0;
}

static void look_run(struct weir_task *task)
{
	struct queue_database *queue = WEIR_CONTAINER(task, struct queue_database, look);
	struct weir_list askers;
	if (queue->looking || weir_list_empty(&queue->askers))
		return;
	int error = look_begin(queue);
	if (error == 0)
		return;
	queue->next_s = weir_loop_wall_s(queue->loop) + look_pause_s(QUEUE_LOOK_AGAIN_S);
	weir_list_move(&askers, &queue->askers);
	weir_list_init(&queue->askers);
	look_answer(&askers, error);
}

int queue_look_claim(struct weir_mail_queue *base, struct weir_loop *loop, int64_t now_s,
        weir_mail_queue_claimed_fn *claimed, void *context)
{
	struct queue_database *queue = queue_database_of(base);
	unsigned count = 0;
	if (queue->next_s > now_s)
		return 0;
	for (struct weir_list *at = queue->askers.next; at != &queue->askers; at = at->next)
		count++;
	struct queue_asker *asker = count < QUEUE_LOOK_MAX ? calloc(1, sizeof *asker) : NULL;
	if (!asker)
		return count < QUEUE_LOOK_MAX ? -ENOMEM : 0;
	int error = queue_database_use(queue, loop);
	if (error < 0) {
		free(asker);
		return error;
	}
	asker->claimed = claimed;
	asker->context = context;
	weir_list_append(&queue->askers, &asker->link);
	queue->look.run = look_run;
	if (!queue->looking)
		weir_loop_defer(loop, &queue->look);
	return 1;
}

void queue_look_cancel(struct queue_database *queue)
{
	struct queue_look *look = queue->looking;
	struct weir_list none;
	weir_list_init(&none);
	if (queue->loop)
		weir_loop_cancel(queue->loop, &queue->look);
	for (struct weir_list *lists[] = {&queue->askers, look ? &look->askers : &none},
	                      **at = lists;
	        at < lists + 2; at++)
		while (!weir_list_empty(*at)) {
			struct queue_asker *asker =
			        WEIR_CONTAINER((*at)->next, struct queue_asker, link);
			weir_list_remove(&asker->link);
			free(asker);
		}
	if (!look)
		return;
	if (look->call)
		weir_postgres_call_cancel(look->call);
	look_forget(look);
	free(look);
	queue->looking = NULL;
}
