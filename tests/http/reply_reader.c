/* Replies as the client reads them: in any pieces, cut off at any byte, malformed in each way. */
#include "reading.h"

/* -- tests ------------------------------------------------------------------------------------- */

static const struct {
	const char *reply, *text;
	bool to_head, keep_alive, up_to_the_end;
} valid[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 OK|hello", .keep_alive = true},
        {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 |", .keep_alive = true},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 |", .keep_alive = true},
        {"HTTP/1.1 204 No Content\r\n\r\n", "204 No Content|", .keep_alive = true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 Not Modified|",
                .keep_alive = true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "200 OK|", .to_head = true,
                .keep_alive = true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK|", .to_head = true,
                .keep_alive = true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "200 OK|x"},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 OK|x"},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "200 OK|x",
                .keep_alive = true},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", "200 OK|to the end", .up_to_the_end = true},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", "200 OK|to the end", .up_to_the_end = true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
         "\r\n",
                "200 OK|abcde", .keep_alive = true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nDigest: b\r\n"
         "X: y \r\n\r\n",
                "200 OK|a|Digest=b|X=y", .keep_alive = true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                "(100)(103)200 OK|x", .keep_alive = true},
};

static void replies_in_two_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
		struct weir_span bytes = weir_span_of(valid[i].reply);
		for (size_t at = 0; at <= bytes.size; at++) {
			struct reading reading;
			reading_begin(&reading, valid[i].to_head);
			reading_feed_all(&reading, bytes, at);
			struct weir_span text = weir_buffer_span(&reading.text);
			if (reading.error || reading.ends != 1 ||
			        reading.reader.keep_alive != valid[i].keep_alive ||
			        !weir_span_equal(text, weir_span_of(valid[i].text)))
				fail_msg("'%s' at %zu: %d, '%.*s'", valid[i].reply, at,
				        reading.error, (int)text.size, text.data);
			reading_finish(&reading);
		}
	}
}

static void replies_cut_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
		size_t size = strlen(valid[i].reply);
		size_t head = (size_t)(strstr(valid[i].reply, "\r\n\r\n") + 4 - valid[i].reply);
		for (size_t at = 0; at < size; at++) {
			struct reading reading;
			int error = valid[i].up_to_the_end && at >= head ? 0 : WEIR_E_HTTP_SHORT;
			reading_begin(&reading, valid[i].to_head);
			reading_feed_all(&reading, weir_span(valid[i].reply, at), at);
			if (reading.error != error || reading.ends != 1 ||
			        reading.reader.begun != (at > 0))
				fail_msg("'%s' at %zu: %d", valid[i].reply, at, reading.error);
			reading_finish(&reading);
		}
	}
}

static void a_truncated_body_is_short(void **state)
{
	struct weir_span bytes = WEIR_SPAN("HTTP/1.1 200 OK\r\n\r\nabc");
	struct reading reading;
	(void)state;
	reading_begin(&reading, false);
	reading_feed(&reading, bytes);
	http_reader_eof(&reading.reader, true);
	assert_int_equal(reading.error, WEIR_E_HTTP_SHORT);
	reading_finish(&reading);
}

#define HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static void malformed_replies(void **state)
{
	static const struct {
		const char *reply;
		int error;
	} cases[] = {
	        {"\r\n" HEAD "\r\n", WEIR_E_HTTP_STATUS},
	        {"ICY 200 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/2.0 200 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.x 200 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1  200 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 20 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 2000 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 099 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 600 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 200\tOK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 200 O\x01K\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 200 OK\n\n", WEIR_E_HTTP_LINE_END},
	        {HEAD "A: b\n\r\n", WEIR_E_HTTP_LINE_END},
	        {HEAD "A: b\rc\r\n\r\n", WEIR_E_HTTP_LINE_END},
	        {HEAD "A: b\r\n c\r\n\r\n", WEIR_E_HTTP_FOLD},
	        {HEAD "\tA: b\r\n\r\n", WEIR_E_HTTP_FOLD},
	        {HEAD "A : b\r\n\r\n", WEIR_E_HTTP_FIELD},
	        {HEAD "A\r\n\r\n", WEIR_E_HTTP_FIELD},
	        {HEAD ": b\r\n\r\n", WEIR_E_HTTP_FIELD},
	        {HEAD "A: b\x7f\r\n\r\n", WEIR_E_HTTP_FIELD},
	        {HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", WEIR_E_HTTP_LENGTHS},
	        {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", WEIR_E_HTTP_LENGTHS},
	        {HEAD "Content-Length: 5, 6\r\n\r\n", WEIR_E_HTTP_LENGTH},
	        {HEAD "Content-Length: +5\r\n\r\n", WEIR_E_HTTP_LENGTH},
	        {HEAD "Content-Length: -5\r\n\r\n", WEIR_E_HTTP_LENGTH},
	        {HEAD "Content-Length: 9223372036854775808\r\n\r\n", WEIR_E_HTTP_LENGTH},
	        {HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	                WEIR_E_HTTP_LENGTH_AND_CODING},
	        {HEAD "Transfer-Encoding: gzip\r\n\r\n", WEIR_E_HTTP_CODING},
	        {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", WEIR_E_HTTP_CODING},
	        {HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n", WEIR_E_HTTP_CODING},
	        {HEAD "Transfer-Encoding: xchunked\r\n\r\n", WEIR_E_HTTP_CODING},
	        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", WEIR_E_HTTP_CODING},
	        {CHUNKED "g\r\n", WEIR_E_HTTP_CHUNK},
	        {CHUNKED "-1\r\n", WEIR_E_HTTP_CHUNK},
	        {CHUNKED "1\nx\r\n0\r\n\r\n", WEIR_E_HTTP_CHUNK},
	        {CHUNKED "1;a\nb\r\nx\r\n0\r\n\r\n", WEIR_E_HTTP_CHUNK},
	        {CHUNKED "1\r\nxy\r\n0\r\n\r\n", WEIR_E_HTTP_CHUNK},
	        {CHUNKED "1\r\nx\n0\r\n\r\n", WEIR_E_HTTP_CHUNK},
	        {CHUNKED "0\r\nA b\r\n\r\n", WEIR_E_HTTP_TRAILER},
	        {CHUNKED "0\r\nA: b\n\r\n", WEIR_E_HTTP_TRAILER},
	        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", WEIR_E_HTTP_INTERIM},
	        {HEAD "Content-Length: 101\r\n\r\n", WEIR_E_HTTP_BODY_SIZE},
	        {CHUNKED "63\r\n", WEIR_E_HTTP_SHORT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_span bytes = weir_span_of(cases[i].reply);
		for (size_t at = 0; at <= bytes.size; at++) {
			struct reading reading;
			reading_begin(&reading, false);
			reading_feed_all(&reading, bytes, at);
			if (reading.error != cases[i].error || reading.ends != 1 ||
			        reading.reader.keep_alive)
				fail_msg("'%s' at %zu: %d", cases[i].reply, at, reading.error);
			reading_finish(&reading);
		}
	}
}

static int error_of_repeated(const char *first, const char *again, unsigned times)
{
	struct reading reading;
	struct weir_buffer bytes = {0};
	assert_int_equal(weir_buffer_format(&bytes, SIZE_MAX, "%s", first), 0);
	while (times--)
		assert_int_equal(weir_buffer_format(&bytes, SIZE_MAX, "%s", again), 0);
	reading_begin(&reading, false);
	reading_feed_all(&reading, weir_buffer_span(&bytes), bytes.size / 2);
	weir_buffer_finish(&bytes);
	reading_finish(&reading);
	return reading.error;
}

static void bounds(void **state)
{
	(void)state;
	/* A head of 1024 bytes was allowed; it is refused before it ends. */
	assert_int_equal(error_of_repeated(HEAD, "A: b\r\n", 200), WEIR_E_HTTP_HEAD_SIZE);
	assert_int_equal(error_of_repeated(HEAD "A: ", "b", 2000), WEIR_E_HTTP_HEAD_SIZE);
	assert_int_equal(error_of_repeated(HEAD, ":\r\n", 1), WEIR_E_HTTP_SHORT);
	assert_int_equal(error_of_repeated("", "HTTP/1.1 100 C\r\n\r\n", 16), WEIR_E_HTTP_SHORT);
	assert_int_equal(error_of_repeated("", "HTTP/1.1 100 C\r\n\r\n", 17), WEIR_E_HTTP_INTERIM);
	assert_int_equal(error_of_repeated(CHUNKED "1", "0", 300), WEIR_E_HTTP_CHUNK);
	assert_int_equal(error_of_repeated(CHUNKED "0\r\n", "A: b\r\n", 33), WEIR_E_HTTP_TRAILER);
	assert_int_equal(error_of_repeated(CHUNKED "0\r\nA: ", "b", 5000), WEIR_E_HTTP_TRAILER);
	/* 100 bytes of body were allowed. */
	assert_int_equal(error_of_repeated(HEAD "\r\n", "x", 100), 0);
	assert_int_equal(error_of_repeated(HEAD "\r\n", "x", 101), WEIR_E_HTTP_BODY_SIZE);
	assert_int_equal(error_of_repeated(CHUNKED, "1\r\nx\r\n", 101), WEIR_E_HTTP_BODY_SIZE);
}

/* Bytes behind a reply are refused before the next reply is expected. */
static void bytes_behind_a_reply(void **state)
{
	struct reading reading;
	struct weir_span bytes = WEIR_SPAN(HEAD "Content-Length: 1\r\n\r\nx" HEAD "\r\n");
	(void)state;
	reading_begin(&reading, false);
	reading_feed(&reading, bytes);
	assert_int_equal(reading.error, 0);
	assert_int_equal(reading.ends, 1);
	assert_true(reading.cutter.refused);
	assert_int_equal(reading.reader.fault, WEIR_E_HTTP_EXTRA);
	reading_finish(&reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(replies_in_two_pieces),
	        cmocka_unit_test(replies_cut_off),
	        cmocka_unit_test(a_truncated_body_is_short),
	        cmocka_unit_test(malformed_replies),
	        cmocka_unit_test(bounds),
	        cmocka_unit_test(bytes_behind_a_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
