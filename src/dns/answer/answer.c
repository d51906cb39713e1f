/*
 * The search: from zone to zone along CNAME and DNAME records, until there is data, a referral or
 * nothing. Leaves out how proofs are found (denial.c) and what goes into the additional section
 * (answer_put.c). Takes no memory.
 */
#include "answer.h"
#include "helper.h"

static const struct dns_rrset *dns_answer_rrset_of(
        const struct dns_answer *answer, const struct dns_node *node, uint16_t type)
{
	return dns_node_rrset(answer->zone, node, type);
}

/*
 * All names below one cut, DNAME or wildcard are of one kind, so that their replies share a rate.
 */
static void dns_answer_set_kind(struct dns_answer *answer, const struct dns_node *node)
{
	const struct dns_key *key = &answer->key;
	uint32_t number = (uint32_t)(node - answer->zone->nodes);
	uint32_t zone = key->hashes[key->labels - answer->zone->apex.labels];
	answer->kind = (zone ^ (number + 1) * 0x9e3779b1u) | 1;
}

/* -- nothing ----------------------------------------------------------------------------------- */

/* Puts the SOA record, with the TTL of negative answers (RFC 2308 3). */
static void dns_answer_put_soa(struct dns_answer *answer)
{
	const struct weir_dns_zone *zone = answer->zone;
	const struct dns_rrset *soa = dns_answer_rrset_of(answer, zone->nodes, WEIR_DNS_SOA);
	const uint8_t *record = dns_rrset_records(soa);
	uint32_t minimum = dns_get32(dns_record_next(record) - 4);
	uint32_t ttl = dns_rrset_ttl(soa);
	dns_answer_need(answer, WEIR_DNS_AUTHORITY, zone->apex.wire, soa, min_of(minimum, ttl));
}

static void dns_answer_no_name(
        struct dns_answer *answer, const struct dns_node *encloser, unsigned skip)
{
	answer->rcode = WEIR_DNS_NXDOMAIN;
	dns_answer_set_kind(answer, answer->zone->nodes);
	answer->kind++;
	dns_answer_put_soa(answer);
	dns_deny_name(answer, encloser, skip);
}

/* -- referrals --------------------------------------------------------------------------------- */

static void dns_answer_remember_target(
        struct dns_answer *answer, const struct dns_rrset *rrset, const struct dns_node *cut)
{
	uint16_t type = dns_rrset_type(rrset);
	if ((type == WEIR_DNS_NS || type == WEIR_DNS_MX || type == WEIR_DNS_SRV) &&
	        answer->target_count < DNS_TARGETS_MAX)
		answer->targets[answer->target_count++] =
		        (struct dns_target){answer->zone, rrset, cut};
}

static void dns_answer_refer(struct dns_answer *answer, const struct dns_node *cut)
{
	const uint8_t *owner = dns_node_name(answer->zone, cut);
	const struct dns_rrset *ns = dns_answer_rrset_of(answer, cut, WEIR_DNS_NS);
	const struct dns_rrset *ds = dns_answer_rrset_of(answer, cut, WEIR_DNS_DS);
	if (!answer->follow_count)
		answer->authoritative = false;
	dns_answer_need(answer, WEIR_DNS_AUTHORITY, owner, ns, dns_rrset_ttl(ns));
	dns_answer_remember_target(answer, ns, cut);
	if (answer->dnssec && answer->zone->is_signed && ds)
		dns_answer_need(answer, WEIR_DNS_AUTHORITY, owner, ds, dns_rrset_ttl(ds));
	else
		dns_deny_type(answer, cut);
}

/* -- chains ------------------------------------------------------------------------------------ */

static bool was_followed(const struct dns_answer *answer)
{
	for (unsigned i = 0; i < answer->follow_count; i++)
		if (answer->followed[i] == answer->key.hashes[0])
			return true;
	return false;
}

/* Goes on with another name. Returns false if the chain is endless, or the answer truncated. */
static bool dns_answer_follow(struct dns_answer *answer, const uint8_t *wire)
{
	if (answer->follow_count == WEIR_DNS_CHAIN_MAX) {
		answer->endless = true;
		return false;
	}
	answer->followed[answer->follow_count++] = answer->key.hashes[0];
	dns_key_make(&answer->key, wire, dns_wire_size(wire), dns_seed());
	answer->endless = was_followed(answer);
	return !answer->endless && !answer->truncated;
}

/* RFC 6672 3.1: the end of the name is replaced, and a CNAME record is added for it. */
static bool dns_answer_follow_dname(struct dns_answer *answer, const struct dns_node *node)
{
	const uint8_t *owner = dns_node_name(answer->zone, node);
	const struct dns_rrset *dname = dns_answer_rrset_of(answer, node, WEIR_DNS_DNAME);
	const uint8_t *target = dns_rrset_records(dname) + 2;
	size_t head = answer->key.size - node->name_size, tail = dns_wire_size(target);
	uint8_t wire[2 * WEIR_DNS_NAME_MAX];
	if (!dns_answer_has(answer, dname))
		dns_answer_need(answer, WEIR_DNS_ANSWER, owner, dname, dns_rrset_ttl(dname));
	if (head + tail > WEIR_DNS_NAME_MAX) {
		answer->rcode = WEIR_DNS_YXDOMAIN;
		return false;
	}
	memcpy(wire, answer->key.wire, head);
	memcpy(wire + head, target, tail);
	if (!answer->truncated && !weir_dns_put_record(answer->writer, WEIR_DNS_ANSWER,
	                                  answer->key.wire, WEIR_DNS_CNAME, WEIR_DNS_IN,
	                                  dns_rrset_ttl(dname), weir_span(wire, head + tail)))
		answer->truncated = true;
	return answer->type != WEIR_DNS_CNAME && answer->type != WEIR_DNS_ANY &&
	       dns_answer_follow(answer, wire);
}

/* -- data -------------------------------------------------------------------------------------- */

static bool dns_answer_put_answer(struct dns_answer *answer, const struct dns_rrset *rrset)
{
	if (!rrset)
		return false;
	dns_answer_need(answer, WEIR_DNS_ANSWER, answer->key.wire, rrset, dns_rrset_ttl(rrset));
	dns_answer_remember_target(answer, rrset, NULL);
	return true;
}

/* Puts the signatures of one RRset. Returns false if they do not fit. */
static bool dns_answer_put_signatures_of(struct dns_answer *answer, const struct dns_rrset *rrset)
{
	const uint8_t *record = dns_rrset_records(rrset);
	for (unsigned i = 0; i < rrset->count; i++)
		record = dns_record_next(record);
	for (unsigned i = 0; i < rrset->signatures; i++, record = dns_record_next(record))
		if (!weir_dns_put_record(answer->writer, WEIR_DNS_ANSWER, answer->key.wire,
		            WEIR_DNS_RRSIG, WEIR_DNS_IN, dns_rrset_ttl(rrset),
		            weir_span(record + 2, dns_get16(record))))
			return false;
	return true;
}

/* Puts the signatures of all RRsets of the name, as one RRset. */
static bool dns_answer_put_signatures(struct dns_answer *answer, const struct dns_node *node)
{
	const struct dns_rrset *rrset = dns_rrset_at(answer->zone, node->rrsets);
	struct weir_dns_writer *writer = answer->writer;
	size_t start = writer->size;
	uint16_t count = writer->counts[WEIR_DNS_ANSWER];
	bool any = false;
	for (unsigned i = 0; i < node->count; i++, rrset = dns_rrset_next(rrset)) {
		any |= rrset->signatures;
		if (dns_answer_put_signatures_of(answer, rrset))
			continue;
		weir_dns_writer_cut(writer, start, WEIR_DNS_ANSWER, count);
		answer->truncated = true;
		break;
	}
	return any;
}

/* RFC 8482 4.1: ANY is answered by one RRset of those there are. */
static bool dns_answer_put_any(struct dns_answer *answer, const struct dns_node *node)
{
	const struct dns_rrset *rrset = dns_rrset_at(answer->zone, node->rrsets);
	for (unsigned i = 0; i < node->count; i++, rrset = dns_rrset_next(rrset))
		if (rrset->count)
			return dns_answer_put_answer(answer, rrset);
	return false;
}

static bool dns_answer_put_data(struct dns_answer *answer, const struct dns_node *node)
{
	if (answer->type == WEIR_DNS_ANY)
		return dns_answer_put_any(answer, node);
	if (answer->type == WEIR_DNS_RRSIG)
		return dns_answer_put_signatures(answer, node);
	return dns_answer_put_answer(answer, dns_answer_rrset_of(answer, node, answer->type));
}

/* Types that are answered at a name with a CNAME record. */
static bool dns_answer_is_own(uint16_t type)
{
	return type == WEIR_DNS_CNAME || type == WEIR_DNS_ANY || type == WEIR_DNS_NSEC ||
	       type == WEIR_DNS_RRSIG;
}

/*
 * Answers from the name's own node, or from the wildcard that matches it: then `encloser` is the
 * node above the wildcard, and has `skip` labels fewer than the name. Returns true if an alias must
 * be followed.
 */
static bool dns_answer_answer_from(struct dns_answer *answer, const struct dns_node *node,
        const struct dns_node *encloser, unsigned skip)
{
	const struct dns_rrset *cname = dns_answer_is_own(answer->type)
	                                        ? NULL
	                                        : dns_answer_rrset_of(answer, node, WEIR_DNS_CNAME);
	if (cname ? dns_answer_put_answer(answer, cname) : dns_answer_put_data(answer, node)) {
		if (encloser)
			dns_deny_closer(answer, skip);
		return cname && dns_answer_follow(answer, dns_rrset_records(cname) + 2);
	}
	dns_answer_put_soa(answer);
	if (encloser)
		dns_deny_wildcard_type(answer, encloser, skip);
	else
		dns_deny_type(answer, node);
	return false;
}

/* -- the search -------------------------------------------------------------------------------- */

/* A DS record belongs to the parent zone (RFC 4035 3.1.4.1), which answers if it is ours, too. */
static const struct weir_dns_zone *dns_answer_zone_of(
        const struct dns_answer *answer, const struct dns_key *key)
{
	const struct weir_dns_zone_entry *entry = dns_zones_search(answer->zones, key, 0);
	if (entry && answer->type == WEIR_DNS_DS && key->labels &&
	        entry->zone->apex.labels == key->labels) {
		const struct weir_dns_zone_entry *above = dns_zones_search(answer->zones, key, 1);
		entry = above ? above : entry;
	}
	return entry ? entry->zone : NULL;
}

/*
 * Whether the name is below a delegation, or at it and the type is not DS. `node`: its closest
 * node.
 */
static bool is_delegated(
        const struct weir_dns_zone *zone, const struct dns_node *node, unsigned skip, uint16_t type)
{
	if (node->occluder == DNS_NONE || zone->nodes[node->occluder].dname)
		return false;
	return skip || node != &zone->nodes[node->occluder] || type != WEIR_DNS_DS;
}

/* Searches for one name. Returns true if the key has been replaced by an alias's target. */
static bool dns_answer_lookup(struct dns_answer *answer)
{
	const struct weir_dns_zone *zone = answer->zone;
	unsigned skip;
	const struct dns_node *node = dns_zone_closest(zone, &answer->key, &skip);
	dns_answer_set_kind(
	        answer, node->occluder == DNS_NONE ? node : &zone->nodes[node->occluder]);
	if (node->occluder != DNS_NONE && zone->nodes[node->occluder].dname)
		return dns_answer_follow_dname(answer, &zone->nodes[node->occluder]);
	if (is_delegated(zone, node, skip, answer->type)) {
		answer->delegated = answer->recursive;
		if (!answer->recursive)
			dns_answer_refer(answer, &zone->nodes[node->occluder]);
		return false;
	}
	if (!skip)
		return dns_answer_answer_from(answer, node, NULL, 0);
	if (node->dname)
		return dns_answer_follow_dname(answer, node);
	if (node->wildcard != DNS_NONE)
		return dns_answer_answer_from(answer, &zone->nodes[node->wildcard], node, skip);
	dns_answer_no_name(answer, node, skip);
	return false;
}

/* Fields are cleared one by one, because most of the struct need not be. */
void dns_answer_init(struct dns_answer *answer, const struct weir_dns_zones *zones,
        struct weir_dns_writer *writer, struct dns_hasher *hasher, bool dnssec)
{
	answer->zones = zones;
	answer->writer = writer;
	answer->hasher = hasher;
	answer->dnssec = dnssec;
	answer->zone = NULL;
	answer->rcode = WEIR_DNS_NOERROR;
	answer->kind = 0;
	answer->authoritative = answer->truncated = answer->refused = answer->left = false;
	answer->recursive = answer->delegated = answer->endless = answer->resumed = false;
	answer->unavailable = 0;
	answer->follow_count = answer->put_count = answer->target_count = 0;
	answer->proof_count = 0;
}

static void dns_answer_search(struct dns_answer *answer)
{
	while (dns_answer_lookup(answer)) {
		answer->zone = dns_answer_zone_of(answer, &answer->key);
		if (!answer->zone || answer->zone->unavailable) {
			answer->left = true;
			return;
		}
	}
}

void dns_answer_make(struct dns_answer *answer, const struct weir_dns_name *name)
{
	if (answer->zones->count) {
		dns_key_make(&answer->key, name->wire, name->size, dns_seed());
		answer->zone = dns_answer_zone_of(answer, &answer->key);
	}
	if (!answer->zone) {
		answer->refused = true;
		answer->rcode = WEIR_DNS_REFUSED;
		return;
	}
	if (answer->zone->unavailable) {
		answer->unavailable = answer->zone->unavailable;
		answer->rcode = WEIR_DNS_SERVFAIL;
		return;
	}
	answer->authoritative = true;
	dns_answer_search(answer);
}

bool dns_answer_owns(const struct dns_answer *answer, const struct weir_dns_name *name)
{
	struct dns_key key;
	unsigned skip;
	if (!answer->zones->count)
		return false;
	dns_key_make(&key, name->wire, name->size, dns_seed());
	const struct weir_dns_zone *zone = dns_answer_zone_of(answer, &key);
	if (!zone || zone->unavailable)
		return zone;
	const struct dns_node *node = dns_zone_closest(zone, &key, &skip);
	return !is_delegated(zone, node, skip, answer->type);
}

void dns_answer_resume(struct dns_answer *answer, const struct weir_dns_name *name)
{
	dns_key_make(&answer->key, name->wire, name->size, dns_seed());
	answer->zone = dns_answer_zone_of(answer, &answer->key);
	answer->resumed = true;
	answer->refused = answer->left = answer->delegated = false;
	answer->rcode = WEIR_DNS_NOERROR;
	answer->endless = was_followed(answer);
	if (answer->zone->unavailable) {
		answer->unavailable = answer->zone->unavailable;
		answer->rcode = WEIR_DNS_SERVFAIL;
	} else if (!answer->endless) {
		dns_answer_search(answer);
	}
}

void dns_answer_end(struct dns_answer *answer)
{
	dns_deny_rest(answer);
	if (!answer->truncated)
		dns_answer_additional(answer);
}
