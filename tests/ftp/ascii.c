/* Text that comes, cut at every position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include <weir/buffer.h>
#include "transfer.h"

static int take(void *context, struct weir_span bytes)
{
	assert_true(bytes.size > 0);
	return weir_buffer_append(context, bytes.data, bytes.size, SIZE_MAX);
}

static void check(struct weir_span from, struct weir_span to, size_t first, size_t second)
{
	struct weir_buffer got = {0};
	struct ftp_ascii ascii = {0};
	size_t at[] = {0, first, second, from.size};
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		        ftp_ascii_convert(&ascii, weir_span(from.data + at[i], at[i + 1] - at[i]),
		                take, &got),
		        0);
	assert_int_equal(ftp_ascii_end(&ascii, take, &got), 0);
	assert_true(weir_span_equal(weir_buffer_span(&got), to));
	weir_buffer_finish(&got);
}

static void every_cut(void **state)
{
	static const struct {
		struct weir_span from, to;
	} cases[] = {
	        {WEIR_SPAN("a\r\nb\r\n"), WEIR_SPAN("a\nb\n")},
	        {WEIR_SPAN("a\nb"), WEIR_SPAN("a\nb")},
	        {WEIR_SPAN("\r\r\n\r"), WEIR_SPAN("\r\n\r")},
	        {WEIR_SPAN("\r\0x\rx\r\0\n"), WEIR_SPAN("\rx\rx\r\n")},
	        {WEIR_SPAN("\r\r\r"), WEIR_SPAN("\r\r\r")},
	        {WEIR_SPAN(""), WEIR_SPAN("")},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t first = 0; first <= cases[i].from.size; first++)
			for (size_t second = first; second <= cases[i].from.size; second++)
				check(cases[i].from, cases[i].to, first, second);
}

static int refuse(void *context, struct weir_span bytes)
{
	(void)bytes;
	++*(int *)context;
	return -ENOSPC;
}

static void an_error_ends_it(void **state)
{
	struct ftp_ascii ascii = {0};
	int calls = 0;
	(void)state;
	assert_int_equal(
	        ftp_ascii_convert(&ascii, WEIR_SPAN("a\r\nb\r\n"), refuse, &calls), -ENOSPC);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_cut),
	        cmocka_unit_test(an_error_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
