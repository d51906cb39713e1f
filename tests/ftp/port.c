/* Addresses in PORT and EPRT, and what is almost one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include <weir/error.h>
#include "data_connection.h"

static const char *port_of(const char *text)
{
	static char formatted[WEIR_ADDRESS_TEXT_MAX];
	struct weir_address address;
	if (ftp_port_parse(weir_span_of(text), &address) < 0)
		return NULL;
	weir_address_format(&address, formatted);
	return formatted;
}

static void parses_port(void **state)
{
	static const char *const wrong[] = {"", "1", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,2,3,4,5,",
	        "256,0,0,1,4,1", "1,2,3,4,256,1", "-1,2,3,4,5,6", "a,2,3,4,5,6", "1,2,3,4,5,6x",
	        "1, 2,3,4,5,6", "1,2,3,,5,6", ",,,,,", "99999999999999999999,2,3,4,5,6"};
	(void)state;
	assert_string_equal(port_of("127,0,0,1,4,1"), "127.0.0.1:1025");
	assert_string_equal(port_of(" 255,255,255,255,255,255 "), "255.255.255.255:65535");
	assert_string_equal(port_of("001,2,3,4,0,0"), "1.2.3.4:0");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_null(port_of(wrong[i]));
}

static void parses_eprt(void **state)
{
	static const struct {
		const char *text, *address;
		int error;
	} cases[] = {
	        {"|1|127.0.0.1|1025|", "127.0.0.1:1025", 0},
	        {"!2!::1!65535!", "[::1]:65535", 0},
	        {"|3|x|1|", NULL, -EAFNOSUPPORT},
	        {"|1|::1|1025|", NULL, WEIR_E_SYNTAX},
	        {"|2|127.0.0.1|1025|", NULL, WEIR_E_SYNTAX},
	        {"|1|127.0.0.1|0|", NULL, WEIR_E_SYNTAX},
	        {"|1|127.0.0.1|65536|", NULL, WEIR_E_SYNTAX},
	        {"|1|127.0.0.1|1025", NULL, WEIR_E_SYNTAX},
	        {"|1|127.0.0.1|1025|x", NULL, WEIR_E_SYNTAX},
	        {"|1|127.0.0.1||", NULL, WEIR_E_SYNTAX},
	        {"||127.0.0.1|1025|", NULL, WEIR_E_SYNTAX},
	        {"|1|localhost|1025|", NULL, WEIR_E_SYNTAX},
	        {"|1|0000000000000000000000000000000000000000000000000000000000|1025|", NULL,
	                WEIR_E_SYNTAX},
	        {"", NULL, WEIR_E_SYNTAX},
	        {"|", NULL, WEIR_E_SYNTAX},
	        {"||||", NULL, WEIR_E_SYNTAX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[WEIR_ADDRESS_TEXT_MAX];
		struct weir_address address;
		int error = ftp_eprt_parse(weir_span_of(cases[i].text), &address);
		assert_int_equal(error, cases[i].error);
		if (error == 0) {
			weir_address_format(&address, text);
			assert_string_equal(text, cases[i].address);
		}
	}
	/* A NUL within an address ends no text. */
	struct weir_address address;
	assert_int_equal(
	        ftp_eprt_parse(WEIR_SPAN("|1|127.0.0.1\0|1025|"), &address), WEIR_E_SYNTAX);
}

static struct weir_address address_of(const char *text)
{
	struct weir_address address;
	assert_int_equal(weir_address_parse(weir_span_of(text), &address), 0);
	return address;
}

static bool same(const char *a, const char *b)
{
	struct weir_address x = address_of(a), y = address_of(b);
	return ftp_same_host(&x, &y);
}

static void compares_hosts(void **state)
{
	(void)state;
	assert_true(same("127.0.0.1:1", "127.0.0.1:2"));
	assert_true(same("127.0.0.1:1", "[::ffff:127.0.0.1]:2"));
	assert_true(same("[::1]:1", "[::1]:2"));
	assert_false(same("127.0.0.1:1", "127.0.0.2:1"));
	assert_false(same("127.0.0.1:1", "[::1]:1"));
	assert_false(same("[::1]:1", "[::2]:1"));
}

static void formats(void **state)
{
	char text[WEIR_FTP_PORT_TEXT_MAX];
	struct weir_address address = address_of("1.22.255.4:513"), back;
	(void)state;
	ftp_port_format(&address, text);
	assert_string_equal(text, "1,22,255,4,2,1");
	assert_int_equal(ftp_port_parse(weir_span_of(text), &back), 0);
	assert_int_equal(weir_address_port(&back), 513);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(parses_port),
	        cmocka_unit_test(parses_eprt),
	        cmocka_unit_test(compares_hosts),
	        cmocka_unit_test(formats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
