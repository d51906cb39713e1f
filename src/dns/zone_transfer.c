/*
 * AXFR as a producer: the SOA record, all the others, the SOA record again, in messages that are
 * filled up to WEIR_DNS_TRANSFER_MESSAGE, one each time it is asked. A single record that is larger
 * gets a message of its own. It has one buffer, and a place in the zone.
 *
 * IXFR is answered by the same (RFC 1995 4), or by the SOA alone to who is up to date.
 */
#include <stdlib.h>

#include <weir/dns_message.h>
#include <weir/loop.h>

#include "zone_transfer.h"
#include "message_put.h"
#include "nsec3.h"
#include "zone_image.h"

enum {
	LENGTH_SIZE = 2,
	BUFFER_SIZE = LENGTH_SIZE + WEIR_DNS_MESSAGE_MAX
};

enum stage {
	FIRST_SOA,
	NODES,
	HASHED,
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
	enum stage stage;
	uint32_t at;        /* the node, or the place in hashed */
	unsigned rrset;     /* of the node */
	unsigned record;    /* of the RRset, and then its signatures */
	size_t size, taken; /* of the buffer */
	struct weir_dns_writer writer;
	uint8_t question[WEIR_DNS_NAME_MAX + 4];
	size_t question_size;
	uint8_t buffer[BUFFER_SIZE];
};

/* -- the place in the zone --------------------------------------------------------------------- */

static const struct dns_rrset *soa_of(const struct weir_dns_zone *zone)
{
	return weir_dns_node_rrset(zone, zone->nodes, WEIR_DNS_SOA);
}

static const struct dns_rrset *rrset_at(
        const struct transfer *transfer, const struct dns_node *node)
{
	const struct dns_rrset *rrset = weir_dns_rrset_at(transfer->zone, node->rrsets);
	for (unsigned i = 0; i < transfer->rrset; i++)
		rrset = weir_dns_rrset_next(rrset);
	return rrset;
}

/* The rest of an RRset: the transfer's place says where it begins. False: the message is full. */
static bool put_rrset(
        struct transfer *transfer, const uint8_t *owner, const struct dns_rrset *rrset)
{
	const uint8_t *record = weir_dns_rrset_records(rrset);
	unsigned count = rrset->count + rrset->signatures;
	for (unsigned i = 0; i < transfer->record; i++)
		record = weir_dns_record_next(record);
	for (; transfer->record < count; transfer->record++) {
		bool signature = transfer->record >= rrset->count;
		if (!weir_dns_put_record(&transfer->writer, WEIR_DNS_ANSWER, owner,
		            signature ? WEIR_DNS_RRSIG : weir_dns_rrset_type(rrset), WEIR_DNS_IN,
		            weir_dns_rrset_ttl(rrset),
		            weir_span(record + 2, weir_dns_get16(record))))
			return false;
		record = weir_dns_record_next(record);
	}
	transfer->record = 0;
	return true;
}

static bool put_node(struct transfer *transfer)
{
	const struct weir_dns_zone *zone = transfer->zone;
	const struct dns_node *node = &zone->nodes[transfer->at];
	for (; transfer->rrset < node->count; transfer->rrset++) {
		const struct dns_rrset *rrset = rrset_at(transfer, node);
		if (weir_dns_rrset_type(rrset) == WEIR_DNS_SOA) {
			/* Its record stands at both ends; here only its signatures. */
			transfer->record += transfer->record < rrset->count ? rrset->count : 0;
		}
		if (!put_rrset(transfer, weir_dns_node_name(zone, node), rrset))
			return false;
	}
	transfer->rrset = 0;
	transfer->at++;
	return true;
}

static bool put_hashed(struct transfer *transfer)
{
	const struct weir_dns_zone *zone = transfer->zone;
	const struct dns_hashed *entry = &zone->hashed[transfer->at];
	uint8_t owner[1 + DNS_BASE32_SIZE + WEIR_DNS_NAME_MAX];
	owner[0] = DNS_BASE32_SIZE;
	weir_dns_base32_encode(entry->hash, owner + 1);
	memcpy(owner + 1 + DNS_BASE32_SIZE, zone->apex.wire, zone->apex.size);
	if (!put_rrset(transfer, owner, weir_dns_rrset_at(zone, entry->rrset)))
		return false;
	transfer->at++;
	return true;
}

static bool put_soa(struct transfer *transfer)
{
	const struct dns_rrset *soa = soa_of(transfer->zone);
	const uint8_t *record = weir_dns_rrset_records(soa);
	return weir_dns_put_record(&transfer->writer, WEIR_DNS_ANSWER, transfer->zone->apex.wire,
	        WEIR_DNS_SOA, WEIR_DNS_IN, weir_dns_rrset_ttl(soa),
	        weir_span(record + 2, weir_dns_get16(record)));
}

/* One step further. False: the message is full. */
static bool step(struct transfer *transfer)
{
	const struct weir_dns_zone *zone = transfer->zone;
	bool done = true;
	if (transfer->stage == FIRST_SOA || transfer->stage == LAST_SOA) {
		if (!put_soa(transfer))
			return false;
	} else if (transfer->stage == NODES) {
		if (!put_node(transfer))
			return false;
		done = transfer->at == zone->node_count;
	} else {
		if (transfer->at < zone->hashed_count && !put_hashed(transfer))
			return false;
		done = transfer->at >= zone->hashed_count;
	}
	if (done) {
		transfer->at = 0;
		transfer->stage = transfer->alone ? END : transfer->stage + 1;
	}
	return true;
}

/* -- messages ---------------------------------------------------------------------------------- */

static bool fill(struct transfer *transfer, size_t limit)
{
	struct weir_dns_writer *writer = &transfer->writer;
	weir_dns_writer_init(writer, transfer->buffer + LENGTH_SIZE, limit);
	/* Only the first message needs the question (RFC 5936 2.2.1). */
	if (!transfer->following)
		weir_dns_put_question(
		        writer, weir_span(transfer->question, transfer->question_size));
	while (transfer->stage != END && step(transfer))
		;
	return writer->counts[WEIR_DNS_ANSWER];
}

static bool make_message(struct transfer *transfer)
{
	size_t for_tsig = transfer->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	uint8_t *message = transfer->buffer + LENGTH_SIZE;
	if (!fill(transfer, WEIR_DNS_TRANSFER_MESSAGE) &&
	        !fill(transfer, WEIR_DNS_MESSAGE_MAX - for_tsig))
		return false;
	size_t size = weir_dns_writer_finish(&transfer->writer, transfer->id, transfer->flags);
	if (transfer->is_signed)
		size = weir_dns_tsig_sign(&transfer->tsig, message, size, WEIR_DNS_MESSAGE_MAX,
		        weir_loop_wall_s(transfer->loop), transfer->following);
	if (!size)
		return false;
	weir_dns_put16(transfer->buffer, (unsigned)size);
	transfer->following = true;
	transfer->size = size + LENGTH_SIZE;
	transfer->taken = 0;
	return true;
}

static enum weir_more more(struct weir_producer *producer, struct weir_output *out)
{
	struct transfer *transfer = (struct transfer *)producer;
	if (transfer->taken == transfer->size) {
		if (transfer->stage == END)
			return WEIR_DONE;
		if (!make_message(transfer))
			return WEIR_FAILED;
	}
	transfer->taken += weir_output_borrow(
	        out, transfer->buffer + transfer->taken, transfer->size - transfer->taken);
	return transfer->stage == END && transfer->taken == transfer->size ? WEIR_DONE : WEIR_MORE;
}

static void close_transfer(struct weir_producer *producer, enum weir_close_reason why)
{
	struct transfer *transfer = (struct transfer *)producer;
	(void)why;
	weir_dns_zone_release(transfer->zone);
	weir_dns_keys_release(transfer->keys);
	free(transfer);
}

/* -- life -------------------------------------------------------------------------------------- */

/* Whether the client of an IXFR has what we have, or something later (RFC 1982). */
static bool is_current(const struct weir_dns_zone *zone, const struct weir_dns_query *query,
        struct weir_span message)
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
	uint32_t theirs = weir_dns_get32((const uint8_t *)message.data + from);
	return (int32_t)(zone->serial - theirs) <= 0;
}

struct weir_producer *weir_dns_transfer(const struct weir_dns_outcome *outcome,
        struct weir_dns_keys *keys, struct weir_span message, struct weir_loop *loop)
{
	static const struct weir_producer_type type = {
	        .name = "zone transfer", .more = more, .close = close_transfer};
	struct transfer *transfer = malloc(sizeof *transfer);
	struct weir_dns_query query;
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
	transfer->alone = is_current(transfer->zone, &query, message);
	return &transfer->base;
}
