/*
 * Accepting replies. The chain of CNAME records from the name in the question determines which
 * names belong to the answer. Records of other names are left out. So are the authority section of
 * a positive answer, referrals, and the additional section except for the extended error in OPT.
 *
 * There is no validation: proofs and signatures are passed on unchanged.
 */
#include <weir/error.h>

#include "cache.h"
#include "dns_codec.h"

enum {
	PASSES = 3 /* passes over the records of a reply whose chain of aliases is in order */
};

struct accepting {
	struct weir_span reply;
	struct weir_dns_header header;
	const struct weir_dns_question *question;
	const struct dns_ttl_bounds *bounds;
	struct dns_accepted *accepted;
	struct weir_dns_writer writer;
	size_t sections[4]; /* where each begins */
	uint64_t steps_end; /* dns_name_steps, when the reply has had its share of work */
	bool dnssec;
	bool answered; /* there is what was asked for, and not only a chain */
	bool denied;   /* there is SOA to say that there is nothing */
	unsigned names;
	struct weir_dns_name chain[WEIR_DNS_CHAIN_MAX + 1];
};

/* -- reading ----------------------------------------------------------------------------------- */

/* Returns false if the record is malformed, or the names of the reply have too many steps. */
static bool reply_accept_read_record(
        const struct accepting *accepting, size_t *at, struct weir_dns_record *record)
{
	return weir_dns_record_read(accepting->reply, at, record) == 0 &&
	       dns_name_steps <= accepting->steps_end;
}

static void reply_accept_read_error(struct weir_span options, struct weir_dns_lookup_info *info)
{
	struct weir_span data;
	uint16_t code;
	while (weir_dns_option_read(&options, &code, &data))
		if (code == WEIR_DNS_OPTION_ERROR && data.size >= 2 && info->extended_error < 0)
			info->extended_error = dns_get16((const uint8_t *)data.data);
}

/* Finds the sections; all of it must be well formed, down to the last byte. */
static int reply_accept_read_sections(struct accepting *accepting, size_t at)
{
	struct weir_dns_record record;
	struct weir_dns_edns edns = {0};
	for (unsigned section = WEIR_DNS_ANSWER; section <= WEIR_DNS_ADDITIONAL; section++) {
		accepting->sections[section] = at;
		for (unsigned i = 0; i < accepting->header.counts[section]; i++) {
			if (!reply_accept_read_record(accepting, &at, &record))
				return WEIR_E_SYNTAX;
			if (record.type != WEIR_DNS_OPT)
				continue;
			if (section != WEIR_DNS_ADDITIONAL || edns.present ||
			        weir_dns_edns_read(&record, &edns) < 0)
				return WEIR_E_SYNTAX;
		}
	}
	struct weir_dns_lookup_info *info = &accepting->accepted->info;
	info->rcode =
	        (unsigned)edns.rcode_high << 4 | (accepting->header.flags & WEIR_DNS_RCODE_MASK);
	info->authenticated = accepting->header.flags & WEIR_DNS_AD;
	reply_accept_read_error(edns.options, info);
	return at == accepting->reply.size ? 0 : WEIR_E_SYNTAX;
}

static int reply_accept_read_head(struct accepting *accepting)
{
	/* cppcheck-suppress ctuuninitvar; of what is not set nothing is read */
	const struct weir_dns_question *asked = accepting->question;
	struct weir_dns_question question;
	size_t at = WEIR_DNS_HEADER_SIZE;
	unsigned wanted = WEIR_DNS_QR, looked_at = WEIR_DNS_QR | WEIR_DNS_OPCODE_MASK | WEIR_DNS_TC;
	if (!weir_dns_header_read(accepting->reply, &accepting->header) ||
	        (accepting->header.flags & looked_at) != wanted ||
	        accepting->header.counts[WEIR_DNS_QUESTION] != 1 ||
	        weir_dns_question_read(accepting->reply, &at, &question) < 0 ||
	        question.type != asked->type || question.rr_class != asked->rr_class ||
	        !weir_dns_name_equal(&question.name, &asked->name))
		return WEIR_E_SYNTAX;
	return reply_accept_read_sections(accepting, at);
}

/* -- the chain --------------------------------------------------------------------------------- */

static bool reply_accept_chain(const struct accepting *accepting, const struct weir_dns_name *name)
{
	for (unsigned i = 0; i < accepting->names; i++)
		if (weir_dns_name_equal(&accepting->chain[i], name))
			return true;
	return false;
}

/* Passes once over the answer section. Returns true if the chain has become longer. */
static bool reply_accept_lengthen(struct accepting *accepting)
{
	unsigned before = accepting->names;
	size_t at = accepting->sections[WEIR_DNS_ANSWER];
	struct weir_dns_record record;
	for (unsigned i = 0; i < accepting->header.counts[WEIR_DNS_ANSWER]; i++) {
		struct weir_dns_name *next = &accepting->chain[accepting->names];
		if (accepting->names > WEIR_DNS_CHAIN_MAX ||
		        !reply_accept_read_record(accepting, &at, &record))
			break;
		size_t target = record.at;
		if (record.type == WEIR_DNS_CNAME &&
		        record.rr_class == accepting->question->rr_class &&
		        weir_dns_name_equal(&record.name, next - 1) &&
		        weir_dns_name_read(accepting->reply, &target, next) == 0 &&
		        !reply_accept_chain(accepting, next))
			accepting->names++;
	}
	return accepting->names > before;
}

/* There is a further alias behind the last name of a full chain. */
static bool reply_accept_is_too_long(struct accepting *accepting)
{
	size_t at = accepting->sections[WEIR_DNS_ANSWER];
	struct weir_dns_record record;
	if (accepting->names <= WEIR_DNS_CHAIN_MAX)
		return false;
	for (unsigned i = 0; i < accepting->header.counts[WEIR_DNS_ANSWER]; i++)
		if (!reply_accept_read_record(accepting, &at, &record) ||
		        (record.type == WEIR_DNS_CNAME &&
		                weir_dns_name_equal(
		                        &record.name, &accepting->chain[accepting->names - 1])))
			return true;
	return false;
}

static void reply_accept_find_chain(struct accepting *accepting)
{
	uint16_t type = accepting->question->type;
	accepting->chain[0] = accepting->question->name;
	accepting->names = 1;
	/* The records need not be in the order of the chain. */
	if (type != WEIR_DNS_CNAME && type != WEIR_DNS_ANY)
		while (reply_accept_lengthen(accepting))
			;
}

/* -- what belongs to it ------------------------------------------------------------------------ */

/* The type that a signature covers; for other records their own. */
static uint16_t reply_accept_type_of(const struct weir_dns_record *record)
{
	if (record->type == WEIR_DNS_RRSIG && record->data.size >= 2)
		return dns_get16((const uint8_t *)record->data.data);
	return record->type;
}

static bool reply_accept_redirects(
        const struct accepting *accepting, const struct weir_dns_name *owner)
{
	for (unsigned i = 0; i < accepting->names; i++)
		if (accepting->chain[i].labels > owner->labels &&
		        weir_dns_name_beneath(&accepting->chain[i], owner))
			return true;
	return false;
}

static bool reply_accept_is_answer(
        struct accepting *accepting, const struct weir_dns_record *record)
{
	uint16_t asked = accepting->question->type, type = reply_accept_type_of(record);
	bool wanted = record->type == asked || asked == WEIR_DNS_ANY, own;
	if (record->type == WEIR_DNS_RRSIG && !wanted && !accepting->dnssec)
		return false;
	if (type == WEIR_DNS_DNAME && reply_accept_redirects(accepting, &record->name))
		return true;
	own = reply_accept_chain(accepting, &record->name);
	accepting->answered |= own && wanted;
	return own && (wanted || type == asked || type == WEIR_DNS_CNAME);
}

static bool reply_accept_is_authority(
        struct accepting *accepting, const struct weir_dns_record *record)
{
	uint16_t type = reply_accept_type_of(record);
	const struct weir_dns_name *last = &accepting->chain[accepting->names - 1];
	if (record->type == WEIR_DNS_SOA) {
		bool denies = !accepting->answered && !accepting->denied &&
		              weir_dns_name_beneath(last, &record->name);
		accepting->denied |= denies;
		return denies;
	}
	return accepting->dnssec && (type == WEIR_DNS_NSEC || type == WEIR_DNS_NSEC3 ||
	                                    (type == WEIR_DNS_SOA && !accepting->answered));
}

/* -- writing ----------------------------------------------------------------------------------- */

static uint32_t reply_accept_ttl_of(const struct accepting *accepting,
        const struct weir_dns_record *record, struct weir_span data, enum weir_dns_section section)
{
	const struct dns_ttl_bounds *bounds = accepting->bounds;
	uint32_t ttl = record->ttl >> 31 ? 0 : record->ttl; /* RFC 2181 8 */
	uint32_t most = section == WEIR_DNS_ANSWER || accepting->answered ? bounds->max_s
	                                                                  : bounds->negative_max_s;
	if (section == WEIR_DNS_AUTHORITY && record->type == WEIR_DNS_SOA) {
		uint32_t minimum =
		        dns_get32((const uint8_t *)data.data + data.size - sizeof minimum);
		ttl = minimum < ttl ? minimum : ttl;
	}
	ttl = ttl < bounds->min_s ? bounds->min_s : ttl;
	return ttl < most ? ttl : most;
}

static int reply_accept_put(struct accepting *accepting, const struct weir_dns_record *record,
        enum weir_dns_section section)
{
	uint8_t buffer[DNS_EXPANDED_MAX];
	struct weir_span data;
	if (dns_rdata_expand(accepting->reply, record, buffer, &data) < 0)
		return WEIR_E_SYNTAX;
	uint32_t ttl = reply_accept_ttl_of(accepting, record, data, section);
	if (ttl < accepting->accepted->ttl_s)
		accepting->accepted->ttl_s = ttl;
	return weir_dns_put_record(&accepting->writer, section, record->name.wire, record->type,
	               record->rr_class, ttl, data)
	               ? 0
	               : WEIR_E_SYNTAX;
}

static int reply_accept_put_section(struct accepting *accepting, enum weir_dns_section section)
{
	struct weir_dns_record record;
	size_t at = accepting->sections[section];
	for (unsigned i = 0; i < accepting->header.counts[section]; i++) {
		if (!reply_accept_read_record(accepting, &at, &record))
			return WEIR_E_SYNTAX;
		if (record.rr_class != accepting->question->rr_class)
			continue;
		if (!(section == WEIR_DNS_ANSWER ? reply_accept_is_answer(accepting, &record)
		                                 : reply_accept_is_authority(accepting, &record)))
			continue;
		int error = reply_accept_put(accepting, &record, section);
		if (error < 0)
			return error;
	}
	return 0;
}

uint16_t dns_lookup_info_flags(const struct weir_dns_lookup_info *info)
{
	return (uint16_t)(WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_RA |
	                  (info->authenticated ? WEIR_DNS_AD : 0) |
	                  (info->truncated ? WEIR_DNS_TC : 0) | info->rcode);
}

static void reply_accept_put_question(
        struct weir_dns_writer *writer, const struct weir_dns_question *question, uint8_t *message)
{
	uint8_t bytes[WEIR_DNS_NAME_MAX + 4];
	size_t size = question->name.size;
	memcpy(bytes, question->name.wire, size);
	dns_put16(bytes + size, question->type);
	dns_put16(bytes + size + 2, question->rr_class);
	weir_dns_writer_init(writer, message, WEIR_DNS_MESSAGE_MAX);
	weir_dns_put_question(writer, weir_span(bytes, size + 4));
}

static void reply_accept_finish(
        struct weir_dns_writer *writer, uint8_t *message, size_t body, struct dns_accepted *ret)
{
	ret->message = message;
	ret->body = body;
	ret->answers = writer->counts[WEIR_DNS_ANSWER];
	ret->authorities = writer->counts[WEIR_DNS_AUTHORITY];
	ret->size = weir_dns_writer_finish(writer, 0, dns_lookup_info_flags(&ret->info));
}

/* -- the whole --------------------------------------------------------------------------------- */

static bool reply_accept_is_result(unsigned rcode)
{
	return rcode == WEIR_DNS_NOERROR || rcode == WEIR_DNS_NXDOMAIN ||
	       rcode == WEIR_DNS_YXDOMAIN;
}

int dns_accept(struct weir_span reply, const struct weir_dns_question *question, unsigned flags,
        const struct dns_ttl_bounds *bounds, uint8_t *message, struct dns_accepted *ret)
{
	struct accepting accepting;
	accepting.reply = reply;
	accepting.steps_end = dns_name_steps + PASSES * dns_name_steps_max(reply.size);
	accepting.question = question;
	accepting.bounds = bounds;
	accepting.accepted = ret;
	accepting.dnssec = flags & WEIR_DNS_ASK_DNSSEC;
	accepting.answered = accepting.denied = false;
	ret->info = (struct weir_dns_lookup_info){.extended_error = -1};
	ret->ttl_s = UINT32_MAX;
	if (reply_accept_read_head(&accepting) < 0)
		return WEIR_E_SYNTAX;
	if (!reply_accept_is_result(ret->info.rcode)) {
		dns_accept_failure(question, ret->info.extended_error, message, ret);
		return 0;
	}
	reply_accept_put_question(&accepting.writer, question, message);
	size_t body = accepting.writer.size;
	reply_accept_find_chain(&accepting);
	if (reply_accept_is_too_long(&accepting)) {
		dns_accept_failure(question, WEIR_DNS_EDE_OTHER, message, ret);
		return 0;
	}
	int error = reply_accept_put_section(&accepting, WEIR_DNS_ANSWER);
	if (error == 0)
		error = reply_accept_put_section(&accepting, WEIR_DNS_AUTHORITY);
	if (error < 0)
		return error;
	/* Without SOA the time to cache a negative answer is not known (RFC 2308 5). */
	if (!accepting.answered && !accepting.denied)
		ret->ttl_s = 0;
	reply_accept_finish(&accepting.writer, message, body, ret);
	return 0;
}

void dns_accept_failure(const struct weir_dns_question *question, int extended_error,
        uint8_t *message, struct dns_accepted *ret)
{
	struct weir_dns_writer writer;
	reply_accept_put_question(&writer, question, message);
	ret->info = (struct weir_dns_lookup_info){
	        .rcode = WEIR_DNS_SERVFAIL, .extended_error = extended_error};
	ret->ttl_s = WEIR_DNS_FAILURE_S;
	reply_accept_finish(&writer, message, writer.size, ret);
}
