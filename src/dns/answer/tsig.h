/*
 * TSIG (RFC 8945) inside of this layer: the MAC, and a client's part (5.3, 5.3.1), which signs a
 * request and checks the replies to it. The server's part is in weir/dns_tsig.h.
 */
#ifndef WEIR_DNS_TSIG_INTERNAL_H
#define WEIR_DNS_TSIG_INTERNAL_H

#include <weir/dns_tsig.h>

#include "dns_codec.h"

static inline void dns_put48(uint8_t *to, uint64_t value)
{
	dns_put16(to, (unsigned)(value >> 32) & 0xffff);
	dns_put32(to + 2, (uint32_t)value);
}

/* -- the MAC ----------------------------------------------------------------------------------- */

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

/* -- a client: requests, and the replies to them ----------------------------------------------- */

enum {
	DNS_TSIG_UNSIGNED_MAX = 99 /* messages in a row of a transfer (RFC 8945 5.3.1) */
};

/* The state of the check. */
struct dns_tsig_answers {
	const struct weir_dns_tsig_key *key;
	struct weir_dns_tsig tsig; /* of the last message that was signed */
	struct dns_mac mac;        /* of the messages since then */
	unsigned messages;         /* so far */
	unsigned unsigned_count;   /* since the last that was signed */
	bool open;                 /* there is a mac */
};

/*
 * Signs a request of `size` bytes; the key must live as long as the answers are checked. Returns
 * the new size, or 0: no room or no memory.
 */
size_t dns_tsig_request(struct dns_tsig_answers *answers, const struct weir_dns_tsig_key *key,
        uint8_t *message, size_t size, size_t room, int64_t now_s);

/*
 * Checks the next message of the answer, which has its TSIG record at `at` (0: it has none).
 * Returns 0 if it is right so far; -EACCES if it is wrong, or should be signed; WEIR_E_SYNTAX if
 * the record is malformed; or -ENOMEM.
 */
int dns_tsig_answer(
        struct dns_tsig_answers *answers, struct weir_span message, size_t at, int64_t now_s);

/* Whether the last message was signed: only then all messages come from an owner of the key. */
bool dns_tsig_complete(const struct dns_tsig_answers *answers);

/* Frees the MAC, if one has begun. */
void dns_tsig_answers_free(struct dns_tsig_answers *answers);

#endif
