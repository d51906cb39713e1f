/* The private helpers: reference counts, defaults, bounded copies, lists, whole files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/list.h>

#include "allocation.h"
#include "helper.h"
#include "refcount.h"

static void the_last_release_is_told(void **state)
{
	struct refcount shared;
	struct local_refcount local;
	(void)state;
	refcount_init(&shared);
	local_refcount_init(&local);
	assert_true(refcount_unique(&shared) && local_refcount_unique(&local));
	refcount_hold(&shared);
	local_refcount_hold(&local);
	assert_false(refcount_unique(&shared) || local_refcount_unique(&local));
	assert_false(refcount_release(&shared));
	assert_false(local_refcount_release(&local));
	assert_true(refcount_release(&shared));
	assert_true(local_refcount_release(&local));
}

/* In a child, which abort() ends. */
static void a_count_neither_overflows_nor_comes_back_from_nothing(void **state)
{
	(void)state;
	for (int fault = 0; fault < 3; fault++) {
		pid_t child = fork();
		if (child == 0) {
			struct refcount shared;
			close(STDERR_FILENO);
			atomic_init(&shared.count, fault == 0 ? REFCOUNT_MAX : 0);
			if (fault < 2)
				refcount_hold(&shared);
			else
				refcount_release(&shared);
			_exit(0);
		}
		int status = 0;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
	}
}

static void arguments_are_evaluated_once(void **state)
{
	int calls = 0;
	(void)state;
	assert_int_equal(min_of(++calls, 5), 1);
	assert_int_equal(max_of(calls++, 0), 1);
	assert_int_equal(or_default(calls++, 7), 2);
	assert_int_equal(or_default(0, 7), 7);
	assert_int_equal(calls, 3);
	assert_int_equal(clamp_size(1, 2, 4), 2);
	assert_int_equal(clamp_size(5, 2, 4), 4);
}

static void what_does_not_fit_is_cut_off(void **state)
{
	char text[4];
	(void)state;
	assert_true(text_copy(text, sizeof text, "abc"));
	assert_string_equal(text, "abc");
	assert_false(text_copy(text, sizeof text, "wxyz"));
	assert_string_equal(text, "wxy");
	assert_true(text_copy_span(text, sizeof text, weir_span(NULL, 0)));
	assert_string_equal(text, "");
	assert_false(text_copy(text, 1, "a"));
	assert_string_equal(text, "");
}

struct number {
	struct weir_list link;
	int value;
};

static void a_list_is_iterated_in_order(void **state)
{
	struct weir_list list;
	struct number numbers[3];
	int sum = 0;
	(void)state;
	weir_list_init(&list);
	WEIR_LIST_EACH (struct number, number, &list, link)
		fail();
	for (int i = 0; i < 3; i++) {
		numbers[i].value = i + 1;
		weir_list_append(&list, &numbers[i].link);
	}
	WEIR_LIST_EACH (struct number, number, &list, link)
		sum = sum * 10 + number->value;
	assert_int_equal(sum, 123);
	WEIR_LIST_EACH_SAFE (struct number, number, next, &list, link) {
		weir_list_remove(&number->link);
		memset(number, 0xff, sizeof *number);
		sum++;
	}
	assert_int_equal(sum, 126);
	assert_true(weir_list_empty(&list));
}

/* Whether the kernel was asked for huge pages at the address: the flag "hg" of its mapping. */
static bool huge_pages_asked_at(const void *data)
{
	uintptr_t first, end, at = (uintptr_t)data;
	bool inside = false, asked = false;
	char line[512];
	FILE *maps = fopen("/proc/self/smaps", "r");
	assert_non_null(maps);
	while (fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &first, &end) == 2)
			inside = at >= first && at < end;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			asked = strstr(line, " hg") != NULL;
	}
	fclose(maps);
	return asked;
}

static void a_large_allocation_prefers_huge_pages(void **state)
{
	size_t small = 64 << 10, large = 2 * HUGE_PAGES_MIN;
	(void)state;
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) < 0)
		skip();
	char *few = malloc(small), *many = calloc(1, large);
	assert_true(few && many);
	many[large - 1] = 7;
	memory_prefer_huge_pages(NULL, large);
	memory_prefer_huge_pages(few, small);
	memory_prefer_huge_pages(many, large);
	assert_false(huge_pages_asked_at(few));
	assert_true(huge_pages_asked_at(many + large / 2));
	assert_true(many[0] == 0 && many[large - 1] == 7);
	free(few);
	free(many);
}

static void a_whole_file_is_read_up_to_its_bound(void **state)
{
	char path[] = "/tmp/weir-helper-XXXXXX";
	struct weir_buffer text = {0};
	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	close(fd);
	assert_int_equal(file_read_whole(AT_FDCWD, path, 0, 10, &text), 0);
	assert_true(weir_span_equal(weir_buffer_span(&text), WEIR_SPAN("0123456789")));
	weir_buffer_finish(&text);
	assert_int_equal(file_read_whole(AT_FDCWD, path, 0, 9, &text), WEIR_E_LIMIT);
	assert_null(text.data);
	fail_allocation_after(0, true);
	assert_int_equal(file_read_whole(AT_FDCWD, path, 0, 10, &text), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_null(text.data);
	unlink(path);
	assert_int_equal(file_read_whole(AT_FDCWD, path, 0, 10, &text), -ENOENT);
}

/* Over an alphabet of two letters, so that many places begin the text in vain. */
static void bytes_are_found_as_memmem_finds_them(void **state)
{
	char bytes[200], wanted[6];
	(void)state;
	srand(7);
	for (int round = 0; round < 100000; round++) {
		size_t size = (size_t)rand() % sizeof bytes;
		size_t wanted_size = 1 + (size_t)rand() % sizeof wanted;
		int rare = 1 + rand() % 40;
		for (size_t i = 0; i < size; i++)
			bytes[i] = rand() % rare ? 'b' : 'a';
		for (size_t i = 0; i < wanted_size; i++)
			wanted[i] = rand() % 3 && i ? 'b' : 'a';
		assert_ptr_equal(bytes_find(weir_span(bytes, size), weir_span(wanted, wanted_size)),
		        memmem(bytes, size, wanted, wanted_size));
	}
	assert_null(bytes_find(weir_span(NULL, 0), weir_span("a", 1)));
}

static void spans_are_appended_all_or_none(void **state)
{
	struct weir_buffer buffer = {0};
	const struct weir_span spans[] = {WEIR_SPAN("ab"), {NULL, 0}, WEIR_SPAN("c")};
	(void)state;
	assert_int_equal(buffer_append_spans(&buffer, spans, 3, 2), WEIR_E_LIMIT);
	assert_int_equal(buffer.size, 0);
	assert_int_equal(buffer_append_spans(&buffer, spans, 3, 6), 0);
	assert_int_equal(buffer_append_spans(&buffer, spans, 3, 6), 0);
	assert_int_equal(buffer_append_spans(&buffer, spans, 3, 6), WEIR_E_LIMIT);
	assert_true(weir_span_equal(weir_buffer_span(&buffer), WEIR_SPAN("abcabc")));
	weir_buffer_finish(&buffer);
}

static void hexadecimal_digits_are_those_of_printf(void **state)
{
	static const uint64_t numbers[] = {0, 1, 0xfedcba9876543210, UINT64_MAX};
	char text[TEXT_HEX_SIZE + 1] = "", expected[TEXT_HEX_SIZE + 1];
	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		text_put_hex(text, numbers[i]);
		snprintf(expected, sizeof expected, "%016" PRIx64, numbers[i]);
		assert_string_equal(text, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_last_release_is_told),
	        cmocka_unit_test(bytes_are_found_as_memmem_finds_them),
	        cmocka_unit_test(spans_are_appended_all_or_none),
	        cmocka_unit_test(hexadecimal_digits_are_those_of_printf),
	        cmocka_unit_test(a_count_neither_overflows_nor_comes_back_from_nothing),
	        cmocka_unit_test(arguments_are_evaluated_once),
	        cmocka_unit_test(what_does_not_fit_is_cut_off),
	        cmocka_unit_test(a_list_is_iterated_in_order),
	        cmocka_unit_test(a_large_allocation_prefers_huge_pages),
	        cmocka_unit_test(a_whole_file_is_read_up_to_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
