/* The cache beside a plain model of it, under random operations; what it may not do: grow. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocation.h"
#include "cache.h"
#include "dns_reply.h"

enum {
	STALE_S = 50,
	NAMES = 2000,
	STEPS = 200000
};

static const struct dns_ttl_bounds bounds = {.max_s = 86400, .negative_max_s = 3600};
static uint8_t scratch[WEIR_DNS_MESSAGE_MAX], reply[WEIR_DNS_MESSAGE_MAX];

static struct weir_dns_cache *create(size_t bytes)
{
	struct weir_dns_cache_options options;
	struct weir_dns_cache *cache = NULL;
	weir_dns_cache_options_init(&options);
	options.bytes = bytes;
	options.stale_s = STALE_S;
	assert_int_equal(weir_dns_cache_create(&options, &cache), 0);
	return cache;
}

static struct weir_dns_cache_counters counters_of(struct weir_dns_cache *cache)
{
	struct weir_dns_cache_counters counters;
	weir_dns_cache_counters(cache, &counters);
	return counters;
}

static void put(struct weir_dns_cache *cache, const char *question, unsigned flags,
        const char *words, const char *const *lines, uint32_t now_s)
{
	struct weir_dns_question asked = question_of(question);
	struct dns_accepted accepted;
	struct dns_cache_key key;
	assert_int_equal(dns_accept(reply_of(question, words, lines), &asked, flags, &bounds,
	                         scratch, &accepted),
	        0);
	dns_cache_key(cache, &asked, flags, &key);
	dns_cache_put(cache, &key, &accepted, now_s);
}

/* The records as lines, or NULL. */
static const char *get(struct weir_dns_cache *cache, const char *question, unsigned flags,
        uint32_t now_s, struct weir_dns_lookup_info *found)
{
	struct weir_dns_question asked = question_of(question);
	struct dns_cache_key key;
	dns_cache_key(cache, &asked, flags, &key);
	struct dns_cache_entry *entry = dns_cache_find(cache, &key, now_s);
	if (!entry)
		return NULL;
	size_t size = dns_entry_write(entry, &asked, now_s, reply, sizeof reply, found);
	assert_int_equal(size, dns_entry_reply_size(entry, &asked));
	return lines_of(weir_span(reply, size));
}

#define PUT(cache, question, flags, words, now, ...)                                               \
	put(cache, question, flags, words, (const char *const[]){__VA_ARGS__, NULL}, now)

static void ttls_run_down(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_lookup_info found;
	(void)state;
	PUT(cache, "a.x. A", 0, "ad", 100, "an a.x. 60 CNAME b.x.", "an b.x. 20 A 192.0.2.1");
	assert_string_equal(get(cache, "A.x. A", 0, 100, &found),
	        "an A.x. 60 CNAME b.x.\nan b.x. 20 A 192.0.2.1\n");
	assert_true(found.authenticated);
	assert_int_equal(found.extended_error, -1);
	assert_string_equal(get(cache, "a.x. A", 0, 119, &found),
	        "an a.x. 41 CNAME b.x.\nan b.x. 1 A 192.0.2.1\n");
	assert_string_equal(get(cache, "a.x. A", 0, 120, &found),
	        "an a.x. 30 CNAME b.x.\nan b.x. 30 A 192.0.2.1\n");
	assert_int_equal(found.extended_error, WEIR_DNS_EDE_STALE);
	assert_non_null(get(cache, "a.x. A", 0, 169, &found));
	assert_null(get(cache, "a.x. A", 0, 170, &found));
	PUT(cache, "a.x. A", 0, "", 170, "an a.x. 0 A 192.0.2.1");
	assert_int_equal(counters_of(cache).entries, 0);
	weir_dns_cache_release(cache);
}

static void whatever_else_is_asked_is_another_question(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_lookup_info found;
	(void)state;
	for (unsigned flags = 0; flags < 4; flags++) {
		char line[64];
		snprintf(line, sizeof line, "an a. 60 A 192.0.2.%u", flags);
		PUT(cache, "a. A", flags, "", 0, line);
	}
	PUT(cache, "a. TXT", 0, "NXDOMAIN", 0, "au . 60 SOA 60");
	assert_string_equal(get(cache, "a. A", 0, 0, &found), "an a. 60 A 192.0.2.0\n");
	assert_string_equal(get(cache, "a. A", 3, 0, &found), "an a. 60 A 192.0.2.3\n");
	assert_string_equal(get(cache, "a. TXT", 0, 70, &found), "au . 30 SOA 60\n");
	assert_int_equal(found.rcode, WEIR_DNS_NXDOMAIN);
	assert_int_equal(found.extended_error, WEIR_DNS_EDE_STALE_NXDOMAIN);
	assert_null(get(cache, "a. NS", 0, 0, &found));
	assert_null(get(cache, "b. A", 0, 0, &found));
	weir_dns_cache_release(cache);
}

/* Loops read their clocks once a turn: that of another one may be behind. */
static void an_answer_is_fresh_for_a_loop_whose_clock_is_behind(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_lookup_info found;
	(void)state;
	PUT(cache, "a. A", 0, "", 100, "an a. 60 A 192.0.2.1");
	assert_string_equal(get(cache, "a. A", 0, 99, &found), "an a. 60 A 192.0.2.1\n");
	assert_int_equal(found.extended_error, -1);
	weir_dns_cache_release(cache);
}

static void failures_are_short_and_never_stale(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_lookup_info found;
	(void)state;
	PUT(cache, "a. A", 0, "SERVFAIL", 10, "ad . 0 OPT 6");
	PUT(cache, "b. A", 0, "SERVFAIL", 10, NULL);
	assert_string_equal(get(cache, "a. A", 0, 14, &found), "");
	assert_int_equal(found.rcode, WEIR_DNS_SERVFAIL);
	assert_int_equal(found.extended_error, 6);
	assert_non_null(get(cache, "b. A", 0, 14, &found));
	assert_int_equal(found.extended_error, WEIR_DNS_EDE_CACHED_ERROR);
	assert_null(get(cache, "a. A", 0, 15, &found));
	weir_dns_cache_release(cache);
}

static void a_reply_that_does_not_fit(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_question asked = question_of("a. A");
	struct weir_dns_lookup_info found;
	struct dns_cache_key key;
	(void)state;
	PUT(cache, "a. A", 0, "", 0, "an a. 60 A 192.0.2.1");
	dns_cache_key(cache, &asked, 0, &key);
	struct dns_cache_entry *entry = dns_cache_find(cache, &key, 0);
	size_t size = dns_entry_reply_size(entry, &asked);
	assert_int_equal(dns_entry_write(entry, &asked, 0, reply, size, &found), size);
	assert_false(found.truncated);
	size_t cut = dns_entry_write(entry, &asked, 0, reply, size - 1, &found);
	assert_true(found.truncated);
	assert_int_equal(cut, WEIR_DNS_HEADER_SIZE + 3 + 4);
	assert_string_equal(lines_of(weir_span(reply, cut)), "");
	assert_true(reply[2] & WEIR_DNS_TC >> 8);
	weir_dns_cache_release(cache);
}

static void without_memory(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_lookup_info found;
	(void)state;
	PUT(cache, "a. A", 0, "", 0, "an a. 60 A 192.0.2.1");
	fail_allocation_after(0, true);
	PUT(cache, "a. A", 0, "", 0, "an a. 60 A 192.0.2.2");
	PUT(cache, "b. A", 0, "", 0, "an b. 60 A 192.0.2.2");
	assert_true(stop_failing_allocations());
	assert_null(get(cache, "a. A", 0, 0, &found));
	assert_null(get(cache, "b. A", 0, 0, &found));
	assert_int_equal(counters_of(cache).entries, 0);
	weir_dns_cache_release(cache);
	struct weir_dns_cache_options options;
	weir_dns_cache_options_init(&options);
	fail_allocation_after(0, false);
	assert_int_equal(weir_dns_cache_create(&options, &cache), -ENOMEM);
	assert_true(stop_failing_allocations());
	options.bytes = 0;
	assert_int_equal(weir_dns_cache_create(&options, &cache), -EINVAL);
}

/* -- readers ----------------------------------------------------------------------------------- */

/* An entry may be used until its reader has read to the end; then its memory goes, too. */
static void what_a_loop_reads_stays_while_it_reads(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_question asked = question_of("a. A");
	struct dns_cache_reader reader = {0}, other = {0};
	struct weir_dns_lookup_info found;
	struct dns_cache_key key;
	uint64_t empty = counters_of(cache).bytes;
	(void)state;
	dns_cache_add_reader(cache, &reader);
	dns_cache_add_reader(cache, &other);
	PUT(cache, "a. A", 0, "", 0, "an a. 60 A 192.0.2.1");
	uint64_t one = counters_of(cache).bytes;
	dns_cache_key(cache, &asked, 0, &key);
	dns_cache_read_begin(&reader);
	const struct dns_cache_entry *entry = dns_cache_find(cache, &key, 0);
	for (unsigned i = 0; i < 5; i++)
		PUT(cache, "a. A", 0, "", 0, "an a. 60 A 192.0.2.2");
	PUT(cache, "a. A", 0, "", 0, "an a. 0 A 192.0.2.2");
	assert_int_equal(counters_of(cache).entries, 0);
	assert_int_equal(counters_of(cache).bytes - empty, 6 * (one - empty));
	size_t size = dns_entry_write(entry, &asked, 0, reply, sizeof reply, &found);
	assert_string_equal(lines_of(weir_span(reply, size)), "an a. 60 A 192.0.2.1\n");
	dns_cache_read_end(&reader);
	/* One that reads by now has begun too late to be at any of these. */
	dns_cache_read_begin(&other);
	PUT(cache, "b. A", 0, "", 0, "an b. 0 A 192.0.2.2");
	PUT(cache, "b. A", 0, "", 0, "an b. 0 A 192.0.2.2");
	dns_cache_read_end(&other);
	PUT(cache, "b. A", 0, "", 0, "an b. 0 A 192.0.2.2");
	assert_int_equal(counters_of(cache).bytes, empty);
	dns_cache_remove_reader(cache, &other);
	dns_cache_remove_reader(cache, &reader);
	weir_dns_cache_release(cache);
}

/* While a loop reads for very long nothing can be freed: then answers are not remembered. */
static void an_interrupted_reader_does_not_make_the_cache_grow(void **state)
{
	struct weir_dns_cache *cache = create(WEIR_DNS_CACHE_MIN);
	struct dns_cache_reader reader = {0};
	struct weir_dns_lookup_info found;
	(void)state;
	dns_cache_add_reader(cache, &reader);
	dns_cache_read_begin(&reader);
	for (unsigned i = 0; i < 5000; i++) {
		char question[64], line[64];
		snprintf(question, sizeof question, "n%u. A", i);
		snprintf(line, sizeof line, "an n%u. 600 A 192.0.2.1", i);
		PUT(cache, question, 0, "", 0, line);
		assert_true(counters_of(cache).bytes <= WEIR_DNS_CACHE_MIN);
	}
	assert_null(get(cache, "n4999. A", 0, 0, &found));
	dns_cache_read_end(&reader);
	PUT(cache, "a. A", 0, "", 0, "an a. 60 A 192.0.2.1");
	assert_non_null(get(cache, "a. A", 0, 0, &found));
	dns_cache_remove_reader(cache, &reader);
	weir_dns_cache_release(cache);
}

/* -- beside a model ---------------------------------------------------------------------------- */

struct model {
	bool known;
	uint32_t stored_s, ttl_s;
	unsigned records, number;
};

static unsigned random_below(unsigned count)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x % count);
}

static void model_put(
        struct weir_dns_cache *cache, struct model *model, unsigned name, uint32_t now_s)
{
	char question[64], texts[8][128];
	const char *lines[9] = {0};
	*model = (struct model){.known = true,
	        .stored_s = now_s,
	        .ttl_s = random_below(60),
	        .records = 1 + random_below(8),
	        .number = random_below(200)};
	snprintf(question, sizeof question, "n%u.example. TXT", name);
	for (unsigned i = 0; i < model->records; i++) {
		snprintf(texts[i], sizeof texts[i], "an n%u.example. %u TXT t%u-%u", name,
		        model->ttl_s + i, model->number, i);
		lines[i] = texts[i];
	}
	put(cache, question, 0, "", lines, now_s);
}

/* An entry that is found is the one that was put last. The cache may have evicted it. */
static bool model_check(
        struct weir_dns_cache *cache, const struct model *model, unsigned name, uint32_t now_s)
{
	char question[64], wanted[2048];
	size_t size = 0;
	struct weir_dns_lookup_info found;
	uint32_t age = now_s - model->stored_s;
	snprintf(question, sizeof question, "n%u.example. TXT", name);
	const char *lines = get(cache, question, 0, now_s, &found);
	if (!lines)
		return false;
	assert_true(model->known && model->ttl_s && age < model->ttl_s + STALE_S);
	for (unsigned i = 0; i < model->records; i++)
		size += (size_t)snprintf(wanted + size, sizeof wanted - size,
		        "an n%u.example. %u TXT t%u-%u\n", name,
		        age < model->ttl_s ? model->ttl_s + i - age : WEIR_DNS_STALE_TTL_S,
		        model->number, i);
	assert_string_equal(lines, wanted);
	assert_int_equal(found.extended_error, age < model->ttl_s ? -1 : WEIR_DNS_EDE_STALE);
	return true;
}

static void as_its_model(void **state)
{
	static struct model models[NAMES];
	struct weir_dns_cache *cache = create(WEIR_DNS_CACHE_MIN);
	uint32_t now_s = UINT32_MAX - 1000; /* and round */
	unsigned found = 0, asked = 0;
	(void)state;
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned name = random_below(1 + random_below(NAMES));
		switch (random_below(8)) {
		case 0:
			now_s += random_below(3);
			break;
		case 1:
		case 2:
			model_put(cache, &models[name], name, now_s);
			break;
		default:
			asked++;
			found += model_check(cache, &models[name], name, now_s);
		}
		assert_true(counters_of(cache).bytes <= WEIR_DNS_CACHE_MIN);
		assert_true(counters_of(cache).entries <= NAMES);
	}
	/* It is of use, and it was too small. */
	assert_true(found > asked / 10);
	assert_true(counters_of(cache).evicted > 1000);
	weir_dns_cache_release(cache);
}

/* Entries that are used stay, when many come that are not. */
static void what_is_used_stays(void **state)
{
	struct weir_dns_cache *cache = create(WEIR_DNS_CACHE_MIN);
	struct weir_dns_lookup_info found;
	(void)state;
	PUT(cache, "used. A", 0, "", 0, "an used. 600 A 192.0.2.1");
	for (unsigned i = 0; i < 20000; i++) {
		char question[64], line[64];
		snprintf(question, sizeof question, "n%u. A", i);
		snprintf(line, sizeof line, "an n%u. 600 A 192.0.2.1", i);
		PUT(cache, question, 0, "", 0, line);
		if (i % 50)
			continue;
		struct weir_dns_question asked = question_of("used. A");
		struct dns_cache_key key;
		dns_cache_key(cache, &asked, 0, &key);
		struct dns_cache_entry *entry = dns_cache_find(cache, &key, 0);
		assert_non_null(entry);
		entry->uses = 3;
	}
	assert_null(get(cache, "n0. A", 0, 0, &found));
	weir_dns_cache_release(cache);
}

static bool note_cached(void *context, const struct weir_dns_cached *cached)
{
	char name[WEIR_DNS_TEXT_MAX], line[WEIR_DNS_TEXT_MAX + 60];
	weir_dns_name_format(&cached->name, name);
	snprintf(line, sizeof line, "%s %u %u %d\n", name, cached->type, cached->rcode,
	        (int)cached->left_s);
	strcat(context, line);
	return strlen(context) < 40;
}

static void an_operator_sees_and_flushes_what_is_beneath_a_name(void **state)
{
	struct weir_dns_cache *cache = create(1 << 20);
	struct weir_dns_lookup_info found;
	struct weir_dns_name name;
	char text[1024] = "";
	(void)state;
	PUT(cache, "a.x. A", 0, "ad", 100, "an a.x. 60 A 192.0.2.1");
	PUT(cache, "b.A.x. A", 0, "ad", 100, "an b.A.x. 60 A 192.0.2.1");
	PUT(cache, "ba.x. A", 0, "ad", 100, "an ba.x. 60 A 192.0.2.1");
	assert_int_equal(weir_dns_name_parse(WEIR_SPAN("ba.x."), &name), 0);
	weir_dns_cache_each(cache, &name, 130, note_cached, text);
	assert_string_equal(text, "ba.x. 1 0 30\n");
	/* It ends when the function returns false. */
	text[0] = 0;
	weir_dns_cache_each(cache, NULL, 200, note_cached, text);
	assert_in_range(strlen(text), 14, 60);
	assert_int_equal(weir_dns_name_parse(WEIR_SPAN("a.x."), &name), 0);
	assert_int_equal(weir_dns_cache_flush(cache, &name), 2);
	assert_null(get(cache, "a.x. A", 0, 100, &found));
	assert_null(get(cache, "b.a.x. A", 0, 100, &found));
	assert_non_null(get(cache, "ba.x. A", 0, 100, &found));
	assert_int_equal(weir_dns_cache_flush(cache, NULL), 1);
	assert_int_equal(weir_dns_cache_flush(cache, NULL), 0);
	assert_int_equal(counters_of(cache).entries, 0);
	/* The memory is free again. */
	PUT(cache, "a.x. A", 0, "ad", 100, "an a.x. 60 A 192.0.2.1");
	assert_non_null(get(cache, "a.x. A", 0, 100, &found));
	weir_dns_cache_release(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_operator_sees_and_flushes_what_is_beneath_a_name),
	        cmocka_unit_test(ttls_run_down),
	        cmocka_unit_test(whatever_else_is_asked_is_another_question),
	        cmocka_unit_test(an_answer_is_fresh_for_a_loop_whose_clock_is_behind),
	        cmocka_unit_test(failures_are_short_and_never_stale),
	        cmocka_unit_test(a_reply_that_does_not_fit),
	        cmocka_unit_test(without_memory),
	        cmocka_unit_test(what_a_loop_reads_stays_while_it_reads),
	        cmocka_unit_test(an_interrupted_reader_does_not_make_the_cache_grow),
	        cmocka_unit_test(as_its_model),
	        cmocka_unit_test(what_is_used_stays),
	};
	return cmocka_run_group_tests_name("resolver/cache", tests, NULL, NULL);
}
