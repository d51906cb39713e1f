/* The parser of request heads: what it refuses, and with which status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "head.h"

#define HOST "Host: a\r\n"
#define END "\r\n"
#define LINE "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST

struct refused {
	const char *what;
	const char *head;
	size_t size;
	int status;
};

#define CASE(what, head, status)                                                                   \
	{                                                                                          \
		what, head, sizeof(head) - 1, status                                               \
	}

static const struct refused request_lines[] = {
        CASE("nothing", "", 400),
        CASE("a line end alone", "\r\n", 400),
        CASE("an end without a head", "\r\n\r\n", 400),
        CASE("empty lines alone", "\r\n\r\n\r\n\r\n", 400),
        CASE("three empty lines before", "\r\n\r\n\r\n" LINE HOST END, 400),
        CASE("a head that does not end", LINE HOST, 400),
        CASE("an end within", LINE HOST END LINE HOST END, 400),
        CASE("bare LF behind the request line", "GET / HTTP/1.1\n" HOST END, 400),
        CASE("bare CR in the request line", "GET /\r HTTP/1.1\r\n" HOST END, 400),
        CASE("two spaces before the target", "GET  / HTTP/1.1\r\n" HOST END, 400),
        CASE("two spaces behind the target", "GET /  HTTP/1.1\r\n" HOST END, 400),
        CASE("a tab instead of the space", "GET\t/ HTTP/1.1\r\n" HOST END, 400),
        CASE("a space before the method", " GET / HTTP/1.1\r\n" HOST END, 400),
        CASE("a space behind the version", "GET / HTTP/1.1 \r\n" HOST END, 400),
        CASE("no method", "/ HTTP/1.1\r\n" HOST END, 400),
        CASE("a method that is no token", "G(T / HTTP/1.1\r\n" HOST END, 400),
        CASE("a method alone", "GET\r\n" HOST END, 400),
        CASE("no version (HTTP/0.9)", "GET /\r\n" END, 400),
        CASE("an empty version", "GET / \r\n" HOST END, 400),
        CASE("a lower case version", "GET / http/1.1\r\n" HOST END, 400),
        CASE("two digits of minor version", "GET / HTTP/1.10\r\n" HOST END, 400),
        CASE("two digits of major version", "GET / HTTP/11.1\r\n" HOST END, 400),
        CASE("no minor version", "GET / HTTP/1\r\n" HOST END, 400),
        CASE("a comma in the version", "GET / HTTP/1,1\r\n" HOST END, 400),
        CASE("another protocol", "GET / HTTQ/1.1\r\n" HOST END, 400),
        CASE("HTTP/2.0", "GET / HTTP/2.0\r\n" HOST END, 505),
        CASE("HTTP/0.9 by name", "GET / HTTP/0.9\r\n" HOST END, 505),
        CASE("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505),
        CASE("a fragment", "GET /a#b HTTP/1.1\r\n" HOST END, 400),
        CASE("a fragment in the query", "GET /a?b#c HTTP/1.1\r\n" HOST END, 400),
        CASE("a control character in the target", "GET /\x01 HTTP/1.1\r\n" HOST END, 400),
        CASE("NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST END, 400),
        CASE("DEL in the target", "GET /\x7f HTTP/1.1\r\n" HOST END, 400),
        CASE("a tab in the target", "GET /\t HTTP/1.1\r\n" HOST END, 400),
        CASE("raw UTF-8 in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST END, 400),
        CASE("a target without a slash", "GET a HTTP/1.1\r\n" HOST END, 400),
        CASE("a query alone", "GET ?a HTTP/1.1\r\n" HOST END, 400),
        CASE("an asterisk for GET", "GET * HTTP/1.1\r\n" HOST END, 400),
        CASE("two asterisks", "OPTIONS ** HTTP/1.1\r\n" HOST END, 400),
        CASE("an asterisk with a query", "OPTIONS *?a HTTP/1.1\r\n" HOST END, 400),
        CASE("another scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST END, 400),
        CASE("a scheme without authority", "GET http:/// HTTP/1.1\r\n" HOST END, 400),
        CASE("a scheme alone", "GET http:// HTTP/1.1\r\n" HOST END, 400),
        CASE("one slash behind the scheme", "GET http:/a HTTP/1.1\r\n" HOST END, 400),
        CASE("user information", "GET http://u@a/ HTTP/1.1\r\n" HOST END, 400),
        CASE("user and password", "GET http://u:p@a/ HTTP/1.1\r\n" HOST END, 400),
        CASE("a port too large in the target", "GET http://a:65536/ HTTP/1.1\r\n" HOST END, 400),
        CASE("an authority for GET", "GET a:80 HTTP/1.1\r\n" HOST END, 400),
        CASE("a path for CONNECT", "CONNECT /a HTTP/1.1\r\n" HOST END, 400),
        CASE("CONNECT without a port", "CONNECT a HTTP/1.1\r\n" HOST END, 400),
        CASE("CONNECT with an empty port", "CONNECT a: HTTP/1.1\r\n" HOST END, 400),
        CASE("CONNECT to port 0", "CONNECT a:0 HTTP/1.1\r\n" HOST END, 400),
};

static const struct refused fields[] = {
        CASE("a space before the colon", LINE HOST "A : b\r\n" END, 400),
        CASE("a tab before the colon", LINE HOST "A\t: b\r\n" END, 400),
        CASE("an empty name", LINE HOST ": b\r\n" END, 400),
        CASE("no colon", LINE HOST "A b\r\n" END, 400),
        CASE("a name alone", LINE HOST "A\r\n" END, 400),
        CASE("a folded line", LINE HOST "A: b\r\n c\r\n" END, 400),
        CASE("a line folded by a tab", LINE HOST "A: b\r\n\tc\r\n" END, 400),
        CASE("a space before the first name", LINE " A: b\r\n" HOST END, 400),
        CASE("a line of a space", LINE HOST " \r\n" END, 400),
        CASE("a bracket in a name", LINE HOST "A[]: b\r\n" END, 400),
        CASE("a quote in a name", LINE HOST "\"A\": b\r\n" END, 400),
        CASE("UTF-8 in a name", LINE HOST "\xc3\xa4: b\r\n" END, 400),
        CASE("NUL in a name", LINE HOST "A\0: b\r\n" END, 400),
        CASE("NUL in a value", LINE HOST "A: b\0c\r\n" END, 400),
        CASE("NUL in a long value", LINE HOST "A: 01234567890123456\0c\r\n" END, 400),
        CASE("DEL in a value", LINE HOST "A: b\x7f\r\n" END, 400),
        CASE("DEL in a long value", LINE HOST "A: 0123456789\x7f 123456789\r\n" END, 400),
        CASE("a vertical tab in a value", LINE HOST "A: b\vc\r\n" END, 400),
        CASE("escape in a value", LINE HOST "A: 0123456789\x1b 123456789\r\n" END, 400),
        CASE("bare LF behind a value", LINE "A: b\n" HOST END, 400),
        CASE("bare CR behind a value", LINE "A: b\r" HOST END, 400),
        CASE("bare CR in a value", LINE "A: b\rc\r\n" HOST END, 400),
        CASE("CR CR LF", LINE "A: b\r\r\n" HOST END, 400),
        CASE("LF LF within", LINE HOST "\n\nA: b\r\n" END, 400),
};

static const struct refused hosts[] = {
        CASE("no Host", LINE END, 400),
        CASE("no Host in the absolute form", "GET http://a/ HTTP/1.1\r\n" END, 400),
        CASE("two equal Hosts", LINE HOST HOST END, 400),
        CASE("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST "host: b\r\n" END, 400),
        CASE("two names", LINE "Host: a b\r\n" END, 400),
        CASE("a list", LINE "Host: a,b c\r\n" END, 400),
        CASE("user information", LINE "Host: u@a\r\n" END, 400),
        CASE("a slash", LINE "Host: a/b\r\n" END, 400),
        CASE("a question mark", LINE "Host: a?b\r\n" END, 400),
        CASE("a hash", LINE "Host: a#b\r\n" END, 400),
        CASE("a backslash", LINE "Host: a\\b\r\n" END, 400),
        CASE("a quote", LINE "Host: \"a\"\r\n" END, 400),
        CASE("raw UTF-8", LINE "Host: \xc3\xa4\r\n" END, 400),
        CASE("a port without a host", LINE "Host: :80\r\n" END, 400),
        CASE("a port that is no number", LINE "Host: a:b\r\n" END, 400),
        CASE("a negative port", LINE "Host: a:-1\r\n" END, 400),
        CASE("a port too large", LINE "Host: a:65536\r\n" END, 400),
        CASE("a port too long", LINE "Host: a:000080\r\n" END, 400),
        CASE("two ports", LINE "Host: a:80:80\r\n" END, 400),
        CASE("IPv6 without brackets", LINE "Host: ::1\r\n" END, 400),
        CASE("an open bracket", LINE "Host: [::1\r\n" END, 400),
        CASE("empty brackets", LINE "Host: []\r\n" END, 400),
        CASE("IPv4 in brackets", LINE "Host: [127.0.0.1]\r\n" END, 400),
        CASE("a name in brackets", LINE "Host: [a]\r\n" END, 400),
        CASE("a zone", LINE "Host: [fe80::1%25eth0]\r\n" END, 400),
        CASE("junk behind brackets", LINE "Host: [::1]a\r\n" END, 400),
        CASE("a bad escape", LINE "Host: a%2\r\n" END, 400),
        CASE("an escape that is not hexadecimal", LINE "Host: a%2gb\r\n" END, 400),
        CASE("bad Host beside an absolute target", "GET http://a/ HTTP/1.1\r\nHost: /\r\n" END,
                400),
};

static const struct refused bodies[] = {
        CASE("Content-Length twice", POST "Content-Length: 1\r\nContent-Length: 2\r\n" END, 400),
        CASE("equal Content-Lengths", POST "Content-Length: 1\r\nContent-Length: 1\r\n" END, 400),
        CASE("a list of lengths", POST "Content-Length: 1, 1\r\n" END, 400),
        CASE("a sign", POST "Content-Length: +5\r\n" END, 400),
        CASE("a negative length", POST "Content-Length: -5\r\n" END, 400),
        CASE("a hexadecimal length", POST "Content-Length: 0x5\r\n" END, 400),
        CASE("an empty length", POST "Content-Length:\r\n" END, 400),
        CASE("a fraction", POST "Content-Length: 5.0\r\n" END, 400),
        CASE("a space within", POST "Content-Length: 5 5\r\n" END, 400),
        CASE("a quoted length", POST "Content-Length: \"5\"\r\n" END, 400),
        CASE("a length of 2^63", POST "Content-Length: 9223372036854775808\r\n" END, 400),
        CASE("a length of 2^64", POST "Content-Length: 18446744073709551616\r\n" END, 400),
        CASE("a length and chunked", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END,
                400),
        CASE("chunked and a length", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END,
                400),
        CASE("an unknown coding and a length",
                POST "Transfer-Encoding: x\r\nContent-Length: 5\r\n" END, 400),
        CASE("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END, 400),
        CASE("chunked twice in a list", POST "Transfer-Encoding: chunked, chunked\r\n" END, 400),
        CASE("chunked in two fields",
                POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END, 400),
        CASE("chunked not last", POST "Transfer-Encoding: chunked, gzip\r\n" END, 400),
        CASE("chunked not in the last field",
                POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" END, 400),
        CASE("an empty coding", POST "Transfer-Encoding:\r\n" END, 400),
        CASE("a comma before chunked", POST "Transfer-Encoding: ,chunked\r\n" END, 400),
        CASE("a comma behind chunked", POST "Transfer-Encoding: chunked,\r\n" END, 400),
        CASE("chunked with a parameter", POST "Transfer-Encoding: chunked;a=b\r\n" END, 400),
        CASE("quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n" END, 400),
        CASE("chunked and a word", POST "Transfer-Encoding: chunked a\r\n" END, 400),
        CASE("a vertical tab before chunked", POST "Transfer-Encoding: \vchunked\r\n" END, 400),
        CASE("gzip", POST "Transfer-Encoding: gzip\r\n" END, 501),
        CASE("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n" END, 501),
        CASE("identity", POST "Transfer-Encoding: identity\r\n" END, 501),
        CASE("xchunked", POST "Transfer-Encoding: xchunked\r\n" END, 501),
        CASE("a coding with a parameter", POST "Transfer-Encoding: x;a=b\r\n" END, 501),
        CASE("another expectation", POST "Expect: 200-ok\r\n" END, 417),
        CASE("an empty expectation", POST "Expect:\r\n" END, 417),
        CASE("a second expectation", POST "Expect: 100-continue\r\nExpect: more\r\n" END, 417),
};

static void check_refused(const struct refused *cases, size_t count)
{
	static struct weir_http_request request;
	for (size_t i = 0; i < count; i++) {
		/* A copy of exactly that size, so that the sanitizer sees a read beyond it. */
		char *copy = malloc(cases[i].size + !cases[i].size);
		assert_non_null(copy);
		memcpy(copy, cases[i].head, cases[i].size);
		int status = http_head_parse(weir_span(copy, cases[i].size), &request);
		free(copy);
		if (status != cases[i].status)
			fail_msg("%s: %d, not %d", cases[i].what, status, cases[i].status);
	}
}

#define CHECK_REFUSED(cases) check_refused(cases, sizeof cases / sizeof *cases)

static void bad_request_lines(void **state)
{
	(void)state;
	CHECK_REFUSED(request_lines);
}

static void bad_fields(void **state)
{
	(void)state;
	CHECK_REFUSED(fields);
}

static void bad_hosts(void **state)
{
	(void)state;
	CHECK_REFUSED(hosts);
}

static void bad_framing(void **state)
{
	(void)state;
	CHECK_REFUSED(bodies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bad_request_lines),
	        cmocka_unit_test(bad_fields),
	        cmocka_unit_test(bad_hosts),
	        cmocka_unit_test(bad_framing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
