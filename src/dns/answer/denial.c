/*
 * Proofs that there is no such name or type. NSEC: the record at or before a name in canonical
 * order (RFC 4035 3.1.3). NSEC3: the record that matches the closest encloser, and those that cover
 * what would be closer (RFC 5155 7.2). With opt-out an encloser may have no record: then the next
 * one above that has.
 */
#include "answer.h"

static bool denial_wanted(const struct dns_answer *answer)
{
	return answer->dnssec && (answer->zone->nsec || answer->zone->nsec3) && !answer->truncated;
}

/* Puts "*" before the name. Returns false if the result is too long. */
static bool denial_wildcard_of(const uint8_t *wire, uint8_t ret[WEIR_DNS_NAME_MAX])
{
	size_t size = dns_wire_size(wire);
	if (size > WEIR_DNS_NAME_MAX - 2)
		return false;
	ret[0] = 1;
	ret[1] = '*';
	memcpy(ret + 2, wire, size);
	return true;
}

/* -- NSEC -------------------------------------------------------------------------------------- */

static void denial_put_nsec(struct dns_answer *answer, const struct dns_node *before)
{
	const struct weir_dns_zone *zone = answer->zone;
	const struct dns_node *node = &zone->nodes[before->denial];
	const struct dns_rrset *nsec = dns_node_rrset(zone, node, WEIR_DNS_NSEC);
	if (nsec)
		dns_answer_need(answer, WEIR_DNS_AUTHORITY, dns_node_name(zone, node), nsec,
		        dns_rrset_ttl(nsec));
}

static void denial_cover_by_nsec(struct dns_answer *answer, const uint8_t *wire)
{
	denial_put_nsec(answer, dns_zone_before(answer->zone, wire));
}

/* -- NSEC3 ------------------------------------------------------------------------------------- */

static void denial_put_hashed(struct dns_answer *answer, const struct dns_hashed *entry)
{
	const struct weir_dns_zone *zone = answer->zone;
	const struct dns_rrset *rrset = dns_rrset_at(zone, entry->rrset);
	uint8_t owner[1 + DNS_BASE32_SIZE + WEIR_DNS_NAME_MAX];
	owner[0] = DNS_BASE32_SIZE;
	dns_base32_encode(entry->hash, owner + 1);
	memcpy(owner + 1 + DNS_BASE32_SIZE, zone->apex.wire, zone->apex.size);
	dns_answer_need(answer, WEIR_DNS_AUTHORITY, owner, rrset, dns_rrset_ttl(rrset));
}

static void denial_match(struct dns_answer *answer, const struct dns_node *node)
{
	denial_put_hashed(answer, &answer->zone->hashed[node->denial]);
}

static void denial_cover_by_hash(struct dns_answer *answer, const uint8_t *wire)
{
	uint8_t hash[DNS_HASH_SIZE];
	dns_hash(answer->hasher, answer->zone, wire, hash);
	denial_put_hashed(answer, dns_zone_hashed_before(answer->zone, hash));
}

/*
 * The closest encloser that has a record, and that what is one label longer has none. `wire` is the
 * name that has `skip` labels more than the node; 0 if it is the node's own and has no record.
 */
static const struct dns_node *denial_prove_encloser(
        struct dns_answer *answer, const struct dns_node *node, const uint8_t *wire, unsigned skip)
{
	const struct weir_dns_zone *zone = answer->zone;
	uint8_t starts[WEIR_DNS_LABELS_MAX + 1];
	dns_label_starts(wire, starts);
	while (node->denial == DNS_NONE) {
		node = &zone->nodes[node->parent]; /* the apex has one */
		skip++;
	}
	denial_match(answer, node);
	if (skip)
		denial_cover_by_hash(answer, wire + starts[skip - 1]);
	return node;
}

/* -- what is to be proved ---------------------------------------------------------------------- */

void dns_deny_name(struct dns_answer *answer, const struct dns_node *node, unsigned skip)
{
	const struct weir_dns_zone *zone = answer->zone;
	uint8_t wildcard[WEIR_DNS_NAME_MAX];
	if (!denial_wanted(answer))
		return;
	if (zone->nsec3)
		node = denial_prove_encloser(answer, node, answer->key.wire, skip);
	else
		denial_cover_by_nsec(answer, answer->key.wire);
	if (!denial_wildcard_of(dns_node_name(zone, node), wildcard))
		return;
	if (zone->nsec3)
		denial_cover_by_hash(answer, wildcard);
	else
		denial_cover_by_nsec(answer, wildcard);
}

void dns_deny_type(struct dns_answer *answer, const struct dns_node *node)
{
	if (!denial_wanted(answer))
		return;
	if (answer->zone->nsec3)
		denial_prove_encloser(answer, node, dns_node_name(answer->zone, node), 0);
	else
		denial_put_nsec(answer, node);
}

void dns_deny_wildcard_type(struct dns_answer *answer, const struct dns_node *node, unsigned skip)
{
	const struct dns_node *wildcard = &answer->zone->nodes[node->wildcard];
	if (!denial_wanted(answer))
		return;
	if (answer->zone->nsec3) {
		denial_prove_encloser(answer, node, answer->key.wire, skip);
		if (wildcard->denial != DNS_NONE)
			denial_match(answer, wildcard);
	} else {
		denial_put_nsec(answer, wildcard);
		denial_cover_by_nsec(answer, answer->key.wire);
	}
}

void dns_deny_closer(struct dns_answer *answer, unsigned skip)
{
	const struct weir_dns_zone *zone = answer->zone;
	const struct dns_key *key = &answer->key;
	struct dns_proof *proof = &answer->proofs[answer->proof_count];
	uint8_t hash[DNS_HASH_SIZE];
	if (!denial_wanted(answer))
		return;
	*proof = (struct dns_proof){.zone = zone};
	if (zone->nsec3) {
		dns_hash(answer->hasher, zone, key->wire + key->starts[skip - 1], hash);
		proof->hashed = dns_zone_hashed_before(zone, hash);
	} else {
		proof->node = dns_zone_before(zone, key->wire);
	}
	answer->proof_count++;
}

void dns_deny_rest(struct dns_answer *answer)
{
	for (unsigned i = 0; i < answer->proof_count; i++) {
		answer->zone = answer->proofs[i].zone;
		if (answer->proofs[i].hashed)
			denial_put_hashed(answer, answer->proofs[i].hashed);
		else
			denial_put_nsec(answer, answer->proofs[i].node);
	}
}
