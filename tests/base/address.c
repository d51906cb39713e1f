/* Addresses as text: both ways, and what is no address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <weir/address.h>
#include <weir/error.h>

static void there_and_back(void **state)
{
	static const struct {
		const char *text, *formatted, *host;
		int family;
		uint16_t port;
	} cases[] = {
	        {"127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", AF_INET, 8080},
	        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", AF_INET, 0},
	        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255", AF_INET,
	                65535},
	        {"[::1]:80", "[::1]:80", "::1", AF_INET6, 80},
	        {"[2001:DB8:0:0::1]:443", "[2001:db8::1]:443", "2001:db8::1", AF_INET6, 443},
	        {"[::ffff:1.2.3.4]:25", "1.2.3.4:25", "1.2.3.4", AF_INET6, 25},
	        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:1",
	                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1",
	                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AF_INET6, 1},
	        {":8080", "[::]:8080", "::", AF_INET6, 8080},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[WEIR_ADDRESS_TEXT_MAX];
		struct weir_address address;
		if (weir_address_parse(weir_span_of(cases[i].text), &address) != 0)
			fail_msg("%s", cases[i].text);
		assert_int_equal(address.any.sa_family, cases[i].family);
		assert_int_equal(weir_address_port(&address), cases[i].port);
		assert_int_equal(weir_address_format(&address, text), strlen(cases[i].formatted));
		assert_string_equal(text, cases[i].formatted);
		assert_int_equal(weir_address_host(&address, text), strlen(cases[i].host));
		assert_string_equal(text, cases[i].host);
		assert_int_equal(weir_address_size(&address),
		        cases[i].family == AF_INET ? sizeof(struct sockaddr_in)
		                                   : sizeof(struct sockaddr_in6));
	}
}

static void refused(void **state)
{
	static const struct {
		const char *what, *text;
	} cases[] = {
	        {"nothing", ""},
	        {"no port", "127.0.0.1"},
	        {"an empty port", "127.0.0.1:"},
	        {"a port too large", "127.0.0.1:65536"},
	        {"a negative port", "127.0.0.1:-1"},
	        {"a port by name", "127.0.0.1:http"},
	        {"a space behind", "127.0.0.1:80 "},
	        {"three numbers", "127.0.1:80"},
	        {"a number too large", "127.0.0.256:80"},
	        {"a name", "localhost:80"},
	        {"IPv6 without brackets", "::1:80"},
	        {"an open bracket", "[::1:80"},
	        {"brackets without a port", "[::1]"},
	        {"junk behind brackets", "[::1]x:80"},
	        {"empty brackets", "[]:80"},
	        {"IPv4 in brackets", "[127.0.0.1]:80"},
	        {"a zone", "[fe80::1%eth0]:80"},
	        {"a host too long", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_address address = {.any.sa_family = 99};
		if (weir_address_parse(weir_span_of(cases[i].text), &address) != WEIR_E_SYNTAX ||
		        address.any.sa_family != 99)
			fail_msg("%s", cases[i].what);
	}
	struct weir_address address;
	assert_int_equal(
	        weir_address_parse(weir_span("127.0.0.1\0:80", 13), &address), WEIR_E_SYNTAX);
}

static void no_address(void **state)
{
	struct weir_address address = {.any.sa_family = AF_UNSPEC};
	char text[WEIR_ADDRESS_TEXT_MAX];
	(void)state;
	assert_int_equal(weir_address_host(&address, text), 1);
	assert_string_equal(text, "-");
}

static void addresses_of_four_bytes_are_written_as_inet_ntop_writes_them(void **state)
{
	(void)state;
	for (uint32_t number = 0; number < 1 << 16; number++) {
		/* Each byte takes all of its values. */
		struct weir_address address = {
		        .v4 = {.sin_family = AF_INET, .sin_addr.s_addr = number * 0x01000193u}};
		char text[WEIR_ADDRESS_TEXT_MAX], expected[INET_ADDRSTRLEN];
		size_t size = weir_address_host(&address, text);
		inet_ntop(AF_INET, &address.v4.sin_addr, expected, sizeof expected);
		assert_string_equal(text, expected);
		assert_int_equal(size, strlen(expected));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(addresses_of_four_bytes_are_written_as_inet_ntop_writes_them),
	        cmocka_unit_test(there_and_back),
	        cmocka_unit_test(refused),
	        cmocka_unit_test(no_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
