/*
 * The state of a responder and of a reply in the making, for responder*.c and waiting.c only.
 *
 *   responder.c           a query is read, answered from the zones or else forwarded, and signed
 *   responder_edns.c      cookies and the other options of EDNS
 *   responder_forward.c   names that are not ours, from the cache or an upstream
 *   responder_alias.c     CNAME chains that leave our zones, and come back into them
 *   responder_special.c   names that must not be forwarded; class CHAOS
 *   waiting.c             pending queries
 */
#ifndef WEIR_DNS_RESPONDER_H
#define WEIR_DNS_RESPONDER_H

#include <weir/address.h>
#include <weir/dns_answer.h>
#include <weir/dns_message.h>
#include <weir/list.h>
#include <weir/span.h>

#include "answer.h"
#include "siphash.h"

/* -- responder_edns.c: cookies ----------------------------------------------------------------- */

/*
 * Cookies (RFC 7873) prove that the client has received a reply at this address before. They are
 * made as RFC 9018 demands, so that servers with the same secret accept each other's cookies.
 */

enum {
	DNS_COOKIE_CLIENT = 8,
	DNS_COOKIE_SERVER = 16,
	DNS_COOKIE_SIZE = DNS_COOKIE_CLIENT + DNS_COOKIE_SERVER,
};

/* The first makes cookies; those of the others are good, too. */
struct dns_cookie_secrets {
	unsigned count;
	struct siphash_key keys[2];
};

enum dns_cookie {
	DNS_COOKIE_MALFORMED,
	DNS_COOKIE_CLIENT_ONLY, /* or one that is not, or no longer, ours */
	DNS_COOKIE_VALID,
};

/* Checks the option's data. Unless that is malformed, *ret is the cookie of the reply. */
enum dns_cookie dns_cookie_check(const struct dns_cookie_secrets *secrets, struct weir_span option,
        const struct weir_address *peer, int64_t now_s, uint8_t ret[DNS_COOKIE_SIZE]);

/* -- the responder ----------------------------------------------------------------------------- */

enum {
	DNS_NETWORKS_DEFAULT = 8,
	DNS_WAITING_BUCKETS = 512
};

/* The memory for lookups. */
struct dns_deferred {
	struct siphash_key key;
	struct weir_list
	        waiting[DNS_WAITING_BUCKETS]; /* queries, by the keyed hash of the message */
	uint8_t reply[WEIR_DNS_MESSAGE_MAX];  /* a deferred one */
	uint8_t cached[WEIR_DNS_MESSAGE_MAX]; /* what is put behind a part of our own */
};

struct weir_dns_responder {
	struct dns_hasher *hasher;
	struct weir_dns_keys *keys;
	struct dns_cookie_secrets secrets;
	weir_dns_notified_fn *notified;
	void *context;
	struct weir_dns_recursion
	        recursion; /* its networks are our own, or NULL: the default ones */
	struct weir_network networks[DNS_NETWORKS_DEFAULT];
	struct dns_deferred *deferred; /* NULL without lookups */
	uint16_t udp_size;
	uint8_t nsid_size;
	uint8_t version_size; /* the rdata of a TXT record; 0: refused */
	uint8_t identity_size;
	uint8_t nsid[WEIR_DNS_NSID_MAX];
	uint8_t version[1 + WEIR_DNS_CHAOS_MAX];
	uint8_t identity[1 + WEIR_DNS_CHAOS_MAX];
};

/* The result of a lookup for a query. */
struct dns_result {
	const struct dns_result *next; /* an earlier one for the same query */
	struct weir_dns_question question;
	struct weir_dns_lookup_info info;
	struct weir_span message; /* empty: it failed */
};

/* A reply in the making. */
struct dns_response {
	struct weir_dns_responder *responder;
	const struct weir_dns_zones *zones;
	const struct weir_dns_request *request;
	struct weir_dns_outcome *outcome;
	struct weir_dns_query query;
	struct weir_dns_writer writer;
	struct dns_answer answer;
	size_t room; /* for the whole; the writer's limit leaves out what comes at the end */
	unsigned rcode;
	int extended_error; /* of RFC 8914; -1: none */
	bool nsid, padding; /* were asked for */
	bool recursive;     /* the client may have names looked up */
	bool forwarded;     /* the question was looked up */
	bool authenticated; /* the upstream has set AD */
	bool asks;          /* there is no reply yet: `asked` has to be asked for */
	const struct weir_dns_question *asked; /* that of the query, or `target` */
	struct weir_dns_question target;       /* where a chain has left our zones */
	const struct dns_result *results;      /* of the lookups so far, the last first; or NULL */
	bool final; /* nothing can be asked: what neither `results` nor the cache knows fails */
	bool cookie;
	uint8_t cookie_data[DNS_COOKIE_SIZE];
};

/* -- responder_edns.c: options ----------------------------------------------------------------- */

/* Reads the options. Returns 0, or the rcode of the refusal. */
unsigned dns_response_options(struct dns_response *response);

/* Returns the bytes that OPT and TSIG will need at the end. */
size_t dns_response_reserve(const struct dns_response *response);

/* Puts OPT. */
void dns_response_put_opt(struct dns_response *response);

/* -- responder_forward.c ----------------------------------------------------------------------- */

/* Whether the client may have names looked up. */
bool dns_response_recursive(const struct dns_response *response);

/* Answers a query for a name of no zone. Returns the rcode, and may set `asks`. */
unsigned dns_response_forward(struct dns_response *response);

/* The result of the lookup of this question, or NULL. */
const struct dns_result *dns_response_result(
        const struct dns_response *response, const struct weir_dns_question *question);

/*
 * Neither `results` nor the cache knows the question: sets `asks`, or returns false in a final run.
 */
bool dns_response_must_ask(struct dns_response *response, const struct weir_dns_question *question);

/* The flags of weir_dns_ask for this query. */
unsigned dns_response_ask_flags(const struct dns_response *response);

/* -- responder_alias.c ------------------------------------------------------------------------- */

/*
 * Follows a chain that has left our zones (answer.left), if the client may have names looked up.
 * Returns the rcode, and may set `asks`.
 */
unsigned dns_response_follow_alias(struct dns_response *response);

/*
 * Whether the aliases in the answer section of a message, which begins at `at`, lead from `first`
 * to a name that our zones answer for. Then the second function puts those up to there, what our
 * zones have, and all that follows if the chain leaves them again. It returns the rcode, and may
 * set `asks`.
 */
bool dns_response_comes_back(struct dns_response *response, struct weir_span message, size_t at,
        const struct weir_dns_name *first);
unsigned dns_response_come_back(struct dns_response *response, struct weir_span message, size_t at,
        const struct weir_dns_name *first);

/* -- responder_special.c ----------------------------------------------------------------------- */

/* Answers a question that must not be passed on. Returns false for other questions. */
bool dns_response_special(struct dns_response *response, const struct weir_dns_question *question,
        unsigned *ret_rcode);

/* Answers a query of class CHAOS. Returns the rcode. */
unsigned dns_response_chaos(struct dns_response *response);

/* -- waiting.c --------------------------------------------------------------------------------- */

/* Returns 0, -ENOMEM or an errno of getrandom. */
int dns_deferred_create(struct dns_deferred **ret);

/* Cancels the pending queries. NULL is allowed. */
void dns_deferred_destroy(struct dns_deferred *deferred);

/* -- responder.c ------------------------------------------------------------------------------- */

/* Writes the reply. The caller has set the given members, `results` and `final`. */
size_t dns_response_run(struct dns_response *response, void *reply, size_t room);

#endif
