/*
 * Rows of a database and the directory that follows them; the journal of changes. Each allocation
 * fails once: nothing leaks, and nothing is half there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/database.h>
#include <weir/database_secrets.h>
#include <weir/error.h>

#include "acme_journal.h"
#include "acme_rows.h"
#include "allocation.h"
#include "certificate.h"

#define NAME "a.example.org"

enum {
	BEGINS_DAYS = -30,
};

static char directory[] = "/tmp/weir-rows-XXXXXX";
static const char *names[] = {"www.example.org", NAME};
static struct config *config;
static struct weir_database *database;
static struct acme_store *store;

/* -- texts of rows ----------------------------------------------------------------------------- */

static void add_row(struct weir_buffer *text, const char *kind, const char *name,
        struct weir_span content, struct weir_span key)
{
	assert_int_equal(weir_buffer_format(text, 1 << 20, "%s 1700000000 %zu %zu %zu\n%s", kind,
	                         strlen(name), content.size, key.size, name),
	        0);
	assert_int_equal(weir_buffer_append(text, content.data, content.size, 1 << 20), 0);
	assert_int_equal(weir_buffer_append(text, key.data, key.size, 1 << 20), 0);
}

static void add_file(struct weir_buffer *text, const char *path, const char *content)
{
	struct weir_buffer sealed = {0};
	assert_int_equal(weir_database_seal(database, "acme", weir_span_of(path),
	                         weir_span_of(content), &sealed),
	        0);
	add_row(text, "file", path, weir_buffer_span(&sealed), WEIR_SPAN(""));
	weir_buffer_finish(&sealed);
}

static void add_certificate(
        struct weir_buffer *text, const char *name, struct weir_span chain, struct weir_span key)
{
	struct weir_buffer sealed = {0};
	assert_int_equal(
	        weir_database_seal(database, "certificate", weir_span_of(name), key, &sealed), 0);
	add_row(text, "certificate", name, chain, weir_buffer_span(&sealed));
	weir_buffer_finish(&sealed);
}

/* -- the directory ----------------------------------------------------------------------------- */

static int start(void **state)
{
	static const unsigned char seal[WEIR_DATABASE_SEAL_SIZE] = "key";
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_postgres_options options;
	(void)state;
	weir_postgres_options_init(&options);
	options.url = "postgres://weir@localhost/weir"; /* nothing is connected */
	if (weir_database_create(&options, why, &database) < 0 || !(config = config_create()))
		return -1;
	weir_database_set_seal(database, seal);
	config->acme.managed.items = names;
	config->acme.managed.count = sizeof names / sizeof *names;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	weir_database_release(database);
	config_release(config);
	certificates_remove();
	return 0;
}

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory + sizeof directory - 7, "XXXXXX");
	return mkdtemp(directory) && acme_store_open(directory, &store) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];
	(void)state;
	acme_store_close(store);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

/* Sets what a file has; NULL: it is missing. */
static void put(const char *path, const char *content)
{
	assert_int_equal(acme_store_write(store, path, weir_span_of(content)), 0);
}

static void assert_file(const char *path, const char *content)
{
	struct weir_buffer text = {0};
	int error = acme_store_read(store, path, &text);
	assert_int_equal(error == 0, content != NULL);
	if (content) {
		assert_int_equal(text.size, strlen(content));
		assert_memory_equal(text.data, content, text.size);
	}
	weir_buffer_finish(&text);
}

static void read_file(const char *path, struct weir_buffer *to)
{
	char bytes[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t size = read(fd, bytes, sizeof bytes);
	close(fd);
	assert_true(size > 0 && (size_t)size < sizeof bytes);
	assert_int_equal(weir_buffer_append(to, bytes, (size_t)size, sizeof bytes), 0);
}

/* A certificate and its key in PEM. */
static void make_pair_from(
        int begins_days, int days, struct weir_buffer *chain, struct weir_buffer *key)
{
	struct certificate_files files =
	        certificate_make_from(NAME, "DNS:" NAME, begins_days, days);
	read_file(files.chain, chain);
	read_file(files.key, key);
}

static void make_pair(int days, struct weir_buffer *chain, struct weir_buffer *key)
{
	make_pair_from(BEGINS_DAYS, days, chain, key);
}

static void assert_installed(struct weir_span chain)
{
	struct weir_buffer here = {0}, key = {0};
	assert_int_equal(acme_store_read_installed(store, NAME, &here, &key), 0);
	assert_true(weir_span_equal(weir_buffer_span(&here), chain));
	weir_buffer_finish(&here);
	weir_buffer_finish(&key);
}

/* Reads the text, and has the directory follow it. */
static int follow(const struct weir_buffer *text, struct acme_rows_changes *changes)
{
	char why[WEIR_POSTGRES_WHY_MAX] = "";
	struct acme_rows *rows = acme_rows_create(database, config);
	int error = rows ? acme_rows_parse(rows, weir_buffer_span(text), why) : -ENOMEM;
	if (rows)
		assert_int_equal(error < 0, *why != 0);
	*changes = (struct acme_rows_changes){0};
	if (error == 0)
		error = acme_rows_apply(rows, store, changes);
	acme_rows_destroy(rows);
	return error;
}

/* -- rows -------------------------------------------------------------------------------------- */

static void fill(struct weir_buffer *text, struct weir_span chain, struct weir_span key)
{
	add_file(text, "accounts/ca/key.pem", "a key");
	add_certificate(text, NAME, chain, key);
	add_certificate(text, "other.example.org", chain, key); /* is not managed */
	add_file(text, "challenges/http-new", "proof");
	add_file(text, "serials/example.org.", "3");
	add_file(text, "state/" NAME, "{}");
	add_file(text, "state/.lease", "99999999999 9\n");
	add_file(text, "lock", "");
}

static void assert_followed(struct weir_span chain)
{
	assert_file("accounts/ca/key.pem", "a key");
	assert_file("accounts/ca/key-next.pem", NULL);
	assert_file("accounts/other/key.pem", "another key");
	assert_file("challenges/http-new", "proof");
	assert_file("challenges/http-old", NULL);
	assert_file("serials/example.org.", "3");
	assert_file("serials/example.net.", "4");
	assert_file("state/" NAME, "{}");
	assert_file("state/.lease", NULL);
	assert_file("lock", NULL);
	assert_installed(chain);
}

static void put_before(void)
{
	assert_int_equal(acme_store_make_folder(store, "accounts/ca"), 0);
	assert_int_equal(acme_store_make_folder(store, "accounts/other"), 0);
	put("accounts/ca/key-next.pem", "a key that the others do not have");
	put("accounts/other/key.pem", "another key");
	put("challenges/http-old", "proof");
	put("serials/example.net.", "4");
}

static void the_directory_follows(void **state)
{
	struct weir_buffer text = {0}, chain = {0}, key = {0};
	struct acme_rows_changes changes;
	(void)state;
	make_pair(30, &chain, &key);
	put_before();
	fill(&text, weir_buffer_span(&chain), weir_buffer_span(&key));
	assert_int_equal(follow(&text, &changes), 0);
	assert_true(changes.states && changes.installed);
	assert_followed(weir_buffer_span(&chain));
	assert_int_equal(follow(&text, &changes), 0); /* nothing is written twice */
	assert_false(changes.states || changes.installed);
	weir_buffer_finish(&text);
	weir_buffer_finish(&text);
	weir_buffer_finish(&chain);
	weir_buffer_finish(&key);
}

static void malformed_rows_change_nothing(void **state)
{
	static const char *const texts[] = {
	        "file",
	        "file 1 7 0 0",
	        "file 1 7 0 0\nstate/",
	        "file 1 7 0\nstate/a",
	        "file -1 7 0 0\nstate/a",
	        "file 9223372037 7 0 0\nstate/a",
	        "file 1 7 18446744073709551615 1\nstate/a",
	        "file 1 7 4 0\nstate/a????",
	};
	struct acme_rows_changes changes;
	(void)state;
	put("challenges/http-old", "proof");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct weir_buffer text = {0};
		add_file(&text, "state/b", "b");
		assert_int_equal(weir_buffer_append(&text, texts[i], strlen(texts[i]), 4096), 0);
		assert_int_equal(follow(&text, &changes), WEIR_E_SYNTAX);
		weir_buffer_finish(&text);
	}
	assert_file("state/b", NULL);
	assert_file("challenges/http-old", "proof");
}

static void rows_have_a_bound(void **state)
{
	struct acme_rows_changes changes;
	struct weir_buffer text = {0};
	char path[32];
	(void)state;
	for (unsigned i = 0; i <= ACME_ROWS_MAX; i++) {
		/* Those that are of no use here do not count. */
		snprintf(path, sizeof path, "nowhere/%u", i);
		add_row(&text, "file", path, WEIR_SPAN(""), WEIR_SPAN(""));
		add_row(&text, "certificate", "other.example.org", WEIR_SPAN(""), WEIR_SPAN(""));
	}
	assert_int_equal(follow(&text, &changes), 0);
	for (unsigned i = 0; i <= ACME_ROWS_MAX; i++) {
		snprintf(path, sizeof path, "state/%u", i);
		add_row(&text, "file", path, WEIR_SPAN(""), WEIR_SPAN(""));
	}
	assert_int_equal(follow(&text, &changes), WEIR_E_LIMIT);
	assert_file("state/0", NULL);
	weir_buffer_finish(&text);
}

static void a_name_has_one_row(void **state)
{
	struct acme_rows_changes changes;
	struct weir_buffer text = {0}, here = {0};
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add_file(&text, "state/" NAME, i % 2 ? "odd" : "even");
	assert_int_equal(follow(&text, &changes), 0);
	assert_true(changes.states);
	assert_int_equal(acme_store_read(store, "state/" NAME, &here), 0);
	assert_int_equal(follow(&text, &changes), 0);
	assert_false(changes.states);
	weir_buffer_finish(&text);
	weir_buffer_finish(&here);
}

/* -- what is brought --------------------------------------------------------------------------- */

static struct acme_journal journal;

static void on_changed(void *context, const char *path, struct weir_span bytes)
{
	(void)context;
	assert_true(acme_path_is_shared(path));
	acme_journal_note(&journal, path, bytes, weir_span(NULL, 0));
}

static void on_installed(
        void *context, const char *name, struct weir_span chain, struct weir_span key)
{
	(void)context;
	acme_journal_note(&journal, name, chain, key);
}

static const struct acme_store_observer observer = {
        .changed = on_changed, .installed = on_installed};

/* Reads the text, and notes what the directory has more. */
static int bring(const struct weir_buffer *text)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct acme_rows *rows = acme_rows_create(database, config);
	int error = rows ? acme_rows_parse(rows, weir_buffer_span(text), why) : -ENOMEM;
	if (error == 0)
		acme_rows_bring(rows, store, &observer);
	acme_rows_destroy(rows);
	return error;
}

static bool is_noted(const char *name, bool removed)
{
	struct weir_database_acme_change changes[WEIR_DATABASE_ACME_CHANGES_MAX];
	unsigned count = acme_journal_send(&journal, changes);
	for (unsigned i = 0; i < count; i++)
		if (strcmp(changes[i].name, name) == 0)
			return removed == !changes[i].content.data;
	return false;
}

static void what_the_rows_lack_is_brought(void **state)
{
	struct weir_buffer text = {0}, chain = {0}, key = {0};
	(void)state;
	make_pair(30, &chain, &key);
	put_before();
	put("state/" NAME, "{}");
	assert_int_equal(
	        acme_store_install(store, NAME, weir_buffer_span(&chain), weir_buffer_span(&key)),
	        0);
	add_file(&text, "accounts/ca/key.pem", "a key");
	add_file(&text, "challenges/http-theirs", "proof");
	add_file(&text, "challenges/dns-www.example.net", "proof");
	assert_int_equal(bring(&text), 0);
	assert_true(is_noted(NAME, false));
	assert_true(is_noted("state/" NAME, false));
	assert_true(is_noted("serials/example.net.", false));
	assert_true(is_noted("accounts/other/key.pem", false));
	assert_false(is_noted("accounts/ca/key-next.pem", false));
	assert_true(is_noted("challenges/http-theirs", true));
	/* The proof was a step of its zone, and so is its removal. */
	assert_true(is_noted("challenges/dns-www.example.net", true));
	assert_file("serials/example.net.", "5\n");
	assert_int_equal(journal.count, 6);
	assert_file("challenges/http-old", NULL);
	acme_journal_finish(&journal);
	weir_buffer_finish(&text);
	weir_buffer_finish(&chain);
	weir_buffer_finish(&key);
}

/* -- which certificate is newer ---------------------------------------------------------------- */

static const struct {
	int begins_days, days; /* of a certificate beside the one of BEGINS_DAYS and 30 days */
	bool newer;
} beside[] = {
        {BEGINS_DAYS, 20, false},
        {BEGINS_DAYS, 40, true},
        {BEGINS_DAYS + 1, 6, true}, /* has a shorter lifetime */
        {BEGINS_DAYS - 1, 90, false},
        {1, 90, false}, /* is not valid yet */
        {BEGINS_DAYS + 1, -1, false},
};

enum {
	BESIDE = sizeof beside / sizeof *beside
};

static void a_newer_certificate_is_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BESIDE; i++) {
		struct weir_buffer text = {0}, here = {0}, key = {0}, row = {0}, row_key = {0};
		struct acme_rows_changes changes;
		make_pair(30, &here, &key);
		make_pair_from(beside[i].begins_days, beside[i].days, &row, &row_key);
		assert_int_equal(acme_store_install(store, NAME, weir_buffer_span(&here),
		                         weir_buffer_span(&key)),
		        0);
		add_certificate(&text, NAME, weir_buffer_span(&row), weir_buffer_span(&row_key));
		assert_int_equal(follow(&text, &changes), 0);
		assert_int_equal(changes.installed, beside[i].newer);
		assert_installed(weir_buffer_span(beside[i].newer ? &row : &here));
		weir_buffer_finish(&text);
		weir_buffer_finish(&here);
		weir_buffer_finish(&key);
		weir_buffer_finish(&row);
		weir_buffer_finish(&row_key);
	}
}

static void a_newer_certificate_is_brought(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BESIDE; i++) {
		struct weir_buffer text = {0}, here = {0}, key = {0}, row = {0}, row_key = {0};
		make_pair_from(beside[i].begins_days, beside[i].days, &here, &key);
		make_pair(30, &row, &row_key);
		assert_int_equal(acme_store_install(store, NAME, weir_buffer_span(&here),
		                         weir_buffer_span(&key)),
		        0);
		add_certificate(&text, NAME, weir_buffer_span(&row), weir_buffer_span(&row_key));
		assert_int_equal(bring(&text), 0);
		assert_int_equal(is_noted(NAME, false), beside[i].newer);
		acme_journal_finish(&journal);
		weir_buffer_finish(&text);
		weir_buffer_finish(&here);
		weir_buffer_finish(&key);
		weir_buffer_finish(&row);
		weir_buffer_finish(&row_key);
	}
}

/* -- memory ------------------------------------------------------------------------------------ */

static void following_may_fail(void **state)
{
	struct weir_buffer text = {0}, chain = {0}, key = {0};
	struct acme_rows_changes changes;
	bool failed = true;
	(void)state;
	make_pair(30, &chain, &key);
	put_before();
	fill(&text, weir_buffer_span(&chain), weir_buffer_span(&key));
	unsigned good = 0;
	for (; failed; good++) {
		fail_allocation_after(good, false);
		int error = follow(&text, &changes);
		failed = stop_failing_allocations();
		assert_true(failed || error == 0);
	}
	assert_true(good > 20);
	/* Whatever was written before is whole, and what was not is now. */
	assert_followed(weir_buffer_span(&chain));
	weir_buffer_finish(&text);
	weir_buffer_finish(&chain);
	weir_buffer_finish(&key);
}

static void bringing_may_fail(void **state)
{
	struct weir_buffer text = {0};
	bool failed = true;
	(void)state;
	put_before();
	put("state/" NAME, "{}");
	add_file(&text, "challenges/http-theirs", "proof");
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		int error = bring(&text);
		failed = stop_failing_allocations();
		assert_true(error == 0 || journal.count == 0);
		if (!failed)
			assert_int_equal(journal.count, 5);
		acme_journal_finish(&journal);
	}
	weir_buffer_finish(&text);
}

static void a_change_that_is_lost_is_reported(void **state)
{
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_database_acme_change changes[WEIR_DATABASE_ACME_CHANGES_MAX];
		fail_allocation_after(good, false);
		acme_journal_note(&journal, "state/a", WEIR_SPAN("1"), weir_span(NULL, 0));
		acme_journal_note(&journal, NAME, WEIR_SPAN("chain"), WEIR_SPAN("key"));
		unsigned count = acme_journal_send(&journal, changes);
		acme_journal_note(&journal, "state/a", WEIR_SPAN("2"), weir_span(NULL, 0));
		failed = stop_failing_allocations();
		assert_int_equal(journal.failed, failed);
		/* Changes that were sent stay as they were sent. */
		assert_int_equal(journal.sent, count);
		for (unsigned i = 0; i < count; i++)
			assert_true(
			        changes[i].key.data
			                ? weir_span_equal(changes[i].content, WEIR_SPAN("chain"))
			                : weir_span_equal(changes[i].content, WEIR_SPAN("1")));
		assert_int_equal(journal.count, failed ? 2 : 3);
		acme_journal_arrived(&journal);
		assert_int_equal(journal.count, failed ? 2 - count : 1);
		acme_journal_finish(&journal);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
	        TEST(the_directory_follows),
	        TEST(malformed_rows_change_nothing),
	        TEST(rows_have_a_bound),
	        TEST(a_name_has_one_row),
	        TEST(what_the_rows_lack_is_brought),
	        TEST(a_newer_certificate_is_taken),
	        TEST(a_newer_certificate_is_brought),
	        TEST(following_may_fail),
	        TEST(bringing_may_fail),
	        TEST(a_change_that_is_lost_is_reported),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
