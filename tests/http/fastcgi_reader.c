/* Replies of FastCGI applications: in any pieces, cut off at any byte, malformed in each way. */
#include "reading.h"

#include <string.h>

#include "records.h"

static struct weir_buffer made; /* the bytes of an application */

static void out(const char *text)
{
	record_put(&made, OUT, weir_span_of(text), 0);
}

static void padded(const char *text, unsigned padding)
{
	record_put(&made, OUT, weir_span_of(text), padding);
}

static void err(const char *text)
{
	record_put(&made, ERR, weir_span_of(text), 3);
}

static void end(void)
{
	record_put_end(&made, 0, 0);
}

static void raw(const char *bytes, size_t size)
{
	assert_int_equal(weir_buffer_append(&made, bytes, size, SIZE_MAX), 0);
}

#define RAW(literal) raw(literal, sizeof literal - 1)

/* -- valid replies ----------------------------------------------------------------------------- */

/* The text that is reported for `made`, wherever it is cut. */
static void means(const char *text, const char *error_text, bool to_head, bool extra)
{
	struct weir_span bytes = weir_buffer_span(&made);
	for (size_t at = 0; at <= bytes.size; at++) {
		struct reading reading;
		reading_begin_fastcgi(&reading, to_head);
		reading_feed_all(&reading, bytes, at);
		struct weir_span got = weir_buffer_span(&reading.text);
		if (reading.error || reading.ends != 1 || reading.reader.keep_alive == extra ||
		        reading.reader.extra != extra ||
		        !weir_span_equal(got, weir_span_of(text)) ||
		        !weir_span_equal(
		                weir_buffer_span(&reading.error_text), weir_span_of(error_text)))
			fail_msg("'%s' at %zu: %d, '%.*s'", text, at, reading.error, (int)got.size,
			        got.data);
		reading_finish(&reading);
	}
	/* No reply is complete before its last byte. */
	for (size_t at = 0; at < bytes.size; at++) {
		struct reading reading;
		reading_begin_fastcgi(&reading, to_head);
		reading_feed_all(&reading, weir_span(bytes.data, at), at / 2);
		if (reading.error != WEIR_E_HTTP_SHORT || reading.ends != 1 ||
		        reading.reader.begun != (at > 0) || reading.reader.keep_alive)
			fail_msg("'%s' up to %zu: %d", text, at, reading.error);
		reading_finish(&reading);
	}
	made.size = 0;
}

static void replies(void **state)
{
	(void)state;
	out("Content-Type: text/plain\r\n\r\nhello"), end();
	means("200 OK|hello", "", false, false);
	/* Lines in LF, a status, and a head and a body over several records. */
	out("Status: 404 Not"), padded(" Found\nA: b\n", 7), out("\nhel"), padded("lo", 255), end();
	means("404 Not Found|hello", "", false, false);
	out("status:  404\r\n\r\n"), end();
	means("404 |", "", false, false);
	/* The end of STDOUT may be marked, and padding have no content. */
	out("A: b\n\nhello"), out(""), padded("", 8), end();
	means("200 OK|hello", "", false, false);
	out("Location: /there\r\n\r\n"), end();
	means("302 Found|", "", false, false);
	out("Location: /there\r\nStatus: 201 Created\r\n\r\n"), end();
	means("201 Created|", "", false, false);
}

static void lengths(void **state)
{
	(void)state;
	out("Content-Length: 5\r\n\r\nhello"), end();
	means("200 OK|hello", "", false, false);
	out("Content-Length: 0\r\n\r\n"), end();
	means("200 OK|", "", false, false);
	/* Bytes behind the body belong to none. */
	out("Content-Length: 2\r\n\r\nhello"), end();
	means("200 OK|he", "", false, true);
	/* No body is wanted. */
	out("Content-Length: 5\r\n\r\nhello"), end();
	means("200 OK|", "", true, false);
	out("Status: 204 No Content\r\n\r\nhello"), end();
	means("204 No Content|", "", false, false);
	out("Status: 304 Not Modified\r\n\r\n"), end();
	means("304 Not Modified|", "", false, false);
}

static void the_error_stream(void **state)
{
	(void)state;
	err("first "), out("A: b\n"), err("second"), out("\nhello"), err(""), end();
	means("200 OK|hello", "first second", false, false);
}

static void the_exit_status(void **state)
{
	struct reading reading;
	(void)state;
	out("A: b\n\n");
	record_put_end(&made, 0x1234, 0);
	reading_begin_fastcgi(&reading, false);
	reading_feed(&reading, weir_buffer_span(&made));
	assert_int_equal(reading.error, 0);
	assert_int_equal(reading.fastcgi.app_status, 0x1234);
	reading_finish(&reading);
	made.size = 0;
}

/* -- faults ------------------------------------------------------------------------------------ */

static void fails_with(const char *what, int error)
{
	struct weir_span bytes = weir_buffer_span(&made);
	for (size_t at = 0; at <= bytes.size; at++) {
		struct reading reading;
		reading_begin_fastcgi(&reading, false);
		reading_feed_all(&reading, bytes, at);
		if (reading.error != error || reading.ends != 1 || reading.reader.keep_alive)
			fail_msg("%s at %zu: %d", what, at, reading.error);
		reading_finish(&reading);
	}
	made.size = 0;
}

static void malformed_records(void **state)
{
	(void)state;
	RAW("\2\6\0\1\0\0\0\0");
	fails_with("another version", WEIR_E_FASTCGI_RECORD);
	RAW("HTTP/1.1 400 Bad Request\r\n\r\n");
	fails_with("another protocol", WEIR_E_FASTCGI_RECORD);
	RAW("\1\6\0\2\0\0\0\0");
	fails_with("another request", WEIR_E_FASTCGI_RECORD);
	RAW("\1\6\1\1\0\0\0\0");
	fails_with("a large id", WEIR_E_FASTCGI_RECORD);
	RAW("\1\12\0\0\0\0\0\0");
	fails_with("values that were not asked for", WEIR_E_FASTCGI_RECORD);
	for (char type = 0; type < 16; type++) {
		char header[] = {1, type, 0, 1, 0, 0, 0, 0};
		if (type == END || type == OUT || type == ERR)
			continue;
		raw(header, sizeof header);
		fails_with("another type", WEIR_E_FASTCGI_RECORD);
	}
	RAW("\1\3\0\1\0\7\0\0\0\0\0\0\0\0\0");
	fails_with("a short end", WEIR_E_FASTCGI_RECORD);
	RAW("\1\3\0\1\0\0\0\0");
	fails_with("an end without content", WEIR_E_FASTCGI_RECORD);
	out("A: b\n\n"), out(""), out("more"), end();
	fails_with("more behind the end of STDOUT", WEIR_E_FASTCGI_RECORD);
}

static void refusals(void **state)
{
	(void)state;
	record_put_end(&made, 0, 1);
	fails_with("no multiplexing", WEIR_E_FASTCGI_REFUSED);
	record_put_end(&made, 0, 2);
	fails_with("overload", WEIR_E_FASTCGI_OVERLOAD);
	record_put_end(&made, 0, 3);
	fails_with("the role", WEIR_E_FASTCGI_REFUSED);
	record_put_end(&made, 0, 99);
	fails_with("something else", WEIR_E_FASTCGI_REFUSED);
}

static void malformed_heads(void **state)
{
	static const struct {
		const char *head;
		int error;
	} cases[] = {
	        {"\r\n", WEIR_E_HTTP_FIELD},
	        {"HTTP/1.1 200 OK\r\n\r\n", WEIR_E_HTTP_FIELD},
	        {"A b\n\n", WEIR_E_HTTP_FIELD},
	        {"A : b\n\n", WEIR_E_HTTP_FIELD},
	        {"Status : 404\n\n", WEIR_E_HTTP_FIELD},
	        {"A: b\n c\n\n", WEIR_E_HTTP_FOLD},
	        {"A: b\rc\n\n", WEIR_E_HTTP_LINE_END},
	        {"A: b\n\rc\n\n", WEIR_E_HTTP_LINE_END},
	        {"Status: 404\nStatus: 200\n\n", WEIR_E_HTTP_STATUS},
	        {"Status: \n\n", WEIR_E_HTTP_STATUS},
	        {"Status: 40\n\n", WEIR_E_HTTP_STATUS},
	        {"Status: 4040\n\n", WEIR_E_HTTP_STATUS},
	        {"Status: abc\n\n", WEIR_E_HTTP_STATUS},
	        {"Status: 100\n\n", WEIR_E_HTTP_STATUS},
	        {"Status: 101 Up\nUpgrade: x\n\n", WEIR_E_HTTP_STATUS},
	        {"Status: 600\n\n", WEIR_E_HTTP_STATUS},
	        {"Content-Length: 1\nContent-Length: 1\n\nx", WEIR_E_HTTP_LENGTHS},
	        {"Content-Length: -1\n\n", WEIR_E_HTTP_LENGTH},
	        {"Content-Length: 5\n\nhell", WEIR_E_HTTP_SHORT},
	        {"Content-Length: 101\n\n", WEIR_E_HTTP_BODY_SIZE},
	        {"Transfer-Encoding: chunked\n\n0\r\n\r\n", WEIR_E_HTTP_CODING},
	        {"A: b\n", WEIR_E_HTTP_SHORT},
	        {"", WEIR_E_HTTP_SHORT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (*cases[i].head)
			out(cases[i].head);
		end();
		fails_with(cases[i].head, cases[i].error);
	}
	record_put(&made, OUT, weir_span("A: \0\n\n", 6), 0), end();
	fails_with("a NUL", WEIR_E_HTTP_LINE_END);
}

static void bounds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		out("A: bcd\n");
	end();
	fails_with("a large head", WEIR_E_HTTP_HEAD_SIZE);
	out("A: b\n\n");
	for (unsigned i = 0; i < 101; i++)
		out("x");
	end();
	fails_with("a large body", WEIR_E_HTTP_BODY_SIZE);
}

static void bytes_behind_a_reply(void **state)
{
	struct reading reading;
	(void)state;
	out("A: b\n\n"), end(), out("x");
	reading_begin_fastcgi(&reading, false);
	reading_feed(&reading, weir_buffer_span(&made));
	assert_int_equal(reading.error, 0);
	assert_int_equal(reading.ends, 1);
	assert_true(reading.cutter.refused);
	assert_int_equal(reading.reader.fault, WEIR_E_HTTP_EXTRA);
	reading_finish(&reading);
	made.size = 0;
}

static int free_made(void **state)
{
	(void)state;
	weir_buffer_finish(&made);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(replies),
	        cmocka_unit_test(lengths),
	        cmocka_unit_test(the_error_stream),
	        cmocka_unit_test(the_exit_status),
	        cmocka_unit_test(malformed_records),
	        cmocka_unit_test(refusals),
	        cmocka_unit_test(malformed_heads),
	        cmocka_unit_test(bounds),
	        cmocka_unit_test(bytes_behind_a_reply),
	};
	return cmocka_run_group_tests(tests, NULL, free_made);
}
