/*
 * A Maildir beside other programs: their files, failures of system calls, and the number of syncs.
 * The system calls that can fail are defined by the test, in front of the C library.
 */
#include "mail.h"
#include "make_options.h"

#include <stdatomic.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* -- system calls that fail -------------------------------------------------------------------- */

static atomic_int fsync_error, fsync_after, write_error, link_error, no_tmpfile;

int openat(int directory, const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	int mode = va_arg(rest, int);
	va_end(rest);
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)syscall(SYS_openat, directory, path, flags, mode);
}

int fsync(int fd)
{
	if (fsync_error && fsync_after-- <= 0) {
		errno = fsync_error;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (write_error) {
		errno = write_error;
		return -1;
	}
	/* In small steps, as after a signal. */
	return syscall(SYS_pwrite64, fd, data, size > 1000 ? 1000 : size, offset);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
	if (link_error) {
		errno = link_error;
		return -1;
	}
	return (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
}

/* -- setting up -------------------------------------------------------------------------------- */

static int begin(void **state)
{
	scratch_setup(state);
	fsync_error = write_error = link_error = no_tmpfile = 0;
	return weir_maildir_create(scratch, NULL, &store);
}

static int end(void **state)
{
	weir_mail_store_destroy(store);
	return scratch_teardown(state);
}

static void bound(struct weir_mail_store_options options)
{
	weir_mail_store_destroy(store);
	assert_int_equal(weir_maildir_create(scratch, &options, &store), 0);
}

static void make_mailbox(const char *user)
{
	weir_maildrop_close(must_open(user));
}

static struct weir_mail_store_counters counters(void)
{
	struct weir_mail_store_counters counters;
	weir_mail_store_count(store, &counters);
	return counters;
}

/* -- messages of others ------------------------------------------------------------------------ */

static void messages_of_others_are_measured(void **state)
{
	(void)state;
	struct weir_mail_body body = {0};
	struct weir_span bytes = {0};
	make_mailbox("alice");
	put("alice/new/1.a.host", "unix\n.line\n");
	put("alice/cur/2.b.host:2,S", "crlf\r\nlines\r\n");
	put("alice/new/3.c.host,S=11", "not ended\nx");
	put("alice/cur/4.d.host,S=4,W=5:2,", "abc\n");
	put("alice/new/.hidden", "no");
	make_directory("alice/new/5.directory");
	assert_int_equal(symlink("1.a.host", in_scratch("alice/new/6.link")), 0);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 4);
	assert_message(drop, 0, "unix\r\n.line\r\n");
	assert_int_equal(fetch(drop, 0, &bytes, &body), 0);
	assert_true(!body.dotless && body.ended);
	assert_message(drop, 1, "crlf\r\nlines\r\n");
	assert_int_equal(fetch(drop, 1, &bytes, &body), 0);
	assert_true(body.dotless && body.ended);
	assert_message(drop, 2, "not ended\r\nx");
	assert_int_equal(fetch(drop, 2, &bytes, &body), 0);
	assert_true(!body.ended);
	assert_message(drop, 3, "abc\r\n");
	assert_string_equal(info_of(drop, 0).uid, "1.a.host");
	assert_string_equal(info_of(drop, 1).uid, "2.b.host");
	assert_string_equal(info_of(drop, 2).uid, "3.c.host");
	assert_string_equal(info_of(drop, 3).uid, "4.d.host");
	assert_int_equal(drop->octets, 13 + 13 + 12 + 5);
	weir_maildrop_close(drop);
}

static void a_name_that_lies_about_the_size(void **state)
{
	(void)state;
	struct weir_mail_body body = {0};
	struct weir_span bytes = {0};
	make_mailbox("alice");
	put("alice/new/1.a,S=3,W=3,D=0", "one\n.two\n");
	put("alice/new/2.b,S=300,W=300,D=0", "short");
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(fetch(drop, 0, &bytes, &body), 0);
	assert_true(!body.dotless && body.ended);
	assert_int_equal(bytes.size, 11);
	assert_memory_equal(bytes.data, "one\r\n.two\r\n", 11);
	assert_int_equal(fetch(drop, 1, &bytes, &body), 0);
	assert_true(!body.dotless && !body.ended && bytes.size == 5);
	weir_maildrop_close(drop);
}

static void a_message_met_twice_counts_once(void **state)
{
	(void)state;
	make_mailbox("alice");
	put("alice/new/1.a.host,S=1,W=1", "a");
	put("alice/cur/1.a.host,S=1,W=1:2,S", "a");
	put("alice/cur/1.a.hostess,S=1,W=1:2,S", "b");
	put("alice/cur/1.a:2,S", "c");
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 3);
	assert_message(drop, 0, "c");
	assert_message(drop, 1, "a");
	assert_message(drop, 2, "b");
	weir_maildrop_close(drop);
}

static void others_rename_and_remove(void **state)
{
	(void)state;
	struct weir_span bytes = {0};
	uint8_t marks[1] = {0x07};
	size_t removed;
	make_mailbox("alice");
	put("alice/new/1.a,S=1,W=1", "a");
	put("alice/new/2.b,S=1,W=1", "b");
	put("alice/new/3.c,S=1,W=1", "c");
	put("alice/new/4.d,S=1,W=1", "d");
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(rename(in_scratch("alice/new/1.a,S=1,W=1"),
	                         in_scratch("alice/cur/1.a,S=1,W=1:2,S")),
	        0);
	assert_int_equal(unlink(in_scratch("alice/new/2.b,S=1,W=1")), 0);
	assert_message(drop, 0, "a");
	assert_int_equal(fetch(drop, 1, &bytes, NULL), -ENOENT);
	assert_int_equal(drop_remove(drop, marks, &removed), 0);
	assert_int_equal(removed, 2);
	weir_maildrop_close(drop);
	drop = must_open("alice");
	assert_int_equal(drop->count, 1);
	assert_message(drop, 0, "d");
	weir_maildrop_close(drop);
}

static void nothing_leads_out(void **state)
{
	(void)state;
	struct weir_maildrop *drop;
	make_directory("outside");
	assert_int_equal(symlink("outside", in_scratch("alice")), 0);
	assert_int_equal(drop_open("alice", &drop), -ELOOP);
	assert_int_equal(mail_send("alice", "x"), -ELOOP);
	make_directory("bob");
	make_directory("bob/cur");
	make_directory("bob/tmp");
	assert_int_equal(symlink("../outside", in_scratch("bob/new")), 0);
	assert_int_equal(mail_send("bob", "x"), -ELOOP);
	assert_int_equal(drop_open("bob", &drop), -ELOOP);
	assert_int_equal(count_entries("outside"), 0);
}

static void half_made_mailboxes_are_completed(void **state)
{
	(void)state;
	make_directory("alice");
	make_directory("bob");
	make_directory("bob/new");
	assert_int_equal(mail_send("alice", "x"), 0);
	assert_int_equal(count_of("bob"), 0);
	assert_int_equal(count_of("alice"), 1);
	for (int i = 0; i < 3; i++) {
		static const char *const parts[] = {"carol/tmp", "carol/new", "carol/cur"};
		assert_int_equal(count_of("carol"), 0);
		assert_int_equal(rmdir(in_scratch(parts[i])), 0);
		assert_int_equal(count_of("carol"), 0);
		assert_int_equal(count_entries(parts[i]), 0);
	}
}

static void locked_by_another_process(void **state)
{
	(void)state;
	struct weir_maildrop *drop;
	make_mailbox("alice");
	int fd = open(in_scratch("alice"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(drop_open("alice", &drop), -EBUSY);
	assert_int_equal(mail_send("alice", "x"), 0);
	close(fd);
	drop = must_open("alice");
	fd = open(in_scratch("alice"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	weir_maildrop_close(drop);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

static void cancelled_calls(void **state)
{
	(void)state;
	struct answer answer = {.done = 0};
	int descriptors = count_descriptors();
	uint8_t marks[1] = {1};
	assert_int_equal(mail_send("alice", "x"), 0);
	weir_maildrop_open(store, loop, WEIR_SPAN("alice"), &answer.call, on_opened);
	weir_mail_call_cancel(store, &answer.call);
	weir_mail_call_cancel(store, &answer.call);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 5);
	assert_int_equal(answer.done, 0);
	/* The removal goes on, with its maildrop. */
	struct weir_maildrop *drop = must_open("alice");
	weir_maildrop_remove(drop, marks, &answer.call, on_removed);
	weir_mail_call_cancel(store, &answer.call);
	weir_maildrop_close(drop);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 5);
	assert_int_equal(answer.done, 0);
	assert_int_equal(count_of("alice"), 0);
	assert_int_equal(count_descriptors(), descriptors);
}

/* -- failures ---------------------------------------------------------------------------------- */

static void a_failed_sync_of_a_file(void **state)
{
	(void)state;
	make_mailbox("alice");
	fsync_error = EIO;
	assert_int_equal(mail_send("alice", "x"), -EIO);
	fsync_error = 0;
	assert_int_equal(count_entries("alice/new"), 0);
	assert_int_equal(count_entries("alice/tmp"), 0);
}

static void a_failed_sync_of_a_directory(void **state)
{
	(void)state;
	make_mailbox("alice");
	bound(OPTIONS(weir_mail_store_options, o.messages_max = 1));
	fsync_after = 1;
	fsync_error = EIO;
	assert_int_equal(mail_send("alice", "x"), -EIO);
	fsync_error = 0;
	assert_int_equal(count_entries("alice/new"), 0);
	assert_int_equal(count_entries("alice/tmp"), 0);
	assert_int_equal(mail_send("alice", "y"), 0);
	assert_int_equal(mail_send("alice", "z"), -EDQUOT);
}

static void a_full_disk(void **state)
{
	(void)state;
	static char piece[100000];
	struct mail mail = {0};
	assert_int_equal(mail_send("alice", "before"), 0);
	write_error = ENOSPC;
	assert_int_equal(mail_send("alice", "x"), -ENOSPC);
	/* A large message gets its error early. */
	assert_int_equal(mail_begin(&mail, "alice"), 0);
	assert_int_equal(mail_write(&mail, piece, sizeof piece), 0);
	turn_until(&mail.ready, 1);
	assert_int_equal(mail.ready_error, -ENOSPC);
	assert_int_equal(mail_write(&mail, "y", 1), -ENOSPC);
	mail_abort(&mail);
	write_error = 0;
	link_error = ENOSPC;
	assert_int_equal(mail_send("alice", "x"), -ENOSPC);
	link_error = 0;
	assert_int_equal(mail_send("alice", "after"), 0);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 2);
	assert_message(drop, 0, "before");
	assert_message(drop, 1, "after");
	weir_maildrop_close(drop);
	assert_int_equal(count_entries("alice/tmp"), 0);
}

/* An abort between the failure and its report: the delivery ends once. */
static void an_abort_right_after_a_failed_commit(void **state)
{
	(void)state;
	static char piece[100000];
	struct mail mail = {0};
	bound(OPTIONS(weir_mail_store_options, o.message_max = sizeof piece));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mail_begin(&mail, "alice"), 0);
		assert_int_equal(mail_write(&mail, piece, sizeof piece), 0);
		for (int k = 0; k < 50; k++)
			weir_loop_turn(loop, 1);
		assert_int_equal(mail_write(&mail, "y", 1), WEIR_E_LIMIT);
		mail_commit(&mail);
		mail_abort(&mail);
		for (int k = 0; k < 20; k++)
			weir_loop_turn(loop, 1);
		assert_int_equal(mail.done, 0);
		assert_int_equal(mail.ready, 0);
	}
}

static void a_failed_sync_after_removal(void **state)
{
	(void)state;
	uint8_t marks[1] = {1};
	size_t removed;
	assert_int_equal(mail_send("alice", "x"), 0);
	struct weir_maildrop *drop = must_open("alice");
	fsync_error = EIO;
	assert_int_equal(drop_remove(drop, marks, &removed), -EIO);
	fsync_error = 0;
	assert_int_equal(removed, 1);
	weir_maildrop_close(drop);
}

static void names_in_tmp_where_it_must_be(void **state)
{
	(void)state;
	static char piece[100000];
	struct mail mail = {0};
	no_tmpfile = 1;
	bound(OPTIONS(weir_mail_store_options));
	assert_int_equal(mail_send("alice,bob", "x"), 0);
	assert_int_equal(mail_begin(&mail, "alice,bob"), 0);
	assert_int_equal(mail_write(&mail, piece, sizeof piece), 0);
	for (int i = 0; i < 500 && count_entries("alice/tmp") == 0; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(count_entries("alice/tmp"), 1);
	mail_abort(&mail);
	for (int i = 0; i < 500 && count_entries("alice/tmp"); i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(count_entries("alice/tmp"), 0);
	link_error = EIO;
	assert_int_equal(mail_send("alice", "x"), -EIO);
	link_error = 0;
	assert_int_equal(count_entries("alice/tmp"), 0);
	assert_int_equal(count_of("alice"), 1);
	assert_int_equal(count_of("bob"), 1);
}

static void what_was_left_in_tmp_goes(void **state)
{
	(void)state;
	struct timespec old[2] = {{time(NULL) - WEIR_MAIL_STALE_S - 10, 0}};
	old[1] = old[0];
	make_directory("alice");
	make_directory("alice/tmp");
	put("alice/tmp/1.old", "half a mess");
	put("alice/tmp/2.young", "half a mess");
	assert_int_equal(utimensat(AT_FDCWD, in_scratch("alice/tmp/1.old"), old, 0), 0);
	assert_int_equal(mail_send("alice", "x"), 0);
	assert_int_equal(count_entries("alice/tmp"), 1);
	assert_non_null(text_of("alice/tmp/2.young"));
}

/* -- quotas ------------------------------------------------------------------------------------ */

static void a_quota_counts_once_and_notices_others(void **state)
{
	(void)state;
	uint64_t counts;
	bound(OPTIONS(weir_mail_store_options, o.mailbox_max = 100));
	make_mailbox("alice");
	put("alice/cur/1.a,S=30,W=30:2,S", "");
	put("alice/cur/2.b:2,S", "0123456789");
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	counts = counters().counts;
	assert_int_equal(counts, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(counters().counts, counts);
	sleep_ms(20);
	put("alice/new/3.c,S=5,W=5", "");
	assert_int_equal(mail_send("alice", "0123456789"), -EDQUOT);
	assert_int_equal(counters().counts, counts + 1);
	assert_int_equal(mail_send("alice", "01234"), 0);
	assert_int_equal(mail_send("alice", ""), 0);
	assert_int_equal(mail_send("alice", "x"), -EDQUOT);
	sleep_ms(20);
	assert_int_equal(unlink(in_scratch("alice/cur/1.a,S=30,W=30:2,S")), 0);
	assert_int_equal(mail_send("alice", "0123456789"), 0);
}

struct usages {
	unsigned count;
	uint64_t octets, messages; /* of alice */
};

static void note_usage(void *context, const struct weir_mailbox_usage *usage)
{
	struct usages *usages = context;
	usages->count++;
	if (strcmp(usage->user, "alice") == 0) {
		usages->octets = usage->octets;
		usages->messages = usage->messages;
	}
}

static struct usages usages(void)
{
	struct usages usages = {0};
	weir_mail_store_each_usage(store, note_usage, &usages);
	return usages;
}

static void the_sizes_of_mailboxes_are_known_after_a_delivery(void **state)
{
	(void)state;
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(usages().count, 0); /* without a quota nothing is counted */
	bound(OPTIONS(weir_mail_store_options, o.mailbox_max = 30));
	assert_int_equal(usages().count, 0);
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_send("bob", "x"), 0);
	assert_int_equal(usages().count, 2);
	assert_int_equal(usages().octets, 20);
	assert_int_equal(usages().messages, 2);
	assert_int_equal(counters().over_quota, 0);
	assert_int_equal(mail_send("alice", "0123456789x"), -EDQUOT);
	assert_true(counters().over_quota > 0);
	assert_int_equal(usages().octets, 20);
}

/* -- before a message comes -------------------------------------------------------------------- */

/* `new` is a link to nowhere that may be followed, since modes do not stop root. */
static void a_mailbox_that_cannot_be_used_is_known_after_one_message(void **state)
{
	(void)state;
	struct mail mail = {0};
	assert_int_equal(mail_send("alice", "x"), 0);
	assert_int_equal(mail_send("bob", "x"), 0);
	assert_int_equal(mail_check("alice", 0), 0);
	assert_int_equal(rename(in_scratch("alice/new"), in_scratch("alice/was")), 0);
	put("alice/new", "no directory");
	/* By the state in memory it would still be accepted. */
	assert_int_equal(mail_send_together(&mail, "alice,bob", "y"), -ENOTDIR);
	assert_int_equal(count_entries("bob/new"), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(mail_check("alice", 0), -ENOTDIR);
	assert_int_equal(mail_check("bob", 0), 0);
	assert_int_equal(mail_send_bytes(&mail, "alice,bob", "y", 1), -ENOTDIR);
	assert_int_equal(unlink(in_scratch("alice/new")), 0);
	assert_int_equal(mail_check("alice", 0), 0);
	assert_int_equal(mail_send("alice", "z"), 0);
}

static void a_check_that_is_cancelled(void **state)
{
	(void)state;
	struct weir_mail_recipient to = {.user = WEIR_SPAN("alice")};
	struct weir_mail_check check = {0};
	assert_int_equal(
	        store->sink.type->check(&store->sink, loop, &to, 1, &check, on_checked, NULL),
	        WEIR_MAIL_PENDING);
	store->sink.type->check_cancel(&check);
	assert_null(check.job);
	store->sink.type->check_cancel(&check);
	settle();
}

/* -- economy ----------------------------------------------------------------------------------- */

static void one_file_for_all_recipients(void **state)
{
	(void)state;
	struct mail mail = {0};
	struct stat status;
	char path[300];
	make_mailbox("alice"), make_mailbox("bob"), make_mailbox("carol");
	struct weir_mail_store_counters before = counters();
	assert_int_equal(mail_send_bytes(&mail, "alice,bob,carol", "x\r\n", 3), 0);
	struct weir_mail_store_counters after = counters();
	assert_int_equal(after.file_syncs - before.file_syncs, 1);
	assert_int_equal(after.directory_syncs - before.directory_syncs, 3);
	assert_int_equal(after.messages - before.messages, 3);
	assert_int_equal(after.files - before.files, 1);
	DIR *directory = opendir(in_scratch("bob/new"));
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "bob/new/%s", entry->d_name);
		assert_int_equal(stat(in_scratch(path), &status), 0);
		assert_int_equal(status.st_nlink, 3);
		assert_int_equal(status.st_mode & 0777, 0600);
	}
	closedir(directory);
}

/* 40 clients that each send their next message when the last one is on the disk. */
static void syncs_are_shared(void **state)
{
	(void)state;
	enum {
		CLIENTS = 40,
		MESSAGES = 800
	};
	static struct mail mails[CLIENTS];
	int sent = 0, done = 0;
	make_mailbox("alice");
	struct weir_mail_store_counters before = counters();
	while (done < MESSAGES) {
		for (int i = 0; i < CLIENTS; i++) {
			if (mails[i].delivery && !mails[i].done)
				continue;
			if (mails[i].delivery) {
				assert_int_equal(mails[i].errors[0], 0);
				done++;
			}
			mails[i].delivery = NULL;
			if (sent == MESSAGES)
				continue;
			assert_int_equal(mail_begin(&mails[i], "alice"), 0);
			assert_int_equal(mail_write(&mails[i], "Subject: x\r\n", 12), 0);
			mail_commit(&mails[i]);
			sent++;
		}
		weir_loop_turn(loop, done < MESSAGES ? 10 : 0);
	}
	struct weir_mail_store_counters after = counters();
	uint64_t directories = after.directory_syncs - before.directory_syncs;
	print_message("%d messages: %d syncs of files, %d of directories\n", MESSAGES,
	        (int)(after.file_syncs - before.file_syncs), (int)directories);
	assert_int_equal(after.file_syncs - before.file_syncs, MESSAGES);
	assert_true(directories < MESSAGES / 4);
	assert_int_equal(count_of("alice"), MESSAGES);
}

/* A hundred thousand messages need the memory of their names and some bytes each. */
static void a_large_mailbox(void **state)
{
	(void)state;
	enum {
		MANY = 100000
	};
	char path[400];
	struct timespec from, to;
	make_mailbox("alice");
	int directory = open(in_scratch("alice/new"), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "17%08d.M%06dP77Q1R0011aabb.host,S=12,W=12,D=0", i, i);
		int fd = openat(directory, path, O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	close(directory);
	clock_gettime(CLOCK_MONOTONIC, &from);
	struct weir_maildrop *drop = must_open("alice");
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("%d messages opened in %d ms\n", MANY,
	        (int)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000));
	assert_int_equal(drop->count, MANY);
	assert_int_equal(drop->octets, 12 * MANY);
	for (size_t i = 0; i < MANY; i += 997) {
		snprintf(path, sizeof path, "17%08d.M%06dP77Q1R0011aabb.host", (int)i, (int)i);
		assert_string_equal(info_of(drop, i).uid, path);
	}
	weir_maildrop_close(drop);
}

#define MAILDIR_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MAILDIR_TEST(messages_of_others_are_measured),
	        MAILDIR_TEST(a_name_that_lies_about_the_size),
	        MAILDIR_TEST(a_message_met_twice_counts_once),
	        MAILDIR_TEST(others_rename_and_remove),
	        MAILDIR_TEST(nothing_leads_out),
	        MAILDIR_TEST(half_made_mailboxes_are_completed),
	        MAILDIR_TEST(locked_by_another_process),
	        MAILDIR_TEST(cancelled_calls),
	        MAILDIR_TEST(a_failed_sync_of_a_file),
	        MAILDIR_TEST(a_failed_sync_of_a_directory),
	        MAILDIR_TEST(a_full_disk),
	        MAILDIR_TEST(an_abort_right_after_a_failed_commit),
	        MAILDIR_TEST(a_failed_sync_after_removal),
	        MAILDIR_TEST(names_in_tmp_where_it_must_be),
	        MAILDIR_TEST(what_was_left_in_tmp_goes),
	        MAILDIR_TEST(a_quota_counts_once_and_notices_others),
	        MAILDIR_TEST(the_sizes_of_mailboxes_are_known_after_a_delivery),
	        MAILDIR_TEST(a_mailbox_that_cannot_be_used_is_known_after_one_message),
	        MAILDIR_TEST(a_check_that_is_cancelled),
	        MAILDIR_TEST(one_file_for_all_recipients),
	        MAILDIR_TEST(syncs_are_shared),
	        MAILDIR_TEST(a_large_mailbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
