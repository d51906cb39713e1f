/*
 * Claims in time. A third of the lease after its beginning it is renewed, all claims in one
 * statement; until two thirds attempts to send may begin. In the last third a claim is lost: its
 * owner may only wait for a reply then.
 *
 * The front end counts from when it sent the statement, and the database from when it ran it: so
 * the front end's lease ends first.
 */
#include <errno.h>
#include <string.h>

#include "helper.h"
#include "queue_database.h"

/* $1 seconds of the lease, $2 ids, $3 their leases. */
static const char lease_renew[] =
        "UPDATE weir_queue AS q SET lease_end = now() + $1::int * interval '1 s'"
        " FROM unnest($2::uuid[], $3::uuid[]) AS c (id, lease)"
        " WHERE q.id = c.id AND q.lease = c.lease RETURNING q.id";

static int64_t lease_third_ms(const struct queue_database *queue)
{
	return (int64_t)queue->options.lease_s * 1000 / 3;
}

bool queue_lease_lasts(const struct queue_claim *claim)
{
	return queue_boottime_ms() < claim->until_ms - lease_third_ms(claim->queue);
}

bool queue_lease_may_send(struct weir_mail_queue *base, const struct weir_queued *queued)
{
	(void)base;
	return queue_lease_lasts(queued->job);
}

/* -- losing ------------------------------------------------------------------------------------ */

static struct queue_claim *lease_find_lost(struct queue_database *queue)
{
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link)
		if (claim->phase == QUEUE_CLAIMED && !claim->lost && !queue_lease_lasts(claim))
			return claim;
	return NULL;
}

/* A callback may requeue its message, and others. */
static void lease_report_lost(struct queue_database *queue)
{
	for (struct queue_claim *claim; (claim = lease_find_lost(queue));) {
		claim->lost = true;
		if (claim->queued->lost)
			claim->queued->lost(claim->queued->context);
	}
}

/* -- renewing ---------------------------------------------------------------------------------- */

/*
 * A claim that was in the statement and in no row of its result is another front end's now. Those
 * with a row are marked by `until_ms`.
 */
static void lease_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_database *queue = context;
	struct weir_span id = weir_postgres_row_value(row, 0);
	int64_t until_ms = queue->renewing_ms + 3 * lease_third_ms(queue);
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link)
		if (weir_span_equal(id, weir_span_of(claim->id)))
			claim->renewed_ms = until_ms;
}

static void lease_on_again(void *context)
{
	struct queue_database *queue = context;
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link)
		claim->renewed_ms = 0;
}

static void lease_on_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_database *queue = context;
	queue->renewing = NULL;
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link) {
		if (claim->renewing && !end->error)
			claim->until_ms = claim->renewed_ms;
		claim->renewing = false;
	}
	lease_report_lost(queue);
}

static const struct weir_postgres_events lease_events = {
        .row = lease_on_row,
        .again = lease_on_again,
        .end = lease_on_end,
};

static int lease_call(
        struct queue_database *queue, struct weir_buffer *ids, struct weir_buffer *leases)
{
	char seconds[BODY_NUMBER_SIZE];
	int error = queue_array_open(ids);
	if (error == 0)
		error = queue_array_open(leases);
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link) {
		if (error == 0)
			error = queue_array_text(ids, claim->id);
		if (error == 0)
			error = queue_array_text(leases, claim->lease);
	}
	if (error == 0)
		error = queue_array_close(ids);
	if (error == 0)
		error = queue_array_close(leases);
	if (error < 0)
		return error;
	const struct weir_postgres_value values[] = {
	        body_value_number(queue->options.lease_s, seconds),
	        weir_postgres_text(ids->data),
	        weir_postgres_text(leases->data),
	};
	const struct weir_postgres_statement statement = {lease_renew, values, 3};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	return weir_postgres_call_start(
	        queue->pool, &options, &lease_events, queue, &queue->renewing);
}

/* If it fails, the tick after this one tries again. */
static void lease_renew_all(struct queue_database *queue)
{
	struct weir_buffer ids = {0}, leases = {0};
	queue->renewing_ms = queue_boottime_ms();
	int error = lease_call(queue, &ids, &leases);
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link) {
		claim->renewing = error == 0;
		claim->renewed_ms = 0;
	}
	weir_buffer_finish(&ids);
	weir_buffer_finish(&leases);
}

void queue_lease_tick(struct queue_database *queue)
{
	int64_t now_ms = queue_boottime_ms();
	bool due = false;
	lease_report_lost(queue);
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->claims, link)
		due |= claim->until_ms - now_ms <= 2 * lease_third_ms(queue);
	if (due && !queue->renewing)
		lease_renew_all(queue);
}

void queue_lease_cancel(struct queue_database *queue)
{
	if (queue->renewing)
		weir_postgres_call_cancel(queue->renewing);
	queue->renewing = NULL;
}
