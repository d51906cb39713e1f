/*
 * One question to its end: the CNAME records of a reply are followed in it, and where they lead out
 * of it the name they lead to is asked for. The hops of all replies together are bounded.
 */
#include <errno.h>

#include <weir/error.h>

#include "resolver_state.h"

static struct resolver_answer resolver_chase_answers_of(
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
		else if (ret->type == answer->type && ret->class == WEIR_DNS_IN &&
		         weir_dns_name_equal(&ret->name, &answer->owner))
			return true;
	}
	return false;
}

/* The name that another one stands for. */
static bool resolver_chase_leads_on(struct resolver_answer answer, struct weir_dns_name *ret)
{
	struct weir_dns_record record;
	answer.type = WEIR_DNS_CNAME;
	answer.owner = *ret;
	return dns_answer_next(&answer, &record) &&
	       weir_dns_name_read(answer.reply, &record.at, ret) == 0;
}

/* Behind the answers stands SOA: it is certain that there is nothing. */
static bool resolver_chase_is_denied(const struct resolver_answer *answers, unsigned authorities)
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

static void resolver_chase_on_answered(void *context, int error, struct weir_span reply);

/* Names below .onion are no business of any DNS server (RFC 7686 2). */
static int resolver_chase_ask(struct dns_chase *chase)
{
	static const struct weir_dns_name onion = {.size = 7, .labels = 1, .wire = "\5onion"};
	if (weir_dns_name_beneath(&chase->question.name, &onion))
		return -ENOENT;
	return weir_dns_lookup(chase->resolving->resolver->lookups, &chase->question, 0,
	        resolver_chase_on_answered, chase, &chase->lookup);
}

/* 1: it was found; 0: another question is under way; or an error. */
static int resolver_chase_take(
        struct dns_chase *chase, struct weir_span reply, struct resolver_answer *ret)
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
	struct resolver_answer answer = resolver_chase_answers_of(reply, at, &header);
	answer.owner = chase->question.name;
	unsigned before = chase->hops;
	while (resolver_chase_leads_on(answer, &answer.owner))
		if (++chase->hops > WEIR_DNS_CHAIN_MAX)
			return -EAGAIN;
	answer.type = chase->question.type;
	struct resolver_answer found = answer;
	if (dns_answer_next(&found, &record)) {
		*ret = answer;
		return 1;
	}
	if (chase->hops == before ||
	        resolver_chase_is_denied(&answer, header.counts[WEIR_DNS_AUTHORITY]))
		return -ENODATA;
	chase->question.name = answer.owner;
	return resolver_chase_ask(chase);
}

/* Of the errors only those that are our own are told apart. */
static int resolver_chase_error_of(int error)
{
	bool own =
	        error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == WEIR_E_LIMIT;
	return own ? error : -EAGAIN;
}

static void resolver_chase_on_answered(void *context, int error, struct weir_span reply)
{
	struct dns_chase *chase = context;
	struct weir_resolving *resolving = chase->resolving;
	chase->lookup = NULL;
	struct resolver_answer answer = {0};
	int result = error < 0 ? resolver_chase_error_of(error)
	                       : resolver_chase_take(chase, reply, &answer);
	if (result != 0)
		resolving->kind->done(resolving, result < 0 ? result : 0, &answer);
}

int dns_chase_start(struct dns_chase *chase, struct weir_resolving *resolving,
        const struct weir_dns_name *name, unsigned type)
{
	chase->resolving = resolving;
	chase->question.name = *name;
	chase->question.type = (uint16_t)type;
	chase->question.class = WEIR_DNS_IN;
	chase->hops = 0;
	return resolver_chase_ask(chase);
}

void dns_chase_stop(struct dns_chase *chase)
{
	if (chase->lookup)
		weir_dns_lookup_cancel(chase->lookup);
	chase->lookup = NULL;
}
