/* The parser of request heads: what it finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "head.h"
#include "syntax.h"

#define HOST "Host: a\r\n"
#define END "\r\n"
#define LINE "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST

static struct weir_http_request request;

static void parse(const char *head)
{
	memset(&request, 0xa5, sizeof request);
	assert_int_equal(http_head_parse(weir_span_of(head), &request), 0);
}

static void assert_span(struct weir_span span, const char *text)
{
	if (!weir_span_equal(span, weir_span_of(text)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)span.size, span.data, text);
}

static void small_request(void **state)
{
	(void)state;
	parse("GET /hello.txt HTTP/1.1\r\nHost: 127.0.0.1:8110\r\n\r\n");
	assert_int_equal(request.method, WEIR_HTTP_GET);
	assert_int_equal(request.minor, 1);
	assert_span(request.method_name, "GET");
	assert_span(request.target, "/hello.txt");
	assert_span(request.path, "/hello.txt");
	assert_span(request.query, "");
	assert_span(request.host, "127.0.0.1:8110");
	assert_int_equal(request.field_count, 1);
	assert_true(request.keep_alive);
	assert_false(request.has_query || request.has_length || request.chunked ||
	             request.expect_continue);
	assert_int_equal(request.length, 0);
}

static void forms_of_target(void **state)
{
	static const struct {
		const char *line, *path, *query, *host;
	} cases[] = {
	        {"GET / HTTP/1.1\r\n", "/", NULL, "a"},
	        {"GET /?", "/", "", "a"},
	        {"GET /b?c?d=/e", "/b", "c?d=/e", "a"},
	        {"GET //b//c", "//b//c", NULL, "a"},
	        {"GET /%2e%2E/x", "/%2e%2E/x", NULL, "a"},
	        {"GET http://b", "/", NULL, "b"},
	        {"GET http://b/", "/", NULL, "b"},
	        {"GET http://b:81?q", "/", "q", "b:81"},
	        {"GET HTTPS://b.c/d/e?f", "/d/e", "f", "b.c"},
	        {"GET http://[::1]:80/d", "/d", NULL, "[::1]:80"},
	        {"GET http://b:/d", "/d", NULL, "b:"},
	        {"GET http://b%41!$&'()*+,;=-._~/d", "/d", NULL, "b%41!$&'()*+,;=-._~"},
	        {"OPTIONS *", "*", NULL, "a"},
	        {"OPTIONS /b", "/b", NULL, "a"},
	        {"CONNECT b:443", "", NULL, "b:443"},
	        {"CONNECT [2001:db8::1]:443", "", NULL, "[2001:db8::1]:443"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[256];
		snprintf(head, sizeof head, "%s%s" HOST END, cases[i].line,
		        strstr(cases[i].line, " HTTP/") ? "" : " HTTP/1.1\r\n");
		parse(head);
		assert_span(request.path, cases[i].path);
		assert_span(request.host, cases[i].host);
		assert_int_equal(request.has_query, cases[i].query != NULL);
		assert_span(request.query, cases[i].query ? cases[i].query : "");
	}
}

static void methods(void **state)
{
	static const struct {
		const char *name;
		enum weir_http_method method;
	} cases[] = {
	        {"GET", WEIR_HTTP_GET},
	        {"HEAD", WEIR_HTTP_HEAD},
	        {"POST", WEIR_HTTP_POST},
	        {"PUT", WEIR_HTTP_PUT},
	        {"DELETE", WEIR_HTTP_DELETE},
	        {"OPTIONS", WEIR_HTTP_OPTIONS},
	        {"PATCH", WEIR_HTTP_PATCH},
	        {"TRACE", WEIR_HTTP_TRACE},
	        {"get", WEIR_HTTP_OTHER},
	        {"GETS", WEIR_HTTP_OTHER},
	        {"G", WEIR_HTTP_OTHER},
	        {"PROPFIND", WEIR_HTTP_OTHER},
	        {"M-SEARCH", WEIR_HTTP_OTHER},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[128];
		snprintf(head, sizeof head, "%s / HTTP/1.1\r\n" HOST END, cases[i].name);
		parse(head);
		assert_int_equal(request.method, cases[i].method);
		assert_span(request.method_name, cases[i].name);
	}
}

static void accepted_hosts(void **state)
{
	static const char *const cases[] = {"", "a", "a.b.", "a:80", "a:", "127.0.0.1", "[::1]",
	        "[::ffff:1.2.3.4]:65535", "xn--nxasmq6b", "a_b", "a:0"};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[128];
		snprintf(head, sizeof head, LINE "hOsT:\t %s \t\r\n" END, cases[i]);
		parse(head);
		assert_span(request.host, cases[i]);
		assert_non_null(request.host.data);
	}
	parse("GET / HTTP/1.0\r\n\r\n");
	assert_null(request.host.data);
}

static void values_and_names(void **state)
{
	(void)state;
	parse("\r\n\r\n" LINE HOST "a-b: \t c\td \xc3\xa4 \t\r\n!#$%&'*+-.^_`|~9: \r\nX:\r\n"
	      "Accept-Encoding: gzip\r\nY: 0123456789\tabcdefgh\r\naccept-ENCODING: br\r\n" END);
	assert_int_equal(request.field_count, 7);
	assert_span(weir_http_request_field(&request, WEIR_SPAN("A-B")), "c\td \xc3\xa4");
	struct weir_span empty = weir_http_request_field(&request, WEIR_SPAN("x"));
	assert_non_null(empty.data);
	assert_int_equal(empty.size, 0);
	assert_null(weir_http_request_field(&request, WEIR_SPAN("z")).data);
	assert_null(weir_http_request_known(&request, WEIR_HTTP_RANGE).data);
	assert_span(weir_http_request_known(&request, WEIR_HTTP_ACCEPT_ENCODING), "gzip");
	const struct weir_http_field *field =
	        weir_http_request_next(&request, WEIR_HTTP_ACCEPT_ENCODING, NULL);
	assert_span(field->value, "gzip");
	field = weir_http_request_next(&request, WEIR_HTTP_ACCEPT_ENCODING, field);
	assert_span(field->value, "br");
	assert_span(field->name, "accept-ENCODING");
	assert_null(weir_http_request_next(&request, WEIR_HTTP_ACCEPT_ENCODING, field));
	assert_null(weir_http_request_next(&request, WEIR_HTTP_TE, NULL));
}

static const char *const names[WEIR_HTTP_KNOWN_COUNT] = {
        [WEIR_HTTP_ACCEPT] = "Accept",
        [WEIR_HTTP_ACCEPT_ENCODING] = "Accept-Encoding",
        [WEIR_HTTP_ACCEPT_LANGUAGE] = "Accept-Language",
        [WEIR_HTTP_AUTHORIZATION] = "Authorization",
        [WEIR_HTTP_CACHE_CONTROL] = "Cache-Control",
        [WEIR_HTTP_CONNECTION] = "Connection",
        [WEIR_HTTP_CONTENT_ENCODING] = "Content-Encoding",
        [WEIR_HTTP_CONTENT_LENGTH] = "Content-Length",
        [WEIR_HTTP_CONTENT_TYPE] = "Content-Type",
        [WEIR_HTTP_COOKIE] = "Cookie",
        [WEIR_HTTP_DATE] = "Date",
        [WEIR_HTTP_EXPECT] = "Expect",
        [WEIR_HTTP_FORWARDED] = "Forwarded",
        [WEIR_HTTP_HOST] = "Host",
        [WEIR_HTTP_IF_MATCH] = "If-Match",
        [WEIR_HTTP_IF_MODIFIED_SINCE] = "If-Modified-Since",
        [WEIR_HTTP_IF_NONE_MATCH] = "If-None-Match",
        [WEIR_HTTP_IF_RANGE] = "If-Range",
        [WEIR_HTTP_IF_UNMODIFIED_SINCE] = "If-Unmodified-Since",
        [WEIR_HTTP_ORIGIN] = "Origin",
        [WEIR_HTTP_RANGE] = "Range",
        [WEIR_HTTP_REFERER] = "Referer",
        [WEIR_HTTP_SEC_WEBSOCKET_KEY] = "Sec-WebSocket-Key",
        [WEIR_HTTP_SEC_WEBSOCKET_PROTOCOL] = "Sec-WebSocket-Protocol",
        [WEIR_HTTP_SEC_WEBSOCKET_VERSION] = "Sec-WebSocket-Version",
        [WEIR_HTTP_TE] = "TE",
        [WEIR_HTTP_TRAILER] = "Trailer",
        [WEIR_HTTP_TRANSFER_ENCODING] = "Transfer-Encoding",
        [WEIR_HTTP_UPGRADE] = "Upgrade",
        [WEIR_HTTP_USER_AGENT] = "User-Agent",
        [WEIR_HTTP_X_FORWARDED_FOR] = "X-Forwarded-For",
        [WEIR_HTTP_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
};

static void parse_with(const char *name, const char *value)
{
	char head[256];
	/* HTTP/1.0 asks for no Host, but knows no Transfer-Encoding. */
	bool coding = strcmp(value, "chunked") == 0;
	snprintf(head, sizeof head, "%s%s: %s\r\n" END, coding ? POST : "GET / HTTP/1.0\r\n", name,
	        value);
	parse(head);
}

static void every_known_name(void **state)
{
	(void)state;
	for (int known = 1; known < WEIR_HTTP_KNOWN_COUNT; known++) {
		const char *value = known == WEIR_HTTP_TRANSFER_ENCODING ? "chunked" : "1";
		char other[64];
		assert_non_null(names[known]);
		parse_with(names[known], value);
		assert_non_null(weir_http_request_known(&request, known).data);
		/* A name that differs in one byte is another one. */
		for (size_t i = 0; i < strlen(names[known]); i++) {
			snprintf(other, sizeof other, "%s", names[known]);
			other[i] = '_';
			parse_with(other, "1");
			assert_int_equal(request.known[0], WEIR_HTTP_UNKNOWN);
		}
	}
}

static void body_framing(void **state)
{
	(void)state;
	parse(POST "Content-Length: 9223372036854775807\r\n" END);
	assert_true(request.has_length && request.length == INT64_MAX && !request.chunked);
	parse(POST "Content-Length: 0005 \r\n" END);
	assert_true(request.has_length && request.length == 5);
	parse(POST "Transfer-Encoding: \tCHUNKED\r\n" END);
	assert_true(request.chunked && !request.has_length);
	parse(POST "Expect: 100-Continue\r\nContent-Length: 0\r\n" END);
	assert_true(request.expect_continue && request.has_length && request.length == 0);
	parse("POST / HTTP/1.0\r\nExpect: anything\r\n" END);
	assert_false(request.expect_continue);
}

static void persistence(void **state)
{
	static const struct {
		const char *what, *version, *field;
		bool keep_alive;
	} cases[] = {
	        {"1.1 stays open", "1.1", "", true},
	        {"1.2 stays open", "1.2", "", true},
	        {"1.0 closes", "1.0", "", false},
	        {"1.1 close", "1.1", "Connection: close\r\n", false},
	        {"1.1 Close in a list", "1.1", "Connection: x , Close\r\n", false},
	        {"1.1 close in a second field", "1.1", "Connection: x\r\nConnection: close\r\n",
	                false},
	        {"1.1 closed is not close", "1.1", "Connection: closed\r\n", true},
	        {"1.0 keep-alive", "1.0", "Connection: Keep-Alive\r\n", true},
	        {"1.0 keep-alive in a list", "1.0", "Connection: TE,,keep-alive\r\n", true},
	        {"close wins", "1.0", "Connection: close, keep-alive\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[256];
		snprintf(head, sizeof head, "GET / HTTP/%s\r\n" HOST "%s\r\n", cases[i].version,
		        cases[i].field);
		parse(head);
		if (request.keep_alive != cases[i].keep_alive)
			fail_msg("%s", cases[i].what);
	}
}

static void limits(void **state)
{
	char *head = malloc(65536);
	(void)state;
	assert_non_null(head);
	for (int extra = 0; extra < 2; extra++) {
		size_t size = (size_t)sprintf(head, "GET /");
		memset(head + size, 'a', WEIR_HTTP_TARGET_MAX - 1 + extra);
		size += WEIR_HTTP_TARGET_MAX - 1 + extra;
		size += (size_t)sprintf(head + size, " HTTP/1.1\r\n" HOST END);
		assert_int_equal(http_head_parse(weir_span(head, size), &request), extra ? 414 : 0);
		size = (size_t)sprintf(head, LINE HOST);
		for (int i = 1; i < WEIR_HTTP_FIELDS_MAX + extra; i++)
			size += (size_t)sprintf(head + size, "A%d: b\r\n", i);
		size += (size_t)sprintf(head + size, "%s", END);
		assert_int_equal(http_head_parse(weir_span(head, size), &request), extra ? 431 : 0);
		assert_int_equal(request.field_count, WEIR_HTTP_FIELDS_MAX);
	}
	free(head);
}

static void what_is_left_after_failure(void **state)
{
	(void)state;
	assert_int_equal(
	        http_head_parse(WEIR_SPAN("HEAD /x HTTP/1.0\r\nA\r\n\r\n"), &request), 400);
	assert_int_equal(request.method, WEIR_HTTP_HEAD);
	assert_int_equal(request.minor, 0);
	assert_span(request.target, "/x");
	assert_int_equal(http_head_parse(WEIR_SPAN("(\r\n\r\n"), &request), 400);
	assert_int_equal(request.method, WEIR_HTTP_OTHER);
	assert_int_equal(request.minor, 1);
	assert_null(request.target.data);
}

static void rebase(void **state)
{
	const char head[] = "GET http://b?q HTTP/1.1\r\n" HOST "Accept: x\r\nY:\r\n" END;
	char *first = strdup(head), *second = strdup(head);
	(void)state;
	assert_int_equal(http_head_parse(weir_span_of(first), &request), 0);
	memset(first, 'x', sizeof head);
	weir_http_request_rebase(&request, first, second);
	free(first);
	assert_span(request.method_name, "GET");
	assert_span(request.target, "http://b?q");
	assert_span(request.path, "/");
	assert_span(request.query, "q");
	assert_span(request.host, "b");
	assert_span(weir_http_request_known(&request, WEIR_HTTP_ACCEPT), "x");
	assert_span(weir_http_request_field(&request, WEIR_SPAN("host")), "a");
	assert_ptr_equal(
	        weir_http_request_field(&request, WEIR_SPAN("y")).data, strstr(second, "Y:") + 2);
	free(second);
	/* A span that was not sent stays NULL. */
	assert_int_equal(http_head_parse(WEIR_SPAN("GET / HTTP/1.0\r\n\r\n"), &request), 0);
	weir_http_request_rebase(&request, request.method_name.data, head);
	assert_null(request.host.data);
	assert_null(request.query.data);
}

/* Parses `before` a's, the byte, `after` a's between both ends, in memory of its own. */
static int parse_byte(const char *start, size_t before, unsigned byte, size_t after,
        const char *end, char **ret_head)
{
	size_t start_size = strlen(start), end_size = strlen(end);
	size_t size = start_size + before + 1 + after + end_size;
	char *head = malloc(size);
	assert_non_null(head);
	memcpy(head, start, start_size);
	memset(head + start_size, 'a', before + 1 + after);
	head[start_size + before] = (char)byte;
	memcpy(head + size - end_size, end, end_size);
	*ret_head = head;
	return http_head_parse(weir_span(head, size), &request);
}

static void every_byte_of_a_target(void **state)
{
	(void)state;
	for (size_t before = 0; before < 40; before++)
		for (unsigned byte = 0; byte < 256; byte++) {
			bool allowed = http_is((char)byte, WEIR_HTTP_PCHAR) || byte == '?';
			char *head;
			int status = parse_byte("GET /", before, byte, before % 7,
			        " HTTP/1.1\r\nHost: a\r\n\r\n", &head);
			if (status != (allowed ? 0 : 400))
				fail_msg("%#x behind %zu: %d", byte, before, status);
			if (allowed) {
				assert_int_equal(request.target.size, before + 2 + before % 7);
				assert_int_equal(request.path.size,
				        byte == '?' ? before + 1 : request.target.size);
				assert_int_equal(request.has_query, byte == '?');
			}
			free(head);
		}
}

static void every_byte_of_a_value(void **state)
{
	(void)state;
	for (size_t before = 0; before < 24; before++)
		for (unsigned byte = 0; byte < 256; byte++) {
			char *head;
			int status = parse_byte("GET / HTTP/1.1\r\nHost: a\r\nX: a", before, byte,
			        before % 9, "a\r\n\r\n", &head);
			bool allowed = http_is((char)byte, WEIR_HTTP_VCHAR);
			if (status != (allowed ? 0 : 400))
				fail_msg("%#x behind %zu: %d", byte, before, status);
			if (allowed)
				assert_int_equal(
				        request.fields[1].value.size, before + 3 + before % 9);
			free(head);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(small_request),
	        cmocka_unit_test(forms_of_target),
	        cmocka_unit_test(methods),
	        cmocka_unit_test(accepted_hosts),
	        cmocka_unit_test(values_and_names),
	        cmocka_unit_test(every_known_name),
	        cmocka_unit_test(body_framing),
	        cmocka_unit_test(persistence),
	        cmocka_unit_test(limits),
	        cmocka_unit_test(what_is_left_after_failure),
	        cmocka_unit_test(rebase),
	        cmocka_unit_test(every_byte_of_a_target),
	        cmocka_unit_test(every_byte_of_a_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
