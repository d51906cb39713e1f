/*
 * Replies of primaries: whole and in pieces, incremental and complete, signed, and wrong in every
 * respect.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/error.h>

#include "allocation.h"
#include "random_zone.h"
#include "zone_transfer.h"

static struct weir_loop *loop;
static const struct weir_dns_tsig_key key = {
        .name = {.size = 5, .labels = 1, .wire = "\3key"},
        .secret_size = 6,
        .secret = "secret",
};
static int64_t now_s = 1700000000;

/* -- what our own server sends ----------------------------------------------------------------- */

/* The bytes of the transfer that answers the request. */
static struct weir_buffer transfer_of(struct weir_dns_zone *zone, struct weir_span request)
{
	struct weir_dns_zone_entry entry = {.zone = zone};
	struct weir_dns_outcome outcome = {.transfer = &entry};
	struct drain drained = {.loop = loop, .room = 1 << 20};
	const char *fault = drain(&drained, dns_transfer(&outcome, NULL, request, loop));
	assert_null(fault);
	return drained.bytes;
}

static size_t begin(struct dns_incoming *incoming, uint16_t type,
        const struct weir_dns_zone *before, uint8_t request[INCOMING_REQUEST_MAX], bool is_signed)
{
	struct weir_dns_name apex;
	weir_dns_name_parse(WEIR_SPAN("Z"), &apex);
	dns_incoming_init(incoming, &apex, type, before);
	incoming->id = 0x1234;
	size_t size = dns_incoming_request(incoming, is_signed ? &key : NULL, request, now_s);
	assert_true(size > 0);
	return size;
}

/* Fed in pieces of so many bytes; 0: random ones. */
static int feed(
        struct dns_incoming *incoming, struct weir_span bytes, size_t piece, struct dice *dice)
{
	int error = 0;
	while (bytes.size && error == 0) {
		size_t size = piece ? piece : 1 + dice_throw(dice, 300);
		size = size < bytes.size ? size : bytes.size;
		/* In memory of its own, so that reading beyond it is seen. */
		char *copy = malloc(size);
		memcpy(copy, bytes.data, size);
		error = dns_incoming_feed(incoming, weir_span(copy, size), now_s);
		free(copy);
		bytes = weir_span_skip(bytes, size);
	}
	return error;
}

static void assert_same(const struct weir_dns_zone *a, const struct weir_dns_zone *b)
{
	struct zone_lines left = zone_lines_of(a), right = zone_lines_of(b);
	assert_true(zone_lines_equal(&left, &right));
	assert_int_equal(a->serial, b->serial);
	assert_int_equal(a->chain_count, b->chain_count);
	zone_lines_free(&left);
	zone_lines_free(&right);
}

static void receive(struct weir_dns_zone *theirs, const struct weir_dns_zone *before, uint16_t type,
        size_t piece, struct dice *dice)
{
	struct dns_incoming incoming;
	struct weir_dns_zone *zone = NULL;
	uint8_t request[INCOMING_REQUEST_MAX];
	size_t size = begin(&incoming, type, before, request, false);
	struct weir_buffer bytes = transfer_of(theirs, weir_span(request, size));
	assert_int_equal(feed(&incoming, weir_buffer_span(&bytes), piece, dice), 0);
	assert_int_equal(incoming.state, INCOMING_ENDED);
	assert_false(incoming.current);
	assert_int_equal(dns_incoming_finish(&incoming, &zone), 0);
	assert_same(zone, theirs);
	weir_dns_zone_release(zone);
	dns_incoming_free(&incoming);
	weir_buffer_finish(&bytes);
}

static void what_our_server_sends_is_the_zone(void **state)
{
	struct dice dice = {.state = 11};
	(void)state;
	for (unsigned run = 0; run < 300; run++) {
		struct random_zone model = {.serial = run * 0x01000000u};
		struct weir_dns_zone *versions[5];
		for (unsigned i = 0; i < 5; i++) {
			random_zone_change(&model, &dice, i ? 8 : 120);
			versions[i] = random_zone_make(&model);
			assert_non_null(versions[i]);
			if (i)
				assert_int_equal(
				        weir_dns_zone_follow(versions[i], versions[i - 1]), 0);
		}
		struct weir_dns_zone *last = versions[4];
		receive(last, NULL, WEIR_DNS_AXFR, run % 10 ? 0 : 1, &dice);
		for (unsigned i = 0; i < 4; i++)
			receive(last, versions[i], WEIR_DNS_IXFR, run % 10 ? 0 : 1, &dice);
		for (unsigned i = 0; i < 5; i++)
			weir_dns_zone_release(versions[i]);
	}
}

/* -- messages that anybody may send ------------------------------------------------------------ */

struct stream {
	struct weir_buffer bytes;
	struct weir_dns_writer writer;
	uint8_t message[4096];
	uint16_t type;
	bool open;
	bool first;
	struct weir_dns_tsig tsig; /* of the server */
	struct weir_buffer unsigned_bytes;
};

static void open_message(struct stream *stream)
{
	uint8_t question[7] = {1, 'z', 0, 0, (uint8_t)stream->type, 0, 1};
	weir_dns_writer_init(&stream->writer, stream->message, sizeof stream->message);
	if (!stream->first)
		weir_dns_put_question(&stream->writer, weir_span(question, sizeof question));
	stream->first = true;
	stream->open = true;
}

static void put_message(struct stream *stream, const uint8_t *message, size_t size)
{
	uint8_t length[2];
	dns_put16(length, (unsigned)size);
	weir_buffer_append(&stream->bytes, length, sizeof length, SIZE_MAX);
	weir_buffer_append(&stream->bytes, message, size, SIZE_MAX);
}

static void end_message(struct stream *stream)
{
	size_t size = weir_dns_writer_finish(&stream->writer, 0x1234, WEIR_DNS_QR | WEIR_DNS_AA);
	put_message(stream, stream->message, size);
	stream->open = false;
}

static void put(struct stream *stream, const char *owner, uint16_t type, uint16_t rr_class,
        const void *data, size_t size)
{
	struct weir_dns_name name;
	weir_dns_name_parse(weir_span_of(owner), &name);
	assert_true(weir_dns_put_record(&stream->writer, WEIR_DNS_ANSWER, name.wire, type, rr_class,
	        300, weir_span(data, size)));
}

/*
 * A word a record: S7 the SOA record of that serial, N the NS record, A1 an address, and some that
 * do not belong there; | ends a message.
 */
static void put_word(struct stream *stream, const char *word)
{
	uint8_t soa[] = "\2n0\1z\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1";
	uint32_t number = (uint32_t)strtoul(word + 1, NULL, 0);
	uint8_t address[4] = {192, 0, 2, (uint8_t)number};
	dns_put32(soa + 7, number);
	if (!stream->open && *word != '|')
		open_message(stream);
	switch (*word) {
	case 'S':
		put(stream, "z", WEIR_DNS_SOA, WEIR_DNS_IN, soa, 27);
		break;
	case 's':
		put(stream, "sub.z", WEIR_DNS_SOA, WEIR_DNS_IN, soa, 27);
		break;
	case 'N':
		put(stream, "z", WEIR_DNS_NS, WEIR_DNS_IN, "\2ns\1z\0", 6);
		break;
	case 'n':
		put(stream, "Z", WEIR_DNS_NS, WEIR_DNS_IN, "\2NS\1Z\0", 6);
		break;
	case 'A':
		put(stream, "h.z", WEIR_DNS_A, WEIR_DNS_IN, address, 4);
		break;
	case 'O':
		put(stream, "h.y", WEIR_DNS_A, WEIR_DNS_IN, address, 4);
		break;
	case 'C':
		put(stream, "h.z", WEIR_DNS_A, WEIR_DNS_CH, address, 4);
		break;
	case 'Y':
		put(stream, "h.z", WEIR_DNS_ANY, WEIR_DNS_IN, address, 4);
		break;
	case 'M':
		put(stream, "h.z", WEIR_DNS_RRSIG, WEIR_DNS_IN, address, 4);
		break;
	case 'P':
		put(stream, "a.h.z", WEIR_DNS_NSEC3, WEIR_DNS_IN, "\1\0\0\0\0\0", 6);
		break;
	default:
		end_message(stream);
		break;
	}
}

static void write_stream(struct stream *stream, uint16_t type, const char *script)
{
	*stream = (struct stream){.type = type};
	for (const char *at = script; *at; at += strspn(at, " ")) {
		put_word(stream, at);
		at += strcspn(at, " ");
	}
	if (stream->open)
		end_message(stream);
}

/* Serial 5, and h.z with the address 1. */
static struct weir_dns_zone *make_before(uint32_t serial)
{
	struct stream stream;
	struct dns_incoming incoming;
	struct weir_dns_zone *zone = NULL;
	char script[100];
	uint8_t request[INCOMING_REQUEST_MAX];
	snprintf(script, sizeof script, "S%u N A1 S%u", serial, serial);
	write_stream(&stream, WEIR_DNS_AXFR, script);
	begin(&incoming, WEIR_DNS_AXFR, NULL, request, false);
	assert_int_equal(dns_incoming_feed(&incoming, weir_buffer_span(&stream.bytes), now_s), 0);
	assert_int_equal(dns_incoming_finish(&incoming, &zone), 0);
	dns_incoming_free(&incoming);
	weir_buffer_finish(&stream.bytes);
	return zone;
}

enum result {
	GOOD,       /* a zone */
	CURRENT,    /* nothing later */
	UNFINISHED, /* more has to come */
	WRONG,      /* refused as it came */
	NO_ZONE     /* after the last message */
};

static enum result play(
        uint16_t type, struct weir_dns_zone *before, const char *script, size_t piece)
{
	struct stream stream;
	struct dns_incoming incoming;
	struct weir_dns_zone *zone = NULL;
	struct dice dice = {.state = 1};
	uint8_t request[INCOMING_REQUEST_MAX];
	enum result result = UNFINISHED;
	write_stream(&stream, type, script);
	begin(&incoming, type, before, request, false);
	int error = feed(&incoming, weir_buffer_span(&stream.bytes), piece, &dice);
	if (error < 0) {
		assert_int_equal(error, -EPROTO);
		assert_non_null(incoming.why);
		result = WRONG;
	} else if (incoming.current) {
		assert_int_equal(incoming.state, INCOMING_ENDED);
		result = CURRENT;
	} else if (incoming.state == INCOMING_ENDED) {
		error = dns_incoming_finish(&incoming, &zone);
		assert_true(error == 0 || (error == -EPROTO && incoming.why));
		result = error == 0 ? GOOD : NO_ZONE;
		weir_dns_zone_release(zone);
	}
	dns_incoming_free(&incoming);
	weir_buffer_finish(&stream.bytes);
	return result;
}

static const struct {
	uint16_t type;
	const char *script;
	enum result result;
} plays[] = {
        {WEIR_DNS_AXFR, "S7 N A1 S7", GOOD},
        {WEIR_DNS_AXFR, "S7 | N | A1 | S7", GOOD},
        {WEIR_DNS_AXFR, "S5 N S5", GOOD},
        {WEIR_DNS_AXFR, "S7 N A1", UNFINISHED},
        {WEIR_DNS_AXFR, "S4 N S4", WRONG},
        {WEIR_DNS_AXFR, "A1 S7", WRONG},
        {WEIR_DNS_AXFR, "S7 N A1 S8", WRONG},
        {WEIR_DNS_AXFR, "S7 N S7 A1", WRONG},
        {WEIR_DNS_AXFR, "S7 N S7 | A1", WRONG},
        {WEIR_DNS_AXFR, "S7 N O S7", WRONG},
        {WEIR_DNS_AXFR, "S7 N s7 S7", WRONG},
        {WEIR_DNS_AXFR, "S7 N C S7", WRONG},
        {WEIR_DNS_AXFR, "S7 N Y S7", WRONG},
        {WEIR_DNS_AXFR, "S7 N M S7", WRONG},
        {WEIR_DNS_AXFR, "S7 N P S7", WRONG},
        {WEIR_DNS_AXFR, "S7 A1 S7", NO_ZONE},
        {WEIR_DNS_AXFR, "S7 S7", NO_ZONE},
        {WEIR_DNS_IXFR, "S5", CURRENT},
        {WEIR_DNS_IXFR, "S4", CURRENT},
        {WEIR_DNS_IXFR, "S4 N A1 S4", WRONG},
        {WEIR_DNS_IXFR, "S4 S5 A1 S4 A2 S4", WRONG},
        {WEIR_DNS_IXFR, "S7", UNFINISHED},
        {WEIR_DNS_IXFR, "S7 N A1 A2 S7", GOOD},
        {WEIR_DNS_IXFR, "S7 | N | A1 | S7", GOOD},
        {WEIR_DNS_IXFR, "S7 S5 A1 S7 A2 S7", GOOD},
        {WEIR_DNS_IXFR, "S7 | S5 | A1 | S7 | A2 | S7", GOOD},
        {WEIR_DNS_IXFR, "S7 S5 A1 S6 A2 S6 A2 S7 A3 S7", GOOD},
        {WEIR_DNS_IXFR, "S7 S5 A1 S6 A2 S6 A2 S7 A1 S7", GOOD},
        {WEIR_DNS_IXFR, "S7 S5 n S7 n S7", GOOD},
        {WEIR_DNS_IXFR, "S7 S5 S7 S7", GOOD},
        {WEIR_DNS_IXFR, "S7 S5 N S7 S7", NO_ZONE},
        {WEIR_DNS_IXFR, "S7 S5 A9 S7 S7", NO_ZONE},
        {WEIR_DNS_IXFR, "S7 S5 S7 A1 S7", NO_ZONE},
        {WEIR_DNS_IXFR, "S7 S5 A1 A1 S7 S7", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 S7 A2 A2 S7", WRONG},
        {WEIR_DNS_IXFR, "S7 S6 A1 S7 A2 S7", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S4", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S5", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S8", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S6 A2 S7", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S6 A2 S5", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S7 A2 S6", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S7 A2 S7 A3", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S7 O S7", WRONG},
        {WEIR_DNS_IXFR, "S7 S5 A1 S6 A2 S6", UNFINISHED},
        {WEIR_DNS_IXFR, "S7 S5 A1 S7", UNFINISHED},
        {WEIR_DNS_IXFR, "N", WRONG},
};

static void transfers_of_all_kinds(void **state)
{
	struct weir_dns_zone *before = make_before(5);
	(void)state;
	for (size_t i = 0; i < sizeof plays / sizeof *plays; i++)
		for (size_t piece = 1; piece < 2000; piece = piece * 3 - piece / 2) {
			enum result result = play(plays[i].type, before, plays[i].script, piece);
			if (result != plays[i].result)
				fail_msg("%s: %u", plays[i].script, result);
		}
	weir_dns_zone_release(before);
}

static void serial_numbers_wrap(void **state)
{
	struct weir_dns_zone *before = make_before(0xfffffff0);
	(void)state;
	assert_int_equal(play(WEIR_DNS_IXFR, before, "S3 S0xfffffff0 A1 S3 A2 S3", 9999), GOOD);
	assert_int_equal(play(WEIR_DNS_IXFR, before, "S0x7fffffef", 9999), UNFINISHED);
	assert_int_equal(play(WEIR_DNS_IXFR, before, "S0x7ffffff1", 9999), CURRENT);
	assert_int_equal(play(WEIR_DNS_AXFR, before, "S3 N S3", 9999), GOOD);
	weir_dns_zone_release(before);
}

/* -- messages ---------------------------------------------------------------------------------- */

/* A good answer to AXFR with some bytes changed: what becomes of it. */
static int change(size_t at, unsigned value, struct dns_incoming *incoming)
{
	struct stream stream;
	uint8_t request[INCOMING_REQUEST_MAX];
	write_stream(&stream, WEIR_DNS_AXFR, "S7 N S7");
	begin(incoming, WEIR_DNS_AXFR, NULL, request, false);
	stream.bytes.data[2 + at] = (char)value;
	int error = dns_incoming_feed(incoming, weir_buffer_span(&stream.bytes), now_s);
	dns_incoming_free(incoming);
	weir_buffer_finish(&stream.bytes);
	return error;
}

static void messages_that_are_no_answers(void **state)
{
	static const struct {
		size_t at;
		unsigned value;
		int error;
	} cases[] = {{0, 0x12, 0}, {0, 0x13, -ENOMSG}, {1, 0, -ENOMSG}, {2, 0x04, -ENOMSG},
	        {2, 0xa4, -ENOMSG}, {2, 0x86, -EPROTO}, {3, 5, -ECONNREFUSED},
	        {3, 9, -ECONNREFUSED}, {5, 0, -ENOMSG}, {5, 2, -ENOMSG}, {7, 0, -EPROTO},
	        {7, 2, -EPROTO}, {7, 4, -EPROTO}, {9, 1, -EPROTO}, {11, 1, -EPROTO},
	        {13, 'y', -ENOMSG}, {13, 'Z', 0}, {16, 251, -ENOMSG}, {18, 3, -ENOMSG}};
	struct dns_incoming incoming;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int error = change(cases[i].at, cases[i].value, &incoming);
		if (error != cases[i].error)
			fail_msg("case %zu: %d", i, error);
		assert_true(error == 0 || incoming.why);
	}
	assert_int_equal(change(3, 9, &incoming), -ECONNREFUSED);
	assert_int_equal(incoming.rcode, 9);
	assert_int_equal(change(2, 0x86, &incoming), -EPROTO);
	assert_true(incoming.truncated);
}

static void whatever_is_changed_nothing_is_read_that_is_not_there(void **state)
{
	struct dns_incoming incoming;
	(void)state;
	for (size_t at = 0; at < 80; at++)
		for (unsigned value = 0; value < 256; value += at < 30 ? 1 : 7)
			change(at, value, &incoming);
}

static void more_than_the_bound_is_not_taken(void **state)
{
	struct stream stream;
	struct dns_incoming incoming;
	uint8_t request[INCOMING_REQUEST_MAX];
	(void)state;
	write_stream(&stream, WEIR_DNS_AXFR, "S7 N A1 A2 A3 S7");
	for (unsigned less = 0; less < 2; less++) {
		begin(&incoming, WEIR_DNS_AXFR, NULL, request, false);
		incoming.bytes_max = stream.bytes.size - less;
		int error = dns_incoming_feed(&incoming, weir_buffer_span(&stream.bytes), now_s);
		assert_int_equal(error, less ? WEIR_E_LIMIT : 0);
		dns_incoming_free(&incoming);
	}
	weir_buffer_finish(&stream.bytes);
}

static void a_soa_record_is_asked_for(void **state)
{
	struct stream stream;
	struct dns_incoming incoming;
	uint8_t request[INCOMING_REQUEST_MAX];
	(void)state;
	write_stream(&stream, WEIR_DNS_SOA, "S77");
	struct weir_span message = weir_span_skip(weir_buffer_span(&stream.bytes), 2);
	begin(&incoming, WEIR_DNS_SOA, NULL, request, false);
	stream.bytes.data[4] ^= 0x04;
	assert_int_equal(dns_incoming_message(&incoming, message, now_s), -EPROTO);
	dns_incoming_free(&incoming);
	begin(&incoming, WEIR_DNS_SOA, NULL, request, false);
	stream.bytes.data[4] ^= 0x04;
	assert_int_equal(dns_incoming_message(&incoming, message, now_s), 0);
	assert_int_equal(incoming.state, INCOMING_ENDED);
	assert_int_equal(incoming.serial, 77);
	dns_incoming_free(&incoming);
	weir_buffer_finish(&stream.bytes);
}

/* -- signatures -------------------------------------------------------------------------------- */

/* Signs the last message of the stream, and all before it that are not. */
static void sign(struct stream *stream, bool following)
{
	uint8_t message[4096], rdata[200], *to = rdata;
	struct weir_dns_tsig *tsig = &stream->tsig;
	size_t size = weir_dns_writer_finish(&stream->writer, 0x1234, WEIR_DNS_QR | WEIR_DNS_AA);
	memcpy(message, stream->message, size);
	tsig->time_s = (uint64_t)now_s;
	tsig->fudge_s = 300;
	struct dns_mac mac = dns_mac_begin(&key);
	dns_mac_add_previous(&mac, tsig);
	dns_mac_add(&mac, stream->unsigned_bytes.data, stream->unsigned_bytes.size);
	dns_mac_add(&mac, message, size);
	if (following)
		dns_mac_add_timers(&mac, tsig);
	else
		dns_mac_add_variables(&mac, tsig, weir_span(NULL, 0));
	assert_true(dns_mac_end(&mac, tsig->mac));
	tsig->mac_size = 32;
	stream->unsigned_bytes.size = 0;
	memcpy(to, tsig->algorithm.wire, tsig->algorithm.size);
	to += tsig->algorithm.size;
	dns_put48(to, tsig->time_s);
	dns_put16(to + 6, tsig->fudge_s);
	dns_put16(to + 8, 32);
	memcpy(to + 10, tsig->mac, 32);
	to += 42;
	dns_put16(to, 0x1234);
	dns_put32(to + 2, 0);
	to += 6;
	assert_true(weir_dns_put_record(&stream->writer, WEIR_DNS_ADDITIONAL, key.name.wire,
	        WEIR_DNS_TSIG, WEIR_DNS_CLASS_ANY, 0, weir_span(rdata, (size_t)(to - rdata))));
	end_message(stream);
}

/*
 * "S7 N A1 A2 … S7", a record a message, of which those that `every` divides and the last are
 * signed.
 */
static void write_signed(struct stream *stream, const uint8_t *request, size_t size,
        unsigned messages, unsigned every, bool last)
{
	struct weir_dns_query query;
	struct weir_dns_keys *keys;
	*stream = (struct stream){.type = WEIR_DNS_AXFR};
	assert_int_equal(weir_dns_keys_create(&key, 1, &keys), 0);
	assert_int_equal(weir_dns_query_read(weir_span(request, size), &query), 0);
	assert_int_equal(weir_dns_tsig_verify(
	                         keys, weir_span(request, size), query.tsig, now_s, &stream->tsig),
	        0);
	for (unsigned i = 0; i < messages; i++) {
		char word[20];
		snprintf(word, sizeof word, "A%u", i);
		put_word(stream, i == 0 || i == messages - 1 ? "S7" : i == 1 ? "N" : word);
		if (i % every == 0 || (i == messages - 1 && last)) {
			sign(stream, i > 0);
			continue;
		}
		size_t start = stream->bytes.size + 2;
		end_message(stream);
		weir_buffer_append(&stream->unsigned_bytes, stream->bytes.data + start,
		        stream->bytes.size - start, SIZE_MAX);
	}
	weir_dns_keys_release(keys);
	weir_buffer_finish(&stream->unsigned_bytes);
}

static void signatures_cover_what_comes_between(void **state)
{
	static const struct {
		unsigned messages, every;
		bool last;
		int error;
	} cases[] = {{3, 1, true, 0}, {10, 1, true, 0}, {10, 4, true, 0}, {102, 100, true, 0},
	        {201, 100, true, 0}, {102, 101, true, -EACCES}, {10, 4, false, -EACCES}};
	struct dice dice = {.state = 5};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct stream stream;
		struct dns_incoming incoming;
		uint8_t request[INCOMING_REQUEST_MAX];
		size_t size = begin(&incoming, WEIR_DNS_AXFR, NULL, request, true);
		write_signed(
		        &stream, request, size, cases[i].messages, cases[i].every, cases[i].last);
		assert_int_equal(
		        feed(&incoming, weir_buffer_span(&stream.bytes), 0, &dice), cases[i].error);
		dns_incoming_free(&incoming);
		weir_buffer_finish(&stream.bytes);
	}
}

/* The state of the answers is the request's: a copy of it begins anew. */
static int feed_signed(const struct dns_incoming *begun, struct weir_span bytes, int64_t when_s)
{
	struct dns_incoming incoming = *begun;
	int error = dns_incoming_feed(&incoming, bytes, when_s);
	if (error == 0 && incoming.state != INCOMING_ENDED)
		error = 1;
	dns_incoming_free(&incoming);
	return error;
}

static void no_bit_of_a_signed_transfer_can_change(void **state)
{
	struct stream stream;
	struct dns_incoming begun;
	uint8_t request[INCOMING_REQUEST_MAX];
	(void)state;
	size_t size = begin(&begun, WEIR_DNS_AXFR, NULL, request, true);
	write_signed(&stream, request, size, 6, 2, true);
	struct weir_span bytes = weir_buffer_span(&stream.bytes);
	assert_int_equal(feed_signed(&begun, bytes, now_s), 0);
	for (size_t at = 0; at < bytes.size; at++)
		for (unsigned bit = 1; bit < 256; bit *= 2) {
			/* The case of letters counts nowhere. */
			bool letter = bit == 0x20 && (stream.bytes.data[at] | 0x20) >= 'a' &&
			              (stream.bytes.data[at] | 0x20) <= 'z';
			stream.bytes.data[at] ^= (char)bit;
			if (!letter && feed_signed(&begun, bytes, now_s) == 0)
				fail_msg("byte %zu, bit %u", at, bit);
			stream.bytes.data[at] ^= (char)bit;
		}
	assert_int_equal(feed_signed(&begun, bytes, now_s + 301), -EACCES);
	assert_int_equal(feed_signed(&begun, bytes, now_s + 299), 0);
	weir_buffer_finish(&stream.bytes);
	write_stream(&stream, WEIR_DNS_AXFR, "S7 N S7");
	assert_int_equal(feed_signed(&begun, weir_buffer_span(&stream.bytes), now_s), -EACCES);
	dns_incoming_free(&begun);
	weir_buffer_finish(&stream.bytes);
}

/* -- without memory ---------------------------------------------------------------------------- */

static void without_memory(void **state)
{
	struct dice dice = {.state = 3};
	struct random_zone model = {.serial = 5};
	uint8_t request[INCOMING_REQUEST_MAX];
	(void)state;
	random_zone_change(&model, &dice, 100);
	struct weir_dns_zone *before = random_zone_make(&model);
	random_zone_change(&model, &dice, 100);
	struct weir_dns_zone *after = random_zone_make(&model);
	assert_int_equal(weir_dns_zone_follow(after, before), 0);
	for (unsigned type = WEIR_DNS_IXFR; type <= WEIR_DNS_AXFR; type++) {
		bool failed = true;
		for (unsigned good = 0; failed; good++) {
			struct dns_incoming incoming;
			struct weir_dns_zone *zone = NULL;
			size_t size = begin(&incoming, (uint16_t)type, before, request, false);
			struct weir_buffer bytes = transfer_of(after, weir_span(request, size));
			fail_allocation_after(good, true);
			int error = dns_incoming_feed(&incoming, weir_buffer_span(&bytes), now_s);
			if (error == 0)
				error = dns_incoming_finish(&incoming, &zone);
			failed = stop_failing_allocations();
			assert_int_equal(error, failed ? -ENOMEM : 0);
			assert_int_equal(zone != NULL, !failed);
			weir_dns_zone_release(zone);
			dns_incoming_free(&incoming);
			weir_buffer_finish(&bytes);
		}
	}
	weir_dns_zone_release(before);
	weir_dns_zone_release(after);
}

static int make_loop(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int free_loop(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_our_server_sends_is_the_zone),
	        cmocka_unit_test(transfers_of_all_kinds),
	        cmocka_unit_test(serial_numbers_wrap),
	        cmocka_unit_test(messages_that_are_no_answers),
	        cmocka_unit_test(whatever_is_changed_nothing_is_read_that_is_not_there),
	        cmocka_unit_test(more_than_the_bound_is_not_taken),
	        cmocka_unit_test(a_soa_record_is_asked_for),
	        cmocka_unit_test(signatures_cover_what_comes_between),
	        cmocka_unit_test(no_bit_of_a_signed_transfer_can_change),
	        cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, make_loop, free_loop);
}
