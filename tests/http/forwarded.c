/* X-Forwarded-For and Forwarded: case by case, against a model, and behind what a client sent. */
#include <arpa/inet.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include <weir/address.h>
#include <weir/error.h>

#include "fields.h"

static const char *const malformed = "malformed";

static const char *text_of(const struct weir_address *address, char text[WEIR_ADDRESS_TEXT_MAX])
{
	weir_address_format(address, text);
	return text;
}

/* -- addresses of X-Forwarded-For -------------------------------------------------------------- */

static const struct {
	const char *value, *address;
} nodes[] = {
        {"192.0.2.1", "192.0.2.1:0"},
        {"192.0.2.1:80", "192.0.2.1:80"},
        {"192.0.2.1:65535", "192.0.2.1:65535"},
        {"2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]", "[2001:db8::1]:0"},
        {"[2001:db8::1]:4711", "[2001:db8::1]:4711"},
        {"::ffff:192.0.2.1", "192.0.2.1:0"},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:000080", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:+1", NULL},
        {"192.0.2.1:_a", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.2.01x", NULL},
        {"192.0.2.1 192.0.2.2", NULL},
        {"fe80::1%eth0", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]4711", NULL},
        {"[192.0.2.1]", NULL},
        {"[]", NULL},
        {"[", NULL},
        {":", NULL},
        {"", NULL},
        {"unknown", NULL},
        {"_hidden", NULL},
        {"\"192.0.2.1\"", NULL},
        {"for=192.0.2.1", NULL},
};

static void addresses_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		char text[WEIR_ADDRESS_TEXT_MAX];
		struct weir_address address;
		int error = http_forwarded_parse_for(weir_span_of(nodes[i].value), &address);
		if (error != (nodes[i].address ? 0 : WEIR_E_SYNTAX))
			fail_msg("%s: %d", nodes[i].value, error);
		if (!error)
			assert_string_equal(text_of(&address, text), nodes[i].address);
	}
}

/* -- elements of Forwarded --------------------------------------------------------------------- */

static const struct {
	const char *value, *address;
	enum http_scheme scheme;
} elements[] = {
        {"for=192.0.2.1", "192.0.2.1:0", HTTP_SCHEME_UNKNOWN},
        {"For=\"192.0.2.1:80\"", "192.0.2.1:80", HTTP_SCHEME_UNKNOWN},
        {"for=\"[2001:db8::1]\"", "[2001:db8::1]:0", HTTP_SCHEME_UNKNOWN},
        {"for=\"[2001:db8::1]:_secret\"", "[2001:db8::1]:0", HTTP_SCHEME_UNKNOWN},
        {"for=\"192.0.2.1:_a.B-9_\"", "192.0.2.1:0", HTTP_SCHEME_UNKNOWN},
        {"for=\"192.0\\.2.1\"", "192.0.2.1:0", HTTP_SCHEME_UNKNOWN},
        {"proto=https;for=192.0.2.1;by=_x", "192.0.2.1:0", HTTP_SCHEME_HTTPS},
        {"for=192.0.2.1;PROTO=\"Http\"", "192.0.2.1:0", HTTP_SCHEME_HTTP},
        {"for=192.0.2.1;proto=gopher", "192.0.2.1:0", HTTP_SCHEME_UNKNOWN},
        {";for=192.0.2.1;;", "192.0.2.1:0", HTTP_SCHEME_UNKNOWN},
        {"for=192.0.2.1; proto=https ;host=a", "192.0.2.1:0", HTTP_SCHEME_HTTPS},
        {"host=\"a\\\", for=\\\"198.51.100.9\";for=192.0.2.1", "192.0.2.1:0", HTTP_SCHEME_UNKNOWN},
        {"for=192.0.2.1;for=192.0.2.2", NULL, 0},
        {"for=192.0.2.1;proto=gopher;proto=https", NULL, 0},
        {"for=2001:db8::1", NULL, 0},
        {"for=\"2001:db8::1\"", NULL, 0},
        {"for=[2001:db8::1]", NULL, 0},
        {"for=192.0.2.1:80", NULL, 0},
        {"for=unknown", NULL, 0},
        {"for=_hidden", NULL, 0},
        {"for=\"_hidden\"", NULL, 0},
        {"for=\"192.0.2.1:_\"", NULL, 0},
        {"for=\"192.0.2.1", NULL, 0},
        {"for=\"192.0.2.1\\\"", NULL, 0},
        {"for=\"\"", NULL, 0},
        {"for=", NULL, 0},
        {"for", NULL, 0},
        {"for =192.0.2.1", NULL, 0},
        {"for= 192.0.2.1", NULL, 0},
        {"proto=https", NULL, 0},
        {"192.0.2.1", NULL, 0},
        {"for=192.0.2.1 for=192.0.2.2", NULL, 0},
        {"for=192.0.2.1;=", NULL, 0},
        {"", NULL, 0},
};

static void elements_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
		char text[WEIR_ADDRESS_TEXT_MAX];
		struct http_forwarded found;
		int error = http_forwarded_parse_element(weir_span_of(elements[i].value), &found);
		if (error != (elements[i].address ? 0 : WEIR_E_SYNTAX))
			fail_msg("%s: %d", elements[i].value, error);
		if (error)
			continue;
		assert_string_equal(text_of(&found.client, text), elements[i].address);
		if (found.scheme != elements[i].scheme)
			fail_msg("%s: scheme %d", elements[i].value, found.scheme);
	}
}

/* A value that is too long is not one that is cut off. */
static void a_long_value_is_not_its_front(void **state)
{
	char text[200] = "for=\"192.0.2.1:";
	struct http_forwarded found;
	(void)state;
	for (size_t size = strlen(text); size < 150; size++) {
		memcpy(text + size, "1\"", 3);
		int error = http_forwarded_parse_element(weir_span_of(text), &found);
		assert_int_equal(error, size < strlen("for=\"192.0.2.1:11111") ? 0 : WEIR_E_SYNTAX);
	}
}

/* -- lists ------------------------------------------------------------------------------------- */

static void lists_from_the_end(void **state)
{
	struct weir_span list = WEIR_SPAN(" a ,\t,b c,, d,  "), element;
	(void)state;
	const char *const expected[] = {"d", "b c", "a"};
	for (size_t i = 0; i < 3; i++) {
		assert_true(http_forwarded_cut_last(&list, false, &element));
		assert_true(weir_span_equal(element, weir_span_of(expected[i])));
	}
	assert_false(http_forwarded_cut_last(&list, false, &element));
	list = WEIR_SPAN(" , ,\t");
	assert_false(http_forwarded_cut_last(&list, true, &element));
	list = WEIR_SPAN("");
	assert_false(http_forwarded_cut_last(&list, true, &element));
}

/* -- the model --------------------------------------------------------------------------------- */

static regex_t v4_port, bracketed, forwarded_pair;

static int compile(void **state)
{
	(void)state;
	return regcomp(&v4_port, "^([0-9.]+)(:([0-9]{1,5}))?$", REG_EXTENDED) ||
	       regcomp(&bracketed, "^\\[([0-9a-fA-F:.]+)\\](:([0-9]{1,5}))?$", REG_EXTENDED) ||
	       regcomp(&forwarded_pair,
	               "^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!#$%&'*+.^_`|~0-9A-Za-z-]+|\"([^\"\\]|\\\\.)*\")"
	               "[ \t]*(;|$)",
	               REG_EXTENDED);
}

static int release(void **state)
{
	(void)state;
	regfree(&v4_port);
	regfree(&bracketed);
	regfree(&forwarded_pair);
	return 0;
}

/* "[host]:port" or "host:port" of an element of X-Forwarded-For. */
static const char *model_node(const char *text, bool bare_v6, char *to, size_t room)
{
	regmatch_t match[4];
	char host[128];
	uint8_t bytes[16];
	int family = AF_INET;
	if (bare_v6 && inet_pton(AF_INET6, text, bytes) == 1) {
		snprintf(to, room, "[%s]:0", text);
		return to;
	}
	if (regexec(&v4_port, text, 4, match, 0) != 0) {
		family = AF_INET6;
		if (regexec(&bracketed, text, 4, match, 0) != 0)
			return malformed;
	}
	snprintf(host, sizeof host, "%.*s", (int)(match[1].rm_eo - match[1].rm_so),
	        text + match[1].rm_so);
	long port = match[3].rm_so < 0 ? 0 : strtol(text + match[3].rm_so, NULL, 10);
	if (inet_pton(family, host, bytes) != 1 || port > 65535)
		return malformed;
	snprintf(to, room, family == AF_INET ? "%s:%ld" : "[%s]:%ld", host, port);
	return to;
}

/* The address in the model's text, as the library writes it. */
static const char *canonical(const char *text, char *to)
{
	struct weir_address address;
	if (text == malformed)
		return text;
	assert_int_equal(weir_address_parse(weir_span_of(text), &address), 0);
	return text_of(&address, to);
}

static uint32_t seed = 7;

static uint32_t next_random(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Every byte of each value is replaced by each of these, left out, and doubled. */
static const char alphabet[] = "0159afx.:[]_-\"\\ ,;=%";

static void check_node(const char *text)
{
	char room[256], expected[WEIR_ADDRESS_TEXT_MAX], got[WEIR_ADDRESS_TEXT_MAX];
	struct weir_address address;
	const char *model = canonical(model_node(text, true, room, sizeof room), expected);
	int error = http_forwarded_parse_for(weir_span_of(text), &address);
	const char *found = error ? malformed : text_of(&address, got);
	if (strcmp(model, found) != 0)
		fail_msg("'%s': %s, and not %s", text, found, model);
}

static void each_byte(const char *value, void (*check)(const char *text))
{
	char text[256];
	size_t size = strlen(value);
	for (size_t at = 0; at < size; at++) {
		for (size_t i = 0; i + 1 < sizeof alphabet; i++) {
			memcpy(text, value, size + 1);
			text[at] = alphabet[i];
			check(text);
		}
		snprintf(text, sizeof text, "%.*s%s", (int)at, value, value + at + 1);
		check(text);
		snprintf(text, sizeof text, "%.*s%s", (int)at + 1, value, value + at);
		check(text);
	}
}

static void addresses_as_the_model(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		each_byte(nodes[i].value, check_node);
}

/* An obfuscated port is one that the model does not know. */
static const char *model_element(const char *text, char *to, size_t room)
{
	const char *found = NULL;
	bool has_proto = false;
	while (*text) {
		regmatch_t match[4];
		char value[256] = "";
		size_t size = 0;
		if (regexec(&forwarded_pair, text, 4, match, 0) != 0)
			return malformed;
		bool is_for = match[1].rm_eo == 3 && strncasecmp(text, "for", 3) == 0;
		bool is_proto = match[1].rm_eo == 5 && strncasecmp(text, "proto", 5) == 0;
		for (const char *c = text + match[2].rm_so; c < text + match[2].rm_eo; c++)
			if (*c == '\\')
				value[size++] = *++c;
			else if (*c != '"')
				value[size++] = *c;
		if ((is_for && found) || (is_proto && has_proto))
			return malformed;
		has_proto |= is_proto;
		if (is_for && (found = model_node(value, false, to, room)) == malformed)
			return malformed;
		text += match[0].rm_eo;
		text += strspn(text, " \t");
		while (*text == ';')
			text += 1 + strspn(text + 1, " \t");
	}
	return found ? found : malformed;
}

static void check_element(const char *text)
{
	char room[256], expected[WEIR_ADDRESS_TEXT_MAX], got[WEIR_ADDRESS_TEXT_MAX];
	struct http_forwarded element;
	if (strstr(text, ":_"))
		return;
	while (*text == ';' || *text == ' ')
		text++;
	const char *model = canonical(model_element(text, room, sizeof room), expected);
	int error = http_forwarded_parse_element(weir_span_of(text), &element);
	const char *found = error ? malformed : text_of(&element.client, got);
	if (strcmp(model, found) != 0)
		fail_msg("'%s': %s, and not %s", text, found, model);
}

static void elements_as_the_model(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
		each_byte(elements[i].value, check_element);
}

/* Whatever is in front of an element that a forwarder has made, the last one is the same. */
static void what_a_client_sends_changes_nothing(void **state)
{
	static const char own[] =
	        "host=\"a\\\\\\\", for=\\\"198.51.100.9\";for=\"[2001:db8::1]:80\";proto=https";
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char text[256], got[WEIR_ADDRESS_TEXT_MAX];
		struct weir_span element;
		struct http_forwarded found;
		size_t size = next_random(40);
		for (size_t i = 0; i < size; i++)
			text[i] = alphabet[next_random(sizeof alphabet - 1)];
		size += (size_t)snprintf(text + size, sizeof text - size, ", %s", own);
		struct weir_span list = weir_span(text, size);
		assert_true(http_forwarded_cut_last(&list, true, &element));
		assert_true(weir_span_equal(element, weir_span_of(own)));
		assert_int_equal(http_forwarded_parse_element(element, &found), 0);
		assert_string_equal(text_of(&found.client, got), "[2001:db8::1]:80");
		assert_int_equal(found.scheme, HTTP_SCHEME_HTTPS);
		while (http_forwarded_cut_last(&list, true, &element))
			assert_true(element.size && element.data >= text &&
			            element.data + element.size <= text + size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(addresses_by_name),
	        cmocka_unit_test(elements_by_name),
	        cmocka_unit_test(a_long_value_is_not_its_front),
	        cmocka_unit_test(lists_from_the_end),
	        cmocka_unit_test(addresses_as_the_model),
	        cmocka_unit_test(elements_as_the_model),
	        cmocka_unit_test(what_a_client_sends_changes_nothing),
	};
	return cmocka_run_group_tests(tests, compile, release);
}
