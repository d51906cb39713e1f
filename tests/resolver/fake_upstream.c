/* Each letter of the script is one reply, or several, or none. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/channel.h>

#include "dns_codec.h"
#include "fake_upstream.h"
#include "peer.h"

enum {
	LENGTH_SIZE = 2,
	FLOOD = 30,
};

struct reply {
	size_t size;
	uint8_t bytes[WEIR_DNS_MESSAGE_MAX];
};

static int one_address(struct weir_dns_writer *writer, const struct weir_dns_question *question)
{
	if (question->type == WEIR_DNS_A)
		weir_dns_put_record(writer, WEIR_DNS_ANSWER, question->name.wire, WEIR_DNS_A,
		        WEIR_DNS_IN, 300, WEIR_SPAN("\xc0\0\2\1"));
	return WEIR_DNS_NOERROR;
}

static void fill(struct weir_dns_writer *writer, const struct weir_dns_question *question)
{
	char text[201];
	memset(text, 'x', sizeof text);
	text[0] = (char)(sizeof text - 1);
	for (int i = 0; i < 50; i++)
		weir_dns_put_record(writer, WEIR_DNS_ANSWER, question->name.wire, WEIR_DNS_TXT,
		        WEIR_DNS_IN, 300, weir_span(text, sizeof text));
}

static void compose(const struct fake *fake, const struct weir_dns_query *query,
        struct weir_span message, char letter, struct reply *reply)
{
	struct weir_dns_writer writer;
	unsigned flags = WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_RA;
	int rcode = WEIR_DNS_NOERROR;
	weir_dns_writer_init(&writer, reply->bytes, sizeof reply->bytes);
	if (letter != 'h' && !(letter == 'b' && query->edns.present))
		weir_dns_put_question(
		        &writer, weir_span_skip(weir_span(message.data, query->question_end),
		                         WEIR_DNS_HEADER_SIZE));
	if (letter == 's')
		rcode = WEIR_DNS_SERVFAIL;
	else if (letter == 'r' || letter == 'h')
		rcode = WEIR_DNS_REFUSED;
	else if (letter == 'x')
		rcode = WEIR_DNS_NXDOMAIN;
	else if (strchr("eb", letter) && query->edns.present)
		rcode = WEIR_DNS_FORMERR;
	else if (letter == 'v' && query->edns.present)
		rcode = WEIR_DNS_BADVERS;
	else if (letter == 't')
		flags |= WEIR_DNS_TC;
	else if (letter == 'l')
		fill(&writer, &query->question);
	else
		rcode = (fake->answer ? fake->answer : one_address)(&writer, &query->question);
	if (query->edns.present && !strchr("heb", letter))
		weir_dns_put_opt(
		        &writer, 1232, (unsigned)rcode, query->edns.dnssec, weir_span(NULL, 0));
	reply->size = weir_dns_writer_finish(
	        &writer, query->header.id, (uint16_t)(flags | (unsigned)(rcode & 15)));
}

/* In place: what makes the answer a wrong one. */
static void spoil(struct reply *reply, char letter, unsigned i)
{
	uint8_t *bytes = reply->bytes;
	size_t end = WEIR_DNS_HEADER_SIZE + dns_wire_size(bytes + WEIR_DNS_HEADER_SIZE);
	switch (letter) {
	case 'i':
	case 'I':
		dns_put16(bytes, dns_get16(bytes) + 1 + i);
		break;
	case 'q':
		bytes[2] &= 0x7f;
		break;
	case 'n':
		bytes[WEIR_DNS_HEADER_SIZE + 1] ^= 1;
		break;
	case 'y':
		bytes[end + 1] ^= 1;
		break;
	case 'c':
		for (size_t at = WEIR_DNS_HEADER_SIZE; at < end; at++)
			bytes[at] = dns_lower(bytes[at]);
		break;
	case 'm':
		bytes[reply->size++] = 0;
		break;
	}
}

static char next_letter(const char *script, unsigned queries)
{
	size_t size = strlen(script);
	return script[queries < size ? queries : size - 1];
}

/* -- UDP --------------------------------------------------------------------------------------- */

static void send_reply(int fd, const struct weir_address *to, const struct reply *reply)
{
	if (sendto(fd, reply->bytes, reply->size, 0, &to->any, weir_address_size(to)) < 0)
		abort();
}

static void send_elsewhere(const struct weir_address *to, const struct reply *reply)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		abort();
	send_reply(fd, to, reply);
	close(fd);
}

static void do_letter(struct fake *fake, struct weir_span message, char letter)
{
	static struct reply reply, wrong;
	if (letter == '-')
		return;
	compose(fake, &fake->last, message, letter, &reply);
	wrong = reply;
	for (unsigned i = 0; i < (letter == 'I' ? FLOOD : 1); i++) {
		wrong = reply;
		spoil(&wrong, letter, i);
		if (letter == 'p')
			send_elsewhere(&fake->last_peer, &wrong);
		else
			send_reply(fake->watch.fd, &fake->last_peer, &wrong);
	}
	if (strchr("iqny", letter))
		send_reply(fake->watch.fd, &fake->last_peer, &reply);
}

static void on_event(struct weir_watch *watch, unsigned events)
{
	struct fake *fake = WEIR_CONTAINER(watch, struct fake, watch);
	char bytes[1024];
	socklen_t size = sizeof fake->last_peer;
	(void)events;
	ssize_t got = recvfrom(watch->fd, bytes, sizeof bytes, 0, &fake->last_peer.any, &size);
	if (got < 0)
		return;
	if (weir_dns_query_read(weir_span(bytes, (size_t)got), &fake->last) != WEIR_DNS_NOERROR)
		abort();
	char letter = next_letter(fake->script, fake->queries++);
	do_letter(fake, weir_span(bytes, (size_t)got), letter);
}

/* -- TCP --------------------------------------------------------------------------------------- */

static enum weir_scan scan(struct weir_terminator *terminator, struct weir_span data, size_t seen,
        uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)seen, (void)before;
	if (data.size < LENGTH_SIZE)
		return WEIR_SCAN_MORE;
	ret->end = LENGTH_SIZE + (size_t)dns_get16((const uint8_t *)data.data);
	return data.size < ret->end ? WEIR_SCAN_MORE : WEIR_SCAN_FOUND;
}

static int on_open(struct weir_channel *channel)
{
	static const struct weir_terminator_type type = {.name = "DNS message", .scan = scan};
	((struct fake *)weir_channel_context(channel))->connections++;
	weir_channel_await(channel, (struct weir_terminator){.type = &type});
	return 0;
}

static void say(struct weir_channel *channel, const struct reply *reply)
{
	uint8_t length[LENGTH_SIZE];
	dns_put16(length, (unsigned)reply->size);
	weir_channel_push_copy(channel, weir_span(length, sizeof length));
	weir_channel_push_copy(channel, weir_span(reply->bytes, reply->size));
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	static struct reply reply;
	struct fake *fake = weir_channel_context(channel);
	struct weir_span message = weir_span_skip(request, LENGTH_SIZE);
	if (weir_dns_query_read(message, &fake->last) != WEIR_DNS_NOERROR)
		abort();
	char letter = next_letter(fake->tcp_script ? fake->tcp_script : "a", fake->tcp_queries++);
	if (letter == 'z')
		weir_channel_close(channel);
	if (letter == 'z' || letter == '-')
		return;
	compose(fake, &fake->last, message, letter, &reply);
	spoil(&reply, letter, 0);
	if (fake->hold && !fake->held_size) {
		memcpy(fake->held, reply.bytes, fake->held_size = reply.size);
		return;
	}
	say(channel, &reply);
	if (fake->held_size) {
		memcpy(reply.bytes, fake->held, reply.size = fake->held_size);
		fake->held_size = 0;
		say(channel, &reply);
	}
}

static const struct weir_protocol protocol = {
        .name = "fake DNS", .open = on_open, .request = on_request};

/* -- life -------------------------------------------------------------------------------------- */

void fake_start(struct fake *fake, struct weir_loop *loop, const char *script)
{
	memset(fake, 0, sizeof *fake);
	fake->loop = loop;
	fake->script = script;
	/* The port that UDP got may be taken for TCP: then another one. */
	for (int i = 0; i < 100; i++) {
		socklen_t size = sizeof fake->address;
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		fake->address = local_address();
		if (fd < 0 || bind(fd, &fake->address.any, sizeof fake->address.v4) < 0 ||
		        getsockname(fd, &fake->address.any, &size) < 0)
			abort();
		struct weir_server_options options;
		weir_server_options_init(&options);
		options.listener.address = fake->address;
		options.protocol = &protocol;
		options.context = fake;
		if (weir_server_create(loop, &options, &fake->tcp) == 0 &&
		        weir_watch_start(loop, &fake->watch, fd, WEIR_READABLE, on_event) == 0)
			return;
		close(fd);
	}
	abort();
}

void fake_go_away(struct fake *fake)
{
	if (!fake->tcp)
		return;
	weir_server_destroy(fake->tcp);
	fake->tcp = NULL;
	weir_watch_close(fake->loop, &fake->watch);
}

void fake_stop(struct fake *fake)
{
	fake_go_away(fake);
	weir_loop_turn(fake->loop, 0);
}
