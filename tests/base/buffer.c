/* Buffers: growth to the limit and not beyond, and nothing lost when memory fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <weir/buffer.h>
#include <weir/error.h>
#include "allocation.h"

static void growth(void **state)
{
	struct weir_buffer buffer = {0};
	(void)state;
	assert_int_equal(weir_buffer_append(&buffer, "", 0, 0), 0);
	assert_null(buffer.data);
	for (int i = 0; i < 1000; i++) {
		char byte = (char)i;
		assert_int_equal(weir_buffer_append(&buffer, &byte, 1, 1000), 0);
		assert_true(buffer.size <= buffer.capacity && buffer.capacity <= 1000);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buffer.data[i], (char)i);
	assert_int_equal(weir_buffer_append(&buffer, "a", 1, 1000), WEIR_E_LIMIT);
	assert_int_equal(buffer.size, 1000);
	weir_buffer_finish(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.capacity, 0);
	weir_buffer_finish(&buffer);
}

static void limits(void **state)
{
	struct weir_buffer buffer = {0};
	(void)state;
	assert_int_equal(weir_buffer_reserve(&buffer, 11, 10), WEIR_E_LIMIT);
	assert_null(buffer.data);
	assert_int_equal(weir_buffer_reserve(&buffer, 10, 10), 0);
	assert_int_equal(buffer.capacity, 10);
	assert_int_equal(weir_buffer_append(&buffer, "a", 1, 10), 0);
	assert_int_equal(weir_buffer_reserve(&buffer, SIZE_MAX, SIZE_MAX), WEIR_E_LIMIT);
	assert_int_equal(buffer.size, 1);
	weir_buffer_finish(&buffer);
}

static void consume(void **state)
{
	struct weir_buffer buffer = {0};
	(void)state;
	weir_buffer_consume(&buffer, 0);
	assert_int_equal(weir_buffer_append(&buffer, "abcdef", 6, 100), 0);
	weir_buffer_consume(&buffer, 2);
	assert_true(weir_span_equal(weir_buffer_span(&buffer), WEIR_SPAN("cdef")));
	weir_buffer_consume(&buffer, 4);
	assert_int_equal(buffer.size, 0);
	weir_buffer_finish(&buffer);
}

static void format(void **state)
{
	struct weir_buffer buffer = {0};
	(void)state;
	assert_int_equal(weir_buffer_format(&buffer, 100, "%d-%s", 42, "x"), 0);
	assert_int_equal(weir_buffer_format(&buffer, 100, "%s", ""), 0);
	assert_true(weir_span_equal(weir_buffer_span(&buffer), WEIR_SPAN("42-x")));
	assert_int_equal(weir_buffer_format(&buffer, 10, "%s", "0123456789"), WEIR_E_LIMIT);
	assert_true(weir_span_equal(weir_buffer_span(&buffer), WEIR_SPAN("42-x")));
	weir_buffer_finish(&buffer);
}

static void failing_allocation(void **state)
{
	struct weir_buffer buffer = {0};
	(void)state;
	fail_allocation_after(0, true);
	int error = weir_buffer_append(&buffer, "abc", 3, 1000);
	assert_true(stop_failing_allocations());
	assert_int_equal(error, -ENOMEM);
	assert_null(buffer.data);
	assert_int_equal(weir_buffer_append(&buffer, "abc", 3, 1000), 0);
	size_t capacity = buffer.capacity;
	fail_allocation_after(0, false);
	error = weir_buffer_reserve(&buffer, capacity, 1000);
	assert_true(stop_failing_allocations());
	assert_int_equal(error, -ENOMEM);
	fail_allocation_after(0, true);
	error = weir_buffer_format(&buffer, 1000, "%500d", 1);
	assert_true(stop_failing_allocations());
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(buffer.capacity, capacity);
	assert_true(weir_span_equal(weir_buffer_span(&buffer), WEIR_SPAN("abc")));
	weir_buffer_finish(&buffer);
}

static void reading(void **state)
{
	char bytes[10000], path[] = "/tmp/weir-test-XXXXXX";
	struct weir_buffer buffer = {0};
	int fd = mkstemp(path);
	(void)state;
	unlink(path);
	memset(bytes, 'x', sizeof bytes);
	assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
	for (size_t limit = sizeof bytes - 1; limit <= sizeof bytes + 1; limit++) {
		lseek(fd, 0, SEEK_SET);
		buffer.size = 0;
		assert_int_equal(weir_buffer_read(&buffer, fd, limit),
		        limit < sizeof bytes ? WEIR_E_LIMIT : 0);
	}
	assert_int_equal(buffer.size, sizeof bytes);
	assert_memory_equal(buffer.data, bytes, sizeof bytes);
	assert_int_equal(weir_buffer_read(&buffer, fd, sizeof bytes), 0);
	assert_int_equal(weir_buffer_read(&buffer, -1, sizeof bytes), -EBADF);
	weir_buffer_finish(&buffer);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(growth),
	        cmocka_unit_test(limits),
	        cmocka_unit_test(consume),
	        cmocka_unit_test(reading),
	        cmocka_unit_test(format),
	        cmocka_unit_test(failing_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
