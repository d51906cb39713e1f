/* Knows nothing of cmocka; what goes wrong aborts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dns_message.h>

#include "dns_codec.h"
#include "served.h"
#include "zone_builder.h"

static void add(
        struct dns_builder *builder, const char *text, uint16_t type, const void *data, size_t size)
{
	struct weir_dns_name owner;
	if (weir_dns_name_parse(weir_span_of(text), &owner) < 0 ||
	        dns_builder_add(builder, &owner, type, 300, weir_span(data, size), 0) < 0)
		abort();
}

struct weir_dns_zone *make_zone(uint32_t serial, unsigned texts)
{
	uint8_t soa[] = "\2ns\1z\0\0SSSS\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", text[201] = {200};
	struct dns_builder builder;
	struct weir_dns_name apex;
	struct weir_dns_zone *zone;
	weir_dns_name_parse(WEIR_SPAN("z"), &apex);
	if (dns_builder_init(&builder, &apex) < 0)
		abort();
	dns_put32(soa + 7, serial);
	add(&builder, "z", WEIR_DNS_SOA, soa, sizeof soa - 1);
	add(&builder, "z", WEIR_DNS_NS, "\2ns\1z\0", 6);
	add(&builder, "ns.z", WEIR_DNS_A, "\300\0\2\1", 4);
	for (unsigned i = 0; i < texts; i++) {
		char name[32];
		snprintf(name, sizeof name, "t%u.z", i);
		memset(text + 1, 'a' + (int)(i % 26), 200);
		add(&builder, name, WEIR_DNS_TXT, text, sizeof text);
	}
	if (dns_builder_finish(&builder, NULL, NULL, &zone) < 0)
		abort();
	dns_builder_free(&builder);
	return zone;
}

struct weir_dns_zones *make_zones(
        uint32_t serial, unsigned texts, const struct weir_dns_policy *policy)
{
	struct weir_dns_zone_entry entry = {.zone = make_zone(serial, texts)};
	struct weir_dns_zones *zones;
	if (policy)
		entry.policy = *policy;
	if (weir_dns_zones_create(&entry, 1, &zones) < 0)
		abort();
	weir_dns_zone_release(entry.zone);
	return zones;
}

size_t make_query(uint8_t to[QUERY_MAX], uint16_t id, const char *name, uint16_t type)
{
	struct weir_dns_name parsed;
	if (weir_dns_name_parse(weir_span_of(name), &parsed) < 0 || parsed.size > QUERY_MAX - 18)
		abort();
	size_t size = WEIR_DNS_HEADER_SIZE + parsed.size + 4u;
	memset(to, 0, QUERY_MAX);
	dns_put16(to, (unsigned)size);
	dns_put16(to + 2, id);
	to[7] = 1;
	memcpy(to + 2 + WEIR_DNS_HEADER_SIZE, parsed.wire, parsed.size);
	dns_put16(to + size - 2, type);
	dns_put16(to + size, WEIR_DNS_IN);
	return size + 2;
}

struct weir_span next_message(struct weir_span *bytes)
{
	size_t size = bytes->size < 2 ? 0 : dns_get16((const uint8_t *)bytes->data);
	if (bytes->size < 2 || bytes->size - 2 < size)
		return weir_span(NULL, 0);
	struct weir_span message = weir_span(bytes->data + 2, size);
	*bytes = weir_span_skip(*bytes, size + 2);
	return message;
}
