/* Mailboxes as a whole: lists of them, and removals beside front ends that use them. */
#include "migrated.h"

#include <weir/database_mail.h>

#include "removal.h"

static struct weir_database *database, *another; /* a front end, and an administrator */

static int begin(void **state)
{
	scratch_setup(state);
	migrated_run("TRUNCATE weir_body_chunk, weir_body_sweep, weir_body_holder,"
	             " weir_mailbox, weir_message, weir_imported");
	database = migrated_open(NULL);
	another = migrated_open(NULL);
	return weir_database_mail_create(database, NULL, &store);
}

static int end(void **state)
{
	weir_mail_store_destroy(store);
	weir_database_leave(database, loop);
	weir_database_leave(another, loop);
	weir_database_release(database);
	weir_database_release(another);
	return scratch_teardown(state);
}

static int remove_whole(const char *name, struct removal *ret)
{
	return removal_run(ret, another, name);
}

/* Rows of all tables but those of mailboxes that stay. */
#define ROWS                                                                                       \
	"SELECT (SELECT count(*) FROM weir_mailbox), (SELECT count(*) FROM weir_message),"         \
	" (SELECT count(*) FROM weir_body_chunk), (SELECT count(*) FROM weir_body_holder),"        \
	" (SELECT count(*) FROM weir_body_sweep)"

static void expect_rows(const char *wanted)
{
	assert_string_equal(migrated_run(ROWS), wanted);
}

/* Makes a mailbox of so many messages of two bytes. */
static void make_large(const char *name, unsigned messages)
{
	char sql[768];
	snprintf(sql, sizeof sql,
	        "INSERT INTO weir_mailbox (name, octets, messages, next_uid, validity)"
	        " VALUES ('%s', %u, %u, %u, 7);"
	        "INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared, dotless, ended)"
	        " SELECT '%s', n, 2, gen_random_uuid(), 1, false, true, true"
	        " FROM generate_series(1, %u) AS n;"
	        "INSERT INTO weir_body_chunk SELECT body, 0, 'xy' FROM weir_message"
	        " WHERE mailbox = '%s'",
	        name, 2 * messages, messages, messages + 1, name, messages, name);
	migrated_run(sql);
}

static void a_removal_of_any_uid(void **state)
{
	struct removal removal;
	(void)state;
	make_large("alice", 2500);
	migrated_run("UPDATE weir_message SET uid = uid - 2000");
	assert_int_equal(remove_whole("alice", &removal), 0);
	expect_rows("0|0|0|0|0");
}

/* -- lists ------------------------------------------------------------------------------------- */

struct listed {
	struct weir_buffer text;
	unsigned count, leased;
	uint64_t messages, octets;
	int done;
	int error;
};

static void on_listed(void *context, const struct weir_database_mailbox *mailbox)
{
	struct listed *listed = context;
	const struct weir_span parts[] = {mailbox->name, WEIR_SPAN(" ")};
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		        weir_buffer_append(&listed->text, parts[i].data, parts[i].size, SIZE_MAX),
		        0);
	listed->count++;
	listed->leased += mailbox->leased;
	listed->messages += mailbox->messages;
	listed->octets += mailbox->octets;
}

static void on_list_end(void *context, int error, const char *text)
{
	struct listed *listed = context;
	(void)text;
	listed->error = error;
	listed->done++;
}

static void list(struct listed *listed)
{
	struct weir_database_call *call;
	*listed = (struct listed){.done = 0};
	assert_int_equal(
	        weir_database_mailboxes_list(another, loop, on_listed, on_list_end, listed, &call),
	        0);
	assert_true(TURN_UNTIL(loop, listed->done));
	assert_int_equal(listed->error, 0);
}

static void expect_names(const struct listed *listed, const char *names)
{
	assert_true(weir_span_equal(weir_buffer_span(&listed->text), weir_span_of(names)));
}

static void a_list(void **state)
{
	struct listed listed;
	(void)state;
	list(&listed);
	assert_int_equal(listed.count, 0);
	assert_int_equal(mail_send("bob,Zoe,alice,d\xc3\xb6rte", "0123456789"), 0);
	assert_int_equal(mail_send("bob", "x"), 0);
	struct weir_maildrop *drop = must_open("bob");
	list(&listed);
	expect_names(&listed, "Zoe alice bob d\xc3\xb6rte ");
	assert_int_equal(listed.messages, 5);
	assert_int_equal(listed.octets, 41);
	assert_int_equal(listed.leased, 1);
	weir_buffer_finish(&listed.text);
	weir_maildrop_close(drop);
	migrated_await(loop, "SELECT count(session) FROM weir_mailbox", "0");
	list(&listed);
	assert_int_equal(listed.leased, 0);
	weir_buffer_finish(&listed.text);
}

/* The pages follow each other, without a gap and without a name that comes twice. */
static void a_list_of_several_pages(void **state)
{
	struct listed listed;
	(void)state;
	for (unsigned count = 999; count <= 2001; count += 501) {
		char sql[256];
		snprintf(sql, sizeof sql,
		        "TRUNCATE weir_mailbox; INSERT INTO weir_mailbox (name, octets, messages,"
		        " next_uid, validity) SELECT 'user' || n, n, 1, 2, 1 FROM"
		        " generate_series(1, %u) AS n",
		        count);
		migrated_run(sql);
		list(&listed);
		assert_int_equal(listed.count, count);
		assert_int_equal(listed.octets, count * (count + 1) / 2);
		weir_buffer_finish(&listed.text);
	}
}

static void a_list_that_is_cancelled(void **state)
{
	(void)state;
	make_large("alice", 1);
	for (int turns = 0; turns < 4; turns++) {
		struct listed listed = {.done = 0};
		struct weir_database_call *call;
		assert_int_equal(weir_database_mailboxes_list(
		                         another, loop, on_listed, on_list_end, &listed, &call),
		        0);
		for (int i = 0; i < turns && !listed.done; i++)
			weir_loop_turn(loop, 1);
		if (!listed.done)
			weir_database_call_cancel(call);
		int done = listed.done;
		for (int i = 0; i < 5; i++)
			weir_loop_turn(loop, 1);
		assert_int_equal(listed.done, done);
		weir_buffer_finish(&listed.text);
	}
}

/* -- removals ---------------------------------------------------------------------------------- */

/* Bodies that another mailbox or the queue has stay; all others go. */
static void a_mailbox_goes_with_what_is_its_own(void **state)
{
	static char large[150000];
	struct mail mail = {0};
	struct weir_span body = {0};
	struct removal removal;
	(void)state;
	memset(large, 'x', sizeof large);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(mail_send_bytes(&mail, "alice,bob", large, sizeof large), 0);
		assert_int_equal(mail_send_bytes(&mail, "alice,bob", large, 10), 0);
		assert_int_equal(mail_send_bytes(&mail, "alice", large, sizeof large), 0);
		assert_int_equal(mail_send_bytes(&mail, "alice", large, 5), 0);
	}
	migrated_run("INSERT INTO weir_body_holder SELECT body, 'queue/1' FROM weir_message"
	             " WHERE mailbox = 'alice' AND uid = 3; UPDATE weir_message SET shared = true"
	             " WHERE mailbox = 'alice' AND uid = 3;"
	             "INSERT INTO weir_body_holder SELECT body, 'alice' FROM weir_message"
	             " WHERE mailbox = 'alice' AND uid = 3;"
	             "INSERT INTO weir_imported VALUES ('mail/alice', gen_random_uuid())");
	assert_int_equal(remove_whole("alice", &removal), 0);
	assert_int_equal(removal.counts.messages, 48);
	assert_int_equal(removal.counts.octets, 24 * sizeof large + 12 * 15);
	assert_int_equal(removal.counts.left, 0);
	/* Of bob: 12 of 3 chunks, and 12 of one; of the queue: one of 3 chunks. */
	expect_rows("1|24|51|25|0");
	struct weir_maildrop *drop = must_open("bob");
	for (size_t i = 0; i < 24; i++) {
		assert_int_equal(fetch(drop, i, &body, NULL), 0);
		assert_int_equal(body.size, i % 2 ? 10 : sizeof large);
	}
	weir_maildrop_close(drop);
	/* An import does not bring it again. */
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_imported"), "1");
	assert_int_equal(remove_whole("alice", &removal), -ENOENT);
	migrated_await(loop, "SELECT count(session) FROM weir_mailbox", "0");
	assert_int_equal(remove_whole("bob", &removal), 0);
	expect_rows("0|0|3|1|0");
}

static void a_name_of_any_bytes(void **state)
{
	static const char *const names[] = {"b\"o\\b", "c{a,r}ol", "d\xc3\xb6rte@example.org"};
	struct removal removal;
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct weir_maildrop *drop = must_open(names[i]);
		weir_maildrop_close(drop);
		migrated_await(loop, "SELECT count(session) FROM weir_mailbox", "0");
		assert_int_equal(remove_whole("", &removal), -ENOENT);
		assert_int_equal(remove_whole("bo", &removal), -ENOENT);
		assert_int_equal(remove_whole(names[i], &removal), 0);
		assert_int_equal(removal.counts.messages, 0);
		expect_rows("0|0|0|0|0");
	}
}

/* A transaction has a bound: each report is one of them. */
static void a_large_mailbox(void **state)
{
	struct removal removal;
	(void)state;
	make_large("bob", 3);
	for (unsigned count = 1999; count <= 2001; count++) {
		make_large("alice", count);
		assert_int_equal(remove_whole("alice", &removal), 0);
		assert_int_equal(removal.counts.messages, count);
		assert_int_equal(removal.counts.octets, 2 * count);
		assert_int_equal(removal.reports, count / WEIR_DATABASE_REMOVE_MAX + 1);
		expect_rows("1|3|3|0|0");
	}
}

/* The lease of a session is respected, and taken when it is over; the session removes nothing. */
static void a_session_has_the_mailbox(void **state)
{
	struct removal removal;
	size_t removed;
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(remove_whole("alice", &removal), -EBUSY);
	assert_int_equal(removal.counts.messages, 0);
	expect_rows("1|1|1|0|0");
	assert_message(drop, 0, "x");
	migrated_run("UPDATE weir_mailbox SET lease = now()");
	assert_int_equal(remove_whole("alice", &removal), 0);
	expect_rows("0|0|0|0|0");
	assert_int_equal(drop_remove(drop, (const uint8_t[]){1}, &removed), -EBUSY);
	weir_maildrop_close(drop);
	/* The mailbox is made anew. */
	assert_int_equal(mail_send("alice", "y"), 0);
	drop = must_open("alice");
	assert_message(drop, 0, "y");
	weir_maildrop_close(drop);
}

/* A session that comes during a removal has to wait. */
static void a_removal_has_the_mailbox(void **state)
{
	struct removal removal;
	struct weir_maildrop *drop;
	(void)state;
	make_large("alice", 2 * WEIR_DATABASE_REMOVE_MAX);
	removal_start(&removal, another, "alice");
	assert_true(TURN_UNTIL(loop, removal.reports));
	weir_database_call_cancel(removal.call);
	assert_int_equal(drop_open("alice", &drop), -EBUSY);
	assert_int_equal(remove_whole("alice", &removal), 0);
	expect_rows("0|0|0|0|0");
	drop = must_open("alice");
	assert_int_equal(drop->count, 0);
	weir_maildrop_close(drop);
}

/* A session takes the mailbox while the removal is stopped for longer than its lease. */
static void a_removal_that_lost_its_lease(void **state)
{
	struct removal removal;
	(void)state;
	make_large("alice", 2 * WEIR_DATABASE_REMOVE_MAX);
	migrated_run(
	        "CREATE FUNCTION take() RETURNS trigger AS $$ BEGIN UPDATE weir_mailbox SET session ="
	        " gen_random_uuid(); RETURN NULL; END $$ LANGUAGE plpgsql;"
	        "CREATE TRIGGER take AFTER UPDATE ON weir_mailbox FOR EACH ROW WHEN"
	        " (pg_trigger_depth() = 0) EXECUTE FUNCTION take()");
	assert_int_equal(remove_whole("alice", &removal), -EBUSY);
	migrated_run("DROP TRIGGER take ON weir_mailbox; DROP FUNCTION take");
	assert_int_equal(removal.counts.messages, WEIR_DATABASE_REMOVE_MAX);
	assert_int_equal(removal.counts.left, WEIR_DATABASE_REMOVE_MAX);
	expect_rows("1|1000|1000|0|0");
}

/* A message arrives behind the last one, before the row goes: it goes, too, with its body. */
static void a_message_that_arrives_meanwhile(void **state)
{
	struct removal removal;
	(void)state;
	for (int forever = 0; forever < 2; forever++) {
		char sql[900];
		make_large("alice", 3);
		snprintf(sql, sizeof sql,
		        "CREATE FUNCTION arrive() RETURNS trigger AS $$ BEGIN IF %s THEN"
		        " INSERT INTO weir_body_chunk VALUES"
		        " (gen_random_uuid(), 0, 'z'); INSERT INTO weir_message (mailbox, uid, octets,"
		        " body, chunks, shared, dotless, ended) SELECT 'alice', NEW.next_uid, 1, body,"
		        " 1, false, true, true FROM weir_body_chunk WHERE bytes = 'z';"
		        " UPDATE weir_mailbox SET octets = octets + 1, messages = messages + 1,"
		        " next_uid = next_uid + 1 WHERE name = 'alice'; END IF; RETURN NULL; END $$"
		        " LANGUAGE plpgsql;"
		        "CREATE TRIGGER arrive AFTER UPDATE ON weir_mailbox FOR EACH ROW WHEN"
		        " (pg_trigger_depth() = 0) EXECUTE FUNCTION arrive()",
		        forever ? "true" : "NEW.next_uid < 6");
		migrated_run(sql);
		assert_int_equal(remove_whole("alice", &removal), forever ? -EAGAIN : 0);
		migrated_run("DROP TRIGGER arrive ON weir_mailbox; DROP FUNCTION arrive");
		assert_int_equal(removal.counts.messages, forever ? 23 : 5);
		expect_rows(forever ? "1|1|1|0|0" : "0|0|0|0|0");
	}
}

/* -- beside others ----------------------------------------------------------------------------- */

/* No message is without its mailbox or its body, and no body without a message. */
static void expect_sound(void)
{
	migrated_await(loop,
	        "SELECT (SELECT count(*) FROM weir_message WHERE NOT EXISTS (SELECT 1 FROM"
	        " weir_mailbox WHERE name = mailbox)), (SELECT count(*) FROM weir_mailbox WHERE"
	        " messages <> (SELECT count(*) FROM weir_message WHERE mailbox = name)),"
	        " (SELECT count(*) FROM weir_message AS m WHERE octets <> (SELECT"
	        " coalesce(sum(length(bytes)), 0) FROM weir_body_chunk WHERE body = m.body)),"
	        " (SELECT count(*) FROM weir_body_chunk AS c WHERE NOT EXISTS (SELECT 1 FROM"
	        " weir_message WHERE body = c.body)), (SELECT count(*) FROM weir_body_sweep)",
	        "0|0|0|0|0");
}

/*
 * Deliveries to two mailboxes while one of them is removed, by two administrators: what is
 * acknowledged for the other one is there.
 */
static void removals_beside_deliveries(void **state)
{
	enum {
		ROUNDS = 40,
		MAILS = 12,
	};
	static char bytes[WEIR_DATABASE_CHUNK + 100];
	struct removal removals[2];
	long acknowledged = 0;
	(void)state;
	memset(bytes, 'x', sizeof bytes);
	for (int round = 0; round < ROUNDS; round++) {
		struct mail mails[MAILS] = {0};
		for (int i = 0; i < MAILS; i++) {
			size_t size = i % 4 == 3 ? sizeof bytes : 10;
			assert_int_equal(mail_begin(&mails[i], i % 3 ? "alice,bob" : "alice"), 0);
			assert_true(mail_write(&mails[i], bytes, size) >= 0);
			mail_commit(&mails[i]);
			if (i % 5 == round % 5)
				weir_loop_turn(loop, 1);
			if (i == round % MAILS)
				for (int k = 0; k < 2; k++)
					removal_start(&removals[k], another, "alice");
		}
		for (int i = 0; i < MAILS; i++) {
			turn_until(&mails[i].done, 1);
			assert_int_equal(mails[i].errors[0], 0);
			if (mails[i].count == 2)
				assert_int_equal(mails[i].errors[1], 0);
			acknowledged += mails[i].count == 2;
		}
		for (int k = 0; k < 2; k++) {
			turn_until(&removals[k].done, 1);
			assert_true(removals[k].error == 0 || removals[k].error == -ENOENT);
		}
	}
	char wanted[32];
	snprintf(wanted, sizeof wanted, "%ld", acknowledged);
	assert_string_equal(
	        migrated_run("SELECT count(*) FROM weir_message WHERE mailbox = 'bob'"), wanted);
	(void)remove_whole("alice", &removals[0]);
	expect_sound();
	assert_int_equal(remove_whole("bob", &removals[0]), 0);
	expect_rows("0|0|0|0|0");
}

/* An administrator's process ends at any moment: the next one goes on at once. */
static void a_removal_that_is_interrupted(void **state)
{
	static char large[WEIR_DATABASE_CHUNK + 100];
	struct mail mail = {0};
	struct removal removal;
	bool ended = false;
	(void)state;
	memset(large, 'x', sizeof large);
	for (int turns = 0; !ended; turns++) {
		for (int i = 0; i < 2; i++)
			assert_int_equal(
			        mail_send_bytes(&mail, "alice,bob", large, sizeof large), 0);
		assert_int_equal(mail_send("alice", "x"), 0);
		removal_start(&removal, another, "alice");
		for (int i = 0; i < turns && !removal.done; i++)
			weir_loop_turn(loop, 1);
		ended = removal.done;
		if (!ended) {
			/* As a kill does, it resets the connection. */
			weir_database_call_cancel(removal.call);
			weir_database_leave(another, loop);
			assert_true(
			        remove_whole("alice", &removal) == 0 || removal.error == -ENOENT);
		}
		assert_string_equal(
		        migrated_run("SELECT count(*), sum(chunks) FROM weir_message"
		                     " WHERE mailbox <> 'bob' UNION ALL SELECT count(*),"
		                     " sum(messages) FROM weir_mailbox WHERE name <> 'bob'"),
		        "0|\n0|");
		expect_sound();
	}
	assert_int_equal(remove_whole("bob", &removal), 0);
	expect_rows("0|0|0|0|0");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(a_removal_of_any_uid),
	        CASE(a_list),
	        CASE(a_list_of_several_pages),
	        CASE(a_list_that_is_cancelled),
	        CASE(a_mailbox_goes_with_what_is_its_own),
	        CASE(a_name_of_any_bytes),
	        CASE(a_large_mailbox),
	        CASE(a_session_has_the_mailbox),
	        CASE(a_removal_has_the_mailbox),
	        CASE(a_removal_that_lost_its_lease),
	        CASE(a_message_that_arrives_meanwhile),
	        CASE(removals_beside_deliveries),
	        CASE(a_removal_that_is_interrupted),
	};
	return cmocka_run_group_tests(tests, migrated_setup, migrated_teardown);
}
