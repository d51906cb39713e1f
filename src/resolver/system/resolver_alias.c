/*
 * One question to its end: the CNAME records of a reply are followed in it, and where they lead out
 * of it the name they lead to is asked for. The hops of all replies together are bounded.
 */
#include <errno.h>

#include <weir/error.h>

#include "resolver_state.h"

static struct resolver_answer resolver_alias_answers_of(
        struct weir_span reply, size_t at, const struct weir_dns_header *header)
{
	return (struct resolver_answer){
	        .reply = reply, .at = at, .left = header->counts[WEIR_DNS_ANSWER]};
}

bool dns_answer_next(struct resolver_answer *answer, struct weir_dns_record *ret)
{
	while (answer->left) {
		answer->left--;
		if (weir_dns_record_read(answer->reply, &answer->at, ret) < 0)
			answer->left = 0;
		else if (ret->type == answer->type && ret->rr_class == WEIR_DNS_IN &&
		         weir_dns_name_equal(&ret->name, &answer->owner))
			return true;
	}
	return false;
}

/* Finds the target of an alias. */
static bool resolver_alias_leads_on(struct resolver_answer answer, struct weir_dns_name *ret)
{
	struct weir_dns_record record;
	answer.type = WEIR_DNS_CNAME;
	answer.owner = *ret;
	return dns_answer_next(&answer, &record) &&
	       weir_dns_name_read(answer.reply, &record.at, ret) == 0;
}

/* SOA follows the answers: it is certain that there are no records. */
static bool resolver_alias_is_denied(const struct resolver_answer *answers, unsigned authorities)
{
	struct weir_dns_record record = {0};
	unsigned count = answers->left + authorities;
	size_t at = answers->at;
	for (unsigned i = 0; i < count && weir_dns_record_read(answers->reply, &at, &record) == 0;
	        i++)
		if (i >= answers->left && record.type == WEIR_DNS_SOA)
			return true;
	return false;
}

static void resolver_alias_on_answered(void *context, int error, struct weir_span reply);

/* Names below .onion must not be sent to DNS servers (RFC 7686 2). */
static int resolver_alias_ask(struct resolver_chain *chain)
{
	static const struct weir_dns_name onion = {.size = 7, .labels = 1, .wire = "\5onion"};
	if (weir_dns_name_beneath(&chain->question.name, &onion))
		return -ENOENT;
	return weir_dns_lookup(chain->resolving->resolver->lookups, &chain->question, 0,
	        resolver_alias_on_answered, chain, &chain->lookup);
}

/* Returns 1 if the end was found, 0 if another question is under way, or an error. */
static int resolver_alias_take(
        struct resolver_chain *chain, struct weir_span reply, struct resolver_answer *ret)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	if (!weir_dns_header_read(reply, &header) ||
	        weir_dns_question_read(reply, &at, &question) < 0)
		return -EAGAIN;
	unsigned rcode = header.flags & WEIR_DNS_RCODE_MASK;
	if (rcode == WEIR_DNS_NXDOMAIN)
		return -ENOENT;
	if (rcode != WEIR_DNS_NOERROR)
		return -EAGAIN;
	struct resolver_answer answer = resolver_alias_answers_of(reply, at, &header);
	answer.owner = chain->question.name;
	unsigned before = chain->hops;
	while (resolver_alias_leads_on(answer, &answer.owner))
		if (++chain->hops > WEIR_DNS_CHAIN_MAX)
			return -EAGAIN;
	answer.type = chain->question.type;
	struct resolver_answer found = answer;
	if (dns_answer_next(&found, &record)) {
		*ret = answer;
		return 1;
	}
	if (chain->hops == before ||
	        resolver_alias_is_denied(&answer, header.counts[WEIR_DNS_AUTHORITY]))
		return -ENODATA;
	chain->question.name = answer.owner;
	return resolver_alias_ask(chain);
}

/* Errors of this host are kept apart; all others mean that the servers have failed. */
static int resolver_alias_error_of(int error)
{
	bool own =
	        error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == WEIR_E_LIMIT;
	return own ? error : -EAGAIN;
}

static void resolver_alias_on_answered(void *context, int error, struct weir_span reply)
{
	struct resolver_chain *chain = context;
	struct weir_resolving *resolving = chain->resolving;
	chain->lookup = NULL;
	struct resolver_answer answer = {0};
	int result = error < 0 ? resolver_alias_error_of(error)
	                       : resolver_alias_take(chain, reply, &answer);
	if (result != 0)
		resolving->methods->done(resolving, result < 0 ? result : 0, &answer);
}

int resolver_chain_start(struct resolver_chain *chain, struct weir_resolving *resolving,
        const struct weir_dns_name *name, unsigned type)
{
	chain->resolving = resolving;
	chain->question.name = *name;
	chain->question.type = (uint16_t)type;
	chain->question.rr_class = WEIR_DNS_IN;
	chain->hops = 0;
	return resolver_alias_ask(chain);
}

void resolver_chain_stop(struct resolver_chain *chain)
{
	if (chain->lookup)
		weir_dns_lookup_cancel(chain->lookup);
	chain->lookup = NULL;
}
