/* The last lines that the daemon printed: the newest first, bounded in number and size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "recent_lines.h"
#include "say.h"

static struct recent_line lines[RECENT_LINES_MAX];

static void the_newest_come_first(void **state)
{
	(void)state;
	assert_int_equal(recent_lines_copy(lines), 0);
	say("one %d", 1);
	say("two");
	assert_int_equal(recent_lines_copy(lines), 2);
	assert_string_equal(lines[0].text, "two");
	assert_string_equal(lines[1].text, "one 1");
	assert_true(lines[1].at_s > 0 && lines[0].at_s >= lines[1].at_s);
}

static void old_ones_make_room(void **state)
{
	char text[32];
	(void)state;
	for (int i = 0; i < 3 * RECENT_LINES_MAX; i++) {
		int size = snprintf(text, sizeof text, "line %d", i);
		recent_lines_add(text, (size_t)size);
	}
	assert_int_equal(recent_lines_copy(lines), RECENT_LINES_MAX);
	for (int i = 0; i < RECENT_LINES_MAX; i++) {
		snprintf(text, sizeof text, "line %d", 3 * RECENT_LINES_MAX - 1 - i);
		assert_string_equal(lines[i].text, text);
	}
}

static void a_line_is_cut(void **state)
{
	char text[RECENT_LINE_SIZE_MAX + 100];
	(void)state;
	memset(text, 'x', sizeof text);
	recent_lines_add(text, sizeof text);
	recent_lines_copy(lines);
	assert_int_equal(strlen(lines[0].text), RECENT_LINE_SIZE_MAX);
	recent_lines_add("", 0);
	recent_lines_add("a\0b", 3);
	recent_lines_copy(lines);
	assert_string_equal(lines[0].text, "a");
	assert_string_equal(lines[1].text, "");
}

/* The ring of a master, which its server reads beside its own: here they are one. */
static void a_master_shares_its_lines(void **state)
{
	int fd = -1;
	(void)state;
	recent_lines_add("before", 6);
	assert_int_equal(recent_lines_share(&fd), 0);
	recent_lines_add("behind", 6);
	recent_lines_copy(lines);
	assert_string_equal(lines[0].text, "behind");
	assert_string_equal(lines[1].text, "before");
	/* No other process can write to it. */
	assert_true(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	recent_lines_follow(dup(fd));
	recent_lines_add("shared", 6);
	assert_int_equal(recent_lines_copy(lines), RECENT_LINES_MAX);
	assert_string_equal(lines[0].text, "shared");
	unsigned count = 0;
	for (int i = 0; i < RECENT_LINES_MAX; i++)
		count += strcmp(lines[i].text, "shared") == 0;
	assert_int_equal(count, 2);
	recent_lines_inherit(dup(fd));
	recent_lines_inherit(memfd_create("empty", MFD_CLOEXEC));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_newest_come_first),
	        cmocka_unit_test(old_ones_make_room),
	        cmocka_unit_test(a_line_is_cut),
	        cmocka_unit_test(a_master_shares_its_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
