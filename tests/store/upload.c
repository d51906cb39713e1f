/* Uploads: whole or not at all, whatever happens in between. */
#include "sent.h"

#include <weir/error.h>
#include <weir/limits.h>

#include "allocation.h"

/* Waits until all work has come back. */
static void drain(void)
{
	weir_tree_close(tree);
	weir_loop_destroy(loop);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree), 0);
}

static int setup(void **state)
{
	scratch_setup(state);
	return weir_tree_open(loop, scratch, NULL, &tree);
}

static int teardown(void **state)
{
	weir_tree_close(tree);
	return scratch_teardown(state);
}

static void created_and_replaced(void **state)
{
	(void)state;
	struct sent sent;
	struct stat status;
	make_directory("d");
	assert_int_equal(send_text(&sent, "d/a", "one", (struct weir_upload_options){0}), 0);
	assert_true(sent.created);
	assert_string_equal(text_of("d/a"), "one");
	assert_int_equal(stat(in_scratch("d/a"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	struct weir_upload_options options = {.mode = 0600, .size = 3, .size_known = true};
	assert_int_equal(send_text(&sent, "d/a", "two", options), 0);
	assert_false(sent.created);
	assert_string_equal(text_of("d/a"), "two");
	assert_int_equal(stat(in_scratch("d/a"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644); /* as what it replaced */
	options.size = 1;
	assert_int_equal(send_text(&sent, "d/b", "b", options), 0);
	assert_int_equal(stat(in_scratch("d/b"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(send_text(&sent, "empty", "", (struct weir_upload_options){0}), 0);
	assert_string_equal(text_of("empty"), "");
	drain();
	assert_int_equal(count_entries("d"), 2);
}

static void nothing_shows_before_the_commit(void **state)
{
	(void)state;
	struct sent sent;
	put("a", "old");
	assert_int_equal(begin(&sent, "a", (struct weir_upload_options){0}), 0);
	turn_until(&sent.ready, 1);
	assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("new")), 0);
	for (int i = 0; i < 10; i++)
		weir_loop_turn(loop, 5);
	assert_string_equal(text_of("a"), "old");
	assert_int_equal(commit(&sent), 0);
	assert_string_equal(text_of("a"), "new");
}

static void paths_are_kept_in_bounds(void **state)
{
	(void)state;
	struct sent sent;
	struct weir_upload_options options = {0};
	char longer[300];
	make_directory("d");
	put("outside", "safe");
	assert_int_equal(symlink("/tmp", in_scratch("absolute")), 0);
	assert_int_equal(symlink("outside", in_scratch("link")), 0);
	assert_int_equal(begin(&sent, "", options), -EISDIR);
	assert_int_equal(begin(&sent, "d/", options), -EISDIR);
	assert_int_equal(begin(&sent, "d/..", options), -EISDIR);
	assert_int_equal(send_text(&sent, "../x", "x", options), -EXDEV);
	assert_int_equal(send_text(&sent, "absolute/x", "x", options), -EXDEV);
	assert_int_equal(send_text(&sent, "/tmp/x", "x", options), -EXDEV);
	assert_int_equal(send_text(&sent, "none/x", "x", options), -ENOENT);
	assert_int_equal(send_text(&sent, "outside/x", "x", options), -ENOTDIR);
	assert_int_equal(send_text(&sent, "d", "x", options), -EISDIR);
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_int_equal(send_text(&sent, longer, "x", options), -ENAMETOOLONG);
	options.must_not_exist = true;
	assert_int_equal(send_text(&sent, "outside", "x", options), -EEXIST);
	options.must_not_exist = false;
	assert_int_equal(send_text(&sent, "link", "x", options), 0);
	assert_string_equal(text_of("outside"), "safe");
	assert_string_equal(text_of("link"), "x");
}

static void must_not_exist_holds_at_the_commit_too(void **state)
{
	(void)state;
	struct sent sent;
	struct weir_upload_options options = {.must_not_exist = true};
	assert_int_equal(begin(&sent, "a", options), 0);
	turn_until(&sent.ready, 1);
	assert_int_equal(sent.ready_error, 0);
	put("a", "first");
	assert_int_equal(commit(&sent), -EEXIST);
	assert_string_equal(text_of("a"), "first");
	drain();
	assert_int_equal(count_entries("."), 1);
}

static void sizes_are_held_to(void **state)
{
	(void)state;
	struct sent sent;
	struct weir_upload_options known = {.size = 5, .size_known = true};
	struct weir_upload_options bounded = {.size_max = 4};
	struct weir_upload_options both = {.size = 5, .size_known = true, .size_max = 4};
	assert_int_equal(begin(&sent, "a", both), WEIR_E_LIMIT);
	assert_int_equal(send_text(&sent, "a", "1234", known), -ENODATA);
	assert_int_equal(send_text(&sent, "a", "123456", known), WEIR_E_LIMIT);
	assert_int_equal(send_text(&sent, "a", "12345", bounded), WEIR_E_LIMIT);
	assert_int_equal(begin(&sent, "a", bounded), 0);
	assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("1234")), 0);
	assert_int_equal(weir_upload_size(sent.upload), 4);
	assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("5")), WEIR_E_LIMIT);
	assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("5")), WEIR_E_LIMIT);
	assert_int_equal(commit(&sent), WEIR_E_LIMIT);
	drain();
	assert_int_equal(count_entries("."), 0);
}

/* More than the queue holds: weir_upload_write asks for a pause, and ready() ends it. */
static void a_long_one_in_constant_memory(void **state)
{
	(void)state;
	enum {
		PIECE = 100000,
		PIECES = 640
	};
	static char piece[PIECE];
	struct sent sent;
	struct stat status;
	int full = 0;
	assert_int_equal(begin(&sent, "a", (struct weir_upload_options){0}), 0);
	for (int i = 0; i < PIECES; i++) {
		memset(piece, 'a' + i % 26, sizeof piece);
		int ready = sent.ready;
		int result = weir_upload_write(sent.upload, weir_span(piece, sizeof piece));
		assert_true(result >= 0);
		if (result != WEIR_UPLOAD_FULL)
			continue;
		full++;
		assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("x")), -EAGAIN);
		turn_until(&sent.ready, ready + 1);
	}
	assert_true(full >= PIECE / 1024 * PIECES / 1024 / 2);
	assert_int_equal(commit(&sent), 0);
	assert_int_equal(stat(in_scratch("a"), &status), 0);
	assert_int_equal(status.st_size, (off_t)PIECE * PIECES);
	FILE *file = fopen(in_scratch("a"), "r");
	for (int i = 0; i < PIECES; i++) {
		assert_int_equal(fread(piece, 1, PIECE, file), PIECE);
		assert_int_equal(piece[0], 'a' + i % 26);
		assert_int_equal(piece[PIECE - 1], 'a' + i % 26);
	}
	fclose(file);
}

static void abort_at_every_point(void **state)
{
	(void)state;
	static char piece[300000];
	int before = count_descriptors();
	for (int point = 0; point < 8; point++) {
		struct sent sent;
		put("a", "old");
		assert_int_equal(begin(&sent, "a", (struct weir_upload_options){0}), 0);
		if (point >= 1)
			turn_until(&sent.ready, 1);
		for (int i = 0; i < point && point >= 2; i++)
			weir_upload_write(sent.upload, weir_span(piece, sizeof piece));
		for (int i = 0; i < 20 && point == 5; i++)
			weir_loop_turn(loop, 5);
		if (point >= 6)
			weir_upload_commit(sent.upload, on_committed, &sent);
		if (point == 7)
			turn();
		weir_upload_abort(sent.upload);
		drain();
		assert_int_equal(sent.done, 0);
		assert_int_equal(count_entries("."), 1);
		if (point < 6)
			assert_string_equal(text_of("a"), "old");
	}
	weir_upload_abort(NULL);
	assert_int_equal(count_descriptors(), before);
}

static void abort_and_report(void *context, int error)
{
	struct sent *sent = context;
	on_ready(context, error);
	weir_upload_abort(sent->upload);
}

static void abort_from_the_callback(void **state)
{
	(void)state;
	struct weir_upload_options options = {.size_max = 10};
	const char *const paths[] = {"a", "none/a"};
	for (int i = 0; i < 2; i++) {
		struct sent sent = {0};
		assert_int_equal(weir_upload_begin(tree, paths[i], &options, abort_and_report,
		                         &sent, &sent.upload),
		        0);
		if (i == 0)
			weir_upload_write(sent.upload, WEIR_SPAN("x"));
		turn_until(&sent.ready, 1);
		assert_int_equal(sent.ready_error, i ? -ENOENT : 0);
	}
	drain();
	assert_int_equal(count_entries("."), 0);
}

static void many_to_one_name(void **state)
{
	(void)state;
	struct sent sent[8];
	char text[32];
	int created = 0;
	for (int i = 0; i < 8; i++)
		assert_int_equal(begin(&sent[i], "a", (struct weir_upload_options){0}), 0);
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof text, "text of %d", i);
		weir_upload_write(sent[i].upload, weir_span_of(text));
		weir_upload_commit(sent[i].upload, on_committed, &sent[i]);
	}
	for (int i = 0; i < 8; i++) {
		turn_until(&sent[i].done, 1);
		assert_int_equal(sent[i].error, 0);
		created += sent[i].created;
	}
	assert_int_equal(created, 1);
	assert_int_equal(strlen(text_of("a")), strlen("text of 0"));
	drain();
	assert_int_equal(count_entries("."), 1);
}

static void on_found(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	(void)lookup;
	assert_int_equal(error, 0);
	assert_memory_equal(file->content.data, "new", 3);
}

static void look_at_once(void *context, int error, bool created)
{
	struct weir_lookup lookup = {0};
	on_committed(context, error, created);
	weir_tree_lookup(tree, &lookup, "a", on_found);
	weir_lookup_cancel(&lookup);
}

static void the_tree_knows_of_it_at_once(void **state)
{
	(void)state;
	struct sent sent;
	put("a", "old");
	assert_int_equal(begin(&sent, "a", (struct weir_upload_options){0}), 0);
	weir_upload_write(sent.upload, WEIR_SPAN("new"));
	weir_upload_commit(sent.upload, look_at_once, &sent);
	turn_until(&sent.done, 1);
}

struct changed {
	struct weir_change change;
	int done;
	int error;
};

static void on_changed(struct weir_change *change, int error)
{
	struct changed *changed = WEIR_CONTAINER(change, struct changed, change);
	changed->done++;
	changed->error = error;
}

enum change {
	REMOVE,
	REMOVE_DIRECTORY,
	MAKE
};

static int change(enum change kind, const char *path)
{
	struct changed changed = {0};
	if (kind == REMOVE)
		weir_tree_remove(tree, &changed.change, path, on_changed);
	else if (kind == REMOVE_DIRECTORY)
		weir_tree_remove_directory(tree, &changed.change, path, on_changed);
	else
		weir_tree_make_directory(tree, &changed.change, path, 0, on_changed);
	turn_until(&changed.done, 1);
	return changed.error;
}

static void other_changes(void **state)
{
	(void)state;
	struct changed cancelled = {0};
	struct stat status;
	mode_t old = umask(077);
	assert_int_equal(change(MAKE, "d"), 0);
	umask(old);
	assert_int_equal(stat(in_scratch("d"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0755);
	assert_int_equal(change(MAKE, "d/"), -EEXIST);
	assert_int_equal(change(MAKE, "."), -EEXIST);
	assert_int_equal(change(MAKE, "none/d"), -ENOENT);
	assert_int_equal(change(MAKE, "../d"), -EXDEV);
	assert_int_equal(change(MAKE, "d/e/"), 0);
	put("d/e/a", "a");
	assert_int_equal(symlink("e/a", in_scratch("d/link")), 0);
	assert_int_equal(change(REMOVE_DIRECTORY, "d/e"), -ENOTEMPTY);
	assert_int_equal(change(REMOVE, "d/e"), -EISDIR);
	assert_int_equal(change(REMOVE, "d/link"), 0);
	assert_string_equal(text_of("d/e/a"), "a");
	assert_int_equal(change(REMOVE_DIRECTORY, "d/e/a"), -ENOTDIR);
	assert_int_equal(change(REMOVE, "d/e/a"), 0);
	assert_int_equal(change(REMOVE, "d/e/a"), -ENOENT);
	assert_int_equal(change(REMOVE_DIRECTORY, "d/e/"), 0);
	weir_tree_make_directory(tree, &cancelled.change, "f", 0, on_changed);
	weir_change_cancel(&cancelled.change);
	weir_change_cancel(&cancelled.change);
	drain();
	assert_int_equal(cancelled.done, 0);
	assert_int_equal(stat(in_scratch("f"), &status), 0);
}

static void leftovers_are_removed(void **state)
{
	(void)state;
	struct sent sent;
	struct timespec old[] = {{1000, 0}, {1000, 0}};
	const char *const names[] = {".weir-0123456789abcdef", ".weir-0123456789abcde0",
	        ".weir-mine", ".weir-0123456789abcdefg"};
	for (int i = 0; i < 4; i++) {
		put(names[i], "x");
		if (i != 1)
			utimensat(AT_FDCWD, in_scratch(names[i]), old, 0);
	}
	assert_int_equal(send_text(&sent, "a", "x", (struct weir_upload_options){0}), 0);
	drain();
	assert_null(text_of(names[0]));
	for (int i = 1; i < 4; i++)
		assert_non_null(text_of(names[i]));
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	int before = count_descriptors();
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct sent sent;
		fail_allocation_after(good, false);
		int error = send_text(&sent, "a", "text", (struct weir_upload_options){0});
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
	}
	fail_allocation_after(0, false);
	assert_int_equal(change(REMOVE, "a"), -ENOMEM);
	assert_true(stop_failing_allocations());
	drain();
	assert_int_equal(count_entries("."), 1);
	assert_int_equal(count_descriptors(), before);
}

#define UPLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        UPLOAD_TEST(created_and_replaced),
	        UPLOAD_TEST(nothing_shows_before_the_commit),
	        UPLOAD_TEST(paths_are_kept_in_bounds),
	        UPLOAD_TEST(must_not_exist_holds_at_the_commit_too),
	        UPLOAD_TEST(sizes_are_held_to),
	        UPLOAD_TEST(a_long_one_in_constant_memory),
	        UPLOAD_TEST(abort_at_every_point),
	        UPLOAD_TEST(abort_from_the_callback),
	        UPLOAD_TEST(many_to_one_name),
	        UPLOAD_TEST(the_tree_knows_of_it_at_once),
	        UPLOAD_TEST(other_changes),
	        UPLOAD_TEST(leftovers_are_removed),
	        UPLOAD_TEST(memory_may_fail_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
