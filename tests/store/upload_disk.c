/* Uploads on a full disk, and without /proc. */
#include "sent.h"

#include "own_mounts.h"

static void open_tree(void)
{
	REQUIRE(weir_loop_create(&loop) == 0);
	REQUIRE(weir_tree_open(loop, scratch, NULL, &tree) == 0);
}

static void check_full_disk(void)
{
	static char piece[200000];
	struct sent sent;
	own_mounts_small_disk(scratch);
	open_tree();
	/* A known size is refused before any byte has come. */
	struct weir_upload_options known = {.size = 2000000, .size_known = true};
	REQUIRE(begin(&sent, "a", known) == 0);
	turn_until(&sent.ready, 1);
	REQUIRE(sent.ready_error == -ENOSPC);
	REQUIRE(weir_upload_write(sent.upload, WEIR_SPAN("x")) == -ENOSPC);
	weir_upload_abort(sent.upload);
	/* Others when it happens, once. */
	REQUIRE(begin(&sent, "a", (struct weir_upload_options){0}) == 0);
	int result = 0;
	for (int i = 0; i < 1000 && result >= 0; i++) {
		if (result == 0 || sent.ready_error == 0)
			result = weir_upload_write(sent.upload, weir_span(piece, sizeof piece));
		if (result == -EAGAIN)
			result = 0;
		weir_loop_turn(loop, 5);
	}
	REQUIRE(result == -ENOSPC);
	REQUIRE(commit(&sent) == -ENOSPC);
	weir_tree_close(tree);
	weir_loop_destroy(loop);
	REQUIRE(count_entries(".") == 0);
	/* All the room is back. */
	REQUIRE(weir_loop_create(&loop) == 0);
	REQUIRE(weir_tree_open(loop, scratch, NULL, &tree) == 0);
	known.size = 4;
	REQUIRE(send_text(&sent, "a", "text", known) == 0);
}

static void a_full_disk(void **state)
{
	(void)state;
	with_own_mounts(check_full_disk);
}

static int count_hidden(void)
{
	int count = 0;
	DIR *directory = opendir(scratch);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += !strncmp(entry->d_name, ".weir-", 6);
	closedir(directory);
	return count;
}

/* Without /proc a file without a name can never get one. */
static void check_hidden_names(void)
{
	struct sent sent;
	own_mounts_hide_proc();
	open_tree();
	REQUIRE(begin(&sent, "a", (struct weir_upload_options){0}) == 0);
	turn_until(&sent.ready, 1);
	REQUIRE(sent.ready_error == 0 && count_hidden() == 1);
	weir_upload_write(sent.upload, WEIR_SPAN("one"));
	REQUIRE(commit(&sent) == 0 && sent.created);
	REQUIRE(!strcmp(text_of("a"), "one") && count_hidden() == 0);
	REQUIRE(send_text(&sent, "a", "two", (struct weir_upload_options){0}) == 0);
	REQUIRE(!sent.created && !strcmp(text_of("a"), "two"));
	struct weir_upload_options once = {.must_not_exist = true};
	REQUIRE(begin(&sent, "b", once) == 0);
	turn_until(&sent.ready, 1);
	put("b", "there");
	REQUIRE(commit(&sent) == -EEXIST);
	REQUIRE(begin(&sent, "c", once) == 0);
	turn_until(&sent.ready, 1);
	weir_upload_abort(sent.upload);
	weir_tree_close(tree);
	weir_loop_destroy(loop);
	REQUIRE(count_entries(".") == 2);
}

static void hidden_names_where_it_must_be(void **state)
{
	(void)state;
	with_own_mounts(check_hidden_names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_full_disk),
	        SCRATCH_TEST(hidden_names_where_it_must_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
