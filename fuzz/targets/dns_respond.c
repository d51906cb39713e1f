/*
 * Replies: whatever is asked, of a zone with NSEC or NSEC3, by UDP or TCP: a reply is well formed
 * to its last byte, and fits.
 */
#include <stdlib.h>

#include <weir/dns_answer.h>
#include <weir/dns_message.h>

#include <weir/loop.h>

#include "dns_codec.h"
#include "zone_builder.h"
#include "zone_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	STEPS_MAX = 100000 /* most are of a cached answer of 255 records, behind an alias of ours */
};

static void add(
        struct dns_builder *builder, const char *text, uint16_t type, const void *data, size_t size)
{
	struct weir_dns_name owner;
	uint8_t signature[24] = {0};
	dns_put16(signature, type);
	if (weir_dns_name_parse(weir_span_of(text), &owner) < 0 ||
	        dns_builder_add(builder, &owner, type, 300, weir_span(data, size), 0) < 0 ||
	        dns_builder_add(builder, &owner, WEIR_DNS_RRSIG, 300,
	                weir_span(signature, sizeof signature), 0) < 0)
		abort();
}

#define ADD(name, type, literal) add(&builder, name, type, literal, sizeof literal - 1)

/* Records as ldns would hand them over; what proofs say does not matter here. */
static struct weir_dns_zone *make_zone(bool nsec3)
{
	struct dns_builder builder;
	struct weir_dns_name apex;
	struct weir_dns_zone *zone;
	weir_dns_name_parse(WEIR_SPAN("z"), &apex);
	if (dns_builder_init(&builder, &apex) < 0)
		abort();
	ADD("z", WEIR_DNS_SOA, "\2ns\1z\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1");
	ADD("z", WEIR_DNS_NS, "\2ns\1z\0");
	ADD("ns.z", WEIR_DNS_A, "\300\0\2\1");
	ADD("*.w.z", WEIR_DNS_CNAME, "\1x\1d\1z\0");
	ADD("l.z", WEIR_DNS_CNAME, "\1l\1z\0");
	ADD("d.z", WEIR_DNS_DNAME, "\1w\1z\0");
	ADD("e.n.t.z", WEIR_DNS_MX, "\0\1\2ns\1z\0");
	ADD("c.z", WEIR_DNS_NS, "\1g\1c\1z\0");
	ADD("g.c.z", WEIR_DNS_A, "\300\0\2\2");
	for (unsigned i = 0; i < 40; i++) {
		uint8_t text[64] = {63, (uint8_t)i};
		add(&builder, "big.z", WEIR_DNS_TXT, text, sizeof text);
	}
	if (nsec3) {
		ADD("z", WEIR_DNS_NSEC3PARAM, "\1\0\0\0\0");
		struct dns_hasher *hasher = dns_hasher_create();
		struct weir_dns_zone none = {0};
		uint8_t hash[DNS_HASH_SIZE], owner[DNS_BASE32_SIZE + 3] = {0};
		dns_hash(hasher, &none, apex.wire, hash);
		dns_base32_encode(hash, owner);
		memcpy(owner + DNS_BASE32_SIZE, ".z", 3);
		ADD((char *)owner, WEIR_DNS_NSEC3, "\1\0\0\0\0\24aaaaaaaaaaaaaaaaaaaa");
		dns_hasher_destroy(hasher);
	} else {
		ADD("z", WEIR_DNS_NSEC, "\1c\1z\0\0\1\100");
		ADD("c.z", WEIR_DNS_NSEC, "\1z\0\0\1\100");
	}
	if (dns_builder_finish(&builder, NULL, NULL, &zone) < 0)
		abort();
	dns_builder_free(&builder);
	return zone;
}

static struct weir_dns_zones *make_zones(bool nsec3)
{
	struct weir_dns_zone_entry entry = {.zone = make_zone(nsec3)};
	struct weir_dns_zones *zones;
	if (weir_dns_zones_create(&entry, 1, &zones) < 0)
		abort();
	weir_dns_zone_release(entry.zone);
	return zones;
}

static struct weir_dns_keys *make_keys(void)
{
	struct weir_dns_tsig_key key = {.algorithm = WEIR_DNS_HMAC_SHA256, .secret_size = 6};
	struct weir_dns_keys *keys;
	memcpy(key.secret, "secret", 6);
	if (weir_dns_name_parse(WEIR_SPAN("key"), &key.name) < 0 ||
	        weir_dns_keys_create(&key, 1, &keys) < 0)
		abort();
	return keys;
}

static void check(struct weir_span reply)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	if (!weir_dns_header_read(reply, &header) || !(header.flags & WEIR_DNS_QR))
		abort();
	for (unsigned i = 0; i < header.counts[0]; i++)
		if (weir_dns_question_read(reply, &at, &question) < 0)
			abort();
	for (unsigned i = header.counts[1] + header.counts[2] + header.counts[3]; i; i--)
		if (weir_dns_record_read(reply, &at, &record) < 0)
			abort();
	if (at != reply.size)
		abort();
}

/* -- names of no zone -------------------------------------------------------------------------- */

/* The question under way: one at a time. */
static struct {
	struct weir_dns_question question;
	weir_dns_answered_fn *answered;
	void *context;
	bool open;
} asked;

static int ask(void *context, const struct weir_dns_question *question, unsigned flags,
        weir_dns_answered_fn *answered, void *answered_context, void **ret)
{
	(void)context, (void)flags;
	asked.question = *question;
	asked.answered = answered;
	asked.context = answered_context;
	asked.open = true;
	*ret = &asked;
	return 0;
}

static void cancel(void *ask)
{
	(void)ask;
	abort();
}

/* So many records that they fit, or do not; of most types they are no good ones. */
static void answer(unsigned count)
{
	static const char data[] = "\0\0\0\1\0\20\7strings\7strings";
	static uint8_t message[WEIR_DNS_MESSAGE_MAX];
	uint8_t fixed[4] = {asked.question.type >> 8, asked.question.type & 0xff,
	        asked.question.rr_class >> 8, asked.question.rr_class & 0xff};
	struct weir_dns_writer writer;
	weir_dns_writer_init(&writer, message, sizeof message);
	for (unsigned i = 0; i <= count; i++) {
		weir_dns_put_name(&writer, asked.question.name.wire);
		weir_dns_put_bytes(&writer, fixed, sizeof fixed);
		if (i)
			weir_dns_put_bytes(&writer, data, sizeof data - 1);
	}
	writer.counts[WEIR_DNS_QUESTION] = 1;
	writer.counts[WEIR_DNS_ANSWER] = (uint16_t)count;
	size_t size = weir_dns_writer_finish(&writer, 0, WEIR_DNS_QR | WEIR_DNS_RD);
	asked.open = false;
	asked.answered(asked.context, 0, weir_span(message, size));
}

static void check_late(void *context, struct weir_span reply,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome)
{
	(void)outcome;
	if (reply.size)
		check(reply);
	if (request->over == WEIR_DNS_OVER_UDP && reply.size > 1232)
		abort();
	*(bool *)context = true;
}

static struct weir_dns_recursion make_recursion(void)
{
	static const struct weir_dns_asker asker = {ask, cancel};
	static const struct weir_network all;
	struct weir_dns_lookups_options options;
	struct weir_dns_lookups *lookups;
	struct weir_loop *loop;
	weir_dns_lookups_options_init(&options);
	options.asker = &asker;
	options.own_cache.bytes = 1;
	if (weir_loop_create(&loop) < 0 || weir_dns_lookups_create(loop, &options, &lookups) < 0)
		abort();
	return (struct weir_dns_recursion){lookups, &all, 1, true};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_dns_zones *zones[2];
	static struct weir_dns_responder *responder;
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_outcome outcome;
	struct weir_dns_waiting *waiting;
	struct weir_address peer = {.v4 = {.sin_family = AF_INET}};
	bool late = false;
	if (!responder) {
		struct weir_dns_responder_options options;
		weir_dns_responder_options_init(&options);
		options.nsid = WEIR_SPAN("id");
		options.version = "v";
		options.identity = "i";
		options.keys = make_keys();
		options.recursion = make_recursion();
		zones[0] = make_zones(false);
		zones[1] = make_zones(true);
		if (weir_dns_responder_create(&options, &responder) < 0)
			abort();
		weir_dns_keys_release(options.keys);
	}
	if (!size)
		return 0;
	struct weir_dns_request request = {
	        .message = weir_span(data + 1, size - 1),
	        .peer = &peer,
	        .over = (enum weir_dns_over)((data[0] >> 1) % 3),
	        .now_s = 1600000000,
	};
	size_t room = request.over == WEIR_DNS_OVER_UDP ? 1232 : sizeof reply;
	uint64_t before = dns_name_steps;
	size_t got = weir_dns_respond_or_wait(responder, zones[data[0] & 1], &request, reply, room,
	        &outcome, check_late, &late, &waiting);
	if (got > room || (got && waiting) || dns_name_steps - before > STEPS_MAX)
		abort();
	if (got)
		check(weir_span(reply, got));
	if (asked.open)
		answer(data[0]);
	if (late != !!waiting)
		abort();
	return 0;
}
