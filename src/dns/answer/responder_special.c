/*
 * Special-use names: they must not be sent to upstreams, which would learn private names, or could
 * define localhost. A name at or below one in the table has the records of the table, or does not
 * exist.
 */
#include "dns_codec.h"
#include "responder.h"

enum {
	TTL_S = 10800
};

struct special {
	const uint8_t *apex; /* in wire form */
	uint8_t size;
	uint8_t labels;
	bool exists;   /* and the names beneath it: there is nothing of other types */
	bool exact;    /* only this name; those beneath it do not exist */
	uint16_t type; /* 0: there are no records */
	struct weir_span data;
};

#define WIRE(text) (const uint8_t *)(text), sizeof(text)
/* clang-format off */
#define ZEROS "\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0"
#define ARPA_V6 ZEROS ZEROS ZEROS "\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\3ip6\4arpa"
/* clang-format on */
#define LOCALHOST "\11localhost"

static const struct special specials[] = {
        {WIRE(LOCALHOST), 1, true, false, WEIR_DNS_A, {"\177\0\0\1", 4}},
        {WIRE(LOCALHOST), 1, true, false, WEIR_DNS_AAAA, {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16}},
        {WIRE("\0011\0010\0010\003127\7in-addr\4arpa"), 6, true, true, WEIR_DNS_PTR,
                {LOCALHOST, sizeof LOCALHOST}},
        {WIRE("\003127\7in-addr\4arpa"), 3, false, false, 0, {"", 0}},
        {WIRE("\10resolver\4arpa"), 2, true, false, 0, {"", 0}},
        {WIRE("\0011" ARPA_V6), 34, true, true, WEIR_DNS_PTR, {LOCALHOST, sizeof LOCALHOST}},
        {WIRE("\7invalid"), 1, false, false, 0, {"", 0}},
        {WIRE("\4test"), 1, false, false, 0, {"", 0}},
        {WIRE("\5onion"), 1, false, false, 0, {"", 0}},
};

/*
 * Reverse zones of addresses that are private, or stand for nobody (RFC 6303 4, RFC 7793): the
 * servers of the world are asked for them in vain. The names of the zones themselves exist.
 */
#define REVERSE_4(labels, text)                                                                    \
	{                                                                                          \
		WIRE(text "\7in-addr\4arpa"), (labels) + 2                                         \
	}
#define REVERSE_6(labels, text)                                                                    \
	{                                                                                          \
		WIRE(text "\3ip6\4arpa"), (labels) + 2                                             \
	}
#define IN(net, text) REVERSE_4(2, text "\003" net)
/* clang-format off */
static const struct special private_zones[] = {
        REVERSE_4(1, "\00210"), REVERSE_4(1, "\0010"), IN("192", "\003168"), IN("169", "\003254"),
        IN("172", "\00216"), IN("172", "\00217"), IN("172", "\00218"), IN("172", "\00219"),
        IN("172", "\00220"), IN("172", "\00221"), IN("172", "\00222"), IN("172", "\00223"),
        IN("172", "\00224"), IN("172", "\00225"), IN("172", "\00226"), IN("172", "\00227"),
        IN("172", "\00228"), IN("172", "\00229"), IN("172", "\00230"), IN("172", "\00231"),
        REVERSE_4(3, "\0012\0010\003192"), REVERSE_4(3, "\003100\00251\003198"),
        REVERSE_4(3, "\003113\0010\003203"), REVERSE_4(4, "\003255\003255\003255\003255"),
        REVERSE_6(32, "\0010" ZEROS ZEROS ZEROS "\0010\0010\0010\0010\0010\0010\0010"),
        REVERSE_6(2, "\001c\001f"), REVERSE_6(2, "\001d\001f"),
        REVERSE_6(3, "\0018\001e\001f"), REVERSE_6(3, "\0019\001e\001f"),
        REVERSE_6(3, "\001a\001e\001f"), REVERSE_6(3, "\001b\001e\001f"),
        REVERSE_6(8, "\0018\001b\001d\0010\0011\0010\0010\0012"),
};
/* clang-format on */

/* Whether the name, whose labels begin at `starts`, is the special one or below it. */
static bool responder_special_is_beneath(
        const struct weir_dns_name *name, const uint8_t *starts, const struct special *special)
{
	if (name->labels < special->labels)
		return false;
	const uint8_t *end = name->wire + starts[name->labels - special->labels];
	if (name->wire + name->size - end != special->size)
		return false;
	for (unsigned i = 0; i < special->size; i++)
		if (dns_lower(end[i]) != special->apex[i])
			return false;
	return true;
}

static void responder_special_put(struct dns_response *response, enum weir_dns_section section,
        const uint8_t *owner, uint16_t type, struct weir_span data)
{
	if (!weir_dns_put_record(&response->writer, section, owner, type, WEIR_DNS_IN, TTL_S, data))
		response->answer.truncated = true;
}

/* Puts a SOA record, so that the negative answer can be cached (RFC 2308 5). */
static void responder_special_put_soa(struct dns_response *response, const uint8_t *apex)
{
	static const char data[] =
	        LOCALHOST "\0\6nobody\7invalid\0"
	                  "\0\0\0\1\0\0\x0e\x10\0\0\x04\xb0\0\x09\x3a\x80\0\0\x2a\x30";
	responder_special_put(
	        response, WEIR_DNS_AUTHORITY, apex, WEIR_DNS_SOA, weir_span(data, sizeof data - 1));
}

/* Whether the name belongs to 100.64.0.0/10, which has 64 reverse zones. */
static bool responder_special_is_shared_address(
        const struct weir_dns_name *name, const uint8_t *starts)
{
	static const struct special hundred = {WIRE("\003100\7in-addr\4arpa"), 3};
	uint64_t number;
	if (name->labels < 4 || !responder_special_is_beneath(name, starts, &hundred))
		return false;
	const uint8_t *label = name->wire + starts[name->labels - 4];
	return weir_span_number(weir_span(label + 1, label[0]), 10, &number) == 0 && number >= 64 &&
	       number <= 127;
}

/* Returns true if the name is private, and was answered here. */
static bool responder_special_answer_private(struct dns_response *response,
        const struct weir_dns_name *name, const uint8_t *starts, unsigned *ret_rcode)
{
	static const struct special arpa = {WIRE("\4arpa"), 1};
	if (response->responder->recursion.forward_private ||
	        !responder_special_is_beneath(name, starts, &arpa))
		return false;
	const uint8_t *apex = NULL;
	unsigned labels = 4;
	for (unsigned i = 0; !apex && i < sizeof private_zones / sizeof *private_zones; i++)
		if (responder_special_is_beneath(name, starts, &private_zones[i])) {
			apex = private_zones[i].apex;
			labels = private_zones[i].labels;
		}
	if (!apex && responder_special_is_shared_address(name, starts))
		apex = name->wire + starts[name->labels - labels];
	if (!apex)
		return false;
	responder_special_put_soa(response, apex);
	*ret_rcode = name->labels == labels ? WEIR_DNS_NOERROR : WEIR_DNS_NXDOMAIN;
	return true;
}

bool dns_response_special(struct dns_response *response, const struct weir_dns_question *question,
        unsigned *ret_rcode)
{
	const struct special *known = NULL;
	uint8_t starts[WEIR_DNS_LABELS_MAX + 1];
	bool exists = false;
	dns_label_starts(question->name.wire, starts);
	for (unsigned i = 0; i < sizeof specials / sizeof *specials; i++) {
		const struct special *special = &specials[i];
		if (!responder_special_is_beneath(&question->name, starts, special))
			continue;
		bool own = !special->exact || question->name.labels == special->labels;
		if (own && special->type == question->type) {
			responder_special_put(response, WEIR_DNS_ANSWER, question->name.wire,
			        special->type, special->data);
			*ret_rcode = WEIR_DNS_NOERROR;
			return true;
		}
		exists |= own && special->exists;
		known = special;
	}
	if (!known)
		return responder_special_answer_private(
		        response, &question->name, starts, ret_rcode);
	responder_special_put_soa(response, known->apex);
	*ret_rcode = exists ? WEIR_DNS_NOERROR : WEIR_DNS_NXDOMAIN;
	return true;
}

/* -- class CHAOS ------------------------------------------------------------------------------- */

/* TXT records about this server (RFC 4892). */
unsigned dns_response_chaos(struct dns_response *response)
{
	static const struct {
		const char *wire;
		bool version;
	} names[] = {{"\7version\4bind", true}, {"\7version\6server", true},
	        {"\10hostname\4bind", false}, {"\2id\6server", false}};
	const struct weir_dns_responder *responder = response->responder;
	const struct weir_dns_question *question = &response->query.question;
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
			weir_dns_put_record(&response->writer, WEIR_DNS_ANSWER, name.wire,
			        WEIR_DNS_TXT, WEIR_DNS_CH, 0, data);
		response->answer.authoritative = true;
		return WEIR_DNS_NOERROR;
	}
	return WEIR_DNS_REFUSED;
}
