/* /etc/hosts: names and addresses, both ways, in the file's order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocation.h"
#include "system_files.h"

enum {
	MAX = 8
};

static struct hosts *parse(const char *text)
{
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);
	assert_non_null(copy);
	memcpy(copy, text, size);
	struct hosts *hosts = hosts_parse(weir_span(copy, size));
	free(copy);
	assert_non_null(hosts);
	return hosts;
}

/* All addresses of a name as one text. */
static const char *addresses_of(const struct hosts *hosts, const char *name)
{
	static char text[MAX * WEIR_ADDRESS_TEXT_MAX];
	struct weir_address found[MAX];
	char one[WEIR_ADDRESS_TEXT_MAX];
	size_t count = hosts_addresses(hosts, weir_span_of(name), found, MAX), at = 0;
	text[0] = 0;
	for (size_t i = 0; i < count; i++) {
		weir_address_host(&found[i], one);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? " " : "", one);
	}
	return text;
}

static const char *names_of(const struct hosts *hosts, const char *address)
{
	static char text[512];
	const char *found[MAX];
	struct weir_address asked;
	size_t at = 0;
	assert_true(address_literal_parse(weir_span_of(address), 99, &asked));
	size_t count = hosts_names(hosts, &asked, found, MAX);
	text[0] = 0;
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? " " : "", found[i]);
	return text;
}

static void a_usual_file(void **state)
{
	(void)state;
	struct hosts *hosts = parse("127.0.0.1\tlocalhost\r\n"
	                            "::1 localhost ip6-localhost # ours\n"
	                            "# 10.0.0.1 not\n"
	                            "192.0.2.1  Mail.Example.ORG mail\n"
	                            "192.0.2.2 mail other\n"
	                            "192.0.2.1 third");
	assert_string_equal(addresses_of(hosts, "localhost"), "127.0.0.1 ::1");
	assert_string_equal(addresses_of(hosts, "IP6-localhost"), "::1");
	assert_string_equal(addresses_of(hosts, "mail"), "192.0.2.1 192.0.2.2");
	assert_string_equal(addresses_of(hosts, "mail.example.org"), "192.0.2.1");
	assert_string_equal(addresses_of(hosts, "not"), "");
	assert_string_equal(addresses_of(hosts, ""), "");
	assert_string_equal(addresses_of(hosts, "ours"), "");
	assert_string_equal(names_of(hosts, "192.0.2.1"), "mail.example.org mail third");
	assert_string_equal(names_of(hosts, "::1"), "localhost ip6-localhost");
	assert_string_equal(names_of(hosts, "::2"), "");
	hosts_free(hosts);
}

static void what_is_wrong_is_skipped(void **state)
{
	(void)state;
	struct hosts *hosts = parse("\n \nname 1.2.3.4\n1.2.3.4\n1.2.3 a\n1.2.3.4# b\n"
	                            "fe80::1%nowhere c\n1.2.3.4#c d\n1.2.3.5 e\n");
	assert_string_equal(names_of(hosts, "1.2.3.4"), "");
	assert_string_equal(addresses_of(hosts, "e"), "1.2.3.5");
	hosts_free(hosts);
	hosts = parse("");
	assert_string_equal(addresses_of(hosts, "e"), "");
	assert_string_equal(names_of(hosts, "1.2.3.4"), "");
	hosts_free(hosts);
	hosts_free(NULL);
}

static void no_more_than_asked_for(void **state)
{
	char text[1024];
	size_t at = 0;
	struct weir_address found[MAX];
	const char *names[MAX];
	(void)state;
	for (int i = 0; i < 20; i++)
		at += (size_t)snprintf(
		        text + at, sizeof text - at, "10.0.0.%d all\n10.0.1.1 n%d\n", i, i);
	struct hosts *hosts = parse(text);
	assert_int_equal(hosts_addresses(hosts, WEIR_SPAN("all"), found, MAX), MAX);
	struct weir_address one = found[0];
	assert_int_equal(hosts_names(hosts, &one, names, 0), 0);
	assert_string_equal(addresses_of(hosts, "n7"), "10.0.1.1");
	hosts_free(hosts);
}

/* Thousands of names, each found, and nothing else. */
static void many_names(void **state)
{
	enum {
		COUNT = 5000
	};
	(void)state;
	char *text = malloc(COUNT * 32), name[32], wanted[32];
	size_t at = 0;
	assert_non_null(text);
	for (int i = 0; i < COUNT; i++)
		at += (size_t)sprintf(text + at, "10.%d.%d.1 host%d.example\n", i >> 8, i & 255, i);
	struct hosts *hosts = parse(text);
	for (int i = 0; i < COUNT; i++) {
		sprintf(name, "host%d.example", i);
		sprintf(wanted, "10.%d.%d.1", i >> 8, i & 255);
		assert_string_equal(addresses_of(hosts, name), wanted);
		assert_string_equal(names_of(hosts, wanted), name);
	}
	assert_string_equal(addresses_of(hosts, "host5000.example"), "");
	hosts_free(hosts);
	free(text);
}

static void memory_fails(void **state)
{
	(void)state;
	fail_allocation_after(0, true);
	assert_null(hosts_parse(WEIR_SPAN("127.0.0.1 localhost\n")));
	assert_true(stop_failing_allocations());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_usual_file),
	        cmocka_unit_test(what_is_wrong_is_skipped),
	        cmocka_unit_test(no_more_than_asked_for),
	        cmocka_unit_test(many_names),
	        cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
