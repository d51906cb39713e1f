/* Preconditions: their order, and strong against weak comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "head.h"

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"
#define MODIFIED 784111777
#define NOW 1700000000

static struct weir_http_request request;

static void parse(const char *method, const char *fields)
{
	static char head[1024];
	snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
	assert_int_equal(http_head_parse(weir_span_of(head), &request), 0);
}

static const struct http_validators strong = {
        .exists = true, .has_modified = true, .modified = MODIFIED, .etag = {"\"a,b\"", 5}};
static const struct http_validators weak = {
        .exists = true, .has_modified = true, .modified = MODIFIED, .etag = {"W/\"a,b\"", 7}};
static const struct http_validators missing = {.exists = false};
static const struct http_validators plain = {.exists = true};

static const struct {
	const char *what, *method, *fields;
	const struct http_validators *validators;
	int outcome;
} conditions[] = {
        {"no condition", "GET", "", &strong, 0},
        {"If-Match equal", "PUT", "If-Match: \"a,b\"\r\n", &strong, 0},
        {"If-Match in a list", "PUT", "If-Match: \"x\", ,\"a,b\"\r\n", &strong, 0},
        {"If-Match in a second field", "PUT", "If-Match: \"x\"\r\nIf-Match: \"a,b\"\r\n", &strong,
                0},
        {"If-Match another", "PUT", "If-Match: \"a\"\r\n", &strong, 412},
        {"If-Match another, GET", "GET", "If-Match: \"a\"\r\n", &strong, 412},
        {"If-Match weak tag sent", "PUT", "If-Match: W/\"a,b\"\r\n", &strong, 412},
        {"If-Match weak tag here", "PUT", "If-Match: \"a,b\"\r\n", &weak, 412},
        {"If-Match both weak", "PUT", "If-Match: W/\"a,b\"\r\n", &weak, 412},
        {"If-Match any", "PUT", "If-Match: *\r\n", &plain, 0},
        {"If-Match any, missing", "PUT", "If-Match: *\r\n", &missing, 412},
        {"If-Match a tag, missing", "PUT", "If-Match: \"a,b\"\r\n", &missing, 412},
        {"If-Match without quotes", "PUT", "If-Match: a,b\r\n", &strong, 412},
        {"If-Match malformed behind", "PUT", "If-Match: \"a,b\" x\r\n", &strong, 412},
        {"If-Match an open quote", "PUT", "If-Match: \"a,b\r\n", &strong, 412},
        {"If-Match empty", "PUT", "If-Match:\r\n", &strong, 412},
        {"If-Match any and a tag", "PUT", "If-Match: *\r\nIf-Match: \"a,b\"\r\n", &strong, 412},
        {"If-Unmodified-Since before", "PUT", "If-Unmodified-Since: " BEFORE "\r\n", &strong, 412},
        {"If-Unmodified-Since same", "PUT", "If-Unmodified-Since: " SAME "\r\n", &strong, 0},
        {"If-Unmodified-Since after", "PUT", "If-Unmodified-Since: " AFTER "\r\n", &strong, 0},
        {"If-Unmodified-Since malformed", "PUT", "If-Unmodified-Since: yesterday\r\n", &strong, 0},
        {"If-Unmodified-Since undated", "PUT", "If-Unmodified-Since: " BEFORE "\r\n", &plain, 0},
        {"If-Match goes before If-Unmodified-Since", "PUT",
                "If-Unmodified-Since: " BEFORE "\r\nIf-Match: \"a,b\"\r\n", &strong, 0},
        {"If-None-Match equal", "GET", "If-None-Match: \"a,b\"\r\n", &strong, 304},
        {"If-None-Match HEAD", "HEAD", "If-None-Match: \"a,b\"\r\n", &strong, 304},
        {"If-None-Match PUT", "PUT", "If-None-Match: \"a,b\"\r\n", &strong, 412},
        {"If-None-Match weak tag sent", "GET", "If-None-Match: W/\"a,b\"\r\n", &strong, 304},
        {"If-None-Match weak tag here", "GET", "If-None-Match: \"a,b\"\r\n", &weak, 304},
        {"If-None-Match another", "GET", "If-None-Match: \"b\"\r\n", &strong, 0},
        {"If-None-Match in a list", "GET", "If-None-Match: \"x\",W/\"y\" , \"a,b\"\r\n", &strong,
                304},
        {"If-None-Match no tag here", "GET", "If-None-Match: \"\"\r\n", &plain, 0},
        {"If-None-Match any", "GET", "If-None-Match: *\r\n", &strong, 304},
        {"If-None-Match any, PUT", "PUT", "If-None-Match: *\r\n", &plain, 412},
        {"If-None-Match any, new", "PUT", "If-None-Match: *\r\n", &missing, 0},
        {"If-None-Match malformed, GET", "GET", "If-None-Match: a\r\n", &strong, 0},
        {"If-None-Match malformed, PUT", "PUT", "If-None-Match: a\r\n", &strong, 412},
        {"If-None-Match lower case w", "GET", "If-None-Match: w/\"a,b\"\r\n", &strong, 0},
        {"If-None-Match hides If-Modified-Since", "GET",
                "If-None-Match: \"x\"\r\nIf-Modified-Since: " AFTER "\r\n", &strong, 0},
        {"If-Modified-Since before", "GET", "If-Modified-Since: " BEFORE "\r\n", &strong, 0},
        {"If-Modified-Since same", "GET", "If-Modified-Since: " SAME "\r\n", &strong, 304},
        {"If-Modified-Since after", "HEAD", "If-Modified-Since: " AFTER "\r\n", &strong, 304},
        {"If-Modified-Since POST", "POST", "If-Modified-Since: " SAME "\r\n", &strong, 0},
        {"If-Modified-Since malformed", "GET", "If-Modified-Since: now\r\n", &strong, 0},
        {"If-Modified-Since twice", "GET",
                "If-Modified-Since: " SAME "\r\nIf-Modified-Since: " SAME "\r\n", &strong, 0},
        {"If-Modified-Since missing", "GET", "If-Modified-Since: " SAME "\r\n", &missing, 0},
        {"If-Modified-Since undated", "GET", "If-Modified-Since: " SAME "\r\n", &plain, 0},
        {"If-Match holds, then If-None-Match", "GET",
                "If-Match: \"a,b\"\r\nIf-None-Match: \"a,b\"\r\n", &strong, 304},
        {"OPTIONS has no conditions", "OPTIONS", "If-Match: \"x\"\r\n", &strong, 0},
        {"TRACE has no conditions", "TRACE", "If-None-Match: *\r\n", &strong, 0},
};

static void outcomes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
		parse(conditions[i].method, conditions[i].fields);
		int got = http_conditional_check(&request, conditions[i].validators, NOW);
		if (got != conditions[i].outcome)
			fail_msg("%s: %d", conditions[i].what, got);
	}
}

static void if_range(void **state)
{
	static const struct {
		const char *what, *method, *fields;
		const struct http_validators *validators;
		bool applies;
	} cases[] = {
	        {"no Range", "GET", "", &strong, false},
	        {"no Range but If-Range", "GET", "If-Range: \"a,b\"\r\n", &strong, false},
	        {"Range alone", "GET", "Range: bytes=0-\r\n", &strong, true},
	        {"Range of HEAD", "HEAD", "Range: bytes=0-\r\n", &strong, false},
	        {"Range of POST", "POST", "Range: bytes=0-\r\n", &strong, false},
	        {"equal tag", "GET", "Range: bytes=0-\r\nIf-Range: \"a,b\"\r\n", &strong, true},
	        {"another tag", "GET", "Range: bytes=0-\r\nIf-Range: \"b\"\r\n", &strong, false},
	        {"weak tag sent", "GET", "Range: bytes=0-\r\nIf-Range: W/\"a,b\"\r\n", &strong,
	                false},
	        {"both weak", "GET", "Range: bytes=0-\r\nIf-Range: W/\"a,b\"\r\n", &weak, false},
	        {"a list", "GET", "Range: bytes=0-\r\nIf-Range: \"a,b\", \"c\"\r\n", &strong,
	                false},
	        {"any", "GET", "Range: bytes=0-\r\nIf-Range: *\r\n", &strong, false},
	        {"same date", "GET", "Range: bytes=0-\r\nIf-Range: " SAME "\r\n", &strong, true},
	        {"later date", "GET", "Range: bytes=0-\r\nIf-Range: " AFTER "\r\n", &strong, false},
	        {"earlier date", "GET", "Range: bytes=0-\r\nIf-Range: " BEFORE "\r\n", &strong,
	                false},
	        {"date of what has none", "GET", "Range: bytes=0-\r\nIf-Range: " SAME "\r\n",
	                &plain, false},
	        {"empty", "GET", "Range: bytes=0-\r\nIf-Range:\r\n", &strong, false},
	        {"malformed", "GET", "Range: bytes=0-\r\nIf-Range: a\r\n", &strong, false},
	        {"twice", "GET", "Range: bytes=0-\r\nIf-Range: \"a,b\"\r\nIf-Range: \"a,b\"\r\n",
	                &strong, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		parse(cases[i].method, cases[i].fields);
		if (http_range_applies(&request, cases[i].validators, NOW) != cases[i].applies)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(outcomes),
	        cmocka_unit_test(if_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
