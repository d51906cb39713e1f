/*
 * EDNS (RFC 6891): the options of a query, and the OPT record of its reply. What the options will
 * take is known before the answer is written; an extended error goes in if there is room left.
 */
#include "responder.h"

enum {
	OPT_SIZE = 11, /* without options */
	OPTION_HEAD = 4,
	EDE_SIZE = 2,
	OPTIONS_MAX =
	        OPTION_HEAD * 4 + DNS_COOKIE_SIZE + WEIR_DNS_NSID_MAX + EDE_SIZE + WEIR_DNS_PADDING,
};

unsigned dns_exchange_options(struct dns_exchange *exchange)
{
	/* cppcheck-suppress ctuuninitvar; of what is not set nothing is read */
	const struct weir_dns_request *request = exchange->request;
	struct weir_span left = exchange->query.edns.options, data;
	uint16_t code;
	while (weir_dns_option_read(&left, &code, &data)) {
		if (code == WEIR_DNS_OPTION_NSID && exchange->responder->nsid_size) {
			exchange->nsid = true;
		} else if (code == WEIR_DNS_OPTION_PADDING) {
			exchange->padding = request->over == WEIR_DNS_OVER_TLS;
		} else if (code == WEIR_DNS_OPTION_COOKIE && !exchange->cookie) {
			enum dns_cookie cookie = dns_cookie_check(&exchange->responder->secrets,
			        data, request->peer, request->now_s, exchange->cookie_data);
			if (cookie == DNS_COOKIE_MALFORMED)
				return WEIR_DNS_FORMERR;
			exchange->cookie = true;
			exchange->outcome->proven |= cookie == DNS_COOKIE_VALID;
		}
	}
	return WEIR_DNS_NOERROR;
}

size_t dns_exchange_reserve(const struct dns_exchange *exchange)
{
	size_t size = exchange->outcome->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	if (exchange->query.edns.present)
		size += OPT_SIZE;
	if (exchange->cookie)
		size += OPTION_HEAD + DNS_COOKIE_SIZE;
	if (exchange->nsid)
		size += OPTION_HEAD + exchange->responder->nsid_size;
	return size;
}

static uint8_t *responder_options_put_option(
        uint8_t *to, uint16_t code, const void *data, size_t size)
{
	dns_put16(to, code);
	dns_put16(to + 2, (unsigned)size);
	memcpy(to + OPTION_HEAD, data, size);
	return to + OPTION_HEAD + size;
}

/* Up to the next multiple of the block, or as far as there is room. */
static uint8_t *responder_options_put_padding(
        const struct dns_exchange *exchange, const uint8_t *options, uint8_t *to)
{
	static const uint8_t zeros[WEIR_DNS_PADDING];
	size_t size = exchange->writer.size + OPT_SIZE + (size_t)(to - options) + OPTION_HEAD;
	size_t padding = (WEIR_DNS_PADDING - size % WEIR_DNS_PADDING) % WEIR_DNS_PADDING;
	size_t left = exchange->writer.limit;
	if (size > left)
		return to;
	if (padding > left - size)
		padding = left - size;
	return responder_options_put_option(to, WEIR_DNS_OPTION_PADDING, zeros, padding);
}

void dns_exchange_put_opt(struct dns_exchange *exchange)
{
	const struct weir_dns_responder *responder = exchange->responder;
	const struct weir_dns_edns *edns = &exchange->query.edns;
	uint8_t options[OPTIONS_MAX], *to = options, error[EDE_SIZE];
	if (!edns->present)
		return;
	if (exchange->cookie)
		to = responder_options_put_option(
		        to, WEIR_DNS_OPTION_COOKIE, exchange->cookie_data, DNS_COOKIE_SIZE);
	if (exchange->nsid)
		to = responder_options_put_option(
		        to, WEIR_DNS_OPTION_NSID, responder->nsid, responder->nsid_size);
	size_t used = exchange->writer.size + OPT_SIZE + (size_t)(to - options);
	if (exchange->extended_error >= 0 &&
	        used + OPTION_HEAD + EDE_SIZE <= exchange->writer.limit) {
		dns_put16(error, (unsigned)exchange->extended_error);
		to = responder_options_put_option(to, WEIR_DNS_OPTION_ERROR, error, sizeof error);
	}
	if (exchange->padding)
		to = responder_options_put_padding(exchange, options, to);
	weir_dns_put_opt(&exchange->writer, responder->udp_size, exchange->rcode, edns->dnssec,
	        weir_span(options, (size_t)(to - options)));
}
