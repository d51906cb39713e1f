/*
 * An answer being made: the algorithm of RFC 1034 4.3.2 on our zones, with the additions of DNSSEC
 * (RFC 4035 3.1, RFC 5155 7.2) and DNAME (RFC 6672).
 */
#ifndef WEIR_DNS_ANSWER_INTERNAL_H
#define WEIR_DNS_ANSWER_INTERNAL_H

#include "dns_codec.h"
#include "zone_image.h"

enum {
	DNS_PUT_MAX = 64,     /* RRsets of a reply that are remembered, so that none is put twice */
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
	bool left;      /* the chain goes on at `key`, in no zone of ours or in a placeholder */
	bool delegated; /* `key` is below a zone cut of ours, and must be looked up */
	bool endless;   /* the chain goes round in a circle, or has too many aliases */
	bool resumed;   /* a chain has come back into our zones (dns_answer_resume) */
	uint16_t unavailable; /* of a placeholder zone: its extended error; or 0 */
	uint32_t kind;        /* the same for all names that are answered from the same data */

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

/* Sets the given fields except for `type`, and clears the others as far as needed. */
void dns_answer_init(struct dns_answer *answer, const struct weir_dns_zones *zones,
        struct weir_dns_writer *writer, struct dns_hasher *hasher, bool dnssec);

/* Puts the answer section, and the following sections except for the parts of dns_answer_end. */
void dns_answer_make(struct dns_answer *answer, const struct weir_dns_name *name);

/*
 * Whether our zones answer for `name`: it is in one of them, and not below a zone cut, where an
 * upstream knows better.
 */
bool dns_answer_owns(const struct dns_answer *answer, const struct weir_dns_name *name);

/*
 * Goes on with `name`, which our zones answer for: a chain of aliases that came from an upstream
 * leads there. `endless` is set if it must not be followed.
 */
void dns_answer_resume(struct dns_answer *answer, const struct weir_dns_name *name);

/* Puts the proofs that had to wait, and addresses. The last step. */
void dns_answer_end(struct dns_answer *answer);

/* -- parts of an answer ------------------------------------------------------------------------ */

/*
 * Puts an RRset with the signatures that the client wants. Returns false, and puts nothing, without
 * room.
 */
bool dns_answer_put(struct dns_answer *answer, enum weir_dns_section section, const uint8_t *owner,
        const struct dns_rrset *rrset, uint32_t ttl);

/* Whether the RRset has been put under its own name. */
bool dns_answer_has(const struct dns_answer *answer, const struct dns_rrset *rrset);

/*
 * Puts an RRset that must not be missing: without room the answer is truncated. An RRset is put
 * once; only in the answer section a wildcard's RRset may occur for several names.
 */
void dns_answer_need(struct dns_answer *answer, enum weir_dns_section section, const uint8_t *owner,
        const struct dns_rrset *rrset, uint32_t ttl);

/* Puts the addresses of the targets' names, as far as there is room. */
void dns_answer_additional(struct dns_answer *answer);

/*
 * Put proofs into the authority section. `node` is the closest encloser of the key's name, which
 * has `skip` labels more; if skip is 0, it is the name itself. Nothing is put if the client wants
 * no proofs or the zone is not signed.
 */
void dns_deny_name(struct dns_answer *answer, const struct dns_node *node, unsigned skip);
void dns_deny_type(struct dns_answer *answer, const struct dns_node *node);
void dns_deny_wildcard_type(struct dns_answer *answer, const struct dns_node *node, unsigned skip);
/* Proves that a wildcard was the right answer: no name is closer. dns_deny_rest puts that proof. */
void dns_deny_closer(struct dns_answer *answer, unsigned skip);
void dns_deny_rest(struct dns_answer *answer);

#endif
