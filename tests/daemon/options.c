/*
 * The command line of `weir serve`: what is taken, and in which order. Mistakes are in tests/cli.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"
#include "service.h"

#define PARSE(options, ...) parse(options, (const char *[]){"serve", __VA_ARGS__, NULL})

/* getopt wants to be free to change the order of what it is given. */
static int parse(struct options *options, const char **arguments)
{
	int count = 0;
	while (arguments[count])
		count++;
	return options_parse_serve(count, (char **)arguments, options);
}

static void nothing_is_asked_for(void **state)
{
	struct options options;
	(void)state;
	assert_int_equal(PARSE(&options, NULL), 0);
	assert_int_equal(options.listener_count, 0);
	assert_int_equal(options.certificate_count, 0);
	assert_null(options.root);
	assert_null(options.config_path);
	assert_int_equal(options.value_count, 0);
}

static void listeners_keep_their_order_and_kind(void **state)
{
	struct options options;
	(void)state;
	assert_int_equal(PARSE(&options, "--https", ":443", "--http=[::1]:80", "dir", "--https",
	                         "127.0.0.1:8443"),
	        0);
	static const struct {
		const char *type;
		unsigned port;
	} wanted[] = {{"https", 443}, {"http", 80}, {"https", 8443}};
	assert_int_equal(options.listener_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(options.listeners[i].type->name, wanted[i].type);
		assert_int_equal(weir_address_port(&options.listeners[i].address), wanted[i].port);
	}
	assert_string_equal(options.root, "dir");
}

/* The order of the options does not matter: the first key is for the first certificate. */
static void certificates_are_pairs(void **state)
{
	struct options options;
	(void)state;
	assert_int_equal(PARSE(&options, "--key", "1.key", "--cert", "1.pem", "--cert", "2.pem",
	                         "--key", "2.key"),
	        0);
	assert_int_equal(options.certificate_count, 2);
	assert_string_equal(options.chains[0], "1.pem");
	assert_string_equal(options.keys[0], "1.key");
	assert_string_equal(options.chains[1], "2.pem");
	assert_string_equal(options.keys[1], "2.key");
}

static void the_log_may_be_switched_off(void **state)
{
	struct options options;
	(void)state;
	assert_int_equal(PARSE(&options, "--access-log", "off", "-c", "x.yaml"), 0);
	assert_int_equal(options.value_count, 1);
	assert_string_equal(options.values[0].key->name, "access-log");
	assert_string_equal(options.values[0].text, "off");
	assert_string_equal(options.config_path, "x.yaml");
}

/* One more than there is room for, of whatever can be repeated. */
static void what_is_repeated_has_a_bound(void **state)
{
	static const char *arguments[CONFIG_CERTIFICATES_MAX * 2 + 4];
	static const struct {
		const char *option, *value;
		size_t max;
	} cases[] = {
	        {"--http", ":80", CONFIG_LISTENERS_MAX},
	        {"--https", ":80", CONFIG_LISTENERS_MAX},
	        {"--cert", "a", CONFIG_CERTIFICATES_MAX},
	        {"--key", "a", CONFIG_CERTIFICATES_MAX},
	};
	struct options options;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		arguments[0] = "serve";
		for (size_t j = 0; j <= cases[i].max; j++) {
			arguments[1 + 2 * j] = cases[i].option;
			arguments[2 + 2 * j] = cases[i].value;
		}
		arguments[3 + 2 * cases[i].max] = NULL;
		assert_int_equal(parse(&options, arguments), EXIT_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_is_asked_for),
	        cmocka_unit_test(listeners_keep_their_order_and_kind),
	        cmocka_unit_test(certificates_are_pairs),
	        cmocka_unit_test(the_log_may_be_switched_off),
	        cmocka_unit_test(what_is_repeated_has_a_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
