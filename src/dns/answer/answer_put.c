/*
 * Putting RRsets: whole ones, with their signatures, and none twice; and the additional section, to
 * which nothing belongs that cannot be left out but the glue of a referral (RFC 9471).
 */
#include "answer.h"
#include "dns_codec.h"

/* Begins a record. The owner of further records of an RRset is a pointer to the first owner. */
static bool dns_answer_put_owner(struct weir_dns_writer *writer, const uint8_t *owner, size_t first)
{
	uint8_t pointer[2];
	if (!first || first >= 0x4000)
		return weir_dns_put_name(writer, owner);
	if (writer->data[first] >= 0xc0)
		memcpy(pointer, writer->data + first, 2);
	else if (writer->data[first] == 0)
		return weir_dns_put_bytes(writer, owner, 1);
	else
		dns_put16(pointer, 0xc000 | (unsigned)first);
	return weir_dns_put_bytes(writer, pointer, sizeof pointer);
}

/* Puts `count` records from `record` on; `fixed` is type, class and TTL. */
static const uint8_t *dns_answer_put_records(struct weir_dns_writer *writer, const uint8_t *owner,
        size_t *first, const uint8_t fixed[8], const uint8_t *record, unsigned count)
{
	bool compress = dns_layout(dns_get16(fixed)).compress;
	for (unsigned i = 0; i < count; i++) {
		size_t start = writer->size, size = dns_get16(record);
		if (!dns_answer_put_owner(writer, owner, *first) ||
		        !weir_dns_put_bytes(writer, fixed, 8))
			return NULL;
		if (compress ? !dns_put_rdata(writer, dns_get16(fixed), weir_span(record + 2, size))
		             : !weir_dns_put_bytes(writer, record, size + 2))
			return NULL;
		*first = *first ? *first : start;
		record += size + 2;
	}
	return record;
}

bool dns_answer_put(struct dns_answer *answer, enum weir_dns_section section, const uint8_t *owner,
        const struct dns_rrset *rrset, uint32_t ttl)
{
	struct weir_dns_writer *writer = answer->writer;
	size_t start = writer->size, first = 0;
	uint8_t fixed[8];
	unsigned count = rrset->count;
	memcpy(fixed, rrset->fixed, 4);
	dns_put32(fixed + 4, ttl);
	const uint8_t *record = dns_answer_put_records(
	        writer, owner, &first, fixed, dns_rrset_records(rrset), count);
	if (record && answer->dnssec) {
		dns_put16(fixed, WEIR_DNS_RRSIG);
		record = dns_answer_put_records(
		        writer, owner, &first, fixed, record, rrset->signatures);
		count += rrset->signatures;
	}
	if (!record) {
		weir_dns_writer_cut(writer, start, section, writer->counts[section]);
		return false;
	}
	writer->counts[section] = (uint16_t)(writer->counts[section] + count);
	/* An RRset under the name in the question may be a wildcard's. */
	if (owner != answer->key.wire && answer->put_count < DNS_PUT_MAX)
		answer->put[answer->put_count++] = rrset;
	return true;
}

bool dns_answer_has(const struct dns_answer *answer, const struct dns_rrset *rrset)
{
	for (unsigned i = 0; i < answer->put_count; i++)
		if (answer->put[i] == rrset)
			return true;
	return false;
}

void dns_answer_need(struct dns_answer *answer, enum weir_dns_section section, const uint8_t *owner,
        const struct dns_rrset *rrset, uint32_t ttl)
{
	if (answer->truncated || (section != WEIR_DNS_ANSWER && dns_answer_has(answer, rrset)))
		return;
	answer->truncated = !dns_answer_put(answer, section, owner, rrset, ttl);
}

/* -- additional -------------------------------------------------------------------------------- */

/* Returns false without room for them. */
static bool dns_answer_put_addresses(
        struct dns_answer *answer, const struct weir_dns_zone *zone, const struct dns_node *node)
{
	static const uint16_t types[] = {WEIR_DNS_A, WEIR_DNS_AAAA};
	for (unsigned i = 0; i < 2; i++) {
		const struct dns_rrset *rrset = dns_node_rrset(zone, node, types[i]);
		if (rrset && !dns_answer_has(answer, rrset) &&
		        !dns_answer_put(answer, WEIR_DNS_ADDITIONAL, dns_node_name(zone, node),
		                rrset, dns_rrset_ttl(rrset)))
			return false;
	}
	return true;
}

static bool dns_answer_put_is_in_zone(const struct weir_dns_zone *zone, const struct dns_key *key)
{
	if (key->labels < zone->apex.labels)
		return false;
	unsigned from = key->starts[key->labels - zone->apex.labels];
	return key->size - from == zone->apex.size &&
	       memcmp(key->wire + from, zone->apex.wire, zone->apex.size) == 0;
}

/* The node of a record's target whose addresses may be added, or NULL. */
static const struct dns_node *dns_answer_put_node_of_target(
        const struct dns_target *target, const uint8_t *wire, struct dns_key *key)
{
	const struct weir_dns_zone *zone = target->zone;
	dns_key_make(key, wire, dns_wire_size(wire), dns_seed());
	const struct dns_node *node =
	        dns_answer_put_is_in_zone(zone, key) ? dns_zone_node(zone, key, 0) : NULL;
	/* Addresses below a zone cut are glue, which only referrals may have. */
	return node && (target->cut || node->occluder == DNS_NONE) ? node : NULL;
}

static bool dns_answer_put_add_target(struct dns_answer *answer, const struct dns_target *target)
{
	const uint8_t *record = dns_rrset_records(target->rrset);
	unsigned skip = dns_layout(dns_rrset_type(target->rrset)).skip;
	for (unsigned i = 0; i < target->rrset->count; i++) {
		struct dns_key key;
		const struct dns_node *node =
		        dns_answer_put_node_of_target(target, record + 2 + skip, &key);
		if (node && !dns_answer_put_addresses(answer, target->zone, node)) {
			answer->truncated = target->cut && node->occluder != DNS_NONE &&
			                    &target->zone->nodes[node->occluder] == target->cut;
			return false;
		}
		record = dns_record_next(record);
	}
	return true;
}

void dns_answer_additional(struct dns_answer *answer)
{
	for (unsigned i = 0; i < answer->target_count; i++)
		if (!dns_answer_put_add_target(answer, &answer->targets[i]))
			return;
}
