/* TXT records of class CHAOS: what runs here, and which of several it is (RFC 4892). */
#include "responder.h"

unsigned dns_exchange_chaos(struct dns_exchange *exchange)
{
	static const struct {
		const char *wire;
		bool version;
	} names[] = {{"\7version\4bind", true}, {"\7version\6server", true},
	        {"\10hostname\4bind", false}, {"\2id\6server", false}};
	const struct weir_dns_responder *responder = exchange->responder;
	const struct weir_dns_question *question = &exchange->query.question;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		struct weir_dns_name name;
		weir_dns_name_set(weir_span(names[i].wire, strlen(names[i].wire) + 1), &name);
		if (!weir_dns_name_equal(&name, &question->name))
			continue;
		struct weir_span data =
		        names[i].version ? weir_span(responder->version, responder->version_size)
		                         : weir_span(responder->identity, responder->identity_size);
		if (!data.size)
			break;
		if (question->type == WEIR_DNS_TXT || question->type == WEIR_DNS_ANY)
			weir_dns_put_record(&exchange->writer, WEIR_DNS_ANSWER, name.wire,
			        WEIR_DNS_TXT, WEIR_DNS_CH, 0, data);
		exchange->answer.authoritative = true;
		return WEIR_DNS_NOERROR;
	}
	return WEIR_DNS_REFUSED;
}
