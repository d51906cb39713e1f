/* Cookies: the vectors of RFC 9018 (appendix A), and how long they are good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <weir/dns_answer.h>

#include "responder.h"

static struct siphash_key key_of(const char *hex)
{
	uint8_t bytes[16];
	uint64_t words[2];
	for (unsigned i = 0; i < sizeof bytes; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &bytes[i]), 1);
	memcpy(words, bytes, sizeof words);
	return (struct siphash_key){le64toh(words[0]), le64toh(words[1])};
}

static size_t bytes_of(const char *hex, uint8_t *to)
{
	size_t size = 0;
	for (; hex[2 * size]; size++)
		assert_int_equal(sscanf(hex + 2 * size, "%2hhx", &to[size]), 1);
	return size;
}

static struct weir_address peer_of(const char *text)
{
	struct weir_address peer;
	assert_int_equal(weir_address_parse(weir_span_of(text), &peer), 0);
	return peer;
}

static void the_vectors_of_the_rfc(void **state)
{
	static const struct {
		const char *peer;
		const char *secrets[2];
		const char *option;
		int64_t now_s;
		enum dns_cookie wanted;
		const char *answer;
	} vectors[] = {
	        {"198.51.100.100:53", {"e5e973e5a6b2a43f48e7dc849e37bfcf"}, "2464c4abcf10c957",
	                1559731985, DNS_COOKIE_CLIENT_ONLY,
	                "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
	        {"198.51.100.100:53", {"e5e973e5a6b2a43f48e7dc849e37bfcf"},
	                "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559734385,
	                DNS_COOKIE_VALID, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
	        /* The secret was rolled: the old one's cookie is good, the new one's is given. */
	        {"[2001:db8:220:1:59de:d0f4:8769:82b8]:53",
	                {"445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715"},
	                "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961,
	                DNS_COOKIE_VALID, "22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		struct dns_cookie_secrets secrets = {.count = vectors[i].secrets[1] ? 2 : 1};
		struct weir_address peer = peer_of(vectors[i].peer);
		uint8_t option[40], answer[DNS_COOKIE_SIZE], wanted[DNS_COOKIE_SIZE];
		for (unsigned k = 0; k < secrets.count; k++)
			secrets.keys[k] = key_of(vectors[i].secrets[k]);
		size_t size = bytes_of(vectors[i].option, option);
		assert_int_equal(dns_cookie_check(&secrets, weir_span(option, size), &peer,
		                         vectors[i].now_s, answer),
		        vectors[i].wanted);
		bytes_of(vectors[i].answer, wanted);
		assert_memory_equal(answer, wanted, sizeof wanted);
	}
}

static void a_cookie_is_good_for_an_hour_and_its_address(void **state)
{
	static const struct {
		int64_t later_s;
		enum dns_cookie wanted;
		bool same;
	} ages[] = {{0, DNS_COOKIE_VALID, true}, {1799, DNS_COOKIE_VALID, true},
	        {1801, DNS_COOKIE_VALID, false}, {3600, DNS_COOKIE_VALID, false},
	        {3601, DNS_COOKIE_CLIENT_ONLY, false}, {-300, DNS_COOKIE_VALID, true},
	        {-301, DNS_COOKIE_CLIENT_ONLY, false}};
	struct dns_cookie_secrets secrets = {.count = 1};
	struct weir_address peer = peer_of("192.0.2.1:1"), other = peer_of("192.0.2.2:1");
	uint8_t first[DNS_COOKIE_SIZE], second[DNS_COOKIE_SIZE];
	const int64_t now_s = 1600000000;
	(void)state;
	secrets.keys[0] = key_of("000102030405060708090a0b0c0d0e0f");
	dns_cookie_check(&secrets, weir_span("12345678", 8), &peer, now_s, first);
	for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
		assert_int_equal(dns_cookie_check(&secrets, weir_span(first, sizeof first), &peer,
		                         now_s + ages[i].later_s, second),
		        ages[i].wanted);
		assert_int_equal(memcmp(first, second, sizeof first) == 0, ages[i].same);
	}
	assert_int_equal(
	        dns_cookie_check(&secrets, weir_span(first, sizeof first), &other, now_s, second),
	        DNS_COOKIE_CLIENT_ONLY);
	for (unsigned i = 0; i < sizeof first; i++) {
		first[i] ^= 1;
		assert_int_not_equal(dns_cookie_check(&secrets, weir_span(first, sizeof first),
		                             &peer, now_s, second),
		        DNS_COOKIE_VALID);
		first[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_vectors_of_the_rfc),
	        cmocka_unit_test(a_cookie_is_good_for_an_hour_and_its_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
