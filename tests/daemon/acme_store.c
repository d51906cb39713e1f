/*
 * The directory of automatic certificates: files appear whole, versions replace each other, and a
 * failure in any step leaves the version before in use.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "acme_certificate.h"
#include "acme_dns.h"
#include "acme_jose.h"
#include "acme_message.h"
#include "acme_proofs.h"
#include "acme_store.h"
#include "allocation.h"

static char directory[] = "/tmp/weir-acme-XXXXXX";

static int make_directory(void **state)
{
	struct acme_store *store;
	(void)state;
	strcpy(directory + sizeof directory - 7, "XXXXXX");
	if (!mkdtemp(directory) || acme_store_open(directory, &store) < 0)
		return -1;
	*state = store;
	return 0;
}

static int remove_directory(void **state)
{
	char command[128];
	acme_store_close(*state);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

static void assert_file(const struct acme_store *store, const char *path, const char *content)
{
	struct weir_buffer text = {0};
	assert_int_equal(acme_store_read(store, path, &text), 0);
	assert_int_equal(text.size, strlen(content));
	assert_memory_equal(text.data, content, text.size);
	weir_buffer_finish(&text);
}

static unsigned count_files(const char *folder)
{
	char path[256];
	unsigned count = 0;
	snprintf(path, sizeof path, "%s/%s", directory, folder);
	DIR *entries = opendir(path);
	assert_non_null(entries);
	for (struct dirent *entry; (entry = readdir(entries));)
		count += entry->d_name[0] != '.';
	closedir(entries);
	return count;
}

static void test_files(void **state)
{
	struct acme_store *store = *state;
	struct stat status;
	char path[256];
	assert_int_equal(acme_store_write(store, "state/a", WEIR_SPAN("one")), 0);
	assert_file(store, "state/a", "one");
	assert_int_equal(acme_store_write(store, "state/a", WEIR_SPAN("two")), 0);
	assert_file(store, "state/a", "two");
	assert_int_equal(count_files("state"), 1);
	snprintf(path, sizeof path, "%s/state/a", directory);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(acme_store_write(store, "none/a", WEIR_SPAN("x")), -ENOENT);
	assert_int_equal(acme_store_make_folder(store, "none/below/it"), 0);
	assert_int_equal(acme_store_write(store, "none/below/it/a", WEIR_SPAN("x")), 0);
	acme_store_clear(store, "none/below/it");
	assert_int_equal(count_files("none/below/it"), 0);
	assert_int_equal(acme_store_written_ns(store, "none/below/it/a"), 0);
	assert_true(acme_store_written_ns(store, "state/a") > 0);
}

/* A file that another user has put there is not followed. */
static void test_links_are_not_followed(void **state)
{
	struct acme_store *store = *state;
	struct weir_buffer text = {0};
	char path[256];
	snprintf(path, sizeof path, "%s/state/link", directory);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_int_equal(acme_store_read(store, "state/link", &text), -ELOOP);
	snprintf(path, sizeof path, "%s/state/b.new", directory);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(acme_store_write(store, "state/b", WEIR_SPAN("x")), -ELOOP);
	/* A failed attempt removes the link, so that the next one succeeds. */
	assert_int_equal(acme_store_write(store, "state/b", WEIR_SPAN("x")), 0);
}

static void test_versions(void **state)
{
	struct acme_store *store = *state;
	char chain[32], path[256];
	struct weir_buffer none = {0};
	assert_int_equal(acme_store_read_installed(store, "*.example.org", &none, &none), -ENOENT);
	assert_int_equal(acme_store_installed_ns(store, "*.example.org"), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct weir_buffer version = {0};
		snprintf(chain, sizeof chain, "chain %u", i);
		assert_int_equal(acme_store_install(store, "*.example.org", weir_span_of(chain),
		                         WEIR_SPAN("key")),
		        0);
		struct weir_buffer read = {0}, key = {0};
		assert_int_equal(acme_store_read_installed(store, "*.example.org", &read, &key), 0);
		assert_int_equal(read.size, strlen(chain));
		assert_memory_equal(read.data, chain, read.size);
		assert_int_equal(key.size, 3);
		weir_buffer_finish(&read);
		weir_buffer_finish(&key);
		assert_true(acme_store_installed_ns(store, "*.example.org") > 0);
		assert_int_equal(acme_store_read(store,
		                         "certificates/_wildcard.example.org/current", &version),
		        0);
		snprintf(path, sizeof path, "certificates/_wildcard.example.org/%.*s/chain.pem",
		        (int)version.size, version.data);
		assert_file(store, path, chain);
		weir_buffer_finish(&version);
	}
	/* The number of the one in use, and two of them. */
	assert_int_equal(count_files("certificates/_wildcard.example.org"), 1 + ACME_VERSIONS_KEPT);
}

static void test_a_version_that_is_damaged(void **state)
{
	static const char *const wrong[] = {"", "../../x", "12", "x"};
	struct acme_store *store = *state;
	assert_int_equal(acme_store_install(store, "a", WEIR_SPAN("one"), WEIR_SPAN("key")), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct weir_buffer chain = {0}, key = {0};
		assert_int_equal(
		        acme_store_write(store, "certificates/a/current", weir_span_of(wrong[i])),
		        0);
		int error = acme_store_read_installed(store, "a", &chain, &key);
		assert_int_equal(error, strcmp(wrong[i], "12") == 0 ? -ENOENT : -EINVAL);
		weir_buffer_finish(&chain);
		weir_buffer_finish(&key);
	}
}

static void test_a_version_that_cannot_be_written(void **state)
{
	struct acme_store *store = *state;
	struct weir_buffer before = {0}, after = {0};
	assert_int_equal(acme_store_install(store, "a", WEIR_SPAN("one"), WEIR_SPAN("key")), 0);
	assert_int_equal(acme_store_read(store, "certificates/a/current", &before), 0);
	assert_int_equal(acme_store_make_folder(store, "certificates/a/current.new"), 0);
	assert_int_equal(
	        acme_store_install(store, "a", WEIR_SPAN("two"), WEIR_SPAN("key")), -EISDIR);
	assert_int_equal(acme_store_read(store, "certificates/a/current", &after), 0);
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.data, after.data, after.size);
	assert_int_equal(count_files("certificates/a"), 3); /* nothing is left of the second one */
	weir_buffer_finish(&before);
	weir_buffer_finish(&after);
}

static void test_numbers_of_versions(void **state)
{
	static const char *const wrong[] = {
	        "", "..", "1/2", "1 ", "-1", "12345678901234567890123456789012345678901"};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(acme_version_is_good(wrong[i]));
	assert_true(acme_version_is_good("001795984181442897527"));
}

static void test_the_lock(void **state)
{
	struct acme_store *first = *state, *second;
	assert_int_equal(acme_store_open(directory, &second), 0);
	assert_int_equal(acme_store_lock(first), 0);
	assert_int_equal(acme_store_lock(second), -EWOULDBLOCK);
	acme_store_close(first);
	assert_int_equal(acme_store_lock(second), 0);
	*state = second;
}

static void test_proofs(void **state)
{
	struct acme_store *store = *state;
	struct weir_buffer pem = {0};
	struct weir_span authorization = WEIR_SPAN("token.thumbprint");
	assert_int_equal(
	        acme_proof_put(store, ACME_HTTP_01, "a.example", "token", authorization), 0);
	assert_file(store, "challenges/http-token", "token.thumbprint");
	assert_int_equal(
	        acme_proof_put(store, ACME_DNS_01, "a.example", "token", authorization), 0);
	assert_file(
	        store, "challenges/dns-a.example", "61rBZ_4knHblO0MNoxFsXZ_eTFUHum0B6IVRbhvUn5I\n");
	assert_int_equal(acme_proof_challenge(directory, "a.example", &pem), -ENOENT);
	assert_int_equal(
	        acme_proof_put(store, ACME_TLS_ALPN_01, "a.example", "token", authorization), 0);
	assert_int_equal(acme_proof_challenge(directory, "a.example", &pem), 0);
	assert_non_null(memmem(pem.data, pem.size, "BEGIN CERTIFICATE", 17));
	assert_non_null(memmem(pem.data, pem.size, "BEGIN PRIVATE KEY", 17));
	weir_buffer_finish(&pem);
	for (unsigned kind = 0; kind < ACME_CHALLENGE_KINDS; kind++)
		acme_proof_remove(store, kind, "a.example", "token");
	assert_int_equal(count_files("challenges"), 0);
}

/* After a process was killed, each proof of DNS-01 that goes is a step of its zone. */
static void test_proofs_that_are_left(void **state)
{
	struct acme_store *store = *state;
	char path[ACME_PATH_SIZE];
	const char *const files[][2] = {{"serials/example.", "3\n"}, {"serials/b.example.", "7\n"},
	        {"serials/a.example.", "9\n"}, {"serials/other.", "1\n"},
	        {"challenges/http-token", "x"}, {"challenges/alpn-b.example", "x"},
	        {"challenges/dns-www.B.example", "x\n"}, {"challenges/dns-example", "x\n"},
	        {"challenges/dns-xa.example", "x\n"}, {"challenges/dns-none", "x\n"}};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		assert_int_equal(
		        acme_store_write(store, files[i][0], weir_span_of(files[i][1])), 0);
	acme_proofs_clear(store);
	assert_int_equal(count_files("challenges"), 0);
	assert_file(store, "serials/example.", "5\n");
	assert_file(store, "serials/b.example.", "8\n");
	assert_file(store, "serials/a.example.", "9\n");
	assert_file(store, "serials/other.", "1\n");
	assert_int_equal(acme_dns_step_removed(store, "none", path), -ENOENT);
	assert_int_equal(acme_dns_step_removed(store, "a..b", path), -EINVAL);
}

static void test_without_memory(void **state)
{
	struct acme_store *store = *state, *other;
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct weir_buffer text = {0};
		other = NULL;
		fail_allocation_after(good, true);
		int opening = acme_store_open(directory, &other);
		int proving = acme_proof_put(store, ACME_DNS_01, "a", "t", WEIR_SPAN("t.t"));
		int reading = acme_proof_challenge(directory, "none", &text);
		failed = stop_failing_allocations();
		assert_true(opening == 0 || opening == -ENOMEM);
		assert_true(proving == 0 || proving == -ENOMEM);
		assert_true(reading == -ENOENT || reading == -ENOMEM);
		assert_true(!failed || opening < 0 || proving < 0 || reading == -ENOMEM);
		acme_store_close(other);
	}
}

/* -- chains ------------------------------------------------------------------------------------ */

static void test_a_request_and_its_memory(void **state)
{
	EVP_PKEY *key = acme_key_create();
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_buffer der = {0};
		fail_allocation_after(good, true);
		int error = acme_certificate_request(key, "*.example.org", &der);
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		assert_true(failed || memmem(der.data, der.size, "*.example.org", 13));
		weir_buffer_finish(&der);
	}
	EVP_PKEY_free(key);
}

/* The proof of TLS-ALPN-01 is a certificate for its key and name: as a chain of one it is right. */
static void test_chains(void **state)
{
	struct weir_buffer pem = {0};
	struct acme_chain chain;
	int64_t now_s = time(NULL);
	(void)state;
	assert_int_equal(acme_certificate_prove("a.example", WEIR_SPAN("t.t"), &pem), 0);
	const char *end = memmem(pem.data, pem.size, "-----BEGIN PRIVATE", 18);
	struct weir_span text = weir_span(pem.data, (size_t)(end - pem.data));
	EVP_PKEY *key = acme_key_parse(weir_span(end, pem.size - text.size)),
	         *other = acme_key_create();
	assert_null(acme_chain_check(text, key, "a.example", now_s, &chain));
	assert_true(chain.validity.begins_s <= now_s && chain.validity.expires_s > now_s);
	assert_string_equal(chain.id, ""); /* it names no authority */
	assert_int_equal(chain.pem.size, text.size);
	weir_buffer_finish(&chain.pem);
	assert_non_null(
	        strstr(acme_chain_check(text, other, "a.example", now_s, &chain), "another key"));
	assert_non_null(
	        strstr(acme_chain_check(text, key, "b.example", now_s, &chain), "another name"));
	assert_non_null(
	        strstr(acme_chain_check(text, key, "*.example", now_s, &chain), "another name"));
	assert_non_null(strstr(
	        acme_chain_check(text, key, "a.example", now_s + 100000, &chain), "has expired"));
	assert_non_null(strstr(
	        acme_chain_check(text, key, "a.example", now_s - 10000, &chain), "not valid yet"));
	for (size_t size = 0; size + 1 < text.size; size++)
		assert_non_null(acme_chain_check(
		        weir_span(text.data, size), key, "a.example", now_s, &chain));
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
	weir_buffer_finish(&pem);
}

int main(void)
{
#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
	        IN_A_DIRECTORY(test_files),
	        IN_A_DIRECTORY(test_links_are_not_followed),
	        IN_A_DIRECTORY(test_versions),
	        IN_A_DIRECTORY(test_a_version_that_is_damaged),
	        IN_A_DIRECTORY(test_a_version_that_cannot_be_written),
	        cmocka_unit_test(test_numbers_of_versions),
	        IN_A_DIRECTORY(test_the_lock),
	        IN_A_DIRECTORY(test_proofs),
	        IN_A_DIRECTORY(test_proofs_that_are_left),
	        IN_A_DIRECTORY(test_without_memory),
	        cmocka_unit_test(test_a_request_and_its_memory),
	        cmocka_unit_test(test_chains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
