/*
 * The sink: a body is written, then one statement adds it to all mailboxes.
 *
 *   WRITING ─ commit ─▶ FINISHING: chunks ─▶ STORING ─┬───────────────▶ done
 *      └────── abort, at any time                     └─▶ LOOKING ────▶ done
 *
 * Invariant: the statement inserts the last chunk exactly if a mailbox takes the message. So it
 * cannot take effect twice; and after one that may have run before, LOOKING finds what it did.
 *
 * A message for several mailboxes has a transaction of its own, which locks their rows in the order
 * of their names. Within a batch it would wait for rows while others are locked.
 *
 * Front ends that deliver to one mailbox wait for its row in turn, so its lock is released early:
 * a message is seen before it is safe on disk. Its UID would come again if it were lost, so no
 * session lists it before: see mailboxes_drop.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "database_outcome.h"
#include "helper.h"
#include "mailboxes_state.h"

enum delivery_state {
	DELIVERY_WRITING,
	DELIVERY_FINISHING,
	DELIVERY_STORING,
	DELIVERY_LOOKING,
	DELIVERY_ENDING, /* its end is reported */
};

/* A recipient with a mailbox. */
struct delivery_target {
	struct weir_span user;
	size_t index; /* of the recipient */
	bool stored;
	uint64_t octets, messages; /* of the mailbox then */
};

struct mailboxes_delivery {
	struct weir_mail_delivery base;
	struct mailboxes_loop *at;
	struct body_writer writer;
	struct weir_postgres_call *call; /* NULL: none is under way */
	struct weir_task task;           /* reports an end from the loop */
	enum delivery_state state;
	int64_t deadline_ms; /* until then an unknown outcome is looked into */
	uint64_t announced;
	bool together;
	bool repeated; /* the statement may have run before */
	bool violated; /* it has run before: it has violated a key */
	bool there;    /* LOOKING: the last chunk is there */
	bool unswept;  /* LOOKING: the row for the sweep is there */
	weir_mail_done_fn *done;
	void *done_context;
	size_t count;
	int *errors;
	size_t target_count;
	size_t mailbox_count; /* of different names */
	struct delivery_target targets[];
};

static struct mailboxes_delivery *delivery_of(struct weir_mail_delivery *base)
{
	return WEIR_CONTAINER(base, struct mailboxes_delivery, base);
}

static struct mailboxes *delivery_store(const struct mailboxes_delivery *delivery)
{
	return delivery->at->mailboxes;
}

/* -- the end ----------------------------------------------------------------------------------- */

static void delivery_free(struct mailboxes_delivery *delivery, bool discard)
{
	struct mailboxes_loop *at = delivery->at;
	weir_loop_cancel(at->at->loop, &delivery->task);
	if (delivery->call)
		weir_postgres_call_cancel(delivery->call);
	body_writer_free(&delivery->writer, discard);
	free(delivery);
	mailboxes_sweep(at, false);
	mailboxes_loop_put(at);
}

static void delivery_count(struct mailboxes_delivery *delivery)
{
	struct mailboxes *mailboxes = delivery_store(delivery);
	int64_t now_ms = weir_loop_now_ms(delivery->at->at->loop);
	const struct delivery_target *last = NULL;
	for (size_t i = 0; i < delivery->target_count; i++) {
		const struct delivery_target *target = &delivery->targets[i];
		int error = delivery->errors[target->index];
		if (last && weir_span_equal(last->user, target->user))
			continue;
		last = target;
		mailboxes->counters.messages += error == 0;
		mailboxes->counters.over_quota += error == -EDQUOT;
		if (error == -EDQUOT)
			mailboxes_usage_note_unfit(mailboxes, target->user, delivery->announced,
			        delivery->writer.scan.stored);
		else if (error == 0 && target->messages)
			mailboxes_usage_note(
			        mailboxes, target->user, target->octets, target->messages, now_ms);
	}
}

/* Reports the errors, and frees. */
static void delivery_report(struct weir_task *task)
{
	struct mailboxes_delivery *delivery = WEIR_CONTAINER(task, struct mailboxes_delivery, task);
	bool stored = false;
	for (size_t i = 0; i < delivery->count; i++)
		stored |= delivery->errors[i] == 0;
	delivery_store(delivery)->counters.bodies += stored;
	delivery_count(delivery);
	delivery->state = DELIVERY_ENDING;
	delivery->done(delivery->done_context, delivery->errors);
	delivery_free(delivery, !stored);
}

/* Those that the message is stored for have no error; the others this one. */
static void delivery_end(struct mailboxes_delivery *delivery, int error)
{
	for (size_t i = 0; i < delivery->target_count; i++) {
		const struct delivery_target *target = &delivery->targets[i];
		delivery->errors[target->index] = target->stored ? 0 : error;
	}
	delivery->task.run = delivery_report;
	weir_loop_defer(delivery->at->at->loop, &delivery->task);
}

static void delivery_fail_all(struct mailboxes_delivery *delivery, int error)
{
	for (size_t i = 0; i < delivery->target_count; i++)
		delivery->targets[i].stored = false;
	delivery_end(delivery, error);
}

/* -- targets ----------------------------------------------------------------------------------- */

static int delivery_compare_names(struct weir_span a, struct weir_span b)
{
	int order = memcmp(a.data, b.data, min_of(a.size, b.size));
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int delivery_compare(const void *left, const void *right)
{
	const struct delivery_target *a = left, *b = right;
	int order = delivery_compare_names(a->user, b->user);
	return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Marks the recipients of this mailbox; with an empty name, all of them. */
static void delivery_mark(struct mailboxes_delivery *delivery, struct weir_span user,
        uint64_t octets, uint64_t messages)
{
	size_t low = 0, high = user.size ? delivery->target_count : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (delivery_compare_names(delivery->targets[middle].user, user) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < delivery->target_count; low++) {
		struct delivery_target *target = &delivery->targets[low];
		if (user.size && !weir_span_equal(target->user, user))
			break;
		target->stored = true;
		target->octets = octets;
		target->messages = messages;
	}
}

static void delivery_unmark_all(struct mailboxes_delivery *delivery)
{
	for (size_t i = 0; i < delivery->target_count; i++)
		delivery->targets[i].stored = false;
}

static bool delivery_is_marked(const struct mailboxes_delivery *delivery)
{
	for (size_t i = 0; i < delivery->target_count; i++)
		if (delivery->targets[i].stored)
			return true;
	return false;
}

/* -- looking ----------------------------------------------------------------------------------- */

/*
 * The lock makes it a transaction that writes. Its commit waits for a synchronous standby, which
 * then has the message, too: a commit that was ended while it waited is seen, but may be lost.
 */
static const char delivery_look[] =
        "WITH there AS (SELECT 1 FROM weir_body_chunk"
        " WHERE body = $1::uuid AND number = $2::int FOR KEY SHARE)"
        " SELECT (SELECT count(*) FROM there),"
        " (SELECT count(*) FROM weir_body_sweep WHERE body = $1::uuid AND holder = ''),"
        " held.holder FROM (SELECT 1) AS one"
        " LEFT JOIN weir_body_holder AS held ON held.body = $1::uuid";

static void delivery_looking_on_again(void *context)
{
	delivery_unmark_all(context);
}

static void delivery_looking_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_delivery *delivery = context;
	struct weir_span holder = weir_postgres_row_value(row, 2);
	delivery->there = mailboxes_row_number(row, 0, false) > 0;
	delivery->unswept = mailboxes_row_number(row, 1, false) > 0;
	if (!delivery->there)
		return;
	if (delivery->mailbox_count == 1)
		delivery_mark(delivery, weir_span(NULL, 0), 0, 0);
	else if (holder.size)
		delivery_mark(delivery, holder, 0, 0);
}

/*
 * The message was there when it violated a key. If it is not there now, it was lost with the
 * server, or was fetched and removed: the client repeats.
 */
static void delivery_looking_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_delivery *delivery = context;
	bool swept = delivery->writer.chunks && !delivery->unswept;
	delivery->call = NULL;
	if (end->error)
		delivery_fail_all(delivery, database_outcome(end));
	else if (!delivery->there && (swept || delivery->violated))
		delivery_end(delivery, -ETIMEDOUT);
	else
		delivery_end(delivery, -EDQUOT);
}

static void delivery_start_looking(struct mailboxes_delivery *delivery)
{
	static const struct weir_postgres_events events = {
	        .row = delivery_looking_on_row,
	        .again = delivery_looking_on_again,
	        .end = delivery_looking_on_end,
	};
	struct weir_postgres_value values[3];
	char number[BODY_NUMBER_SIZE];
	body_writer_values(&delivery->writer, values, number);
	const struct mailboxes_statement statement = {
	        .text = delivery_look, .values = values, .count = 2};
	delivery->state = DELIVERY_LOOKING;
	delivery_unmark_all(delivery);
	int error = mailboxes_call(delivery->at, &statement, &events, delivery, &delivery->call);
	if (error < 0)
		delivery_fail_all(delivery, error);
}

/* -- storing ----------------------------------------------------------------------------------- */

/* The row of a mailbox is made, or changed if there is room; $5 to $7 are octets and the bounds. */
#define DELIVERY_MAILBOX                                                                           \
	" ON CONFLICT (name) DO UPDATE SET octets = b.octets + excluded.octets,"                   \
	" messages = b.messages + 1, next_uid = b.next_uid + 1"                                    \
	" WHERE b.octets <= $6::bigint - excluded.octets AND b.messages < $7::bigint"              \
	" RETURNING b.name, b.next_uid - 1 AS uid, b.octets, b.messages)"
#define DELIVERY_INSERT                                                                            \
	"m AS (INSERT INTO weir_mailbox AS b (name, octets, messages, next_uid, validity) "
#define DELIVERY_NEW "$5::bigint, 1, 2, extract(epoch FROM now())::bigint"
#define DELIVERY_MESSAGE(shared)                                                                   \
	", stored AS (INSERT INTO weir_message"                                                    \
	" (mailbox, uid, body, octets, chunks, shared, dotless, ended)"                            \
	" SELECT m.name, m.uid, $1::uuid, $5::bigint, $2::int + 1, " shared                        \
	", $8::bool, $9::bool FROM m)"
#define DELIVERY_ONE(claim, from, claimed)                                                         \
	"WITH " claim DELIVERY_INSERT "SELECT $4, " DELIVERY_NEW from DELIVERY_MAILBOX             \
	", " claimed BODY_SQL_CHUNK DELIVERY_MESSAGE("false") " SELECT octets, messages FROM m"
#define DELIVERY_WANTED                                                                            \
	"SELECT wanted.name, " DELIVERY_NEW " FROM unnest($4::text[]) AS wanted (name)"
#define DELIVERY_HELD                                                                              \
	", held AS (INSERT INTO weir_body_holder (body, holder) SELECT $1::uuid, m.name FROM m)"
/* If all must be stored and some are not, the division by zero rolls back. */
#define DELIVERY_ALL                                                                               \
	"SELECT octets, messages, name,"                                                           \
	" 1 / (CASE WHEN (SELECT count(*) FROM m) >= $10::bigint THEN 1 ELSE 0 END) FROM m"
#define DELIVERY_SEVERAL(claim, from, claimed)                                                     \
	"WITH " claim DELIVERY_INSERT DELIVERY_WANTED from                                         \
	" ORDER BY wanted.name COLLATE \"C\"" DELIVERY_MAILBOX                                     \
	", " claimed BODY_SQL_CHUNK DELIVERY_HELD DELIVERY_MESSAGE("true") " " DELIVERY_ALL

static const char *const delivery_texts[2][2] = {
        {
                DELIVERY_ONE("", "", ""),
                DELIVERY_ONE(BODY_SQL_CLAIM ", ", " FROM claimed", BODY_SQL_CLAIMED ", "),
        },
        {
                DELIVERY_SEVERAL("", "", ""),
                DELIVERY_SEVERAL(BODY_SQL_CLAIM ", ", ", claimed", BODY_SQL_CLAIMED ", "),
        },
};

static void delivery_store_start(struct mailboxes_delivery *delivery);

static void delivery_on_again(void *context)
{
	delivery_unmark_all(context);
}

static void delivery_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_delivery *delivery = context;
	uint64_t octets = (uint64_t)mailboxes_row_number(row, 0, false);
	uint64_t messages = (uint64_t)mailboxes_row_number(row, 1, false);
	struct weir_span user = {0};
	if (delivery->mailbox_count > 1)
		user = weir_postgres_row_value(row, 2);
	delivery_mark(delivery, user, octets, messages);
}

static void delivery_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_delivery *delivery = context;
	bool refused = delivery->together && strcmp(end->state, "22012") == 0;
	int64_t now_ms = weir_loop_now_ms(delivery->at->at->loop);
	delivery->call = NULL;
	delivery->repeated |= end->repeated > 0;
	if (end->error)
		delivery_unmark_all(delivery);
	if (database_outcome_is_repeated(end, BODY_TABLES)) {
		delivery->violated = true;
		delivery_start_looking(delivery);
	} else if (end->outcome == WEIR_POSTGRES_UNKNOWN && now_ms < delivery->deadline_ms) {
		delivery->repeated = true;
		delivery_store_start(delivery);
	} else if (end->error && !refused) {
		delivery_fail_all(delivery, database_outcome(end));
	} else if (!delivery_is_marked(delivery) &&
	           (delivery->repeated || delivery->writer.chunks)) {
		delivery_start_looking(delivery);
	} else {
		delivery_end(delivery, -EDQUOT);
	}
}

/* Appends a name as an element of an array. */
static int delivery_append_name(struct weir_buffer *to, struct weir_span name)
{
	int error = weir_buffer_append(to, to->size ? ",\"" : "{\"", 2, SIZE_MAX);
	for (size_t i = 0; i < name.size && error == 0; i++) {
		if (name.data[i] == '"' || name.data[i] == '\\')
			error = weir_buffer_append(to, "\\", 1, SIZE_MAX);
		if (error == 0)
			error = weir_buffer_append(to, name.data + i, 1, SIZE_MAX);
	}
	return error ? error : weir_buffer_append(to, "\"", 1, SIZE_MAX);
}

static int delivery_append_names(const struct mailboxes_delivery *delivery, struct weir_buffer *to)
{
	int error = 0;
	for (size_t i = 0; i < delivery->target_count && error == 0; i++)
		if (i == 0 ||
		        !weir_span_equal(delivery->targets[i].user, delivery->targets[i - 1].user))
			error = delivery_append_name(to, delivery->targets[i].user);
	return error ? error : weir_buffer_append(to, "}", 1, SIZE_MAX);
}

static int delivery_call(struct mailboxes_delivery *delivery, struct weir_span names)
{
	static const struct weir_postgres_events events = {
	        .row = delivery_on_row, .again = delivery_on_again, .end = delivery_on_end};
	const struct weir_mail_store_options *most = &delivery_store(delivery)->options;
	const struct mail_scan *scan = &delivery->writer.scan;
	bool several = delivery->mailbox_count > 1;
	bool ended = mail_scan_ended(scan);
	char numbers[5][BODY_NUMBER_SIZE];
	struct weir_postgres_value values[10];
	body_writer_values(&delivery->writer, values, numbers[0]);
	values[3] = (struct weir_postgres_value){.bytes = names};
	values[4] = body_value_number((int64_t)scan->stored, numbers[1]);
	values[5] = body_value_number(
	        most->mailbox_max ? (int64_t)most->mailbox_max : INT64_MAX, numbers[2]);
	values[6] = body_value_number(
	        most->messages_max ? (int64_t)most->messages_max : INT64_MAX, numbers[3]);
	values[7] = weir_postgres_text(!scan->dotted && ended ? "t" : "f");
	values[8] = weir_postgres_text(ended ? "t" : "f");
	values[9] = body_value_number(
	        delivery->together ? (int64_t)delivery->mailbox_count : 0, numbers[4]);
	const struct mailboxes_statement statement = {
	        .text = delivery_texts[several][delivery->writer.chunks > 0],
	        .values = values,
	        .count = several ? 10 : 9,
	        .key = delivery->targets[0].user,
	        .stream = several,
	        .early_lock_release = true,
	};
	return mailboxes_call(delivery->at, &statement, &events, delivery, &delivery->call);
}

static void delivery_store_start(struct mailboxes_delivery *delivery)
{
	struct weir_buffer names = {0};
	int error = 0;
	delivery->state = DELIVERY_STORING;
	if (delivery->mailbox_count > 1)
		error = delivery_append_names(delivery, &names);
	if (error == 0)
		error = delivery_call(delivery, delivery->mailbox_count > 1
		                                        ? weir_buffer_span(&names)
		                                        : delivery->targets[0].user);
	weir_buffer_finish(&names);
	if (error < 0)
		delivery_fail_all(delivery, error);
}

/* All chunks but the last are there. */
static void delivery_on_finished(struct body_writer *writer, int error)
{
	struct mailboxes_delivery *delivery =
	        WEIR_CONTAINER(writer, struct mailboxes_delivery, writer);
	uint64_t most = delivery_store(delivery)->options.mailbox_max;
	if (error == 0 && delivery->together && delivery->target_count < delivery->count)
		error = -ENOENT;
	if (error == 0 && most && writer->scan.stored > most)
		error = -EDQUOT;
	if (error < 0)
		delivery_fail_all(delivery, error);
	else
		delivery_store_start(delivery);
}

/* -- the sink ---------------------------------------------------------------------------------- */

/* Allocates one block: the delivery, its targets, its errors, their names. */
static struct mailboxes_delivery *delivery_allocate(const struct weir_mail_envelope *envelope)
{
	size_t names = 0, count = envelope->count;
	for (size_t i = 0; i < count; i++)
		names += envelope->recipients[i].user.size;
	struct mailboxes_delivery *delivery = calloc(
	        1, sizeof *delivery + count * (sizeof *delivery->targets + sizeof(int)) + names);
	if (!delivery)
		return NULL;
	delivery->count = count;
	delivery->errors = (int *)(void *)(delivery->targets + count);
	char *name = (char *)(delivery->errors + count);
	for (size_t i = 0; i < count; i++) {
		struct weir_span user = envelope->recipients[i].user;
		delivery->errors[i] = -ENOENT;
		if (!weir_mail_user_good(user))
			continue;
		memcpy(name, user.data, user.size);
		delivery->targets[delivery->target_count++] =
		        (struct delivery_target){.user = {name, user.size}, .index = i};
		name += user.size;
	}
	qsort(delivery->targets, delivery->target_count, sizeof *delivery->targets,
	        delivery_compare);
	for (size_t i = 0; i < delivery->target_count; i++)
		delivery->mailbox_count += i == 0 || !weir_span_equal(delivery->targets[i].user,
		                                             delivery->targets[i - 1].user);
	return delivery;
}

static int delivery_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, weir_mail_ready_fn *ready, void *context,
        struct weir_mail_delivery **ret)
{
	struct mailboxes *mailboxes =
	        mailboxes_of(WEIR_CONTAINER(sink, struct weir_mail_store, sink));
	uint64_t most = mailboxes->options.message_max;
	if (envelope->size > most || envelope->count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_LIMIT;
	struct mailboxes_delivery *delivery = delivery_allocate(envelope);
	if (!delivery)
		return -ENOMEM;
	int error = delivery->target_count ? 0 : -ENOENT;
	if (error == 0)
		error = mailboxes_loop_get(mailboxes, loop, &delivery->at);
	if (error < 0) {
		free(delivery);
		return error;
	}
	error = body_writer_init(&delivery->writer, delivery->at->at, most, ready, context);
	if (error < 0) {
		mailboxes_loop_put(delivery->at);
		free(delivery);
		return error;
	}
	delivery->base.sink = sink;
	delivery->announced = envelope->size;
	delivery->together = envelope->together;
	*ret = &delivery->base;
	return 0;
}

static int delivery_write(struct weir_mail_delivery *base, struct weir_span bytes)
{
	struct mailboxes_delivery *delivery = delivery_of(base);
	if (delivery->state != DELIVERY_WRITING)
		return WEIR_E_CLOSED;
	return body_writer_write(&delivery->writer, bytes);
}

static void delivery_commit(struct weir_mail_delivery *base, weir_mail_done_fn *done, void *context)
{
	struct mailboxes_delivery *delivery = delivery_of(base);
	delivery->done = done;
	delivery->done_context = context;
	delivery->state = DELIVERY_FINISHING;
	delivery->deadline_ms = weir_loop_now_ms(delivery->at->at->loop) + WEIR_DATABASE_SETTLE_MS;
	body_writer_finish(&delivery->writer, delivery_on_finished);
}

/* An abort from the callback has no effect. */
static void delivery_abort(struct weir_mail_delivery *base)
{
	struct mailboxes_delivery *delivery = delivery_of(base);
	if (delivery->state != DELIVERY_ENDING)
		delivery_free(delivery, true);
}

const struct weir_mail_sink_type mailboxes_sink = {
        .name = "database",
        .begin = delivery_begin,
        .write = delivery_write,
        .commit = delivery_commit,
        .abort = delivery_abort,
        .check = mailboxes_check,
        .check_cancel = mailboxes_check_cancel,
};
