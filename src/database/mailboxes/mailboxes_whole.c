/*
 * Mailboxes as a whole, for administrators: listing them, and removing one.
 *
 *   EMPTYING ─▶ SWEEPING ─▶ ENDING: the row ─▶ done
 *      ▲  └──────────┴─────────┴─▶ LOOKING ─▶ done: it is gone, or a session has it
 *      └──────── messages have arrived
 *
 * Invariant: the row of the mailbox goes last, and only while no message refers to it. So a removal
 * that was killed finds the row, and goes on. Messages go only while the row has the session of
 * removals, which all of them share: the next one does not wait for the lease of one that was
 * killed, and two at a time remove what the other has left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "call.h"
#include "helper.h"
#include "mailboxes_state.h"

enum {
	WHOLE_PAGE = 1000, /* mailboxes of a call */
	WHOLE_ROUNDS = 20, /* in which messages may arrive behind the last one */
};

/* -- listing ----------------------------------------------------------------------------------- */

struct whole_listing {
	struct weir_database_call base;
	weir_database_mailbox_fn *mailbox;
	struct weir_buffer last; /* the name that was reported last */
	int error;               /* of copying it */
};

static const char whole_page[] =
        "SELECT name, messages, octets, session IS NOT NULL AND lease > now() FROM weir_mailbox"
        " WHERE name > $1 ORDER BY name LIMIT $2::int";

/* An attempt that is repeated begins with rows that were reported. */
static bool whole_is_new(const struct whole_listing *listing, struct weir_span name)
{
	struct weir_span last = weir_buffer_span(&listing->last);
	size_t common = min_of(last.size, name.size);
	int order = common ? memcmp(name.data, last.data, common) : 0;
	return order > 0 || (order == 0 && name.size > last.size);
}

static void whole_on_mailbox(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	struct whole_listing *listing = (struct whole_listing *)call;
	const struct weir_database_mailbox mailbox = {
	        .name = weir_postgres_row_value(row, 0),
	        .messages = (uint64_t)mailboxes_row_number(row, 1, false),
	        .octets = (uint64_t)mailboxes_row_number(row, 2, false),
	        .leased = weir_span_equal(weir_postgres_row_value(row, 3), WEIR_SPAN("t")),
	};
	if (listing->error || !whole_is_new(listing, mailbox.name))
		return;
	listing->last.size = 0;
	listing->error =
	        weir_buffer_append(&listing->last, mailbox.name.data, mailbox.name.size, SIZE_MAX);
	if (!listing->error)
		listing->mailbox(call->context, &mailbox);
}

static int whole_send_page(struct whole_listing *listing)
{
	char most[BODY_NUMBER_SIZE];
	struct weir_span last = weir_buffer_span(&listing->last);
	const struct weir_postgres_value values[] = {
	        {.bytes = weir_span(last.size ? last.data : "", last.size)},
	        body_value_number(WHOLE_PAGE, most),
	};
	const struct weir_postgres_statement statement = {whole_page, values, 2};
	return database_call_send(&listing->base, &statement, 1, false);
}

static void whole_on_page(struct weir_database_call *call, const struct weir_postgres_end *end)
{
	struct whole_listing *listing = (struct whole_listing *)call;
	bool last = end->rows[0] < WHOLE_PAGE;
	if (!listing->error && !last)
		listing->error = whole_send_page(listing);
	if (listing->error || last)
		database_call_end(call, listing->error,
		        listing->error ? weir_error_text(listing->error) : "");
}

static void whole_free_listing(struct weir_database_call *call)
{
	weir_buffer_finish(&((struct whole_listing *)call)->last);
}

int weir_database_mailboxes_list(struct weir_database *database, struct weir_loop *loop,
        weir_database_mailbox_fn *mailbox, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	int error = database_call_create(
	        database, loop, sizeof(struct whole_listing), done, context, &call);
	if (error < 0)
		return error;
	struct whole_listing *listing = (struct whole_listing *)call;
	listing->mailbox = mailbox;
	call->row = whole_on_mailbox;
	call->ended = whole_on_page;
	call->free = whole_free_listing;
	error = whole_send_page(listing);
	if (error < 0)
		weir_database_call_cancel(call);
	else
		*ret = call;
	return error;
}

/* -- removing ---------------------------------------------------------------------------------- */

struct whole_removal {
	struct weir_database_call base;
	weir_database_removal_fn *report;
	struct weir_database_removal counts;
	int64_t after;   /* all messages up to this UID are removed */
	unsigned rounds; /* in which the row could not be removed */
	bool had;        /* the mailbox was ours */

	/* Of the statement under way. */
	bool row;              /* one has come */
	uint64_t gone, octets; /* EMPTYING: messages that it has removed */
	int64_t last;          /* the UID of the last one; INT64_MIN: none, begin anew */
	uint64_t swept;        /* SWEEPING: bodies that it has looked at */
	bool leased;           /* LOOKING: a session has the mailbox */
	char name[];
};

/* The session of all removals. Those of POP3 are random. */
#define WHOLE_SESSION "'00000000-0000-0000-0000-000000000000'::uuid"
#define WHOLE_FREE "(session IS NULL OR session = " WHOLE_SESSION " OR lease <= now())"

/*
 * Takes the lease, or renews it, and removes the messages behind the UID $2, up to $3 of them. The
 * range is one of the index, however many messages there are.
 */
static const char whole_empty[] =
        "WITH owned AS (SELECT 1 FROM weir_mailbox WHERE name = $1 AND " WHOLE_FREE " FOR UPDATE),"
        " gone AS (DELETE FROM weir_message WHERE mailbox = $1 AND uid > $2::bigint AND uid <="
        " (SELECT max(uid) FROM (SELECT uid FROM weir_message WHERE mailbox = $1"
        " AND uid > $2::bigint ORDER BY uid LIMIT $3::int) AS page)"
        " AND EXISTS (SELECT 1 FROM owned) RETURNING uid, body, octets, chunks, shared),"
        " " MAILBOXES_SQL_GIVE_UP " UPDATE weir_mailbox SET"
        " octets = octets - (SELECT coalesce(sum(octets), 0) FROM gone)::bigint,"
        " messages = messages - (SELECT count(*) FROM gone),"
        " session = " WHOLE_SESSION ", lease = " MAILBOXES_LEASE_END
        " WHERE name = $1 AND " WHOLE_FREE " RETURNING messages, (SELECT count(*) FROM gone),"
        " (SELECT coalesce(sum(octets), 0) FROM gone)::bigint,"
        " (SELECT coalesce(max(uid), '-9223372036854775808'::bigint) FROM gone)";

/* The second statement sees all messages that came before the lock: a delivery locks the row. */
static const char whole_lock[] = "SELECT 1 FROM weir_mailbox WHERE name = $1"
                                 " AND session = " WHOLE_SESSION " FOR UPDATE";
static const char whole_remove[] =
        "DELETE FROM weir_mailbox WHERE name = $1 AND session = " WHOLE_SESSION
        " AND NOT EXISTS (SELECT 1 FROM weir_message WHERE mailbox = $1)";

static const char whole_look[] = "SELECT NOT " WHOLE_FREE " FROM weir_mailbox WHERE name = $1";

static struct whole_removal *whole_removal_of(struct weir_database_call *call)
{
	return (struct whole_removal *)call;
}

/* Sends statements whose $1 is the name, and goes on with `ended`. */
static int whole_send(struct whole_removal *removal,
        const struct weir_postgres_statement *statements, unsigned count,
        void (*ended)(struct weir_database_call *call, const struct weir_postgres_end *end))
{
	removal->row = false;
	removal->base.ended = ended;
	return database_call_send(&removal->base, statements, count, false);
}

/* In a callback: the next call of the pool has started, or this one ends with the error. */
static void whole_go_on(struct whole_removal *removal, int error)
{
	if (error < 0)
		database_call_end(&removal->base, error, weir_error_text(error));
}

static void whole_on_again(struct weir_database_call *call)
{
	whole_removal_of(call)->row = false;
}

static int whole_start_emptying(struct whole_removal *removal);

/* Another round, after messages have arrived behind the last one. */
static void whole_repeat(struct whole_removal *removal)
{
	if (++removal->rounds > WHOLE_ROUNDS)
		database_call_end(
		        &removal->base, -EAGAIN, "messages arrive as fast as they are removed");
	else
		whole_go_on(removal, whole_start_emptying(removal));
}

/* -- LOOKING: why the mailbox is not ours ------------------------------------------------------ */

static void whole_on_look(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	struct whole_removal *removal = whole_removal_of(call);
	removal->row = true;
	removal->leased = weir_span_equal(weir_postgres_row_value(row, 0), WEIR_SPAN("t"));
}

/* Without a row, another removal has ended, or an attempt of ours whose outcome was unknown. */
static void whole_on_looked(struct weir_database_call *call, const struct weir_postgres_end *end)
{
	struct whole_removal *removal = whole_removal_of(call);
	(void)end;
	if (removal->row && removal->leased)
		database_call_end(call, -EBUSY, "a session has the mailbox");
	else if (removal->row)
		whole_repeat(removal);
	else if (removal->had)
		database_call_end(call, 0, "");
	else
		database_call_end(call, -ENOENT, "there is no such mailbox");
}

static void whole_start_looking(struct whole_removal *removal)
{
	const struct weir_postgres_value name = weir_postgres_text(removal->name);
	const struct weir_postgres_statement statement = {whole_look, &name, 1};
	removal->base.row = whole_on_look;
	whole_go_on(removal, whole_send(removal, &statement, 1, whole_on_looked));
}

/* -- ENDING: the row --------------------------------------------------------------------------- */

static void whole_on_ended(struct weir_database_call *call, const struct weir_postgres_end *end)
{
	struct whole_removal *removal = whole_removal_of(call);
	if (end->rows[1])
		database_call_end(call, 0, "");
	else if (end->rows[0])
		whole_repeat(removal);
	else
		whole_start_looking(removal);
}

static void whole_start_ending(struct whole_removal *removal)
{
	const struct weir_postgres_value name = weir_postgres_text(removal->name);
	const struct weir_postgres_statement statements[] = {
	        {whole_lock, &name, 1}, {whole_remove, &name, 1}};
	removal->base.row = NULL;
	whole_go_on(removal, whole_send(removal, statements, 2, whole_on_ended));
}

/* -- SWEEPING: bodies that were large or shared ------------------------------------------------ */

static void whole_on_swept_row(void *context, const struct weir_postgres_row *row)
{
	struct whole_removal *removal = context;
	if (row->statement == 1)
		removal->swept = (uint64_t)mailboxes_row_number(row, 0, false);
}

static int whole_start_sweeping(struct whole_removal *removal);

static void whole_on_swept(void *context, const struct weir_postgres_end *end)
{
	struct whole_removal *removal = context;
	removal->base.call = NULL;
	if (end->error)
		database_call_end(&removal->base, end->error, end->text);
	else if (removal->swept == WEIR_DATABASE_SWEEP)
		whole_go_on(removal, whole_start_sweeping(removal));
	else
		whole_start_ending(removal);
}

static int whole_start_sweeping(struct whole_removal *removal)
{
	static const struct weir_postgres_events events = {
	        .row = whole_on_swept_row, .end = whole_on_swept};
	removal->swept = 0;
	return body_sweep(removal->base.pool, &events, removal, &removal->base.call);
}

/* -- EMPTYING: messages ------------------------------------------------------------------------ */

static void whole_on_emptied_row(
        struct weir_database_call *call, const struct weir_postgres_row *row)
{
	struct whole_removal *removal = whole_removal_of(call);
	removal->row = true;
	removal->counts.left = (uint64_t)mailboxes_row_number(row, 0, false);
	removal->gone = (uint64_t)mailboxes_row_number(row, 1, false);
	removal->octets = (uint64_t)mailboxes_row_number(row, 2, false);
	removal->last = mailboxes_row_number(row, 3, false);
}

static void whole_on_emptied(struct weir_database_call *call, const struct weir_postgres_end *end)
{
	struct whole_removal *removal = whole_removal_of(call);
	(void)end;
	if (!removal->row) {
		whole_start_looking(removal);
		return;
	}
	removal->had = true;
	removal->after = removal->last;
	removal->counts.messages += removal->gone;
	removal->counts.octets += removal->octets;
	if (removal->report)
		removal->report(call->context, &removal->counts);
	whole_go_on(removal, removal->gone == WEIR_DATABASE_REMOVE_MAX
	                             ? whole_start_emptying(removal)
	                             : whole_start_sweeping(removal));
}

static int whole_start_emptying(struct whole_removal *removal)
{
	char after[BODY_NUMBER_SIZE], most[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(removal->name),
	        body_value_number(removal->after, after),
	        body_value_number(WEIR_DATABASE_REMOVE_MAX, most),
	};
	const struct weir_postgres_statement statement = {whole_empty, values, 3};
	removal->base.row = whole_on_emptied_row;
	return whole_send(removal, &statement, 1, whole_on_emptied);
}

int weir_database_mailbox_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_removal_fn *report, weir_database_done_fn *done,
        void *context, struct weir_database_call **ret)
{
	struct weir_database_call *call;
	size_t size = strlen(name);
	int error = database_call_create(
	        database, loop, sizeof(struct whole_removal) + size + 1, done, context, &call);
	if (error < 0)
		return error;
	struct whole_removal *removal = whole_removal_of(call);
	memcpy(removal->name, name, size + 1);
	removal->report = report;
	removal->after = INT64_MIN;
	call->key = weir_span(removal->name, size);
	call->again = whole_on_again;
	error = whole_start_emptying(removal);
	if (error < 0)
		weir_database_call_cancel(call);
	else
		*ret = call;
	return error;
}
