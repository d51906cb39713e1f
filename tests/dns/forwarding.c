/* A failure of a helper fails the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "dns_codec.h"
#include "dns_reply.h"
#include "forwarding.h"

struct forwarding forwarding;

/* A second begins now, so that none does before the test ends: TTLs are as they were sent. */
static void begin_second(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	clock_set_monotonic(((int64_t)now.tv_sec + 1) * 1000);
}

struct weir_dns_options default_options(void)
{
	struct weir_dns_options options;
	weir_dns_options_init(&options);
	return options;
}

int forwarding_open(struct weir_dns_options options, unsigned asks_max)
{
	struct weir_dns_lookups_options with;
	weir_dns_lookups_options_init(&with);
	with.own_cache.bytes = 1 << 20;
	with.asker = &test_asker;
	with.asker_context = &forwarding.asker;
	with.asks_max = asks_max;
	begin_second();
	memset(&forwarding.asker, 0, sizeof forwarding.asker);
	if (weir_loop_create(&forwarding.loop) < 0 ||
	        weir_dns_lookups_create(forwarding.loop, &with, &forwarding.lookups) < 0 ||
	        (!options.zones && weir_dns_zones_create(NULL, 0, &options.zones) < 0))
		return -1;
	options.listener.address = local_address();
	options.responder.recursion.lookups = forwarding.lookups;
	if (weir_dns_create(forwarding.loop, &options, &forwarding.server) < 0)
		return -1;
	weir_dns_zones_release(options.zones);
	const struct weir_address *address =
	        weir_server_address(weir_dns_listener(forwarding.server));
	forwarding.udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	return connect(forwarding.udp, &address->any, weir_address_size(address));
}

void forwarding_close(void)
{
	close(forwarding.udp);
	weir_dns_destroy(forwarding.server);
	weir_dns_lookups_destroy(forwarding.lookups);
	weir_loop_turn(forwarding.loop, 0);
	weir_loop_destroy(forwarding.loop);
}

/* -- clients ----------------------------------------------------------------------------------- */

size_t put_query(uint8_t *query, const char *text, unsigned flags, uint16_t id)
{
	struct weir_dns_question asked = question_of(text);
	size_t name = asked.name.size, size = WEIR_DNS_HEADER_SIZE + name + 4;
	memset(query, 0, 512);
	dns_put16(query, id);
	dns_put16(query + 2, flags & 0xffff);
	query[5] = 1;
	memcpy(query + WEIR_DNS_HEADER_SIZE, asked.name.wire, name);
	dns_put16(query + size - 4, asked.type);
	dns_put16(query + size - 2, asked.rr_class);
	if (!(flags & (EDNS | DO)))
		return size;
	query[11] = 1;
	dns_put16(query + size + 1, WEIR_DNS_OPT);
	dns_put16(query + size + 3, 1232);
	dns_put16(query + size + 7, flags & DO ? 0x8000 : 0);
	return size + 11;
}

void ask(const char *text, unsigned flags, uint16_t id)
{
	uint8_t query[512];
	size_t size = put_query(query, text, flags, id);
	assert_int_equal(send(forwarding.udp, query, size, 0), size);
	for (unsigned i = 0; i < 3; i++)
		weir_loop_turn(forwarding.loop, 1);
}

struct weir_span received(void)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	ssize_t size = -1;
	for (unsigned i = 0; i < 20 && size < 0; i++) {
		weir_loop_turn(forwarding.loop, 1);
		size = recv(forwarding.udp, reply, sizeof reply, 0);
	}
	return weir_span(reply, size < 0 ? 0 : (size_t)size);
}

unsigned word(struct weir_span reply, size_t at)
{
	assert_true(reply.size >= at + 2);
	return dns_get16((const uint8_t *)reply.data + at);
}

int error_of(struct weir_span reply)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	weir_dns_header_read(reply, &header);
	assert_int_equal(weir_dns_question_read(reply, &at, &question), 0);
	for (unsigned i = header.counts[1] + header.counts[2] + header.counts[3]; i; i--) {
		struct weir_span options, data;
		uint16_t code;
		assert_int_equal(weir_dns_record_read(reply, &at, &record), 0);
		options = record.data;
		while (record.type == WEIR_DNS_OPT && weir_dns_option_read(&options, &code, &data))
			if (code == WEIR_DNS_OPTION_ERROR)
				return dns_get16((const uint8_t *)data.data);
	}
	return -1;
}

void expect(uint16_t id, unsigned flags, const char *lines)
{
	struct weir_span reply = received();
	assert_int_equal(word(reply, 0), id);
	assert_int_equal(word(reply, 2), flags);
	assert_string_equal(lines_of(reply), lines);
}

void tcp_ask(struct peer *peer, const char *text, uint16_t id)
{
	uint8_t frame[514];
	size_t size = put_query(frame + 2, text, RD, id);
	dns_put16(frame, (unsigned)size);
	assert_int_equal(peer_send_bytes(peer, frame, size + 2), size + 2);
	for (unsigned i = 0; i < 3; i++)
		weir_loop_turn(forwarding.loop, 1);
}

unsigned tcp_next(struct peer *peer)
{
	assert_true(peer_read(peer, 4));
	const uint8_t *data = (const uint8_t *)peer->got.data;
	size_t size = dns_get16(data) + 2u;
	unsigned id = dns_get16(data + 2);
	assert_true(peer_read(peer, size));
	weir_buffer_consume(&peer->got, size);
	return id;
}

void answer_one(const char *question)
{
	struct weir_dns_question asked = question_of(question);
	char line[64];
	snprintf(line, sizeof line, "an %.*s 100 A 192.0.2.1", (int)strcspn(question, " "),
	        question);
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct asked *open = &forwarding.asker.asks[i];
		if (!open->open || !weir_dns_name_equal(&open->question.name, &asked.name))
			continue;
		open->open = false;
		forwarding.asker.open--;
		open->answered(open->context, 0, REPLY(question, "", line));
		return;
	}
	fail();
}

struct peer connect_peer(void)
{
	return peer_connect(
	        forwarding.loop, weir_server_address(weir_dns_listener(forwarding.server)), 0);
}

struct weir_span large_reply(void)
{
	static char texts[200][64];
	const char *lines[201] = {0};
	for (unsigned i = 0; i < 200; i++) {
		snprintf(texts[i], sizeof texts[i], "an a.x. 100 A 192.0.2.%u", i);
		lines[i] = texts[i];
	}
	return reply_of("a.x. A", "", lines);
}
