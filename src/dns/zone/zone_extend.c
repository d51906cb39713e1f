/*
 * A zone with more texts than its file has, and a later serial: for proofs that are there for a
 * short time. The texts of a signed zone would lack signatures.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "zone_builder.h"
#include "zone_image.h"

enum {
	SOA_NUMBERS = 20, /* bytes behind the names, of which the serial is the first four */
	SOA_MAX = 2 * WEIR_DNS_NAME_MAX + SOA_NUMBERS,
	TEXT_MAX = 255,
	TEXT_TTL_S = 1, /* caches keep them no longer than that */
};

static int zone_extend_set_serial(
        struct dns_patch *patch, const struct weir_dns_zone *zone, uint32_t serial)
{
	struct zone_entry soa;
	uint8_t data[SOA_MAX];
	dns_zone_soa(zone, &soa);
	if (soa.data.size > sizeof data || soa.data.size < SOA_NUMBERS)
		return -EBADMSG;
	memcpy(data, soa.data.data, soa.data.size);
	dns_put32(data + soa.data.size - SOA_NUMBERS, serial);
	int error = dns_patch_add(patch, true, &zone->apex, WEIR_DNS_SOA, soa.ttl, soa.data);
	return error ? error
	             : dns_patch_add(patch, false, &zone->apex, WEIR_DNS_SOA, soa.ttl,
	                       weir_span(data, soa.data.size));
}

static int zone_extend_add(struct dns_patch *patch, const struct weir_dns_zone_text *text)
{
	uint8_t data[1 + TEXT_MAX];
	struct weir_dns_name owner = text->owner;
	if (text->text.size > TEXT_MAX)
		return WEIR_E_LIMIT;
	weir_dns_name_lower(&owner);
	data[0] = (uint8_t)text->text.size;
	memcpy(data + 1, text->text.data, text->text.size);
	return dns_patch_add(patch, false, &owner, WEIR_DNS_TXT, TEXT_TTL_S,
	        weir_span(data, 1 + text->text.size));
}

int weir_dns_zone_extend(const struct weir_dns_zone *zone, uint32_t serial,
        const struct weir_dns_zone_text *texts, size_t count, struct weir_dns_zone **ret)
{
	struct dns_patch patch = {0};
	struct dns_builder builder;
	if (zone->unavailable || zone->is_signed)
		return -EINVAL;
	int error = dns_builder_init(&builder, &zone->apex);
	if (error < 0)
		return error;
	if (serial != zone->serial)
		error = zone_extend_set_serial(&patch, zone, serial);
	for (size_t i = 0; i < count && error == 0; i++)
		error = zone_extend_add(&patch, &texts[i]);
	if (error == 0)
		error = dns_patch_apply(&patch, zone, &builder);
	if (error == 0)
		error = dns_builder_finish(&builder, NULL, NULL, ret);
	dns_patch_free(&patch);
	dns_builder_free(&builder);
	return error;
}
