/*
 * Every mail queue, over files and over a database; and the claims of a database, which end, with
 * several front ends, and clocks that differ.
 */
#include "front.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "helper.h"

static char directory[] = "/var/tmp/weir-queues-XXXXXX";

static const struct weir_database_queue_options *defaults(void)
{
	static struct weir_database_queue_options options;
	weir_database_queue_options_init(&options);
	options.directory = directory;
	return &options;
}

static void empty_tables(void)
{
	migrated_run("TRUNCATE weir_queue, weir_queue_message, weir_queue_recipient,"
	             " weir_body_chunk, weir_body_sweep");
}

static const char *rows(void)
{
	return migrated_run(
	        "SELECT (SELECT count(*) FROM weir_queue), (SELECT count(*) FROM"
	        " weir_queue_message), (SELECT count(*) FROM weir_queue_recipient), (SELECT"
	        " count(*) FROM weir_body_chunk), (SELECT count(*) FROM weir_body_sweep)");
}

/* A server may still have a statement to do of a front end that has gone. */
static void expect_no_rows(void)
{
	for (int i = 0; i < 1000 && strcmp(rows(), "0|0|0|0|0") != 0; i++)
		poll(NULL, 0, 10);
	assert_string_equal(rows(), "0|0|0|0|0");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status, (void)type, (void)at;
	return remove(path);
}

static void open_database(struct front *front)
{
	front_open(front, migrated_open(NULL), defaults());
}

/* -- both kinds -------------------------------------------------------------------------------- */

/* An empty queue of each kind. */
static void open_kind(struct front *front, int kind)
{
	char path[128];
	snprintf(path, sizeof path, "%s/queue", directory);
	if (kind == 0) {
		nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		front_open_files(front, path);
	} else {
		empty_tables();
		open_database(front);
	}
	if (kind == 1)
		return;
	assert_int_equal(access(path, F_OK), 0);
}

#define EACH_KIND(front, kind)                                                                     \
	for (int kind = 0; kind < 2 && (open_kind(front, kind), true); front_close(front), kind++)

static bool equal(struct weir_span span, const char *text)
{
	return weir_span_equal(span, weir_span_of(text));
}

static void assert_bytes(const struct weir_queued *queued, size_t size)
{
	bool complete = !size || front_byte(size - 1) == '\n';
	assert_int_equal(queued->size, complete ? size : size + 2);
	for (size_t at = 0; at < size; at += at < 300 || at + 300 > size ? 1 : 997) {
		char c;
		assert_int_equal(pread(queued->fd, &c, 1, (off_t)at), 1);
		assert_int_equal(c, front_byte(at));
	}
	char more[3];
	assert_int_equal(pread(queued->fd, more, sizeof more, (off_t)size), complete ? 0 : 2);
}

static void envelopes_and_bytes_come_back(void **state)
{
	static const size_t sizes[] = {0, 1, 71, 3000, 65536, 65537, 400000};
	struct front front;
	(void)state;
	EACH_KIND(&front, kind)
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(front_put(&front, i ? "al@example.org" : "", 3, sizes[i]), 0);
		FRONT_TURN(&front, weir_mail_queue_count(front.queue) == 1);
		int64_t now_s = weir_loop_wall_s(front.loop);
		assert_in_range(weir_mail_queue_oldest_s(front.queue), now_s - 60, now_s + 60);
		struct weir_queued *queued = front_must_claim(&front);
		assert_true(equal(queued->envelope.sender, i ? "al@example.org" : ""));
		assert_true(equal(queued->envelope.envid, "id +=\xc3\xa4"));
		assert_true(equal(queued->envelope.trace, "1abc"));
		assert_true(queued->envelope.utf8 && queued->envelope.headers_only);
		assert_false(queued->envelope.eight_bit || queued->envelope.binary);
		assert_in_range(queued->arrived_s, now_s - 60, now_s + 60);
		assert_int_equal(queued->count, 3);
		assert_true(equal(queued->recipients[0].address, "bob@example.org"));
		assert_true(equal(queued->recipients[0].orcpt, "rfc822;b+ob=x y@example.org"));
		assert_int_equal(queued->recipients[0].notify,
		        WEIR_MAIL_NOTIFY_FAILURE | WEIR_MAIL_NOTIFY_DELAY);
		assert_true(equal(queued->recipients[1].address, "\"a\\ {b},\"@example.org"));
		assert_true(equal(queued->recipients[2].address, "\xff\xc3\xa4@example.org"));
		assert_int_equal(queued->recipients[2].orcpt.size, 0);
		assert_bytes(queued, sizes[i]);
		assert_true(weir_mail_queue_may_send(front.queue, queued));
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_DONE, 0), 0);
		FRONT_TURN(&front, weir_mail_queue_count(front.queue) == 0);
		assert_true(weir_mail_queue_oldest_s(front.queue) == INT64_MAX);
	}
	expect_no_rows();
}

static void states_stay(void **state)
{
	struct front front;
	(void)state;
	EACH_KIND(&front, kind)
	{
		int error;
		assert_int_equal(front_put(&front, "al@example.org", 3, 10), 0);
		struct weir_queued *queued = front_must_claim(&front);
		queued->tries = 3;
		queued->warned = true;
		text_copy(queued->recipients[1].status, sizeof queued->recipients[1].status,
		        "450 4.2.0 a <b> +c=d \xe4");
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_WAITING, 0), 0);
		queued = front_must_claim(&front);
		assert_int_equal(queued->tries, 3);
		assert_true(queued->warned);
		assert_string_equal(queued->recipients[1].status, "450 4.2.0 a <b> +c=d \xe4");
		assert_string_equal(queued->recipients[0].status, "");
		queued->recipients[0].status[0] = '\0';
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_FAILED, 0), 0);
		queued = front_must_claim(&front);
		assert_int_equal(queued->recipients[2].state, WEIR_QUEUED_FAILED);
		/* While it is claimed, and until it is due, it is nobody else's. */
		assert_null(front_claim(&front, &error));
		assert_int_equal(error, -ENOENT);
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_SENT, 1000), 0);
		assert_int_equal(weir_mail_queue_claim(front.queue, front.loop,
		                         weir_loop_wall_s(front.loop), NULL, NULL),
		        0);
		assert_true(weir_mail_queue_next(front.queue) > weir_loop_wall_s(front.loop));
	}
}

static void a_held_message_waits(void **state)
{
	struct front front;
	(void)state;
	EACH_KIND(&front, kind)
	for (int release = 0; release < 2; release++) {
		struct weir_mail_sink *sink = weir_mail_queue_sink(front.queue);
		struct front_put put;
		struct front_list list;
		int error;
		assert_int_equal(front_begin(&front, &put, "al@example.org", 2), 0);
		assert_int_equal(front_write(&front, &put, 100000), 0);
		sink->type->hold(put.delivery);
		front_commit(&front, &put);
		FRONT_TURN(&front, put.done);
		assert_int_equal(put.error, 0);
		assert_null(front_claim(&front, &error));
		if (release)
			sink->type->release(put.delivery);
		else
			sink->type->abort(put.delivery);
		do
			front_look(&front, &list);
		while (list.count != (size_t)release);
		FRONT_TURN(&front, weir_mail_queue_count(front.queue) == (size_t)release);
		struct weir_queued *queued = NULL;
		for (int i = 0; release && !queued && i < 1000; i++)
			queued = front_claim(&front, &error);
		if (release)
			assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_DONE, 0), 0);
	}
	expect_no_rows();
}

static void aborted_messages_leave_nothing(void **state)
{
	struct front front;
	(void)state;
	EACH_KIND(&front, kind)
	for (int step = 0; step < 4; step++) {
		struct weir_mail_sink *sink = weir_mail_queue_sink(front.queue);
		struct front_put put;
		struct front_list list;
		assert_int_equal(front_begin(&front, &put, "al@example.org", 1), 0);
		if (step)
			assert_int_equal(front_write(&front, &put, step == 1 ? 100 : 300000), 0);
		if (step == 3) /* The message may have been stored nevertheless. */
			front_commit(&front, &put);
		sink->type->abort(put.delivery);
		for (int i = 0; i < 30; i++)
			weir_loop_turn(front.loop, 1);
		assert_int_equal(put.done, 0);
		front_look(&front, &list);
		assert_true(list.count <= (step == 3));
	}
}

static void bounds_and_bad_input(void **state)
{
	struct front front;
	(void)state;
	EACH_KIND(&front, kind)
	{
		struct weir_mail_sink *sink = weir_mail_queue_sink(front.queue);
		struct weir_mail_delivery *delivery;
		struct weir_mail_recipient to = {.address = WEIR_SPAN("a\nb@example.org")};
		struct weir_mail_envelope envelope = {.recipients = &to, .count = 1};
		assert_int_equal(
		        sink->type->begin(sink, front.loop, &envelope, NULL, NULL, &delivery),
		        -EINVAL);
		to.address = WEIR_SPAN("b@example.org");
		envelope.size = WEIR_MAIL_MESSAGE_MAX + 1;
		assert_int_equal(
		        sink->type->begin(sink, front.loop, &envelope, NULL, NULL, &delivery),
		        WEIR_E_LIMIT);
		assert_int_equal(front_ask(&front, WEIR_QUEUE_RETRY, "x"), -EINVAL);
		assert_int_equal(front_ask(&front, WEIR_QUEUE_DELETE, NULL), -EINVAL);
	}
}

static void on_changed(void *context)
{
	++*(int *)context;
}

static void commands_are_run(void **state)
{
	struct front front;
	(void)state;
	EACH_KIND(&front, kind)
	{
		struct front_list list;
		int changes = 0, error;
		assert_int_equal(
		        weir_mail_queue_listen(front.queue, front.loop, on_changed, &changes), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(front_put(&front, "al@example.org", 2, 10), 0);
		FRONT_TURN(&front, changes);
		for (int i = 0; i < 4; i++)
			assert_int_equal(front_requeue(&front, front_must_claim(&front),
			                         WEIR_QUEUED_WAITING, 1000),
			        0);
		front_look(&front, &list);
		assert_int_equal(list.count, 4);
		assert_int_equal(list.unreadable, 0);
		assert_string_equal(list.first, "al@example.org 12 2 bob@example.org");
		assert_null(front_claim(&front, &error));
		char other[WEIR_QUEUE_ID_SIZE];
		text_copy(other, sizeof other, list.ids[0]);
		other[3] = other[3] == '0' ? '1' : '0';
		assert_int_equal(front_ask(&front, WEIR_QUEUE_RETRY, other), -ENOENT);
		assert_int_equal(front_ask(&front, WEIR_QUEUE_DELETE, other), -ENOENT);
		/* One becomes due; claimed, it is deleted when it is requeued. */
		changes = 0;
		assert_int_equal(front_ask(&front, WEIR_QUEUE_RETRY, list.ids[2]), 0);
		FRONT_TURN(&front, changes);
		struct weir_queued *queued = front_must_claim(&front);
		assert_string_equal(queued->id, list.ids[2]);
		assert_int_equal(front_ask(&front, WEIR_QUEUE_DELETE, list.ids[2]), 0);
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_WAITING, 1000), 0);
		assert_null(front_claim(&front, &error));
		assert_int_equal(error, -ENOENT);
		front_look(&front, &list);
		assert_int_equal(list.count, 3);
		FRONT_TURN(&front, weir_mail_queue_count(front.queue) == 3);
		/* One that is claimed is due at once when it is requeued. */
		assert_int_equal(front_ask(&front, WEIR_QUEUE_RETRY, list.ids[0]), 0);
		queued = front_must_claim(&front);
		assert_int_equal(front_ask(&front, WEIR_QUEUE_RETRY, list.ids[0]), 0);
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_WAITING, 1000), 0);
		queued = front_must_claim(&front);
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_WAITING, 1000), 0);
		/* One that nobody has claimed goes at once, the others become due. */
		assert_int_equal(front_ask(&front, WEIR_QUEUE_DELETE, list.ids[1]), 0);
		FRONT_TURN(&front, weir_mail_queue_count(front.queue) == 2);
		assert_int_equal(front_ask(&front, WEIR_QUEUE_RETRY_ALL, NULL), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(front_requeue(&front, front_must_claim(&front),
			                         WEIR_QUEUED_DONE, 0),
			        0);
		front_look(&front, &list);
		assert_int_equal(list.count, 0);
		weir_mail_queue_ignore(front.queue);
	}
	expect_no_rows();
}

/* -- claims of several front ends -------------------------------------------------------------- */

static struct front one, two;

static void open_two(uint32_t lease_s)
{
	empty_tables();
	struct weir_database_queue_options options = *defaults();
	options.lease_s = lease_s;
	options.poll_s = 1;
	front_open(&one, migrated_open(NULL), &options);
	front_open(&two, migrated_open(NULL), &options);
}

static void close_two(void)
{
	front_close(&one);
	front_close(&two);
}

static void on_lost(void *context)
{
	++*(int *)context;
}

/* As if so much time had passed for the database. */
static void leases_end(void)
{
	migrated_run("UPDATE weir_queue SET lease_end = now() - interval '1 s'");
}

/* By the clock of the loop: an idle server counts again within 5 s. */
static void another_front_end_sees_a_deletion_soon(void **state)
{
	struct front_list list;
	int error;
	(void)state;
	open_two(1000);
	front_skips_pauses = true;
	assert_null(front_claim(&two, &error));
	assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
	FRONT_TURN(&two, weir_mail_queue_count(two.queue) == 1);
	weir_loop_turn(one.loop, 0); /* The clock has moved on. */
	front_look(&one, &list);
	assert_int_equal(front_ask(&one, WEIR_QUEUE_DELETE, list.ids[0]), 0);
	FRONT_TURN(&one, weir_mail_queue_count(one.queue) == 0);
	weir_loop_turn(two.loop, 0);
	int64_t begin_ms = weir_loop_now_ms(two.loop);
	FRONT_TURN(&two, weir_mail_queue_count(two.queue) == 0);
	/* A slow server takes some of it. A look at all messages comes much later. */
	assert_true(weir_loop_now_ms(two.loop) - begin_ms <= WEIR_QUEUE_LOOK_MS - 5000);
	front_skips_pauses = false;
	close_two();
}

static void a_message_is_taken_over(void **state)
{
	struct weir_mail_queue_claims claims;
	int error;
	(void)state;
	open_two(1000);
	assert_int_equal(front_put(&one, "al@example.org", 3, 100), 0);
	struct weir_queued *queued = front_must_claim(&one);
	assert_null(front_claim(&two, &error));
	leases_end();
	/* The first front end does not know yet, and must not change anything. */
	struct weir_queued *taken = front_must_claim(&two);
	assert_string_equal(taken->id, queued->id);
	weir_mail_queue_claims(two.queue, &claims);
	assert_int_equal(claims.taken_over, 1);
	assert_int_equal(front_requeue(&one, queued, WEIR_QUEUED_DONE, 0), -ESTALE);
	assert_int_equal(front_requeue(&two, taken, WEIR_QUEUED_WAITING, 0), 0);
	taken = front_must_claim(&two);
	assert_int_equal(taken->recipients[0].state, WEIR_QUEUED_WAITING);
	/* Nobody has claimed it when its lease has ended: the result counts. */
	leases_end();
	assert_int_equal(front_requeue(&two, taken, WEIR_QUEUED_DONE, 0), 0);
	expect_no_rows();
	close_two();
}

/* Most looks begin late; those from the beginning find a message that was due long ago. */
static void a_message_that_was_due_long_ago_is_found(void **state)
{
	struct weir_queued *queued = NULL;
	int error;
	(void)state;
	open_two(1000);
	assert_null(front_claim(&two, &error));
	assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
	migrated_run("UPDATE weir_queue SET due = now() - interval '1 hour'");
	assert_null(front_claim(&two, &error));
	assert_int_equal(error, -ENOENT);
	clock_advance(WEIR_QUEUE_LOOK_MS);
	queued = front_must_claim(&two);
	assert_int_equal(front_requeue(&two, queued, WEIR_QUEUED_DONE, 0), 0);
	close_two();
}

static void a_claim_is_renewed(void **state)
{
	(void)state;
	open_two(3);
	assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
	struct weir_queued *queued = front_must_claim(&one);
	int lost = 0;
	queued->lost = on_lost;
	queued->context = &lost;
	migrated_run("CREATE TABLE was AS SELECT lease_end FROM weir_queue");
	/* Twice, so that it lasts longer than the first lease. */
	for (int i = 0; i < 2; i++) {
		bool longer = false;
		while (!longer) {
			for (int turn = 0; turn < 20; turn++)
				weir_loop_turn(one.loop, 10);
			assert_true(weir_mail_queue_may_send(one.queue, queued));
			longer = strcmp(migrated_run("SELECT q.lease_end > was.lease_end FROM"
			                             " weir_queue AS q, was"),
			                 "t") == 0;
		}
		migrated_run("UPDATE was SET lease_end = (SELECT lease_end FROM weir_queue)");
	}
	migrated_run("DROP TABLE was");
	assert_int_equal(lost, 0);
	assert_int_equal(front_requeue(&one, queued, WEIR_QUEUED_DONE, 0), 0);
	close_two();
}

static void a_claim_that_is_lost_is_reported(void **state)
{
	(void)state;
	for (int away = 0; away < 2; away++) {
		open_two(300);
		assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
		struct weir_queued *queued = front_must_claim(&one);
		int lost = 0;
		queued->lost = on_lost;
		queued->context = &lost;
		if (away) {
			/* Nothing is renewed, so that the front end's own clock decides. */
			database_stop(&migrated.server, SIGINT);
			clock_advance(201 * 1000);
			assert_false(weir_mail_queue_may_send(one.queue, queued));
		} else {
			migrated_run("UPDATE weir_queue SET lease = id");
			clock_advance(101 * 1000);
		}
		FRONT_TURN(&one, lost);
		assert_false(weir_mail_queue_may_send(one.queue, queued));
		if (away)
			database_start(&migrated.server);
		assert_int_equal(
		        front_requeue(&one, queued, WEIR_QUEUED_WAITING, 0), away ? 0 : -ESTALE);
		assert_int_equal(lost, 1);
		close_two();
	}
}

static void clocks_may_differ(void **state)
{
	int error;
	(void)state;
	open_two(1000);
	/* All that these front ends know of the time is an hour late, or a day early. */
	for (int i = 0; i < 2; i++) {
		clock_advance(i ? 25 * 3600 * 1000 : -3600 * 1000);
		weir_loop_turn(one.loop, 0);
		assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
		struct weir_queued *queued = front_must_claim(&one);
		int64_t now_s = weir_loop_wall_s(one.loop);
		assert_in_range(queued->arrived_s, now_s - 60, now_s + 1);
		assert_int_equal(front_requeue(&one, queued, WEIR_QUEUED_WAITING, 1000), 0);
		assert_string_equal(migrated_run("SELECT due - now() BETWEEN interval '900 s' AND"
		                                 " interval '1000 s' FROM weir_queue"),
		        "t");
		assert_null(front_claim(&one, &error));
		assert_null(front_claim(&two, &error));
		migrated_run("UPDATE weir_queue SET due = now()");
		queued = front_must_claim(&two);
		assert_null(front_claim(&one, &error));
		assert_int_equal(front_requeue(&two, queued, WEIR_QUEUED_DONE, 0), 0);
	}
	close_two();
}

static void states_wait_for_the_database(void **state)
{
	(void)state;
	open_two(1000);
	assert_int_equal(front_put(&one, "al@example.org", 3, 100), 0);
	struct weir_queued *queued = front_must_claim(&one);
	struct weir_queued *other;
	int error;
	assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
	other = front_must_claim(&one);
	database_stop(&migrated.server, SIGINT);
	text_copy(queued->recipients[0].status, sizeof queued->recipients[0].status, "250 ok");
	clock_advance(WEIR_POSTGRES_WAIT_MS / 2);
	front_skips_pauses = true;
	assert_true(front_requeue(&one, queued, WEIR_QUEUED_DONE, 0) < 0);
	assert_true(front_requeue(&one, other, WEIR_QUEUED_WAITING, 1000) < 0);
	assert_true(front_put(&one, "al@example.org", 1, 100) < 0);
	assert_null(front_claim(&one, &error));
	assert_true(error < 0 && error != -ENOENT);
	front_skips_pauses = false;
	database_start(&migrated.server);
	const char *wanted = "1|t";
	bool there = false;
	for (int i = 0; i < 5000 && !there; i++) {
		for (int turn = 0; turn < 10; turn++)
			weir_loop_turn(one.loop, 1);
		if (!migrated_awaits_server(one.database, one.loop))
			clock_advance(1000);
		there = strcmp(migrated_run(
		                       "SELECT count(*), bool_and(lease IS NULL) FROM weir_queue"),
		                wanted) == 0;
	}
	assert_true(there);
	close_two();
}

/* A front end that dies holds messages; so does one that could not release one. */
static void a_held_message_comes_free_by_time(void **state)
{
	struct front_put put;
	(void)state;
	open_two(1000);
	struct weir_mail_sink *sink = weir_mail_queue_sink(one.queue);
	assert_int_equal(front_begin(&one, &put, "al@example.org", 1), 0);
	sink->type->hold(put.delivery);
	front_commit(&one, &put);
	FRONT_TURN(&one, put.done);
	leases_end();
	struct weir_queued *queued = front_must_claim(&two);
	/* It is too late to withdraw it. */
	sink->type->abort(put.delivery);
	for (int i = 0; i < 100; i++)
		weir_loop_turn(one.loop, 1);
	assert_int_equal(front_requeue(&two, queued, WEIR_QUEUED_DONE, 0), 0);
	close_two();
}

/* Half a message, with no recipient or too little of its body, is tried again later. */
static void a_damaged_message_waits(void **state)
{
	static const char *const damages[] = {
	        "DELETE FROM weir_queue_recipient",
	        "DELETE FROM weir_queue_message",
	        "DELETE FROM weir_body_chunk WHERE number = 1",
	        "UPDATE weir_body_chunk SET bytes = 'x' || bytes WHERE number = 1",
	        "UPDATE weir_queue_recipient SET state = 7",
	        "UPDATE weir_queue_recipient SET address = 'a@b.example>\\015\\012RSET'::bytea",
	        "UPDATE weir_queue_recipient SET orcpt = 'rfc822\\012;a'::bytea",
	        "UPDATE weir_queue_message SET sender = '\\000'::bytea",
	};
	int error;
	(void)state;
	open_two(1000);
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		assert_int_equal(front_put(&one, "al@example.org", 2, 100000), 0);
		migrated_run(damages[i]);
		assert_null(front_claim(&one, &error));
		assert_int_equal(error, -EIO);
		migrated_await(one.loop,
		        "SELECT lease IS NULL AND due > now() + interval '50 minutes'"
		        " FROM weir_queue",
		        "t");
		empty_tables();
	}
	close_two();
}

/* A time that is no number of seconds stops no other message, and neither lists nor counts. */
static void a_row_may_have_any_time(void **state)
{
	static const char *const times[] = {"due = 'infinity'", "due = '9999-12-31'",
	        "arrived = 'infinity'", "arrived = '-infinity'", "arrived = '4000-01-01 BC'",
	        "lease = id, lease_end = 'infinity'"};
	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		struct front_list list;
		char sql[128];
		int error;
		open_two(1000);
		assert_int_equal(front_put(&one, "odd@example.org", 1, 100), 0);
		snprintf(sql, sizeof sql, "UPDATE weir_queue SET %s", times[i]);
		migrated_run(sql);
		if (strstr(times[i], "arrived"))
			assert_int_equal(front_requeue(&one, front_must_claim(&one),
			                         WEIR_QUEUED_WAITING, 1000),
			        0);
		assert_null(front_claim(&one, &error));
		assert_int_equal(error, -ENOENT);
		assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
		struct weir_queued *queued = front_must_claim(&one);
		assert_true(equal(queued->envelope.sender, "al@example.org"));
		assert_int_equal(front_requeue(&one, queued, WEIR_QUEUED_DONE, 0), 0);
		front_look(&two, &list);
		assert_int_equal(list.count, 1);
		assert_null(front_claim(&two, &error));
		front_skips_pauses = true;
		FRONT_TURN(&two, weir_mail_queue_count(two.queue) == 1);
		front_skips_pauses = false;
		close_two();
	}
	empty_tables();
}

/* The number of attempts goes on from any value that the column can have. */
static void a_row_may_have_any_number_of_attempts(void **state)
{
	static const char *const counts[] = {"2147483647", "-1", "-2147483648"};
	(void)state;
	open_two(1000);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		char sql[128];
		assert_int_equal(front_put(&one, "al@example.org", 1, 100), 0);
		snprintf(sql, sizeof sql, "UPDATE weir_queue SET tries = %s", counts[i]);
		migrated_run(sql);
		struct weir_queued *queued = front_must_claim(&one);
		queued->tries++;
		assert_int_equal(front_requeue(&one, queued, WEIR_QUEUED_WAITING, 1000), 0);
		empty_tables();
	}
	close_two();
}

/* -- the server -------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	assert_non_null(mkdtemp(directory));
	migrated_setup(state);
	return 0;
}

static int stop_all(void **state)
{
	migrated_teardown(state);
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(envelopes_and_bytes_come_back),
	        cmocka_unit_test(states_stay),
	        cmocka_unit_test(a_held_message_waits),
	        cmocka_unit_test(aborted_messages_leave_nothing),
	        cmocka_unit_test(bounds_and_bad_input),
	        cmocka_unit_test(commands_are_run),
	        cmocka_unit_test(another_front_end_sees_a_deletion_soon),
	        cmocka_unit_test(a_message_is_taken_over),
	        cmocka_unit_test(a_message_that_was_due_long_ago_is_found),
	        cmocka_unit_test(a_claim_is_renewed),
	        cmocka_unit_test(a_held_message_comes_free_by_time),
	        cmocka_unit_test(a_damaged_message_waits),
	        cmocka_unit_test(a_row_may_have_any_time),
	        cmocka_unit_test(a_row_may_have_any_number_of_attempts),
	        cmocka_unit_test(a_claim_that_is_lost_is_reported),
	        cmocka_unit_test(states_wait_for_the_database),
	        cmocka_unit_test(clocks_may_differ),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
