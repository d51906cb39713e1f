/* /etc/resolv.conf: what counts, what is cut, what is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "system_files.h"

/* In memory of just that size, so that nobody reads behind it. */
static struct resolv_conf parse(const char *text)
{
	struct resolv_conf conf;
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);
	assert_non_null(copy);
	memcpy(copy, text, size);
	resolv_conf_parse(weir_span(copy, size), &conf);
	free(copy);
	return conf;
}

static void assert_server(const struct resolv_conf *conf, unsigned i, const char *wanted)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	assert_true(i < conf->server_count);
	weir_address_format(&conf->servers[i], text);
	assert_string_equal(text, wanted);
}

static void assert_search(const struct resolv_conf *conf, unsigned i, const char *wanted)
{
	char text[WEIR_DNS_TEXT_MAX];
	assert_true(i < conf->search_count);
	weir_dns_name_format(&conf->search[i], text);
	assert_string_equal(text, wanted);
}

static void an_empty_file(void **state)
{
	(void)state;
	struct resolv_conf conf = parse("");
	assert_int_equal(conf.server_count, 1);
	assert_server(&conf, 0, "127.0.0.1:53");
	assert_int_equal(conf.search_count, 0);
	assert_int_equal(conf.ndots, 1);
	assert_int_equal(conf.timeout_s, 5);
	assert_int_equal(conf.attempts, 2);
	assert_false(conf.rotate);
}

static void a_usual_file(void **state)
{
	(void)state;
	struct resolv_conf conf = parse("# by hand\n"
	                                "domain left.example\n"
	                                "nameserver 192.0.2.1\n"
	                                "nameserver\t2001:db8::1  \n"
	                                "; more\n"
	                                "  nameserver [::1]:5353\r\n"
	                                "search one.example. two.example\n"
	                                "options ndots:3 timeout:1 rotate edns0 attempts:4");
	assert_int_equal(conf.server_count, 3);
	assert_server(&conf, 0, "192.0.2.1:53");
	assert_server(&conf, 1, "[2001:db8::1]:53");
	assert_server(&conf, 2, "[::1]:5353");
	assert_int_equal(conf.search_count, 2);
	assert_search(&conf, 0, "one.example.");
	assert_search(&conf, 1, "two.example.");
	assert_int_equal(conf.ndots, 3);
	assert_int_equal(conf.timeout_s, 1);
	assert_int_equal(conf.attempts, 4);
	assert_true(conf.rotate);
}

static void what_is_wrong_is_skipped(void **state)
{
	(void)state;
	struct resolv_conf conf = parse("nameserver\nnameserver example\nnameserver [::1]\n"
	                                "nameserver [::1]:0\nnameserver [::1]:65536\n"
	                                "nameserver 1.2.3\nnameservers 1.2.3.4\n"
	                                "search . a..b ok.example\nsortlist 1.2.3.4\n"
	                                "options ndots: timeout:x attempts\n"
	                                "nameserver 192.0.2.9 # here\n");
	assert_int_equal(conf.server_count, 1);
	assert_server(&conf, 0, "192.0.2.9:53");
	assert_int_equal(conf.search_count, 1);
	assert_search(&conf, 0, "ok.example.");
	assert_int_equal(conf.ndots, 1);
	assert_int_equal(conf.timeout_s, 5);
	assert_int_equal(conf.attempts, 2);
}

static void numbers_and_lists_are_cut(void **state)
{
	(void)state;
	struct resolv_conf conf =
	        parse("options ndots:99 timeout:0 attempts:18446744073709551615\n"
	              "search a b c d e f g h\n"
	              "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
	              "nameserver 10.0.0.4\nnameserver 10.0.0.5\nnameserver 10.0.0.6\n"
	              "nameserver 10.0.0.7\nnameserver 10.0.0.8\nnameserver 10.0.0.9\n");
	assert_int_equal(conf.ndots, 15);
	assert_int_equal(conf.timeout_s, 1);
	assert_int_equal(conf.attempts, 5);
	assert_int_equal(conf.search_count, WEIR_RESOLV_SEARCH_MAX);
	assert_int_equal(conf.server_count, WEIR_DNS_UPSTREAMS_MAX);
}

/* Cut off anywhere, it is still a file. */
static void every_beginning(void **state)
{
	static const char text[] =
	        "nameserver [127.0.0.1]:53\nsearch a.b c\noptions ndots:2 rotate";
	char part[sizeof text];
	(void)state;
	for (size_t size = 0; size < sizeof text; size++) {
		memcpy(part, text, size);
		part[size] = 0;
		assert_int_equal(parse(part).server_count, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_empty_file),
	        cmocka_unit_test(a_usual_file),
	        cmocka_unit_test(what_is_wrong_is_skipped),
	        cmocka_unit_test(numbers_and_lists_are_cut),
	        cmocka_unit_test(every_beginning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
