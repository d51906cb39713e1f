/*
 * Names that mean something to everybody, and nothing to the upstreams: to ask them would tell them
 * what is none of their business, or let them say what localhost is. A name at or beneath one of the
 * table has the records of the table, or does not exist.
 */
#include "name.h"
#include "responder.h"

enum {
	TTL_S = 10800
};

struct special {
	const char *apex; /* in wire form, without the root's label */
	bool exists;      /* and the names beneath it: there is nothing of other types */
	bool exact;       /* only this name; those beneath it do not exist */
	uint16_t type;    /* 0: there are no records */
	struct weir_span data;
};

#define REVERSE_V6                                                                                 \
	"\1"                                                                                       \
	"0\1"                                                                                      \
	"0\1"                                                                                      \
	"0\1"                                                                                      \
	"0\1"                                                                                      \
	"0\1"                                                                                      \
	"0\1"                                                                                      \
	"0\1"                                                                                      \
	"0"
#define ARPA_V6                                                                                    \
	REVERSE_V6 REVERSE_V6 REVERSE_V6 "\1"                                                      \
	                                 "0\1"                                                     \
	                                 "0\1"                                                     \
	                                 "0\1"                                                     \
	                                 "0\1"                                                     \
	                                 "0\1"                                                     \
	                                 "0\1"                                                     \
	                                 "0\3ip6\4arpa"

static const struct special specials[] = {
        {"\11localhost", true, false, WEIR_DNS_A, {"\177\0\0\1", 4}},
        {"\11localhost", true, false, WEIR_DNS_AAAA, {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16}},
        {"\0011\0010\0010\003127\7in-addr\4arpa", true, true, WEIR_DNS_PTR, {"\11localhost", 11}},
        {"\003127\7in-addr\4arpa", false, false, 0, {"", 0}},
        {"\0011" ARPA_V6, true, true, WEIR_DNS_PTR, {"\11localhost", 11}},
        {"\7invalid", false, false, 0, {"", 0}},
        {"\4test", false, false, 0, {"", 0}},
        {"\5onion", false, false, 0, {"", 0}},
        {"\10resolver\4arpa", true, false, 0, {"", 0}},
};

/* That there is nothing, in the form in which it may be remembered (RFC 2308 5). */
static void put_soa(struct dns_exchange *exchange, const struct weir_dns_name *apex)
{
	static const char data[] = "\11localhost\0\6nobody\7invalid\0"
	                           "\0\0\0\1\0\0\x0e\x10\0\0\x04\xb0\0\x09\x3a\x80\0\0\x2a\x30";
	weir_dns_put_record(&exchange->writer, WEIR_DNS_AUTHORITY, apex->wire, WEIR_DNS_SOA,
	        WEIR_DNS_IN, TTL_S, weir_span(data, sizeof data - 1));
}

bool weir_dns_exchange_special(struct dns_exchange *exchange, unsigned *ret_rcode)
{
	const struct weir_dns_question *question = &exchange->query.question;
	struct weir_dns_name apex, known = {0};
	bool exists = false;
	for (unsigned i = 0; i < sizeof specials / sizeof *specials; i++) {
		const struct special *special = &specials[i];
		weir_dns_name_set(weir_span(special->apex, strlen(special->apex) + 1), &apex);
		if (!weir_dns_name_beneath(&question->name, &apex))
			continue;
		bool own = !special->exact || question->name.labels == apex.labels;
		if (own && special->type == question->type) {
			weir_dns_put_record(&exchange->writer, WEIR_DNS_ANSWER, question->name.wire,
			        special->type, WEIR_DNS_IN, TTL_S, special->data);
			*ret_rcode = WEIR_DNS_NOERROR;
			return true;
		}
		exists |= own && special->exists;
		known = apex;
	}
	if (!known.size)
		return false;
	put_soa(exchange, &known);
	*ret_rcode = exists ? WEIR_DNS_NOERROR : WEIR_DNS_NXDOMAIN;
	return true;
}
