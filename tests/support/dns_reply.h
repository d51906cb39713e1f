/*
 * Replies for tests, from text:
 *
 *   "www.example.com. A" "NXDOMAIN aa" "an www.example.com. 300 CNAME a.example.com."
 *   "au example.com. 300 SOA 60" "ad . 0 OPT 15"
 *
 * Knows A, NS, CNAME, PTR, DNAME, SOA (its minimum), TXT, RRSIG (the type it covers), NSEC (the
 * next name) and OPT (an extended error). Text that it cannot read aborts.
 */
#ifndef WEIR_TEST_DNS_REPLY_H
#define WEIR_TEST_DNS_REPLY_H

#include <weir/dns_message.h>

/* "www.example.com. A" */
struct weir_dns_question question_of(const char *text);

/* `flags`: words of rcodes and flags, or "". Lines end with NULL. The memory is used again. */
struct weir_span reply_of(const char *question, const char *flags, const char *const *lines);

#define REPLY(question, flags, ...)                                                                \
	reply_of(question, flags, (const char *const[]){__VA_ARGS__, NULL})

/* Returns the records of a message as such lines, each ended by '\n'. The memory is used again. */
const char *lines_of(struct weir_span message);

#endif
