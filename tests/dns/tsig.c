/*
 * TSIG beside a plain HMAC: each algorithm, MACs that are cut, every bit of a message, clocks, and
 * the signatures of replies.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <weir/dns_message.h>
#include <weir/dns_tsig.h>
#include <weir/error.h>

#include "allocation.h"
#include "dns_codec.h"

enum {
	NOW_S = 1700000000,
	FUDGE_S = 300
};

/* A query for the SOA record of z, but for its TSIG record. */
static const uint8_t query[] = {0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'z', 0, 0, 6, 0, 1};
static const uint8_t key_name[] = "\3Key\0";
static const uint8_t lower_name[] = "\3key\0";
static const char secret[] = "a secret that is longer than the block of SHA1, which is of 64 bytes";

static const struct algorithm {
	enum weir_dns_tsig_algorithm value;
	const char *text;
	uint8_t wire[16];
	const char *digest;
	unsigned size;
} algorithms[] = {
        {WEIR_DNS_HMAC_SHA1, "HMAC-SHA1.", "\11hmac-sha1", "SHA1", 20},
        {WEIR_DNS_HMAC_SHA256, "hmac-sha256", "\13hmac-sha256", "SHA256", 32},
        {WEIR_DNS_HMAC_SHA512, "hmac-sha512.", "\13hmac-sha512", "SHA512", 64},
};

enum {
	ALGORITHMS = sizeof algorithms / sizeof *algorithms
};

struct message {
	uint8_t bytes[512];
	size_t size;
};

static void put(struct message *to, const void *bytes, size_t size)
{
	assert_true(to->size + size <= sizeof to->bytes);
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static void put16(struct message *to, unsigned value)
{
	put(to, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_times(struct message *to, uint64_t time_s)
{
	put16(to, (unsigned)(time_s >> 32));
	put16(to, (unsigned)(time_s >> 16) & 0xffff);
	put16(to, (unsigned)time_s & 0xffff);
	put16(to, FUDGE_S);
}

static unsigned hmac(
        const struct algorithm *algorithm, const struct message *what, uint8_t ret[EVP_MAX_MD_SIZE])
{
	unsigned size = 0;
	assert_non_null(HMAC(EVP_get_digestbyname(algorithm->digest), secret, sizeof secret - 1,
	        what->bytes, what->size, ret, &size));
	assert_int_equal(size, algorithm->size);
	return size;
}

/* The fields that are signed besides the message (RFC 8945 4.3.3). */
static void put_variables(
        struct message *to, const struct algorithm *algorithm, uint64_t time_s, unsigned error)
{
	put(to, lower_name, sizeof lower_name - 1);
	put(to, "\0\377\0\0\0\0", 6);
	put(to, algorithm->wire, strlen((const char *)algorithm->wire) + 1);
	put_times(to, time_s);
	put16(to, error);
	put16(to, 0);
}

/* The query, signed; of its MAC so many bytes, zeros behind those that there are. */
static struct message signed_query(
        const struct algorithm *algorithm, uint64_t time_s, unsigned mac_size)
{
	struct message digested = {0}, message = {0};
	uint8_t mac[2 * EVP_MAX_MD_SIZE] = {0};
	size_t wire_size = strlen((const char *)algorithm->wire) + 1;
	put(&digested, query, sizeof query);
	put_variables(&digested, algorithm, time_s, 0);
	hmac(algorithm, &digested, mac);
	put(&message, query, sizeof query);
	message.bytes[11] = 1;
	put(&message, key_name, sizeof key_name - 1);
	put(&message, "\0\372\0\377\0\0\0\0", 8);
	put16(&message, (unsigned)wire_size + 16 + mac_size);
	put(&message, algorithm->wire, wire_size);
	put_times(&message, time_s);
	put16(&message, mac_size);
	put(&message, mac, mac_size);
	put(&message, query, 2);
	put(&message, "\0\0\0\0", 4);
	return message;
}

static struct weir_dns_keys *make_keys(const struct algorithm *algorithm)
{
	struct weir_dns_tsig_key key = {
	        .algorithm = algorithm->value, .secret_size = sizeof secret - 1};
	struct weir_dns_keys *keys = NULL;
	memcpy(key.secret, secret, sizeof secret - 1);
	assert_int_equal(weir_dns_name_parse(WEIR_SPAN("KEY"), &key.name), 0);
	assert_int_equal(weir_dns_keys_create(&key, 1, &keys), 0);
	return keys;
}

static int verify(const struct weir_dns_keys *keys, const struct message *message, int64_t now_s,
        struct weir_dns_tsig *ret)
{
	return weir_dns_tsig_verify(
	        keys, weir_span(message->bytes, message->size), sizeof query, now_s, ret);
}

/* -- queries ----------------------------------------------------------------------------------- */

static void each_algorithm_is_known_by_its_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ALGORITHMS; i++) {
		enum weir_dns_tsig_algorithm got;
		assert_true(weir_dns_tsig_algorithm(weir_span_of(algorithms[i].text), &got));
		assert_int_equal(got, algorithms[i].value);
	}
	enum weir_dns_tsig_algorithm none;
	assert_false(weir_dns_tsig_algorithm(WEIR_SPAN("hmac-md5"), &none));
}

/* RFC 8945 5.2.2.1 and 5.2.4. */
static void a_mac_is_whole_or_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ALGORITHMS; i++) {
		const struct algorithm *algorithm = &algorithms[i];
		struct weir_dns_keys *keys = make_keys(algorithm);
		unsigned least = algorithm->size / 2 > 10 ? algorithm->size / 2 : 10;
		for (unsigned size = 0; size <= algorithm->size + 3; size++) {
			struct message message = signed_query(algorithm, NOW_S, size);
			struct weir_dns_tsig tsig;
			int got = verify(keys, &message, NOW_S, &tsig);
			if (size < least || size > algorithm->size) {
				assert_int_equal(got, WEIR_E_SYNTAX);
			} else {
				assert_int_equal(
				        got, size == algorithm->size ? 0 : WEIR_DNS_BADTRUNC);
				assert_int_equal(tsig.error, got);
				/* The reply is signed, and its MAC is over the one that came. */
				assert_non_null(tsig.key);
				assert_int_equal(tsig.mac_size, size);
			}
		}
		weir_dns_keys_release(keys);
	}
}

static void each_bit_of_the_message_counts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ALGORITHMS; i++) {
		struct weir_dns_keys *keys = make_keys(&algorithms[i]);
		struct message message = signed_query(&algorithms[i], NOW_S, algorithms[i].size);
		for (size_t bit = 0; bit < 8 * message.size; bit++) {
			uint8_t *byte = &message.bytes[bit / 8], mask = (uint8_t)(1 << bit % 8);
			/* The ID may be another (a forwarder's), and names have no case. */
			bool free = bit / 8 < 2;
			bool letter = mask == 0x20 && bit / 8 > sizeof query &&
			              (*byte | 0x20) >= 'a' && (*byte | 0x20) <= 'z';
			/* Its type and position are checked by the reader of the message. */
			size_t type = sizeof query + sizeof key_name - 1;
			bool section = bit / 8 == 10 || bit / 8 == 11 || bit / 8 == type ||
			               bit / 8 == type + 1;
			struct weir_dns_tsig tsig;
			if (free || letter || section)
				continue;
			*byte ^= mask;
			if (verify(keys, &message, NOW_S, &tsig) == 0)
				fail_msg("%s: bit %zu", algorithms[i].text, bit);
			*byte ^= mask;
		}
		weir_dns_keys_release(keys);
	}
}

static void clocks_may_differ_so_much(void **state)
{
	static const struct {
		int64_t apart_s;
		int wanted;
	} cases[] = {{0, 0}, {FUDGE_S, 0}, {-FUDGE_S, 0}, {FUDGE_S + 1, WEIR_DNS_BADTIME},
	        {-FUDGE_S - 1, WEIR_DNS_BADTIME}, {1 - NOW_S, WEIR_DNS_BADTIME}};
	struct weir_dns_keys *keys = make_keys(&algorithms[1]);
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct message message = signed_query(&algorithms[1], NOW_S, 32);
		struct weir_dns_tsig tsig;
		assert_int_equal(
		        verify(keys, &message, NOW_S + cases[i].apart_s, &tsig), cases[i].wanted);
		assert_non_null(tsig.key);
	}
	weir_dns_keys_release(keys);
}

static void another_algorithm_is_another_key(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ALGORITHMS; i++)
		for (unsigned k = 0; k < ALGORITHMS; k++) {
			struct weir_dns_keys *keys = make_keys(&algorithms[i]);
			struct message message =
			        signed_query(&algorithms[k], NOW_S, algorithms[k].size);
			struct weir_dns_tsig tsig;
			assert_int_equal(
			        verify(keys, &message, NOW_S, &tsig), i == k ? 0 : WEIR_DNS_BADKEY);
			assert_int_equal(tsig.key == NULL, i != k);
			weir_dns_keys_release(keys);
		}
}

static void a_record_that_is_cut_is_malformed(void **state)
{
	struct weir_dns_keys *keys = make_keys(&algorithms[0]);
	struct message message = signed_query(&algorithms[0], NOW_S, 20);
	struct weir_dns_tsig tsig;
	(void)state;
	while (message.size > sizeof query) {
		message.size--;
		assert_int_equal(verify(keys, &message, NOW_S, &tsig), WEIR_E_SYNTAX);
	}
	weir_dns_keys_release(keys);
}

/* -- replies ----------------------------------------------------------------------------------- */

/* The MAC that the reply has, at the end before the ID, the error and the other data. */
static const uint8_t *mac_of(const struct message *message, const struct algorithm *algorithm)
{
	return message->bytes + message->size - 6 - algorithm->size;
}

static void sign(struct weir_dns_tsig *tsig, struct message *message, bool following)
{
	size_t size = weir_dns_tsig_sign(
	        tsig, message->bytes, message->size, sizeof message->bytes, NOW_S, following);
	assert_true(size > message->size && size <= message->size + WEIR_DNS_TSIG_MAX);
	assert_int_equal(message->bytes[11], 1);
	message->size = size;
}

static void replies_are_signed_over_what_came_before(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * ALGORITHMS; i++) {
		const struct algorithm *algorithm = &algorithms[i / 2];
		unsigned size = i % 2 ? algorithm->size - 1 : algorithm->size;
		struct weir_dns_keys *keys = make_keys(algorithm);
		struct message asked = signed_query(algorithm, NOW_S, size);
		struct weir_dns_tsig tsig;
		uint8_t mac[EVP_MAX_MD_SIZE];
		verify(keys, &asked, NOW_S, &tsig);
		struct message first = {0}, second = {0}, digested = {0};
		put(&first, query, sizeof query);
		sign(&tsig, &first, false);
		put16(&digested, size);
		put(&digested, mac_of(&asked, algorithm) + algorithm->size - size, size);
		put(&digested, query, sizeof query);
		put_variables(&digested, algorithm, NOW_S, i % 2 ? WEIR_DNS_BADTRUNC : 0);
		hmac(algorithm, &digested, mac);
		assert_memory_equal(mac_of(&first, algorithm), mac, algorithm->size);
		/* Those that follow have the timers alone (RFC 8945 5.3.1). */
		put(&second, query, sizeof query);
		sign(&tsig, &second, true);
		digested.size = 0;
		put16(&digested, algorithm->size);
		put(&digested, mac, algorithm->size);
		put(&digested, query, sizeof query);
		put_times(&digested, NOW_S);
		hmac(algorithm, &digested, mac);
		assert_memory_equal(mac_of(&second, algorithm), mac, algorithm->size);
		weir_dns_keys_release(keys);
	}
}

static void a_reply_without_room_is_not_signed(void **state)
{
	struct weir_dns_keys *keys = make_keys(&algorithms[2]);
	struct message asked = signed_query(&algorithms[2], NOW_S, 64), reply = {0};
	struct weir_dns_tsig tsig;
	size_t size = 0;
	(void)state;
	assert_int_equal(verify(keys, &asked, NOW_S, &tsig), 0);
	put(&reply, query, sizeof query);
	for (size_t room = reply.size; !size; room++) {
		struct weir_dns_tsig again = tsig;
		size = weir_dns_tsig_sign(&again, reply.bytes, reply.size, room, NOW_S, false);
		assert_int_equal(reply.bytes[11], size ? 1 : 0);
		assert_true(size == 0 || size == room);
	}
	weir_dns_keys_release(keys);
}

/* -- keys -------------------------------------------------------------------------------------- */

static void keys_are_bounded_and_their_names_differ(void **state)
{
	static struct weir_dns_tsig_key many[WEIR_DNS_KEYS_MAX + 1];
	struct weir_dns_keys *keys = NULL;
	(void)state;
	for (unsigned i = 0; i <= WEIR_DNS_KEYS_MAX; i++) {
		char text[8];
		snprintf(text, sizeof text, "k%u", i);
		assert_int_equal(weir_dns_name_parse(weir_span_of(text), &many[i].name), 0);
	}
	assert_int_equal(weir_dns_keys_create(many, WEIR_DNS_KEYS_MAX + 1, &keys), WEIR_E_LIMIT);
	fail_allocation_after(0, false);
	assert_int_equal(weir_dns_keys_create(many, WEIR_DNS_KEYS_MAX, &keys), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_int_equal(weir_dns_keys_create(many, WEIR_DNS_KEYS_MAX, &keys), 0);
	weir_dns_keys_release(keys);
	assert_int_equal(weir_dns_name_parse(WEIR_SPAN("K0"), &many[9].name), 0);
	assert_int_equal(weir_dns_keys_create(many, 10, &keys), WEIR_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_algorithm_is_known_by_its_name),
	        cmocka_unit_test(a_mac_is_whole_or_refused),
	        cmocka_unit_test(each_bit_of_the_message_counts),
	        cmocka_unit_test(clocks_may_differ_so_much),
	        cmocka_unit_test(another_algorithm_is_another_key),
	        cmocka_unit_test(a_record_that_is_cut_is_malformed),
	        cmocka_unit_test(replies_are_signed_over_what_came_before),
	        cmocka_unit_test(a_reply_without_room_is_not_signed),
	        cmocka_unit_test(keys_are_bounded_and_their_names_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
