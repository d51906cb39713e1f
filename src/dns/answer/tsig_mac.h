/*
 * The parts of TSIG (RFC 8945) that signing, checking a query and checking an answer have in
 * common.
 */
#ifndef WEIR_DNS_TSIG_MAC_H
#define WEIR_DNS_TSIG_MAC_H

#include <weir/dns_message.h>
#include <weir/dns_tsig.h>

#include "name.h"

static inline void dns_put48(uint8_t *to, uint64_t value)
{
	dns_put16(to, (unsigned)(value >> 32) & 0xffff);
	dns_put32(to + 2, (uint32_t)value);
}

/* A MAC being computed. A failure is remembered, and returned at the end. */
struct dns_mac {
	struct evp_mac_st *type;
	struct evp_mac_ctx_st *context;
	bool failed;
};

struct dns_mac dns_mac_begin(const struct weir_dns_tsig_key *key);
void dns_mac_add(struct dns_mac *mac, const void *data, size_t size);

/* The fields that are digested beside the message (RFC 8945 4.3, 5.3.1). */
void dns_mac_add_previous(struct dns_mac *mac, const struct weir_dns_tsig *tsig);
void dns_mac_add_timers(struct dns_mac *mac, const struct weir_dns_tsig *tsig);
void dns_mac_add_variables(
        struct dns_mac *mac, const struct weir_dns_tsig *tsig, struct weir_span other);

/* Finishes and frees the MAC; `ret` may be NULL. Returns false if any step has failed. */
bool dns_mac_end(struct dns_mac *mac, uint8_t ret[WEIR_DNS_MAC_MAX]);

/* The fields of the record that struct weir_dns_tsig does not have. */
struct dns_tsig_record {
	struct weir_span mac;
	struct weir_span other;
	uint16_t original_id;
};

/* Reads the record at `at`. Returns 0 or WEIR_E_SYNTAX. */
int dns_tsig_read(struct weir_span message, size_t at, struct weir_dns_tsig *tsig,
        struct dns_tsig_record *ret);

/* The message up to its TSIG record, as it was signed. */
void dns_mac_add_message(struct dns_mac *mac, struct weir_span message, size_t at,
        const struct dns_tsig_record *record);

/* The MAC that was found is the one that the key makes. */
bool dns_mac_equal(const struct weir_dns_tsig_key *key, struct weir_span mac,
        const uint8_t wanted[WEIR_DNS_MAC_MAX]);

size_t dns_mac_size(const struct weir_dns_tsig_key *key);

/* The algorithm that is named is the key's. */
bool dns_tsig_algorithm_is(const struct weir_dns_tsig *tsig, const struct weir_dns_tsig_key *key);

/* As the key's algorithm is named. */
void dns_tsig_set_algorithm(struct weir_dns_tsig *tsig, const struct weir_dns_tsig_key *key);

#endif
