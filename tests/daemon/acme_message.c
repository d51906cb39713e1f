/*
 * The objects of ACME servers: what is right is read, and each way of being wrong is refused with
 * the result untouched. Every allocation is made to fail, those of the JSON library, too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <weir/error.h>

#include "acme_message.h"
#include "acme_state.h"
#include "allocation.h"

/* -- the directory ----------------------------------------------------------------------------- */

static const char directory_json[] =
        "{\"newNonce\":\"https://a/n\",\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\","
        "\"keyChange\":\"https://a/k\",\"renewalInfo\":\"https://a/r\",\"meta\":{"
        "\"externalAccountRequired\":true,\"profiles\":{\"short\":\"x\"}}}";

static void test_directory(void **state)
{
	struct acme_directory directory;
	(void)state;
	assert_int_equal(
	        acme_directory_parse(weir_span_of(directory_json), "short", &directory), 0);
	assert_string_equal(directory.new_nonce, "https://a/n");
	assert_string_equal(directory.new_account, "https://a/a");
	assert_string_equal(directory.new_order, "https://a/o");
	assert_string_equal(directory.key_change, "https://a/k");
	assert_string_equal(directory.renewal_info, "https://a/r");
	assert_true(directory.binding_required && directory.has_profile);
	assert_int_equal(acme_directory_parse(weir_span_of(directory_json), "long", &directory), 0);
	assert_false(directory.has_profile);
	assert_int_equal(acme_directory_parse(weir_span_of(directory_json), NULL, &directory), 0);
	assert_true(directory.has_profile);
}

static void test_directories_that_are_wrong(void **state)
{
	static const char *const wrong[] = {
	        "",
	        "{",
	        "null",
	        "[]",
	        "7",
	        "\"\"",
	        "{}",
	        "\xff",
	        "{\"newNonce\":\"https://a/n\"}",
	        "{\"newNonce\":1,\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\"}",
	        "{\"newNonce\":\"http://a/n\",\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\"}",
	        "{\"newNonce\":\"https://a/n\",\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/\\\"o\"}",
	        "{\"newNonce\":\"https://a/n\",\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\","
	        "\"newOrder\":\"https://a/p\"}",
	};
	struct acme_directory directory = {.new_nonce = "untouched"};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(acme_directory_parse(weir_span_of(wrong[i]), NULL, &directory),
		        WEIR_E_SYNTAX);
	/* Whatever is cut off, nothing is taken. */
	for (size_t size = 0; size < sizeof directory_json - 1; size++)
		assert_int_equal(
		        acme_directory_parse(weir_span(directory_json, size), NULL, &directory),
		        WEIR_E_SYNTAX);
	assert_string_equal(directory.new_nonce, "untouched");
}

/* -- orders and authorisations ----------------------------------------------------------------- */

#define ORDER(status, more)                                                                        \
	"{\"status\":\"" status                                                                    \
	"\",\"finalize\":\"https://a/f\",\"authorizations\":[\"https://a/1\"]" more "}"

static void test_orders(void **state)
{
	static const struct {
		const char *text;
		enum acme_status status;
	} right[] = {
	        {ORDER("pending", ""), ACME_PENDING},
	        {ORDER("ready", ""), ACME_READY},
	        {ORDER("processing", ""), ACME_PROCESSING},
	        {ORDER("valid", ",\"certificate\":\"https://a/c\""), ACME_VALID},
	        {ORDER("invalid", ",\"error\":{\"type\":\"urn:ietf:params:acme:error:caa\"}"),
	                ACME_INVALID},
	};
	static const char *const wrong[] = {
	        ORDER("valid", ""),
	        ORDER("other", ""),
	        ORDER("valid", ",\"certificate\":\"file:///etc\""),
	        "{\"status\":\"pending\",\"authorizations\":[\"https://a/1\"]}",
	        "{\"status\":\"pending\",\"finalize\":\"https://a/f\",\"authorizations\":[]}",
	        "{\"status\":\"pending\",\"finalize\":\"https://a/f\",\"authorizations\":{}}",
	        "{\"status\":\"pending\",\"finalize\":\"https://a/f\",\"authorizations\":[7]}",
	        "{\"status\":\"pending\",\"finalize\":\"https://a/f\",\"authorizations\":"
	        "[\"https://a/1\",\"https://a/1\",\"https://a/1\",\"https://a/1\",\"https://a/1\"]}",
	};
	struct acme_order_state order;
	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		assert_int_equal(acme_order_parse(weir_span_of(right[i].text), &order), 0);
		assert_int_equal(order.status, right[i].status);
		assert_int_equal(order.authorization_count, 1);
		assert_string_equal(order.authorizations[0], "https://a/1");
	}
	assert_string_equal(order.problem.type, "caa");
	assert_int_equal(order.expires_s, 0);
	assert_int_equal(
	        acme_order_parse(
	                WEIR_SPAN(ORDER("ready", ",\"expires\":\"1970-01-02T00:00:00Z\"")), &order),
	        0);
	assert_int_equal(order.expires_s, 24 * 60 * 60);
	/* A date in error counts as none: the order can be used all the same. */
	assert_int_equal(
	        acme_order_parse(WEIR_SPAN(ORDER("ready", ",\"expires\":\"soon\"")), &order), 0);
	assert_int_equal(order.expires_s, 0);
	order.status = ACME_READY;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(acme_order_parse(weir_span_of(wrong[i]), &order), WEIR_E_SYNTAX);
	assert_int_equal(order.status, ACME_READY);
}

#define AUTHORIZATION(challenges)                                                                  \
	"{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"A.Example\"},"       \
	"\"challenges\":[" challenges "]}"
#define CHALLENGE(type, token)                                                                     \
	"{\"type\":\"" type "\",\"url\":\"https://a/" type "\",\"token\":\"" token "\"}"

static void test_authorizations(void **state)
{
	static const char right[] = AUTHORIZATION(CHALLENGE("dns-01", "t1") "," CHALLENGE(
	        "http-01", "t-_2") "," CHALLENGE("http-01", "second") ",{\"type\":\"new-02\"},7");
	static const char *const wrong[] = {
	        AUTHORIZATION(CHALLENGE("http-01", "")),
	        AUTHORIZATION(CHALLENGE("http-01", "../x")),
	        AUTHORIZATION(CHALLENGE("http-01", "a.b")),
	        AUTHORIZATION(CHALLENGE("http-01", "a/b")),
	        AUTHORIZATION("{\"type\":\"http-01\",\"token\":\"t\"}"),
	        AUTHORIZATION("{\"type\":\"http-01\",\"url\":\"https://a/\"}"),
	        "{\"status\":\"pending\",\"identifier\":{\"type\":\"ip\",\"value\":\"a\"},\"challenges\":[]}",
	        "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"\"},\"challenges\":[]}",
	        "{\"status\":\"pending\",\"challenges\":[]}",
	        "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a\"}}",
	};
	struct acme_authorization authorization;
	(void)state;
	assert_int_equal(acme_authorization_parse(weir_span_of(right), &authorization), 0);
	assert_string_equal(authorization.name, "a.example");
	assert_false(authorization.wildcard);
	assert_string_equal(authorization.challenges[ACME_DNS_01].token, "t1");
	assert_string_equal(authorization.challenges[ACME_HTTP_01].token, "t-_2");
	assert_string_equal(authorization.challenges[ACME_TLS_ALPN_01].url, "");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(acme_authorization_parse(weir_span_of(wrong[i]), &authorization),
		        WEIR_E_SYNTAX);
	assert_string_equal(authorization.name, "a.example");
}

/* -- texts ------------------------------------------------------------------------------------- */

static void test_problems(void **state)
{
	struct acme_problem problem;
	(void)state;
	acme_problem_parse(weir_span_of("{\"type\":\"urn:ietf:params:acme:error:badNonce\","
	                                "\"detail\":\"a\\nb\\u001b[31m\\u202e\"}"),
	        &problem);
	assert_string_equal(problem.type, "badNonce");
	assert_string_equal(problem.detail, "a?b?[31m???");
	acme_problem_parse(WEIR_SPAN("<html>"), &problem);
	assert_string_equal(problem.type, "");
	assert_string_equal(problem.detail, "");
	char large[2000] = "{\"type\":\"";
	memset(large + 9, 'x', 1000);
	strcpy(large + 1009, "\"}");
	acme_problem_parse(weir_span_of(large), &problem);
	assert_int_equal(strlen(problem.type), ACME_TYPE_SIZE - 1);
}

static void test_urls(void **state)
{
	static const char *const wrong[] = {"", "https://", "http://a/", "HTTPS://a/",
	        "https://a b/", "https://a/\"", "https://a/\\", "https://a/\n", "https://a/\x7f",
	        "https://\xc3\xa4/", "https://a/{}"};
	char large[ACME_URL_SIZE + 1] = "https://";
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(acme_url_is_good(weir_span_of(wrong[i])));
	assert_true(acme_url_is_good(WEIR_SPAN("https://[::1]:14000/a?b=c%20d&e=~")));
	memset(large + 8, 'x', sizeof large - 8);
	assert_true(acme_url_is_good(weir_span(large, ACME_URL_SIZE - 1)));
	assert_false(acme_url_is_good(weir_span(large, ACME_URL_SIZE)));
}

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t at_s;
	} right[] = {
	        {"1970-01-01T00:00:00Z", 0},
	        {"2026-11-29T20:10:00Z", 1795983000},
	        {"2026-11-29T20:10:00.123456789z", 1795983000},
	        {"2026-11-29t21:40:00+01:30", 1795983000},
	        {"2026-11-29T12:10:00-08:00", 1795983000},
	};
	static const char *const wrong[] = {"", "2026", "2026-11-29", "2026-11-29T20:10:00",
	        "2026-11-29 20:10:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
	        "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
	        "2026-01-01T00:00:61Z", "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00+0100",
	        "2026-01-01T00:00:00Zx", "-026-01-01T00:00:00Z", "1969-01-01T00:00:00Z",
	        "2026-01-01T00:00:00.Q", "99999-01-01T00:00:00Z"};
	int64_t at_s = 7;
	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		assert_int_equal(acme_date_parse(weir_span_of(right[i].text), &at_s), 0);
		assert_int_equal(at_s, right[i].at_s);
	}
	at_s = 7;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(acme_date_parse(weir_span_of(wrong[i]), &at_s), WEIR_E_SYNTAX);
	assert_int_equal(at_s, 7);
}

static void test_renewals(void **state)
{
	struct acme_renewal renewal;
	(void)state;
	assert_int_equal(
	        acme_renewal_parse(
	                WEIR_SPAN("{\"suggestedWindow\":{\"start\":\"2026-11-29T20:10:00Z\","
	                          "\"end\":\"2026-11-29T20:10:01Z\"}}"),
	                &renewal),
	        0);
	assert_int_equal(renewal.end_s - renewal.start_s, 1);
	static const char *const wrong[] = {"{}", "{\"suggestedWindow\":7}",
	        "{\"suggestedWindow\":{\"start\":\"2026-11-29T20:10:00Z\"}}",
	        "{\"suggestedWindow\":{\"start\":\"2026-11-29T20:10:00Z\",\"end\":\"2026-11-29T20:10:00Z\"}}"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(
		        acme_renewal_parse(weir_span_of(wrong[i]), &renewal), WEIR_E_SYNTAX);
	assert_int_equal(renewal.end_s - renewal.start_s, 1);
}

/* -- states ------------------------------------------------------------------------------------ */

static void test_states_survive_printing(void **state)
{
	struct acme_state before = {.failures = 3,
	                          .waits = true,
	                          .next_s = 1,
	                          .renew_s = 2,
	                          .validity.begins_s = 3,
	                          .validity.expires_s = 4,
	                          .obtained_s = 5,
	                          .id = "a.b",
	                          .authority = "https://a/",
	                          .why = "no \"proof\" \xff\n"},
	                  after;
	struct weir_buffer text = {0};
	(void)state;
	assert_int_equal(acme_state_print(&before, &text), 0);
	assert_int_equal(acme_state_parse(weir_buffer_span(&text), &after), 0);
	assert_int_equal(after.failures, 3);
	assert_true(after.waits);
	assert_int_equal(after.validity.expires_s, 4);
	assert_int_equal(after.obtained_s, 5);
	assert_string_equal(after.id, "a.b");
	assert_string_equal(after.authority, "https://a/");
	assert_string_equal(after.why, "no \"proof\" ??");
	weir_buffer_finish(&text);
	assert_int_equal(
	        acme_state_parse(WEIR_SPAN("{\"next\":-5,\"failures\":\"x\",\"error\":7}"), &after),
	        0);
	assert_int_equal(after.next_s, 0);
	assert_int_equal(after.failures, 0);
	assert_false(after.waits);
	assert_int_equal(acme_state_parse(WEIR_SPAN("[]"), &after), WEIR_E_SYNTAX);
	assert_int_equal(acme_state_parse(WEIR_SPAN(""), &after), WEIR_E_SYNTAX);
}

static void test_hostile_states_are_harmless(void **state)
{
	static const char *const ids[] = {"", "a", ".", "a.", ".b", "a.b.c", "a.b/../c", "a.b?c",
	        "a.b\\\"", "a.\\u00e9", "a.b\\n"};
	static const char *const authorities[] = {
	        "http://a/directory", "https://a/\\\"", "https://a/\\u202e", "https://a/ x"};
	struct acme_state parsed;
	char text[256];
	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		snprintf(text, sizeof text, "{\"id\":\"%s\"}", ids[i]);
		assert_int_equal(acme_state_parse(weir_span_of(text), &parsed), 0);
		assert_string_equal(parsed.id, "");
	}
	for (size_t i = 0; i < sizeof authorities / sizeof *authorities; i++) {
		snprintf(text, sizeof text, "{\"authority\":\"%s\"}", authorities[i]);
		assert_int_equal(acme_state_parse(weir_span_of(text), &parsed), 0);
		assert_string_equal(parsed.authority, "");
	}
	assert_int_equal(
	        acme_state_parse(WEIR_SPAN("{\"error\":\"no\\u001b[31m\\r\\n\\u202e\"}"), &parsed),
	        0);
	assert_string_equal(parsed.why, "no?[31m?????");
}

/* -- memory ------------------------------------------------------------------------------------ */

static void *json_malloc(size_t size)
{
	return malloc(size);
}

static void test_without_memory(void **state)
{
	struct acme_directory directory = {.new_nonce = "untouched"};
	struct acme_state before = {.next_s = 1}, after = {.next_s = 7};
	bool failed = true;
	(void)state;
	json_set_alloc_funcs(json_malloc, free);
	for (unsigned good = 0; failed; good++) {
		struct weir_buffer text = {0};
		fail_allocation_after(good, true);
		int reading = acme_directory_parse(weir_span_of(directory_json), NULL, &directory);
		int printing = acme_state_print(&before, &text);
		int parsing = acme_state_parse(WEIR_SPAN("{\"next\":1}"), &after);
		failed = stop_failing_allocations();
		assert_true(reading == 0 || reading == -ENOMEM || reading == WEIR_E_SYNTAX);
		assert_true(reading == 0 || strcmp(directory.new_nonce, "untouched") == 0);
		assert_true(printing == 0 || printing == -ENOMEM);
		assert_true(parsing < 0 ? after.next_s == 7 : after.next_s == 1);
		assert_true(!failed || reading < 0 || printing < 0 || parsing < 0);
		after.next_s = 7;
		strcpy(directory.new_nonce, "untouched");
		weir_buffer_finish(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_directory),
	        cmocka_unit_test(test_directories_that_are_wrong),
	        cmocka_unit_test(test_orders),
	        cmocka_unit_test(test_authorizations),
	        cmocka_unit_test(test_problems),
	        cmocka_unit_test(test_urls),
	        cmocka_unit_test(test_dates),
	        cmocka_unit_test(test_renewals),
	        cmocka_unit_test(test_states_survive_printing),
	        cmocka_unit_test(test_hostile_states_are_harmless),
	        cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
