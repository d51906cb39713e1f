/* A query as it is sent to a server, and the verdict on its reply, without any I/O. */
#ifndef WEIR_UPSTREAM_QUERY_H
#define WEIR_UPSTREAM_QUERY_H

#include <weir/dns_message.h>

#include "helper.h"

enum {
	UPSTREAM_QUERY_MAX = WEIR_DNS_HEADER_SIZE + WEIR_DNS_NAME_MAX + 4 + 11 /* OPT */
};

struct upstream_query {
	bool edns;
	bool mixed; /* the case of its letters is random */
	uint16_t size;
	uint8_t bytes[UPSTREAM_QUERY_MAX];
};

/* Makes a query. `flags`: enum weir_dns_ask_flags. Returns 0 or an error of getrandom. */
int upstream_query_make(struct upstream_query *query, const struct weir_dns_question *question,
        unsigned flags, bool edns, bool mixed, struct random_pool *random);

enum upstream_verdict {
	UPSTREAM_FOREIGN,   /* no reply to this query: it may be forged */
	UPSTREAM_CASED,     /* a reply to this query, but the case of its question is wrong */
	UPSTREAM_TRUNCATED, /* the complete reply must be asked for by TCP */
	UPSTREAM_PLAIN,     /* the server does not know EDNS */
	UPSTREAM_MALFORMED, /* the server does not know DNS */
	UPSTREAM_REFUSES,   /* complete; another server may have an answer */
	UPSTREAM_ANSWERS,   /* complete, and an answer */
};

enum upstream_verdict upstream_judge(
        const struct upstream_query *query, struct weir_span reply, bool case_counts);

#endif
