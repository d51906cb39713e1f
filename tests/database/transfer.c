/*
 * Imports and exports whose connections break at each point, and whose memory fails: after another
 * run everything is there once. A Maildir and the mailbox that is made of it have the same list.
 */
#include "migrated.h"

#include "../store/scratch.h"

#include <weir/database_mail.h>
#include <weir/database_transfer.h>
#include <weir/mail_store.h>

#include "allocation.h"
#include "import_file.h"
#include "severed.h"

static struct weir_database *database; /* through the proxy */

enum {
	LARGE = 2 * WEIR_DATABASE_CHUNK + 5
};

/* -- transfers --------------------------------------------------------------------------------- */

struct ended {
	int done;
	int error;
	int problems;
	struct weir_database_transfer_counts counts;
};

static void on_progress(void *context, const struct weir_database_transfer_counts *counts)
{
	((struct ended *)context)->counts = *counts;
}

static void on_problem(void *context, const char *what, const char *why)
{
	(void)what, (void)why;
	((struct ended *)context)->problems++;
}

static void on_done(void *context, int error, const char *text)
{
	struct ended *ended = context;
	ended->done++;
	ended->error = error;
	assert_true(!error == !*text);
}

typedef int start_fn(const struct weir_database_transfer *transfer, const char *directory);

/* Runs it to its end; the error of its start is one, too. */
static struct ended run(start_fn *start, const char *directory)
{
	struct ended ended = {0};
	const struct weir_database_transfer transfer = {.database = database,
	        .loop = loop,
	        .progress = on_progress,
	        .problem = on_problem,
	        .done = on_done,
	        .context = &ended};
	int error = start(&transfer, in_scratch(directory));
	if (error < 0)
		return (struct ended){.error = error};
	for (int i = 0; i < 20000 && !ended.done; i++)
		weir_loop_turn(loop, 2);
	assert_int_equal(ended.done, 1);
	return ended;
}

static void run_well(start_fn *start, const char *directory)
{
	struct ended ended = run(start, directory);
	assert_int_equal(ended.error, 0);
	assert_int_equal(ended.problems, 0);
	assert_int_equal(ended.counts.done, ended.counts.total);
}

static const char *ask(const char *sql)
{
	return migrated_run(sql);
}

/* -- files and rows ---------------------------------------------------------------------------- */

static void make_maildir(const char *user)
{
	char path[64];
	snprintf(path, sizeof path, "mail/%s", user);
	make_directory(path);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "mail/%s/%s", user,
		        (const char *const[]){"tmp", "new", "cur"}[i]);
		make_directory(path);
	}
}

static void make_mail(void)
{
	static char large[LARGE];
	memset(large, 'x', sizeof large);
	make_directory("mail");
	make_maildir("alice");
	make_maildir("bob");
	put("mail/alice/new/1700000001.M000005P1Q1.host,S=6,W=6", "one\r\n.");
	put("mail/alice/cur/1700000002.plain.host:2,S", "two\n.\nlines");
	put_bytes("mail/alice/new/1700000003.large.host", large, sizeof large);
	put("mail/alice/new/1700000004.empty.host", "");
	put("mail/alice/new/1700000000.first.host,S=2,W=2,D=0", "\r\n");
	put("mail/bob/cur/name with spaces", "x\r\n");
	put("mail/bob/cur/1700000000.b.host", "y\r\n");
}

static void make_queue(void)
{
	static char large[LARGE];
	char envelope[512];
	memset(large, 'q', sizeof large);
	large[LARGE - 1] = '\n';
	make_directory("queue");
	snprintf(envelope, sizeof envelope,
	        "weir-queue 1\narrived 1700000000\nnext 1700000100\ntries 3\nsize %d\nflags 17\n"
	        "from <a@example.org>\nenvid <e+2B>\ntrace <>\n"
	        "to <bob@example.org> <rfc822;bob> 6 0 <451+204.3.0+20Later>\n"
	        "to <carol@example.org> <> 0 3 <>\nend\n",
	        LARGE);
	put("queue/0000000000000001.env", envelope);
	put_bytes("queue/0000000000000001.msg", large, sizeof large);
	put("queue/0000000000000002.env",
	        "weir-queue 1\narrived 1700000000\nnext 1700000000\ntries 0\nsize 5\nflags 0\n"
	        "from <>\nenvid <>\ntrace <t>\nto <dave@example.org> <> 1 0 <>\nend\n");
	put("queue/0000000000000002.msg", "two\r\n");
}

static const char mail_rows[] =
        "SELECT string_agg(m.mailbox || ' ' || coalesce(m.uidl, '') || ' ' || m.octets || ' '"
        " || extract(epoch FROM m.arrived) * (m.uidl LIKE '%Q1%')::int || ' ' || m.dotless || ' ' ||"
        " (SELECT md5(string_agg(c.bytes, ''::bytea ORDER BY c.number)) FROM weir_body_chunk AS c"
        " WHERE c.body = m.body), ';' ORDER BY m.mailbox, m.uid) FROM weir_message AS m";

static const char queue_rows[] =
        "SELECT string_agg(concat_ws(' ', extract(epoch FROM q.arrived), extract(epoch FROM q.due),"
        " q.tries, q.warned, m.size, m.flags, m.sender, m.envid, m.trace, r.number, r.address,"
        " r.orcpt, r.reports, r.state, r.status, (SELECT md5(string_agg(c.bytes, ''::bytea ORDER BY"
        " c.number)) FROM weir_body_chunk AS c WHERE c.body = q.id)), ';' ORDER BY m.size, r.number)"
        " FROM weir_queue AS q JOIN weir_queue_message AS m ON m.id = q.id"
        " JOIN weir_queue_recipient AS r ON r.id = q.id";

static void expect_sound(void)
{
	assert_string_equal(
	        ask("SELECT (SELECT count(*) FROM weir_mailbox WHERE (octets, messages) <> (SELECT"
	            " coalesce(sum(octets), 0), count(*) FROM weir_message WHERE mailbox = name)),"
	            " (SELECT count(*) FROM weir_message AS m WHERE (octets, chunks) <> (SELECT"
	            " coalesce(sum(length(bytes)), 0), count(*) FROM weir_body_chunk WHERE body ="
	            " m.body)), (SELECT count(*) FROM weir_body_chunk AS c WHERE NOT EXISTS (SELECT 1"
	            " FROM weir_message WHERE body = c.body) AND NOT EXISTS (SELECT 1 FROM weir_queue"
	            " WHERE id = c.body) AND NOT EXISTS (SELECT 1 FROM weir_body_sweep WHERE body ="
	            " c.body))"),
	        "0|0|0");
}

static void empty(void)
{
	ask("TRUNCATE weir_body_chunk, weir_body_sweep, weir_body_holder, weir_mailbox,"
	    " weir_message, weir_imported, weir_queue, weir_queue_message, weir_queue_recipient");
}

static int begin(void **state)
{
	scratch_setup(state);
	empty();
	make_mail();
	make_queue();
	make_directory("out");
	database = migrated_open(severed.url);
	return 0;
}

static int end(void **state)
{
	severed_calm(database, loop);
	weir_database_leave(database, loop);
	weir_database_release(database);
	return scratch_teardown(state);
}

/* -- lists ------------------------------------------------------------------------------------- */

struct opened {
	struct weir_mail_call call;
	int done;
	struct weir_maildrop *drop;
};

static void on_opened(struct weir_mail_call *call, int error, struct weir_maildrop *drop)
{
	struct opened *opened = WEIR_CONTAINER(call, struct opened, call);
	assert_int_equal(error, 0);
	opened->done++;
	opened->drop = drop;
}

static struct weir_maildrop *open_drop(struct weir_mail_store *store, const char *user)
{
	struct opened opened = {.done = 0};
	weir_maildrop_open(store, loop, weir_span_of(user), &opened.call, on_opened);
	turn_until(&opened.done, 1);
	return opened.drop;
}

static void compare_drops(
        struct weir_mail_store *one, struct weir_mail_store *other, const char *user)
{
	struct weir_maildrop *a = open_drop(one, user), *b = open_drop(other, user);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->octets, b->octets);
	for (size_t i = 0; i < a->count; i++) {
		struct weir_mail_info of_a, of_b;
		weir_maildrop_info(a, i, &of_a);
		weir_maildrop_info(b, i, &of_b);
		assert_string_equal(of_a.uid, of_b.uid);
		assert_int_equal(of_a.octets, of_b.octets);
	}
	weir_maildrop_close(a);
	weir_maildrop_close(b);
}

static void lists_are_the_same(void **state)
{
	struct weir_mail_store *files, *exported, *stored;
	(void)state;
	run_well(weir_database_import_mail, "mail");
	run_well(weir_database_export_mail, "out");
	assert_int_equal(weir_maildir_create(in_scratch("mail"), NULL, &files), 0);
	assert_int_equal(weir_maildir_create(in_scratch("out"), NULL, &exported), 0);
	assert_int_equal(weir_database_mail_create(database, NULL, &stored), 0);
	for (int i = 0; i < 2; i++) {
		const char *user = i ? "bob" : "alice";
		compare_drops(files, stored, user);
		compare_drops(exported, stored, user);
	}
	weir_mail_store_destroy(stored);
	weir_mail_store_destroy(exported);
	weir_mail_store_destroy(files);
}

/* A message without a UIDL of its own is among others. */
static void lists_mix_uidls(void **state)
{
	struct weir_mail_store *stored;
	struct weir_mail_info info;
	(void)state;
	run_well(weir_database_import_mail, "mail");
	ask("UPDATE weir_mailbox SET validity = 17 WHERE name = 'alice';"
	    " UPDATE weir_message SET uidl = NULL WHERE mailbox = 'alice' AND uid IN (1, 3)");
	assert_int_equal(weir_database_mail_create(database, NULL, &stored), 0);
	struct weir_maildrop *drop = open_drop(stored, "alice");
	static const char *const expected[] = {"17.0000000001", "1700000001.M000005P1Q1.host",
	        "17.0000000003", "1700000003.large.host", "1700000004.empty.host"};
	assert_int_equal(drop->count, 5);
	for (size_t i = 0; i < 5; i++) {
		weir_maildrop_info(drop, i, &info);
		assert_string_equal(info.uid, expected[i]);
	}
	weir_maildrop_close(drop);
	weir_mail_store_destroy(stored);
}

/* -- breaks ------------------------------------------------------------------------------------ */

static void remove_out(void)
{
	assert_int_equal(nftw(in_scratch("out"), scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	make_directory("out");
}

/* Runs it with a break after each number of bytes, and then again. */
static void break_everywhere(start_fn *start, const char *directory, long step,
        void (*prepare)(void), void (*check)(void))
{
	for (int direction = SEVERED_UP; direction <= SEVERED_DOWN; direction++) {
		bool broken = true;
		for (long bytes = 0; broken; bytes += step) {
			prepare();
			severed_break_after((enum severed_direction)direction, bytes);
			(void)run(start, directory);
			broken = severed_calm(database, loop);
			run_well(start, directory);
			check();
		}
	}
}

static char expected[4096];

static void check_mail(void)
{
	assert_string_equal(ask(mail_rows), expected);
	expect_sound();
}

static void check_queue(void)
{
	assert_string_equal(ask(queue_rows), expected);
	expect_sound();
}

static void imports_of_mail_break(void **state)
{
	(void)state;
	run_well(weir_database_import_mail, "mail");
	snprintf(expected, sizeof expected, "%s", ask(mail_rows));
	assert_non_null(strstr(expected, "1700000001.M000005P1Q1.host 6 1700000001.000005 false"));
	assert_non_null(strstr(expected, "1700000002.plain.host 13 0.000000 false"));
	break_everywhere(weir_database_import_mail, "mail", 7919, empty, check_mail);
}

static void imports_of_a_queue_break(void **state)
{
	(void)state;
	run_well(weir_database_import_queue, "queue");
	snprintf(expected, sizeof expected, "%s", ask(queue_rows));
	assert_string_equal(
	        ask("SELECT count(*), max(length(address)) FROM weir_queue_recipient"), "3|17");
	break_everywhere(weir_database_import_queue, "queue", 7919, empty, check_queue);
}

/* Imports the export into an empty database. */
static void import_back(start_fn *import, void (*check)(void))
{
	empty();
	run_well(import, "out");
	check();
}

static void check_exported_mail(void)
{
	assert_int_equal(count_entries("out/alice/new"), 5);
	assert_int_equal(count_entries("out/alice/tmp"), 0);
	assert_int_equal(count_entries("out/bob/new"), 2);
}

static void exports_of_mail_break(void **state)
{
	(void)state;
	run_well(weir_database_import_mail, "mail");
	break_everywhere(weir_database_export_mail, "out", 7919, remove_out, check_exported_mail);
	/* The date of a name is kept; the order is that of the names. */
	empty();
	run_well(weir_database_import_mail, "mail");
	snprintf(expected, sizeof expected, "%s", ask(mail_rows));
	ask("UPDATE weir_message SET arrived = timestamptz '2001-02-03 04:05:06.789Z'");
	remove_out();
	run_well(weir_database_export_mail, "out");
	empty();
	run_well(weir_database_import_mail, "out");
	assert_string_equal(ask("SELECT count(*) FROM weir_message WHERE arrived = timestamptz"
	                        " '2001-02-03 04:05:06.789Z'"),
	        "6");
	assert_string_equal(
	        ask("SELECT uidl FROM weir_message WHERE mailbox = 'alice' AND uid = 2"),
	        "1700000001.M000005P1Q1.host");
	expect_sound();
}

static void check_exported_queue(void)
{
	assert_int_equal(count_entries("out"), 5); /* with the lock */
}

static void exports_of_a_queue_break(void **state)
{
	(void)state;
	run_well(weir_database_import_queue, "queue");
	snprintf(expected, sizeof expected, "%s", ask(queue_rows));
	break_everywhere(weir_database_export_queue, "out", 7919, remove_out, check_exported_queue);
	import_back(weir_database_import_queue, check_queue);
}

/* -- rows of others ---------------------------------------------------------------------------- */

/* A message whose rows are damaged is left out and reported; the others are exported. */
static void exports_leave_damaged_messages_out(void **state)
{
	static const char *const damages[] = {
	        "UPDATE weir_queue_recipient SET state = 7 WHERE address = 'dave@example.org'",
	        "DELETE FROM weir_queue_recipient WHERE address = 'dave@example.org'",
	        "DELETE FROM weir_queue_message WHERE size = 5",
	        "UPDATE weir_queue_message SET sender = decode(repeat('41', 5000000), 'hex')"
	        " WHERE size = 5",
	};
	(void)state;
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		empty();
		remove_out();
		run_well(weir_database_import_queue, "queue");
		ask(damages[i]);
		struct ended ended = run(weir_database_export_queue, "out");
		assert_int_equal(ended.error, 0);
		assert_int_equal(ended.problems, 1);
		assert_int_equal(ended.counts.moved, 1);
		assert_int_equal(ended.counts.done, ended.counts.total);
		assert_int_equal(count_entries("out"), 3); /* with the lock */
	}
}

static void exports_name_damaged_bodies(void **state)
{
	static const char *const damages[] = {
	        "DELETE FROM weir_body_chunk WHERE number = 1",
	        "DELETE FROM weir_body_chunk WHERE body IN (SELECT body FROM weir_body_chunk"
	        " WHERE number = 1)",
	        "UPDATE weir_body_chunk SET bytes = decode(repeat('78', 2000000), 'hex')"
	        " WHERE number = 1",
	};
	(void)state;
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		empty();
		remove_out();
		run_well(weir_database_import_mail, "mail");
		ask(damages[i]);
		struct ended ended = run(weir_database_export_mail, "out");
		assert_int_equal(ended.error, 0);
		assert_int_equal(ended.problems, 1);
		assert_int_equal(ended.counts.moved, 6);
		assert_int_equal(count_entries("out/alice/new"), 4);
		assert_int_equal(count_entries("out/alice/tmp"), 0);
	}
}

static void exports_have_rows_of_any_time(void **state)
{
	(void)state;
	run_well(weir_database_import_queue, "queue");
	ask("UPDATE weir_queue SET due = 'infinity', arrived = '-infinity'");
	run_well(weir_database_export_queue, "out");
	check_exported_queue();
	remove_out();
	run_well(weir_database_import_mail, "mail");
	ask("UPDATE weir_message SET arrived = 'infinity', uid = uid - 3,"
	    " uidl = CASE uid WHEN 1 THEN E'a\n' ELSE uidl END");
	run_well(weir_database_export_mail, "out");
	check_exported_mail();
}

/* -- memory ------------------------------------------------------------------------------------ */

static void fail_everywhere(
        start_fn *start, const char *directory, void (*prepare)(void), void (*check)(void))
{
	bool failed = true;
	for (unsigned good = 0; failed; good += 3) {
		prepare();
		fail_allocation_after(good, false);
		(void)run(start, directory);
		failed = stop_failing_allocations();
		run_well(start, directory);
		check();
	}
}

static void memory_fails(void **state)
{
	(void)state;
	run_well(weir_database_import_mail, "mail");
	snprintf(expected, sizeof expected, "%s", ask(mail_rows));
	fail_everywhere(weir_database_export_mail, "out", remove_out, check_exported_mail);
	fail_everywhere(weir_database_import_mail, "mail", empty, check_mail);
	empty();
	run_well(weir_database_import_queue, "queue");
	snprintf(expected, sizeof expected, "%s", ask(queue_rows));
	fail_everywhere(weir_database_export_queue, "out", remove_out, check_exported_queue);
	fail_everywhere(weir_database_import_queue, "queue", empty, check_queue);
}

/* -- names ------------------------------------------------------------------------------------- */

static void times_of_names(void **state)
{
	static const struct {
		const char *name;
		int64_t us; /* 0: none */
	} names[] = {
	        {"1700000001.M000005P1Q1.host", 1700000001000005},
	        {"1700000001.M5P1.host", 1700000001000005},
	        {"1700000001.M999999P1R2.host", 1700000001999999},
	        {"99999999999.M0P1.host", 99999999999000000},
	        {"1700000001.P1Q1.host", 0},
	        {"1700000001.M1000000P1.host", 0},
	        {"1700000001.MP1.host", 0},
	        {"1700000001.M1", 0},
	        {"17.M1P1.host", 0},
	        {"170000000001.M1P1.host", 0},
	        {"x1700000001.M1P1.host", 0},
	        {"", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int64_t us = 0;
		bool good = import_file_parse_time(weir_span_of(names[i].name), &us);
		assert_int_equal(good, names[i].us != 0);
		assert_int_equal(us, names[i].us);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(times_of_names),
	        CASE(lists_are_the_same),
	        CASE(lists_mix_uidls),
	        CASE(imports_of_mail_break),
	        CASE(imports_of_a_queue_break),
	        CASE(exports_of_mail_break),
	        CASE(exports_of_a_queue_break),
	        CASE(exports_leave_damaged_messages_out),
	        CASE(exports_name_damaged_bodies),
	        CASE(exports_have_rows_of_any_time),
	        CASE(memory_fails),
	};
	return cmocka_run_group_tests(tests, severed_setup, severed_teardown);
}
