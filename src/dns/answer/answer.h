/*
 * An answer in the making: the algorithm of RFC 1034 4.3.2 on the zones that we have, with what
 * DNSSEC (RFC 4035 3.1, RFC 5155 7.2) and DNAME (RFC 6672) add to it.
 */
#ifndef WEIR_DNS_ANSWER_INTERNAL_H
#define WEIR_DNS_ANSWER_INTERNAL_H

#include "nsec3.h"
#include "message_put.h"
#include "zones.h"

enum {
	DNS_PUT_MAX = 64, /* RRsets of a reply that are remembered, so as not to put them twice */
	DNS_TARGETS_MAX = 16, /* RRsets whose targets' addresses are added */
};

struct dns_target {
	const struct weir_dns_zone *zone;
	const struct dns_rrset *rrset;
	const struct dns_node *cut; /* of a referral: glue beneath it must not be missing */
};

/* A proof that has to wait until the answer section is complete. */
struct dns_proof {
	const struct weir_dns_zone *zone;
	const struct dns_node *node;     /* of an NSEC record, or */
	const struct dns_hashed *hashed; /* of NSEC3 */
};

struct dns_answer {
	/* given */
	const struct weir_dns_zones *zones;
	struct weir_dns_writer *writer;
	struct dns_hasher *hasher;
	uint16_t type;
	bool dnssec;
	bool recursive; /* the client may have names looked up: a delegation is no answer for it */

	/* the result */
	unsigned rcode;
	bool authoritative;
	bool truncated; /* something that is needed did not fit: nothing more is put */
	bool refused;   /* none of our zones */
	bool left;      /* the chain goes on at `key`: in no zone of ours, or one that is absent */
	bool delegated; /* `key` lies below a cut of ours, and must be looked up; nothing is put for it */
	uint16_t absence; /* of the zone, for which something stands in: an extended error, or 0 */
	uint32_t kind;    /* the same for all names that are answered from the same data */

	/* on the way */
	const struct weir_dns_zone *zone;
	struct dns_key key; /* the name that is looked for now */
	uint32_t followed[WEIR_DNS_CHAIN_MAX];
	unsigned follow_count;
	const struct dns_rrset *put[DNS_PUT_MAX];
	unsigned put_count;
	struct dns_proof proofs[WEIR_DNS_CHAIN_MAX + 1];
	unsigned proof_count;
	struct dns_target targets[DNS_TARGETS_MAX];
	unsigned target_count;
};

/* Sets what is given (but the type) and clears the rest that must be clear. */
void dns_answer_init(struct dns_answer *answer, const struct weir_dns_zones *zones,
        struct weir_dns_writer *writer, struct dns_hasher *hasher, bool dnssec);

/* The answer section, and what is behind it but for the following. */
void dns_answer_make(struct dns_answer *answer, const struct weir_dns_name *name);

/*
 * A chain of aliases that came from an upstream leads to `name`: goes on there if it is in a zone of
 * ours. False: it is not, and nothing has changed; or there were too many aliases.
 */
bool dns_answer_resume(struct dns_answer *answer, const struct weir_dns_name *name);

/* What comes last: proofs that waited, addresses. */
void dns_answer_end(struct dns_answer *answer);

/* -- of its parts ------------------------------------------------------------------------------ */

/* An RRset, with its signatures where they are wanted; whole or not at all. False: not. */
bool dns_answer_put(struct dns_answer *answer, enum weir_dns_section section, const uint8_t *owner,
        const struct dns_rrset *rrset, uint32_t ttl);

/* Whether it has been put under its own name. */
bool dns_answer_has(const struct dns_answer *answer, const struct dns_rrset *rrset);

/*
 * The same where it must not be missing: the answer is truncated then. Never puts one twice, but
 * into the answer section, where a wildcard's may stand for several names.
 */
void dns_answer_need(struct dns_answer *answer, enum weir_dns_section section, const uint8_t *owner,
        const struct dns_rrset *rrset, uint32_t ttl);

/* The addresses that the targets' names have, as far as there is room. */
void dns_answer_additional(struct dns_answer *answer);

/*
 * Proofs, for the authority section. `node` is the closest encloser of the key's name (or has that
 * name itself: skip is 0), which has `skip` labels more. Nothing happens where none is wanted or the
 * zone is not signed.
 */
void dns_deny_name(struct dns_answer *answer, const struct dns_node *node, unsigned skip);
void dns_deny_type(struct dns_answer *answer, const struct dns_node *node);
void dns_deny_wildcard_type(struct dns_answer *answer, const struct dns_node *node, unsigned skip);
/* That a wildcard was right to answer: no name is closer. It is put by dns_deny_rest. */
void dns_deny_closer(struct dns_answer *answer, unsigned skip);
void dns_deny_rest(struct dns_answer *answer);

#endif
