/*
 * The layouts are a table: its types are all small numbers. Only facts that keep answering within
 * its bounds are checked here. The zone reader (zone_fields.c) checks the values.
 */
#include <weir/dns_message.h>
#include <weir/error.h>

#include "dns_codec.h"

struct dns_layout dns_layout(uint16_t type)
{
	static const struct dns_layout layouts[] = {
	        [WEIR_DNS_NS] = {0, 1, true},
	        [WEIR_DNS_MD] = {0, 1, true},
	        [WEIR_DNS_MF] = {0, 1, true},
	        [WEIR_DNS_CNAME] = {0, 1, true},
	        [WEIR_DNS_SOA] = {0, 2, true},
	        [WEIR_DNS_MB] = {0, 1, true},
	        [WEIR_DNS_MG] = {0, 1, true},
	        [WEIR_DNS_MR] = {0, 1, true},
	        [WEIR_DNS_PTR] = {0, 1, true},
	        [WEIR_DNS_MINFO] = {0, 2, true},
	        [WEIR_DNS_MX] = {2, 1, true},
	        [WEIR_DNS_RP] = {0, 2, false},
	        [WEIR_DNS_AFSDB] = {2, 1, false},
	        [WEIR_DNS_RT] = {2, 1, false},
	        [WEIR_DNS_PX] = {2, 2, false},
	        [WEIR_DNS_SRV] = {6, 1, false},
	        [WEIR_DNS_KX] = {2, 1, false},
	        [WEIR_DNS_DNAME] = {0, 1, false},
	};
	if (type < sizeof layouts / sizeof *layouts)
		return layouts[type];
	return (struct dns_layout){0};
}

/*
 * Returns the size of the uncompressed name at the beginning of the data, or 0 if it is malformed.
 */
static size_t rdata_name_size(struct weir_span data)
{
	struct weir_dns_name name;
	for (size_t at = 0; at < data.size; at += (uint8_t)data.data[at] + 1u)
		if (!data.data[at])
			return weir_dns_name_set(weir_span(data.data, at + 1), &name) == 0 ? at + 1
			                                                                   : 0;
	return 0;
}

/* NSEC3: the salt and the hash must be within their sizes (RFC 5155 3.2). */
static bool rdata_is_nsec3(struct weir_span data)
{
	size_t salt = data.size >= 6 ? (uint8_t)data.data[4] : 0;
	return data.size >= 6 + salt && data.size - 6 - salt >= (uint8_t)data.data[5 + salt];
}

bool dns_rdata_good(uint16_t type, struct weir_span data)
{
	enum {
		SOA_NUMBERS = 20,
		RRSIG_NUMBERS = 18
	};
	struct dns_layout layout = dns_layout(type);
	if (type == WEIR_DNS_RRSIG)
		return data.size > RRSIG_NUMBERS &&
		       rdata_name_size(weir_span_skip(data, RRSIG_NUMBERS));
	if (type == WEIR_DNS_NSEC3)
		return rdata_is_nsec3(data);
	if (!layout.names)
		return true;
	if (data.size < layout.skip)
		return false;
	data = weir_span_skip(data, layout.skip);
	for (unsigned i = 0; i < layout.names; i++) {
		size_t size = rdata_name_size(data);
		if (!size)
			return false;
		data = weir_span_skip(data, size);
	}
	return data.size == (type == WEIR_DNS_SOA ? SOA_NUMBERS : 0);
}

int dns_rdata_expand(struct weir_span message, const struct weir_dns_record *record,
        uint8_t buffer[DNS_EXPANDED_MAX], struct weir_span *ret)
{
	struct dns_layout layout = dns_layout(record->type);
	struct weir_span whole = record->data;
	if (layout.names) {
		/* A name may point out of the rdata, but its own bytes must not exceed it. */
		struct weir_span until = weir_span(message.data, record->at + record->data.size);
		struct weir_dns_name name;
		size_t at = record->at + layout.skip, size = layout.skip;
		if (record->data.size < layout.skip)
			return WEIR_E_SYNTAX;
		memcpy(buffer, record->data.data, layout.skip);
		for (unsigned i = 0; i < layout.names; i++) {
			if (weir_dns_name_read(until, &at, &name) < 0)
				return WEIR_E_SYNTAX;
			memcpy(buffer + size, name.wire, name.size);
			size += name.size;
		}
		if (until.size - at > DNS_EXPANDED_MAX - size)
			return WEIR_E_SYNTAX;
		memcpy(buffer + size, message.data + at, until.size - at);
		whole = weir_span(buffer, size + until.size - at);
	}
	if (!dns_rdata_good(record->type, whole))
		return WEIR_E_SYNTAX;
	*ret = whole;
	return 0;
}
