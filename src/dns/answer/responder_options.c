/*
 * EDNS (RFC 6891): the options of a query, and the OPT record of its reply. The room for the
 * options is reserved before the answer is written. An extended error is added if there is room
 * left.
 */
#include "responder.h"

enum {
	OPT_SIZE = 11, /* without options */
	OPTION_HEAD = 4,
	EDE_SIZE = 2,
	OPTIONS_MAX =
	        OPTION_HEAD * 4 + DNS_COOKIE_SIZE + WEIR_DNS_NSID_MAX + EDE_SIZE + WEIR_DNS_PADDING,
};

unsigned dns_response_options(struct dns_response *response)
{
	/* cppcheck-suppress ctuuninitvar; of what is not set nothing is read */
	const struct weir_dns_request *request = response->request;
	struct weir_span left = response->query.edns.options, data;
	uint16_t code;
	while (weir_dns_option_read(&left, &code, &data)) {
		if (code == WEIR_DNS_OPTION_NSID && response->responder->nsid_size) {
			response->nsid = true;
		} else if (code == WEIR_DNS_OPTION_PADDING) {
			response->padding = request->over == WEIR_DNS_OVER_TLS;
		} else if (code == WEIR_DNS_OPTION_COOKIE && !response->cookie) {
			enum dns_cookie cookie = dns_cookie_check(&response->responder->secrets,
			        data, request->peer, request->now_s, response->cookie_data);
			if (cookie == DNS_COOKIE_MALFORMED)
				return WEIR_DNS_FORMERR;
			response->cookie = true;
			response->outcome->address_validated |= cookie == DNS_COOKIE_VALID;
		}
	}
	return WEIR_DNS_NOERROR;
}

size_t dns_response_reserve(const struct dns_response *response)
{
	size_t size = response->outcome->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	if (response->query.edns.present)
		size += OPT_SIZE;
	if (response->cookie)
		size += OPTION_HEAD + DNS_COOKIE_SIZE;
	if (response->nsid)
		size += OPTION_HEAD + response->responder->nsid_size;
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

/* Pads up to the next multiple of the block, or as far as there is room. */
static uint8_t *responder_options_put_padding(
        const struct dns_response *response, const uint8_t *options, uint8_t *to)
{
	static const uint8_t zeros[WEIR_DNS_PADDING];
	size_t size = response->writer.size + OPT_SIZE + (size_t)(to - options) + OPTION_HEAD;
	size_t padding = (WEIR_DNS_PADDING - size % WEIR_DNS_PADDING) % WEIR_DNS_PADDING;
	size_t left = response->writer.limit;
	if (size > left)
		return to;
	if (padding > left - size)
		padding = left - size;
	return responder_options_put_option(to, WEIR_DNS_OPTION_PADDING, zeros, padding);
}

void dns_response_put_opt(struct dns_response *response)
{
	const struct weir_dns_responder *responder = response->responder;
	const struct weir_dns_edns *edns = &response->query.edns;
	uint8_t options[OPTIONS_MAX], *to = options, error[EDE_SIZE];
	if (!edns->present)
		return;
	if (response->cookie)
		to = responder_options_put_option(
		        to, WEIR_DNS_OPTION_COOKIE, response->cookie_data, DNS_COOKIE_SIZE);
	if (response->nsid)
		to = responder_options_put_option(
		        to, WEIR_DNS_OPTION_NSID, responder->nsid, responder->nsid_size);
	size_t used = response->writer.size + OPT_SIZE + (size_t)(to - options);
	if (response->extended_error >= 0 &&
	        used + OPTION_HEAD + EDE_SIZE <= response->writer.limit) {
		dns_put16(error, (unsigned)response->extended_error);
		to = responder_options_put_option(to, WEIR_DNS_OPTION_ERROR, error, sizeof error);
	}
	if (response->padding)
		to = responder_options_put_padding(response, options, to);
	weir_dns_put_opt(&response->writer, responder->udp_size, response->rcode, edns->dnssec,
	        weir_span(options, (size_t)(to - options)));
}
