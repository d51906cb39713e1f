/*
 * A request is parsed until there is a DNS message. One function answers it, and another sends the
 * reply, possibly later. The TTLs of its records say how long HTTP may cache a reply (RFC 8484
 * 5.1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/base64.h>
#include <weir/buffer.h>
#include <weir/dns_message.h>
#include <weir/http.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/sources.h>

#include "config_dns.h"
#include "helper.h"
#include "service.h"
#include "service_dns.h"

#define PATH "dns-query"
#define MEDIA_TYPE "application/dns-message"

struct doh {
	struct weir_http_handler handler;
	struct config *config;     /* held */
	struct dns_shared *shared; /* NULL before doh_join, like the next two */
	struct forwarding *forwarding;
	struct weir_dns_responder *responder;
	bool clear;
	uint8_t reply[WEIR_DNS_MESSAGE_MAX];
};

/* A pending answer, in the exchange's scratch. */
struct doh_pending {
	struct forwarding_wait wait;
	struct weir_http_exchange *exchange;
	struct weir_dns_waiting *waiting;
};

_Static_assert(sizeof(struct doh_pending) <= WEIR_HTTP_SCRATCH, "an exchange has room for it");

/* -- replies ----------------------------------------------------------------------------------- */

/* The time of a negative answer is in its SOA record (RFC 2308 5). */
static uint32_t doh_lifetime_of(const struct weir_dns_record *record)
{
	const uint8_t *data = (const uint8_t *)record->data.data;
	size_t size = record->data.size;
	if (record->type != WEIR_DNS_SOA || size < 4)
		return record->ttl;
	uint32_t minimum = (uint32_t)data[size - 4] << 24 | (uint32_t)data[size - 3] << 16 |
	                   (uint32_t)data[size - 2] << 8 | data[size - 1];
	return min_of(record->ttl, minimum);
}

/* Returns the time in seconds; 0: the reply must not be cached. */
static uint32_t doh_lifetime(struct weir_span message)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	uint32_t seconds = UINT32_MAX;
	if (!weir_dns_header_read(message, &header))
		return 0;
	unsigned rcode = header.flags & WEIR_DNS_RCODE_MASK;
	if (rcode != WEIR_DNS_NOERROR && rcode != WEIR_DNS_NXDOMAIN)
		return 0;
	for (unsigned i = 0; i < header.counts[WEIR_DNS_QUESTION]; i++)
		if (weir_dns_question_read(message, &at, &question) < 0)
			return 0;
	unsigned answers = header.counts[WEIR_DNS_ANSWER];
	for (unsigned i = 0; i < answers + header.counts[WEIR_DNS_AUTHORITY]; i++) {
		if (weir_dns_record_read(message, &at, &record) < 0)
			return 0;
		if (i < answers)
			seconds = min_of(seconds, record.ttl);
		else if (answers == 0 || rcode == WEIR_DNS_NXDOMAIN)
			seconds = min_of(seconds, doh_lifetime_of(&record));
	}
	return seconds == UINT32_MAX ? 0 : seconds;
}

static void doh_reply_message(struct weir_http_exchange *exchange, struct weir_span message)
{
	char text[32];
	int size = snprintf(text, sizeof text, "max-age=%u", doh_lifetime(message));
	if (weir_http_add_field(exchange, "Content-Type", WEIR_SPAN(MEDIA_TYPE)) < 0 ||
	        weir_http_add_field(exchange, "Cache-Control", weir_span(text, (size_t)size)) < 0)
		weir_http_reply_error(exchange, 500);
	else
		weir_http_reply(exchange, 200, weir_produce_copied(message.data, message.size));
}

/* Zones are not transferred by HTTPS, since a zone does not fit into one reply. */
static size_t doh_refuse_transfer(struct weir_span query, uint8_t *reply)
{
	struct weir_dns_query read;
	struct weir_dns_writer writer;
	weir_dns_query_read(query, &read);
	weir_dns_writer_init(&writer, reply, WEIR_DNS_UDP_MIN);
	weir_dns_put_question(&writer, weir_span(query.data + WEIR_DNS_HEADER_SIZE,
	                                       read.question_end - WEIR_DNS_HEADER_SIZE));
	return weir_dns_writer_finish(&writer, read.header.id, WEIR_DNS_QR | WEIR_DNS_NOTIMP);
}

static void doh_on_answer(void *context, struct weir_span reply,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome)
{
	struct doh_pending *pending = context;
	(void)request, (void)outcome;
	weir_list_remove(&pending->wait.link);
	if (reply.size)
		doh_reply_message(pending->exchange, reply);
	else
		weir_http_reply_error(pending->exchange, 503);
}

/* Called when the worker ends. */
static void doh_give_up(struct forwarding_wait *wait)
{
	struct doh_pending *pending = WEIR_CONTAINER(wait, struct doh_pending, wait);
	weir_dns_waiting_cancel(pending->waiting);
	weir_http_reply_error(pending->exchange, 503);
}

/* Only the message of the handler's memory may still be in use here. */
static void doh_answer(
        struct doh *doh, struct weir_http_exchange *exchange, struct weir_span message)
{
	struct weir_dns_outcome outcome = {0};
	struct doh_pending *pending = weir_http_scratch(exchange);
	const struct weir_dns_request request = {
	        .message = message,
	        .peer = weir_http_peer(exchange),
	        .over = WEIR_DNS_OVER_TLS,
	        .now_s = weir_loop_wall_s(weir_http_loop(exchange)),
	};
	if (!doh->responder) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	*pending = (struct doh_pending){.wait.end = doh_give_up, .exchange = exchange};
	struct weir_dns_zones *zones = dns_shared_zones(doh->shared);
	size_t size = weir_dns_respond_or_wait(doh->responder, zones, &request, doh->reply,
	        sizeof doh->reply, &outcome, doh_on_answer, pending, &pending->waiting);
	weir_dns_zones_release(zones);
	if (size == 0 && pending->waiting) {
		weir_list_append(&doh->forwarding->waiting, &pending->wait.link);
		return;
	}
	if (size == 0 && outcome.transfer)
		size = doh_refuse_transfer(message, doh->reply);
	if (size)
		doh_reply_message(exchange, weir_span(doh->reply, size));
	else
		weir_http_reply_error(exchange, 400);
}

/* -- GET --------------------------------------------------------------------------------------- */

/* Finds the value of `dns` in the query. Returns false if there is none. */
static bool doh_find_parameter(struct weir_span query, struct weir_span *ret)
{
	struct weir_span pair;
	bool more = true;
	while (more) {
		more = weir_span_cut(&query, '&', &pair);
		if (weir_span_starts(pair, WEIR_SPAN("dns="))) {
			*ret = weir_span_skip(pair, 4);
			return true;
		}
	}
	return false;
}

/*
 * Decodes base64url without padding (RFC 4648 5). Returns the size, or 0. `bytes` has room for the
 * text and 3 bytes more.
 */
static size_t doh_decode(struct weir_span text, char *bytes)
{
	size_t size = 0, padded = text.size;
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (c == '+' || c == '/' || c == '=')
			return 0;
		bytes[i] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	while (padded % 4)
		bytes[padded++] = '=';
	/* It decodes in place: it writes fewer bytes than it reads. */
	if (weir_base64_decode(weir_span(bytes, padded), bytes, padded, &size) < 0)
		return 0;
	return size;
}

static void doh_handle_get(struct doh *doh, struct weir_http_exchange *exchange)
{
	struct weir_span text;
	if (!doh_find_parameter(weir_http_request(exchange)->query, &text) || text.size == 0) {
		weir_http_reply_error(exchange, 400);
		return;
	}
	char *bytes = malloc(text.size + 3);
	if (!bytes) {
		weir_http_reply_error(exchange, 500);
		return;
	}
	size_t size = doh_decode(text, bytes);
	if (size == 0)
		weir_http_reply_error(exchange, 400);
	else if (size > WEIR_DNS_MESSAGE_MAX)
		weir_http_reply_error(exchange, 413);
	else
		doh_answer(doh, exchange, weir_span(bytes, size));
	free(bytes);
}

/* -- POST -------------------------------------------------------------------------------------- */

/* The state until the body is complete, in the exchange's scratch. */
struct doh_body {
	struct doh *doh;
	struct weir_http_exchange *exchange;
	struct weir_buffer bytes;
	int error;
};

_Static_assert(sizeof(struct doh_body) <= WEIR_HTTP_SCRATCH, "an exchange has room for it");

static void doh_on_piece(void *context, struct weir_span bytes)
{
	struct doh_body *body = context;
	int error = weir_buffer_append(&body->bytes, bytes.data, bytes.size, WEIR_DNS_MESSAGE_MAX);
	body->error = body->error ? body->error : error;
}

static void doh_on_end(void *context, int error)
{
	struct doh_body *body = context;
	struct weir_buffer bytes = body->bytes;
	if (error == 0 && body->error)
		weir_http_reply_error(body->exchange, 500);
	else if (error == 0)
		doh_answer(body->doh, body->exchange, weir_buffer_span(&bytes));
	weir_buffer_finish(&bytes);
}

static bool doh_is_message(const struct weir_http_request *request)
{
	struct weir_span type = weir_http_request_known(request, WEIR_HTTP_CONTENT_TYPE), name;
	weir_span_cut(&type, ';', &name);
	while (name.size && (name.data[name.size - 1] == ' ' || name.data[name.size - 1] == '\t'))
		name.size--;
	return weir_span_equal_nocase(name, WEIR_SPAN(MEDIA_TYPE));
}

static void doh_handle_post(struct doh *doh, struct weir_http_exchange *exchange)
{
	static const struct weir_http_receiver receiver = {doh_on_piece, doh_on_end};
	struct doh_body *body = weir_http_scratch(exchange);
	if (!doh_is_message(weir_http_request(exchange))) {
		weir_http_reply_error(exchange, 415);
		return;
	}
	if (!weir_http_has_body(exchange)) {
		weir_http_reply_error(exchange, 400);
		return;
	}
	*body = (struct doh_body){.doh = doh, .exchange = exchange};
	if (weir_http_receive(exchange, &receiver, body, WEIR_DNS_MESSAGE_MAX) < 0)
		weir_http_reply_error(exchange, 413);
}

/* -- the handler ------------------------------------------------------------------------------- */

static bool doh_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct doh *doh = WEIR_CONTAINER(handler, struct doh, handler);
	return weir_span_equal(weir_http_path(exchange), WEIR_SPAN(PATH)) &&
	       !weir_http_path_is_directory(exchange) && (doh->clear || weir_http_secure(exchange));
}

static void doh_handle(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct doh *doh = WEIR_CONTAINER(handler, struct doh, handler);
	switch (weir_http_request(exchange)->method) {
	case WEIR_HTTP_GET:
	case WEIR_HTTP_HEAD:
		doh_handle_get(doh, exchange);
		break;
	case WEIR_HTTP_POST:
		doh_handle_post(doh, exchange);
		break;
	default:
		weir_http_add_field(exchange, "Allow", WEIR_SPAN("GET, HEAD, POST"));
		weir_http_reply_error(exchange, 405);
	}
}

static void doh_destroy(struct weir_http_handler *handler)
{
	struct doh *doh = WEIR_CONTAINER(handler, struct doh, handler);
	if (doh->responder)
		weir_dns_responder_destroy(doh->responder);
	config_release(doh->config);
	free(doh);
}

struct weir_http_handler *doh_create(struct config *config, bool clear)
{
	static const struct weir_http_handler_type type = {
	        .name = "dns", .match = doh_match, .handle = doh_handle, .destroy = doh_destroy};
	struct doh *doh = calloc(1, sizeof *doh);
	if (!doh)
		return NULL;
	doh->handler.type = &type;
	doh->config = config_hold(config);
	doh->clear = clear;
	return &doh->handler;
}

int doh_join(struct weir_http_handler *handler, const struct service_options *options)
{
	struct doh *doh = WEIR_CONTAINER(handler, struct doh, handler);
	struct weir_dns_responder_options made = config_dns_responder(&doh->config->dns);
	doh->shared = options->dns;
	doh->forwarding = options->forwarding;
	if (doh->responder)
		return 0;
	int error = forwarding_use(
	        options->forwarding, options->dns, &doh->config->dns, &made.recursion);
	return error < 0 ? error : weir_dns_responder_create(&made, &doh->responder);
}

void doh_renew(struct weir_http_handler *handler)
{
	struct doh *doh = WEIR_CONTAINER(handler, struct doh, handler);
	forwarding_change(doh->forwarding, &doh->config->dns);
}
