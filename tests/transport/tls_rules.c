/*
 * Certificates, keys and other files of TLS: every mistake is reported with its file, and leaves
 * nothing behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>

#include "allocation.h"
#include "certificate.h"

static unsigned complaints;
static char path[256], text[256];

static void report(void *context, const char *which, const char *what)
{
	(void)context;
	complaints++;
	snprintf(path, sizeof path, "%s", which);
	snprintf(text, sizeof text, "%s", what);
}

static int load(const struct weir_tls_certificate *certificates, size_t count,
        enum weir_tls_clients clients, const char *clients_ca)
{
	struct weir_tls *tls = NULL;
	struct weir_tls_options options;
	weir_tls_options_init(&options);
	options.certificates = certificates;
	options.count = count;
	options.clients = clients;
	options.clients_ca = clients_ca;
	const char *const names[] = {"one.test", "*.two.test"};
	const struct weir_tls_clients_of of = {names, 2, clients_ca};
	options.clients_of = &of;
	options.clients_of_count = clients_ca ? 1 : 0;
	complaints = 0;
	int error = weir_tls_server_create(&options, report, NULL, &tls);
	assert_true((error == 0) == (tls != NULL));
	weir_tls_release(tls);
	return error;
}

static int load_pair(const char *chain, const char *key, const char *ocsp)
{
	struct weir_tls_certificate certificate = {chain, key, ocsp};
	return load(&certificate, 1, WEIR_TLS_CLIENTS_ANY, NULL);
}

/* A file with this in it. */
static const char *file_of(const void *bytes, size_t size)
{
	static char name[64];
	strcpy(name, "/tmp/weir-test-XXXXXX");
	int fd = mkstemp(name);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	return name;
}

static void a_pair_has_to_fit(void **state)
{
	(void)state;
	struct certificate_files one = certificate_make("one", "DNS:one.test", 10);
	struct certificate_files two = certificate_make("two", "DNS:two.test", 10);
	assert_int_equal(load_pair(one.chain, one.key, NULL), 0);
	assert_int_equal(complaints, 0);
	assert_int_equal(load_pair(one.chain, two.key, NULL), WEIR_E_SYNTAX);
	assert_int_equal(complaints, 1);
	assert_string_equal(path, two.key);
	assert_non_null(strstr(text, "does not belong"));
	certificates_remove();
}

static void files_are_what_they_should_be(void **state)
{
	(void)state;
	struct certificate_files pair = certificate_make("one", "DNS:one.test", 10);
	assert_int_equal(load_pair("/nonexistent/chain", pair.key, NULL), WEIR_E_SYNTAX);
	assert_string_equal(path, "/nonexistent/chain");
	assert_non_null(strstr(text, "No such file"));
	assert_int_equal(load_pair(pair.key, pair.key, NULL), WEIR_E_SYNTAX);
	assert_string_equal(path, pair.key);
	assert_int_equal(load_pair(pair.chain, pair.chain, NULL), WEIR_E_SYNTAX);
	assert_string_equal(path, pair.chain);
	assert_int_equal(load_pair(pair.chain, "/nonexistent/key", NULL), WEIR_E_SYNTAX);
	assert_string_equal(path, "/nonexistent/key");
	const char *garbage = file_of("\0\1\2garbage", 10);
	assert_int_equal(load_pair(garbage, pair.key, NULL), WEIR_E_SYNTAX);
	assert_int_equal(load_pair(pair.chain, garbage, NULL), WEIR_E_SYNTAX);
	assert_int_equal(load_pair(pair.chain, pair.key, garbage), WEIR_E_SYNTAX);
	assert_string_equal(path, garbage);
	assert_int_equal(load_pair(pair.chain, pair.key, "/nonexistent/ocsp"), WEIR_E_SYNTAX);
	unlink(garbage);
	certificates_remove();
}

static void all_mistakes_are_told(void **state)
{
	(void)state;
	struct certificate_files pair = certificate_make("one", "DNS:one.test", 10);
	struct weir_tls_certificate certificates[] = {
	        {"/nonexistent/a", pair.key, NULL},
	        {pair.chain, pair.key, NULL},
	        {"/nonexistent/b", pair.key, NULL},
	};
	assert_int_equal(load(certificates, 3, WEIR_TLS_CLIENTS_ANY, NULL), WEIR_E_SYNTAX);
	assert_int_equal(complaints, 2);
	assert_int_equal(load(NULL, 0, WEIR_TLS_CLIENTS_ANY, NULL), WEIR_E_SYNTAX);
	assert_int_equal(complaints, 1);
	assert_int_equal(load(certificates + 1, 1, WEIR_TLS_CLIENTS_OPTIONAL, NULL), WEIR_E_SYNTAX);
	assert_int_equal(
	        load(certificates + 1, 1, WEIR_TLS_CLIENTS_OPTIONAL, pair.key), WEIR_E_SYNTAX);
	assert_string_equal(path, pair.key);
	certificates_remove();
}

static int64_t expiry_of(int days)
{
	struct weir_tls *tls = NULL;
	struct certificate_files soon = certificate_make("soon", "DNS:soon.test", days);
	struct certificate_files late = certificate_make("late", "DNS:late.test", 1000);
	struct weir_tls_certificate certificates[] = {
	        {late.chain, late.key, NULL}, {soon.chain, soon.key, NULL}};
	struct weir_tls_options options;
	weir_tls_options_init(&options);
	options.certificates = certificates;
	options.count = 2;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), 0);
	int64_t left = weir_tls_expires_s(tls) - time(NULL);
	weir_tls_release(tls);
	certificates_remove();
	return left;
}

static void the_first_to_expire_is_known(void **state)
{
	(void)state;
	assert_in_range(expiry_of(3) + 0, 3 * 24 * 60 * 60 - 100, 3 * 24 * 60 * 60 + 1);
	assert_true(expiry_of(-3) < 0);
}

static void options_begin_with_their_defaults(void **state)
{
	struct weir_tls_options server;
	struct weir_tls_client_options client;
	(void)state;
	memset(&server, 0xff, sizeof server);
	memset(&client, 0, sizeof client);
	weir_tls_options_init(&server);
	weir_tls_client_options_init(&client);
	assert_null(server.certificates);
	assert_int_equal(server.count, 0);
	assert_int_equal(server.clients, WEIR_TLS_CLIENTS_ANY);
	assert_false(server.tls13_only);
	assert_null(server.tickets);
	assert_true(client.verify);
	assert_null(client.ca);
	assert_null(client.alpn);
}

static void clients_have_files_too(void **state)
{
	(void)state;
	struct weir_tls_client_options options;
	struct weir_tls *tls = NULL;
	weir_tls_client_options_init(&options);
	options.ca = "/nonexistent/ca";
	assert_int_equal(weir_tls_client_create(&options, report, NULL, &tls), WEIR_E_SYNTAX);
	assert_string_equal(path, "/nonexistent/ca");
	options.ca = certificate_ca();
	assert_int_equal(weir_tls_client_create(&options, report, NULL, &tls), 0);
	assert_true(weir_tls_expires_s(tls) == INT64_MAX);
	weir_tls_release(tls);
	certificates_remove();
}

static void memory_runs_out(void **state)
{
	(void)state;
	struct certificate_files pair = certificate_make("one", "DNS:one.test,DNS:*.two.test", 10);
	for (unsigned good = 0, failed = 1; failed; good++) {
		fail_allocation_after(good, false);
		struct weir_tls_certificate certificate = {pair.chain, pair.key};
		int error = load(&certificate, 1, WEIR_TLS_CLIENTS_OPTIONAL, certificate_ca());
		failed = stop_failing_allocations();
		assert_int_equal(error == 0, !failed);
	}
	certificates_remove();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_pair_has_to_fit),
	        cmocka_unit_test(files_are_what_they_should_be),
	        cmocka_unit_test(all_mistakes_are_told),
	        cmocka_unit_test(the_first_to_expire_is_known),
	        cmocka_unit_test(options_begin_with_their_defaults),
	        cmocka_unit_test(clients_have_files_too),
	        cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
