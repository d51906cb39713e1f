/*
 * A transfer is a producer. It yields the SOA record, the records, and the SOA record again, in
 * messages of up to WEIR_DNS_TRANSFER_MESSAGE bytes, one each time it is asked. A larger record
 * gets a message of its own. A transfer has one buffer, and a position in the zone.
 *
 * AXFR sends all records. IXFR sends the steps from the client's version to ours (RFC 1995 4). It
 * sends all records if the steps are unknown or larger than the zone, and only the SOA record to a
 * client that is up to date.
 */
#include <stdlib.h>

#include <weir/dns_message.h>
#include <weir/loop.h>

#include "dns_codec.h"
#include "zone_image.h"
#include "zone_transfer.h"

enum {
	BUFFER_SIZE = WEIR_DNS_LENGTH_SIZE + WEIR_DNS_MESSAGE_MAX
};

enum zone_transfer_stage {
	FIRST_SOA,
	BODY,
	LAST_SOA,
	END
};

struct transfer {
	struct weir_producer base;
	struct weir_dns_zone *zone;
	struct weir_dns_keys *keys;
	struct weir_loop *loop;
	struct weir_dns_tsig tsig;
	bool is_signed;
	bool following; /* the first message has gone */
	bool alone;     /* the SOA, and no more */
	uint16_t id, flags;
	enum zone_transfer_stage stage;
	struct dns_steps steps; /* of IXFR, or */
	struct dns_walk walk;
	size_t size, consumed; /* of the buffer */
	struct weir_dns_writer writer;
	uint8_t question[WEIR_DNS_NAME_MAX + 4];
	size_t question_size;
	uint8_t buffer[BUFFER_SIZE];
};

/* -- records ----------------------------------------------------------------------------------- */

static bool zone_transfer_put(struct weir_dns_writer *writer, const struct zone_entry *entry)
{
	return weir_dns_put_record(writer, WEIR_DNS_ANSWER, entry->owner, entry->type, WEIR_DNS_IN,
	        entry->ttl, entry->data);
}

static bool zone_transfer_put_soa(struct weir_dns_writer *writer, const struct weir_dns_zone *zone)
{
	struct zone_entry soa;
	dns_zone_soa(zone, &soa);
	return zone_transfer_put(writer, &soa);
}

/* Returns false if the message is full. */
static bool zone_transfer_put_steps(struct weir_dns_writer *writer, struct dns_steps *steps)
{
	struct zone_entry entry;
	for (; dns_steps_peek(steps, &entry); dns_steps_step(steps))
		if (!zone_transfer_put(writer, &entry))
			return false;
	return true;
}

/* The SOA record is at both ends, and not in between. */
static bool zone_transfer_put_all(struct weir_dns_writer *writer, struct dns_walk *walk)
{
	struct zone_entry entry;
	for (; dns_walk_peek(walk, &entry); dns_walk_step(walk))
		if (entry.type != WEIR_DNS_SOA && !zone_transfer_put(writer, &entry))
			return false;
	return true;
}

/* Puts the next part. Returns false if the message is full. */
static bool zone_transfer_step(struct transfer *transfer)
{
	struct weir_dns_writer *writer = &transfer->writer;
	bool done;
	if (transfer->stage != BODY)
		done = zone_transfer_put_soa(writer, transfer->zone);
	else if (transfer->steps.history)
		done = zone_transfer_put_steps(writer, &transfer->steps);
	else
		done = zone_transfer_put_all(writer, &transfer->walk);
	if (done)
		transfer->stage = transfer->alone ? END : transfer->stage + 1;
	return done;
}

/* -- messages ---------------------------------------------------------------------------------- */

static bool zone_transfer_fill(struct transfer *transfer, size_t limit)
{
	struct weir_dns_writer *writer = &transfer->writer;
	weir_dns_writer_init(writer, transfer->buffer + WEIR_DNS_LENGTH_SIZE, limit);
	/* Only the first message needs the question (RFC 5936 2.2.1). */
	if (!transfer->following)
		weir_dns_put_question(
		        writer, weir_span(transfer->question, transfer->question_size));
	while (transfer->stage != END && zone_transfer_step(transfer))
		;
	return writer->counts[WEIR_DNS_ANSWER];
}

static bool zone_transfer_make_message(struct transfer *transfer)
{
	size_t for_tsig = transfer->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	uint8_t *message = transfer->buffer + WEIR_DNS_LENGTH_SIZE;
	if (!zone_transfer_fill(transfer, WEIR_DNS_TRANSFER_MESSAGE) &&
	        !zone_transfer_fill(transfer, WEIR_DNS_MESSAGE_MAX - for_tsig))
		return false;
	size_t size = weir_dns_writer_finish(&transfer->writer, transfer->id, transfer->flags);
	if (transfer->is_signed)
		size = weir_dns_tsig_sign(&transfer->tsig, message, size, WEIR_DNS_MESSAGE_MAX,
		        weir_loop_wall_s(transfer->loop), transfer->following);
	if (!size)
		return false;
	dns_put16(transfer->buffer, (unsigned)size);
	transfer->following = true;
	transfer->size = size + WEIR_DNS_LENGTH_SIZE;
	transfer->consumed = 0;
	return true;
}

static enum weir_more zone_transfer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct transfer *transfer = (struct transfer *)producer;
	if (transfer->consumed == transfer->size) {
		if (transfer->stage == END)
			return WEIR_DONE;
		if (!zone_transfer_make_message(transfer))
			return WEIR_FAILED;
	}
	transfer->consumed += weir_output_borrow(
	        out, transfer->buffer + transfer->consumed, transfer->size - transfer->consumed);
	return transfer->stage == END && transfer->consumed == transfer->size ? WEIR_DONE
	                                                                      : WEIR_MORE;
}

static void zone_transfer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct transfer *transfer = (struct transfer *)producer;
	(void)why;
	weir_dns_zone_release(transfer->zone);
	weir_dns_keys_release(transfer->keys);
	free(transfer);
}

/* -- life -------------------------------------------------------------------------------------- */

/* Stores the serial of the client of an IXFR. Returns false for other queries. */
static bool zone_transfer_read_serial(
        const struct weir_dns_query *query, struct weir_span message, uint32_t *ret)
{
	struct weir_dns_record record;
	struct weir_dns_name name;
	size_t at = query->authority;
	if (query->question.type != WEIR_DNS_IXFR || !query->header.counts[WEIR_DNS_AUTHORITY] ||
	        weir_dns_record_read(message, &at, &record) < 0 || record.type != WEIR_DNS_SOA)
		return false;
	size_t from = record.at, end = record.at + record.data.size;
	if (weir_dns_name_read(message, &from, &name) < 0 ||
	        weir_dns_name_read(message, &from, &name) < 0 || from > end || end - from < 20)
		return false;
	*ret = dns_get32((const uint8_t *)message.data + from);
	return true;
}

/* The client has our version, or a later one (RFC 1982). */
static bool zone_transfer_is_current(const struct weir_dns_zone *zone, uint32_t serial)
{
	return (int32_t)(zone->serial - serial) <= 0;
}

/* Sends the steps from there, if they are known and not larger than the zone. */
static bool zone_transfer_find_steps(
        const struct weir_dns_zone *zone, uint32_t serial, struct dns_steps *ret)
{
	unsigned first;
	size_t size = 0;
	if (!dns_history_find(zone, serial, &first))
		return false;
	for (unsigned i = first; i < zone->history->count; i++)
		size += zone->history->deltas[i]->size;
	if (size > zone->size)
		return false;
	*ret = (struct dns_steps){.history = zone->history, .delta = first};
	return true;
}

bool dns_transfer_put(const struct weir_dns_zone *zone, const struct weir_dns_query *query,
        struct weir_span message, struct weir_dns_writer *writer)
{
	struct dns_steps steps;
	uint32_t serial;
	size_t start = writer->size;
	uint16_t count = writer->counts[WEIR_DNS_ANSWER];
	if (zone_transfer_read_serial(query, message, &serial) &&
	        !zone_transfer_is_current(zone, serial) &&
	        zone_transfer_find_steps(zone, serial, &steps) &&
	        zone_transfer_put_soa(writer, zone) && zone_transfer_put_steps(writer, &steps) &&
	        zone_transfer_put_soa(writer, zone))
		return true;
	weir_dns_writer_cut(writer, start, WEIR_DNS_ANSWER, count);
	return zone_transfer_put_soa(writer, zone);
}

struct weir_producer *dns_transfer(const struct weir_dns_outcome *outcome,
        struct weir_dns_keys *keys, struct weir_span message, struct weir_loop *loop)
{
	static const struct weir_producer_type type = {
	        .name = "zone transfer", .more = zone_transfer_more, .close = zone_transfer_close};
	struct transfer *transfer = malloc(sizeof *transfer);
	struct weir_dns_query query;
	uint32_t serial;
	if (!transfer)
		return NULL;
	memset(transfer, 0, offsetof(struct transfer, buffer));
	weir_producer_init(&transfer->base, &type);
	weir_dns_query_read(message, &query);
	transfer->zone = weir_dns_zone_hold(outcome->transfer->zone);
	transfer->loop = loop;
	transfer->is_signed = outcome->is_signed;
	if (transfer->is_signed) {
		transfer->tsig = outcome->tsig;
		transfer->keys = keys ? weir_dns_keys_hold(keys) : NULL;
	}
	transfer->id = query.header.id;
	transfer->flags = WEIR_DNS_QR | WEIR_DNS_AA | (query.header.flags & WEIR_DNS_RD);
	transfer->question_size = query.question_end - WEIR_DNS_HEADER_SIZE;
	memcpy(transfer->question, message.data + WEIR_DNS_HEADER_SIZE, transfer->question_size);
	dns_walk_init(&transfer->walk, transfer->zone);
	if (zone_transfer_read_serial(&query, message, &serial)) {
		transfer->alone = zone_transfer_is_current(transfer->zone, serial);
		zone_transfer_find_steps(transfer->zone, serial, &transfer->steps);
	}
	return &transfer->base;
}
