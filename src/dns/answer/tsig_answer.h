/* TSIG for a client (RFC 8945 5.3, 5.3.1): signs a request, and checks the replies to it. */
#ifndef WEIR_DNS_TSIG_ANSWER_H
#define WEIR_DNS_TSIG_ANSWER_H

#include "tsig_mac.h"

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
 * The next message of the answer, its TSIG record at `at` (0: it has none). 0: so far it is right;
 * -EACCES: it is not, or should be signed; WEIR_E_SYNTAX; -ENOMEM.
 */
int dns_tsig_answer(
        struct dns_tsig_answers *answers, struct weir_span message, size_t at, int64_t now_s);

/* Whether the last message was signed: only then all messages come from an owner of the key. */
bool dns_tsig_complete(const struct dns_tsig_answers *answers);

/* Also where nothing was begun. */
void dns_tsig_answers_free(struct dns_tsig_answers *answers);

#endif
