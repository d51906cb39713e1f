/*
 * The grammar of transfers as states that each record moves. A record that does not fit ends it: of
 * a broken transfer nothing is kept.
 *
 *   all:    SOA(new)  record …  SOA(new)
 *   steps:  SOA(new)  { SOA(old) record …  SOA(next) record … } …  SOA(new)
 */
#include <errno.h>
#include <stdio.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "helper.h"
#include "zone_image.h"
#include "zone_transfer.h"

enum {
	SOA_NUMBERS = 20,
	RDATA_MAX = 8 + 2 * WEIR_DNS_NAME_MAX + SOA_NUMBERS /* of types with names in it */
};

static const char older[] = "an older version";

void dns_incoming_init(struct dns_incoming *incoming, const struct weir_dns_name *apex,
        uint16_t type, const struct weir_dns_zone *before)
{
	memset(incoming, 0, sizeof *incoming);
	incoming->apex = *apex;
	weir_dns_name_lower(&incoming->apex);
	incoming->type = type;
	incoming->before = before;
	incoming->bytes_max = WEIR_DNS_FETCH_BYTES_MAX;
}

void dns_incoming_free(struct dns_incoming *incoming)
{
	dns_tsig_answers_free(&incoming->answers);
	if (incoming->has_builder)
		dns_builder_free(&incoming->builder);
	incoming->has_builder = false;
	dns_patch_free(&incoming->patch);
	weir_buffer_finish(&incoming->partial);
}

static int incoming_fail(struct dns_incoming *incoming, const char *why)
{
	incoming->why = why;
	return -EPROTO;
}

/* -- the request ------------------------------------------------------------------------------- */

size_t dns_incoming_request(struct dns_incoming *incoming, const struct weir_dns_tsig_key *key,
        uint8_t request[INCOMING_REQUEST_MAX], int64_t now_s)
{
	uint8_t question[WEIR_DNS_NAME_MAX + 4];
	struct weir_dns_writer writer;
	struct zone_entry soa;
	const struct weir_dns_name *apex = &incoming->apex;
	memcpy(question, apex->wire, apex->size);
	dns_put16(question + apex->size, incoming->type);
	dns_put16(question + apex->size + 2, WEIR_DNS_IN);
	weir_dns_writer_init(&writer, request, INCOMING_REQUEST_MAX);
	weir_dns_put_question(&writer, weir_span(question, apex->size + 4u));
	if (incoming->type == WEIR_DNS_IXFR) {
		dns_zone_soa(incoming->before, &soa);
		weir_dns_put_record(&writer, WEIR_DNS_AUTHORITY, soa.owner, soa.type, WEIR_DNS_IN,
		        soa.ttl, soa.data);
	}
	size_t size = weir_dns_writer_finish(&writer, incoming->id, 0);
	incoming->is_signed = key;
	if (key)
		size = dns_tsig_request(
		        &incoming->answers, key, request, size, INCOMING_REQUEST_MAX, now_s);
	return size;
}

/* -- records ----------------------------------------------------------------------------------- */

/* The rdata without compression: in `room` if it was compressed. */
static bool incoming_expand(struct weir_span message, const struct weir_dns_record *record,
        uint8_t room[RDATA_MAX], struct weir_span *ret)
{
	struct dns_layout layout = dns_layout(record->type);
	size_t at = record->at + layout.skip, end = record->at + record->data.size;
	size_t size = layout.skip;
	*ret = record->data;
	if (!layout.names)
		return dns_rdata_good(record->type, record->data);
	if (at > end)
		return false;
	memcpy(room, record->data.data, layout.skip);
	for (unsigned i = 0; i < layout.names; i++) {
		struct weir_dns_name name;
		if (weir_dns_name_read(message, &at, &name) < 0 || at > end)
			return false;
		memcpy(room + size, name.wire, name.size);
		size += name.size;
	}
	if (end - at > SOA_NUMBERS)
		return false;
	memcpy(room + size, message.data + at, end - at);
	*ret = weir_span(room, size + (end - at));
	return dns_rdata_good(record->type, *ret);
}

static uint32_t incoming_serial_of(struct weir_span soa)
{
	return dns_get32((const uint8_t *)soa.data + soa.size - SOA_NUMBERS);
}

/* RFC 1982. */
static bool incoming_is_later(uint32_t serial, uint32_t than)
{
	return (int32_t)(serial - than) > 0;
}

static int incoming_add(
        struct dns_incoming *incoming, const struct weir_dns_record *record, struct weir_span data)
{
	int error;
	if (incoming->state == INCOMING_ALL)
		error = dns_builder_add(
		        &incoming->builder, &record->name, record->type, record->ttl, data, 0);
	else
		error = dns_patch_add(&incoming->patch, incoming->state == INCOMING_REMOVING,
		        &record->name, record->type, record->ttl, data);
	if (error == -EBADMSG)
		return incoming_fail(incoming, "a record is removed or added twice");
	return error == WEIR_E_SYNTAX
	               ? incoming_fail(incoming, "the owner of an NSEC3 record is not a hash")
	               : error;
}

static int incoming_begin_all(struct dns_incoming *incoming)
{
	int error = dns_builder_init(&incoming->builder, &incoming->apex);
	incoming->has_builder = error == 0;
	incoming->state = INCOMING_ALL;
	return error;
}

/* The record goes to the builder, because the whole zone may follow. */
static int incoming_take_first(
        struct dns_incoming *incoming, const struct weir_dns_record *record, struct weir_span data)
{
	if (record->type != WEIR_DNS_SOA)
		return incoming_fail(incoming, "the first record is not a SOA record");
	incoming->serial = incoming_serial_of(data);
	if (incoming->type == WEIR_DNS_SOA) {
		incoming->state = INCOMING_ENDED;
		return 0;
	}
	if (incoming->type == WEIR_DNS_AXFR && incoming->before &&
	        incoming_is_later(incoming->before->serial, incoming->serial))
		return incoming_fail(incoming, older);
	int error = incoming_begin_all(incoming);
	if (error == 0)
		error = incoming_add(incoming, record, data);
	if (incoming->type == WEIR_DNS_IXFR)
		incoming->state = INCOMING_SECOND;
	return error;
}

static int incoming_begin_step(struct dns_incoming *incoming, const struct weir_dns_record *record,
        struct weir_span data, uint32_t from)
{
	incoming->from = incoming_serial_of(data);
	if (incoming->from != from)
		return incoming_fail(incoming, "a step begins at another version");
	incoming->state = INCOMING_REMOVING;
	return incoming_add(incoming, record, data);
}

/* Handles a SOA record that delimits the zone or a step. */
static int incoming_take_soa(
        struct dns_incoming *incoming, const struct weir_dns_record *record, struct weir_span data)
{
	uint32_t serial = incoming_serial_of(data);
	if (incoming->state == INCOMING_REMOVING) {
		incoming->to = serial;
		if (!incoming_is_later(serial, incoming->from) ||
		        incoming_is_later(serial, incoming->serial))
			return incoming_fail(incoming, "a step leads to an older version");
		incoming->state = INCOMING_ADDING;
		return incoming_add(incoming, record, data);
	}
	if (incoming->state == INCOMING_ADDING && incoming->to != incoming->serial)
		return incoming_begin_step(incoming, record, data, incoming->to);
	if (serial != incoming->serial)
		return incoming_fail(incoming, "the last SOA record has another serial");
	incoming->state = INCOMING_ENDED;
	return 0;
}

/*
 * The second record of IXFR: steps begin with the SOA record of our version, the whole zone does
 * not.
 */
static int incoming_take_second(
        struct dns_incoming *incoming, const struct weir_dns_record *record, struct weir_span data)
{
	if (incoming_is_later(incoming->before->serial, incoming->serial))
		return incoming_fail(incoming, older);
	incoming->state = INCOMING_ALL;
	if (record->type != WEIR_DNS_SOA)
		return incoming_add(incoming, record, data);
	if (incoming_serial_of(data) == incoming->serial)
		return incoming_take_soa(incoming, record, data);
	dns_builder_free(&incoming->builder);
	incoming->has_builder = false;
	return incoming_begin_step(incoming, record, data, incoming->before->serial);
}

static int incoming_take_record(struct dns_incoming *incoming, struct weir_span message, size_t *at)
{
	struct weir_dns_record record;
	struct weir_span data;
	uint8_t room[RDATA_MAX];
	if (weir_dns_record_read(message, at, &record) < 0 ||
	        !incoming_expand(message, &record, room, &data) ||
	        dns_name_steps > incoming->steps_end)
		return incoming_fail(incoming, "a record is malformed");
	if (incoming->state == INCOMING_ENDED)
		return incoming_fail(incoming, "there are records after the end");
	if (record.rr_class != WEIR_DNS_IN)
		return incoming_fail(incoming, "the class must be IN");
	if (!weir_dns_name_beneath(&record.name, &incoming->apex))
		return incoming_fail(incoming, "a record is not in the zone");
	if (record.type == WEIR_DNS_SOA && record.name.labels != incoming->apex.labels)
		return incoming_fail(incoming, "a SOA record does not belong to the zone");
	if (record.type == 0 || record.type == WEIR_DNS_OPT ||
	        (record.type >= WEIR_DNS_TKEY && record.type <= WEIR_DNS_ANY))
		return incoming_fail(incoming, "records cannot have this type");
	if (incoming->state == INCOMING_FIRST)
		return incoming_take_first(incoming, &record, data);
	if (incoming->state == INCOMING_SECOND)
		return incoming_take_second(incoming, &record, data);
	if (record.type == WEIR_DNS_SOA)
		return incoming_take_soa(incoming, &record, data);
	return incoming_add(incoming, &record, data);
}

/* -- messages ---------------------------------------------------------------------------------- */

/* Whether the message answers the request. */
static bool incoming_is_answer(const struct dns_incoming *incoming, struct weir_span message,
        const struct weir_dns_header *header, size_t *at)
{
	struct weir_dns_question question;
	unsigned count = header->counts[WEIR_DNS_QUESTION];
	if (header->id != incoming->id || !(header->flags & WEIR_DNS_QR) ||
	        header->flags & WEIR_DNS_OPCODE_MASK || count > 1)
		return false;
	/*
	 * Only the first message of a transfer needs the question; a server that refuses may leave
	 * it out.
	 */
	if (!count)
		return incoming->messages || header->flags & WEIR_DNS_RCODE_MASK;
	return weir_dns_question_read(message, at, &question) == 0 &&
	       question.type == incoming->type && question.rr_class == WEIR_DNS_IN &&
	       weir_dns_name_equal(&question.name, &incoming->apex);
}

/* Finds the TSIG record, which is the last record, or missing. */
static int incoming_find_tsig(struct dns_incoming *incoming, struct weir_span message,
        const struct weir_dns_header *header, size_t at, size_t *ret)
{
	struct weir_dns_record record;
	unsigned count = header->counts[WEIR_DNS_ANSWER] + header->counts[WEIR_DNS_AUTHORITY] +
	                 header->counts[WEIR_DNS_ADDITIONAL];
	*ret = 0;
	for (unsigned i = 0; i < count; i++) {
		size_t start = at;
		if (*ret || weir_dns_record_read(message, &at, &record) < 0 ||
		        dns_name_steps > incoming->steps_end)
			return incoming_fail(incoming, "a message is malformed");
		if (record.type == WEIR_DNS_TSIG &&
		        i >= count - header->counts[WEIR_DNS_ADDITIONAL])
			*ret = start;
	}
	return at == message.size ? 0 : incoming_fail(incoming, "a message is malformed");
}

static int incoming_check_signature(struct dns_incoming *incoming, struct weir_span message,
        const struct weir_dns_header *header, size_t at, int64_t now_s)
{
	size_t tsig;
	int error = incoming_find_tsig(incoming, message, header, at, &tsig);
	if (error == 0 && tsig && !incoming->is_signed)
		error = incoming_fail(incoming, "a message is signed, but the request was not");
	if (error == 0 && incoming->is_signed)
		error = dns_tsig_answer(&incoming->answers, message, tsig, now_s);
	if (error == -EACCES)
		incoming->why = "a signature is wrong";
	return error == WEIR_E_SYNTAX ? incoming_fail(incoming, "a signature is malformed") : error;
}

/* Consequences of a message as a whole. */
static int incoming_conclude_message(struct dns_incoming *incoming, unsigned records)
{
	bool first = incoming->messages++ == 0;
	/*
	 * In the reply to IXFR, a SOA record alone means that the client is up to date (RFC 1995
	 * 2).
	 */
	if (first && records == 1 && incoming->state == INCOMING_SECOND &&
	        !incoming_is_later(incoming->serial, incoming->before->serial)) {
		incoming->state = INCOMING_ENDED;
		incoming->current = true;
	}
	if (incoming->state == INCOMING_FIRST)
		return incoming_fail(incoming, "the reply has no records");
	if (incoming->state == INCOMING_ENDED && incoming->is_signed &&
	        !dns_tsig_complete(&incoming->answers)) {
		incoming->why = "the last message is not signed";
		return -EACCES;
	}
	return 0;
}

int dns_incoming_message(struct dns_incoming *incoming, struct weir_span message, int64_t now_s)
{
	struct weir_dns_header header;
	size_t at = WEIR_DNS_HEADER_SIZE;
	/* The records are read twice, and their data has up to two further names. */
	incoming->steps_end = dns_name_steps + 4 * dns_name_steps_max(message.size);
	if (!weir_dns_header_read(message, &header) ||
	        !incoming_is_answer(incoming, message, &header, &at)) {
		incoming->why = "a message is not a reply";
		return -ENOMSG;
	}
	if (incoming->state == INCOMING_ENDED)
		return incoming_fail(incoming, "there are messages after the end");
	incoming->rcode = header.flags & WEIR_DNS_RCODE_MASK;
	/*
	 * A refusal may be unsigned, because a server without the key cannot sign. It does no harm.
	 */
	if (incoming->rcode) {
		incoming->why = "refused";
		return -ECONNREFUSED;
	}
	int error = incoming_check_signature(incoming, message, &header, at, now_s);
	/* An answer without AA comes from a cache, and does not count. */
	if (error == 0 && incoming->type == WEIR_DNS_SOA && !(header.flags & WEIR_DNS_AA))
		error = incoming_fail(incoming, "the reply is not authoritative");
	if (error == 0 && header.flags & WEIR_DNS_TC) {
		incoming->truncated = true;
		return incoming_fail(incoming, "a message is truncated");
	}
	for (unsigned i = 0; error == 0 && i < header.counts[WEIR_DNS_ANSWER]; i++)
		error = incoming_take_record(incoming, message, &at);
	return error == 0 ? incoming_conclude_message(incoming, header.counts[WEIR_DNS_ANSWER])
	                  : error;
}

/* A complete message is read in place; the bytes of an incomplete one are copied. */
int dns_incoming_feed(struct dns_incoming *incoming, struct weir_span bytes, int64_t now_s)
{
	struct weir_buffer *partial = &incoming->partial;
	int error = 0;
	incoming->bytes += bytes.size;
	if (incoming->bytes > incoming->bytes_max)
		return WEIR_E_LIMIT;
	while (error == 0) {
		struct weir_span have = partial->size ? weir_buffer_span(partial) : bytes;
		bool has_length = have.size >= WEIR_DNS_LENGTH_SIZE;
		size_t whole = WEIR_DNS_LENGTH_SIZE;
		if (has_length)
			whole += dns_get16((const uint8_t *)have.data);
		if (has_length && have.size >= whole) {
			have = weir_span(
			        have.data + WEIR_DNS_LENGTH_SIZE, whole - WEIR_DNS_LENGTH_SIZE);
			error = dns_incoming_message(incoming, have, now_s);
			if (partial->size)
				partial->size = 0;
			else
				bytes = weir_span_skip(bytes, whole);
			continue;
		}
		if (!bytes.size)
			break;
		/* Completes the length first, then the message. */
		size_t size = whole - partial->size;
		size = min_of(size, bytes.size);
		error = weir_buffer_append(partial, bytes.data, size, SIZE_MAX);
		bytes = weir_span_skip(bytes, size);
	}
	return error;
}

/* -- the zone ---------------------------------------------------------------------------------- */

/* Only the first reason is reported. */
static void incoming_report(void *context, unsigned line, const char *text)
{
	struct dns_incoming *incoming = context;
	(void)line;
	if (incoming->why != incoming->text)
		snprintf(incoming->text, sizeof incoming->text, "%s", text);
	incoming->why = incoming->text;
}

int dns_incoming_finish(struct dns_incoming *incoming, struct weir_dns_zone **ret)
{
	int error = 0;
	if (!incoming->has_builder) {
		error = incoming_begin_all(incoming);
		if (error == 0)
			error = dns_patch_apply(
			        &incoming->patch, incoming->before, &incoming->builder);
		if (error == -EBADMSG || error == WEIR_E_SYNTAX)
			error = incoming_fail(incoming, "the steps do not begin at our version");
	}
	if (error == 0)
		error = dns_builder_finish(&incoming->builder, incoming_report, incoming, ret);
	incoming->state = INCOMING_ENDED;
	return error == WEIR_E_SYNTAX ? -EPROTO : error;
}
