/* Uploads in place: from an offset or at the end, and the state after an abort. */
#include "sent.h"

static int setup(void **state)
{
	scratch_setup(state);
	put("old", "0123456789");
	return weir_tree_open(loop, scratch, NULL, &tree);
}

static int teardown(void **state)
{
	weir_tree_close(tree);
	return scratch_teardown(state);
}

static int send_at(struct sent *sent, const char *path, uint64_t offset, const char *text)
{
	return send_text(
	        sent, path, text, (struct weir_upload_options){.in_place = true, .offset = offset});
}

static int descriptors; /* before the upload that was opened last */

/* Begins, and waits for the first answer. */
static int open_at(struct sent *sent, const char *path, struct weir_upload_options options)
{
	options.in_place = true;
	descriptors = count_descriptors();
	assert_int_equal(begin(sent, path, options), 0);
	turn_until(&sent->ready, 1);
	return sent->ready_error;
}

static void end(struct sent *sent)
{
	weir_upload_abort(sent->upload);
	for (int i = 0; i < 5000 && count_descriptors() > descriptors; i++)
		weir_loop_turn(loop, 1);
}

static void goes_on(void **state)
{
	struct sent sent;
	(void)state;
	assert_int_equal(send_at(&sent, "old", 4, "abc"), 0);
	assert_false(sent.created);
	assert_string_equal(text_of("old"), "0123abc");
	assert_int_equal(send_at(&sent, "old", 7, "x"), 0);
	assert_string_equal(text_of("old"), "0123abcx");
	assert_int_equal(send_at(&sent, "new", 0, "text"), 0);
	assert_true(sent.created);
	assert_string_equal(text_of("new"), "text");
	struct weir_upload_options append = {.in_place = true, .append = true};
	assert_int_equal(send_text(&sent, "new", " and", append), 0);
	assert_int_equal(send_text(&sent, "newer", "1", append), 0);
	assert_string_equal(text_of("new"), "text and");
	assert_string_equal(text_of("newer"), "1");
	struct stat status;
	assert_int_equal(stat(in_scratch("newer"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
}

static void refuses(void **state)
{
	struct sent sent;
	(void)state;
	make_directory("d");
	assert_int_equal(symlink("old", in_scratch("link")), 0);
	assert_int_equal(mkfifo(in_scratch("pipe"), 0644), 0);
	static const struct {
		const char *path;
		struct weir_upload_options options;
		int error;
	} cases[] = {
	        {"old", {.offset = 11}, -ERANGE},
	        {"none", {.offset = 1}, -ERANGE},
	        {"d", {0}, -EISDIR},
	        {"link", {0}, -ELOOP},
	        {"pipe", {0}, -EACCES},
	        {"x/y", {0}, -ENOENT},
	        {"old", {.must_not_exist = true}, -EEXIST},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(open_at(&sent, cases[i].path, cases[i].options), cases[i].error);
		end(&sent);
	}
	assert_string_equal(text_of("old"), "0123456789");
	assert_null(text_of("none"));
}

static void an_abort_brings_back(void **state)
{
	struct sent sent;
	(void)state;
	assert_int_equal(open_at(&sent, "old", (struct weir_upload_options){.append = true}), 0);
	assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("more")), 0);
	for (int i = 0; i < 5000 && strcmp(text_of("old"), "0123456789more"); i++)
		weir_loop_turn(loop, 1);
	assert_string_equal(text_of("old"), "0123456789more");
	end(&sent);
	assert_string_equal(text_of("old"), "0123456789");
	/* The content after the offset is gone: the client sends it anew. */
	assert_int_equal(open_at(&sent, "old", (struct weir_upload_options){.offset = 3}), 0);
	end(&sent);
	assert_string_equal(text_of("old"), "012");
	assert_int_equal(open_at(&sent, "new", (struct weir_upload_options){0}), 0);
	assert_string_equal(text_of("new"), "");
	end(&sent);
	assert_null(text_of("new"));
	/* A file that somebody else has made under the name stays. */
	assert_int_equal(open_at(&sent, "new", (struct weir_upload_options){0}), 0);
	assert_int_equal(unlink(in_scratch("new")), 0);
	put("new", "another's");
	end(&sent);
	assert_string_equal(text_of("new"), "another's");
}

static void one_at_a_time(void **state)
{
	struct sent first, second;
	(void)state;
	assert_int_equal(open_at(&first, "old", (struct weir_upload_options){.append = true}), 0);
	assert_int_equal(open_at(&second, "old", (struct weir_upload_options){0}), -EBUSY);
	end(&second);
	assert_int_equal(weir_upload_write(first.upload, WEIR_SPAN("x")), 0);
	assert_int_equal(commit(&first), 0);
	assert_string_equal(text_of("old"), "0123456789x");
	assert_int_equal(send_at(&second, "old", 0, "y"), 0);
	assert_string_equal(text_of("old"), "y");
}

/* A few bytes are written soon, too; a new name exists from the first ready() on. */
static void is_seen_to_grow(void **state)
{
	struct sent sent;
	(void)state;
	assert_int_equal(
	        open_at(&sent, "new", (struct weir_upload_options){.must_not_exist = true}), 0);
	assert_int_equal(weir_upload_write(sent.upload, WEIR_SPAN("a")), 0);
	for (int i = 0; i < 2000 && text_of("new")[0] != 'a'; i++)
		weir_loop_turn(loop, 1);
	assert_string_equal(text_of("new"), "a");
	struct sent other;
	assert_int_equal(
	        open_at(&other, "new", (struct weir_upload_options){.must_not_exist = true}),
	        -EEXIST);
	end(&other);
	assert_int_equal(commit(&sent), 0);
	assert_string_equal(text_of("new"), "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(goes_on),
	        TEST(refuses),
	        TEST(an_abort_brings_back),
	        TEST(one_at_a_time),
	        TEST(is_seen_to_grow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
