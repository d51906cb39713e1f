/*
 * Incoming transfers: whatever a primary sends, and in whatever pieces, it is refused or makes a
 * zone that can be walked through. The first byte of the input selects the request and the pieces.
 */
#include <stdlib.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "zone_image.h"
#include "zone_transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Serial 5, an address. */
static const uint8_t first[] = "\0\155\0\0\204\0\0\1\0\4\0\0\0\0\1z\0\0\374\0\1"
                               "\300\14\0\6\0\1\0\0\1\54\0\33\2n0\1z\0\0\0\0\0\5\0\0\0\1\0\0\0"
                               "\1\0\0\0\1\0\0\0\1"
                               "\300\14\0\2\0\1\0\0\1\54\0\5\2ns\300\14"
                               "\1h\300\14\0\1\0\1\0\0\1\54\0\4\300\0\2\1";

static struct weir_dns_zone *make_before(const struct weir_dns_name *apex)
{
	struct dns_incoming incoming;
	struct weir_dns_zone *zone;
	uint8_t bytes[2 * sizeof first];
	/* The SOA record comes once more at the end. */
	size_t size = sizeof first - 1, soa = 21, soa_size = 39;
	memcpy(bytes, first, size);
	memcpy(bytes + size, bytes + soa, soa_size);
	size += soa_size;
	dns_put16(bytes, (unsigned)size - 2);
	dns_incoming_init(&incoming, apex, WEIR_DNS_AXFR, NULL);
	if (dns_incoming_feed(&incoming, weir_span(bytes, size), 0) < 0 ||
	        dns_incoming_finish(&incoming, &zone) < 0)
		abort();
	dns_incoming_free(&incoming);
	return zone;
}

static void walk(const struct weir_dns_zone *zone, const struct dns_incoming *incoming)
{
	struct dns_walk at;
	struct zone_entry entry;
	uint32_t count = 0;
	dns_walk_init(&at, zone);
	for (; dns_walk_peek(&at, &entry); dns_walk_step(&at))
		count++;
	if (count != zone->records || zone->serial != incoming->serial)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {WEIR_DNS_AXFR, WEIR_DNS_IXFR, WEIR_DNS_SOA, WEIR_DNS_IXFR};
	static struct weir_dns_zone *before;
	struct weir_dns_name apex = {.size = 3, .labels = 1, .wire = "\1z"};
	struct dns_incoming incoming;
	struct weir_dns_zone *zone = NULL;
	if (!before)
		before = make_before(&apex);
	if (!size)
		return 0;
	size_t piece = data[0] >> 2 ? data[0] >> 2 : SIZE_MAX;
	uint64_t before_steps = dns_name_steps;
	dns_incoming_init(&incoming, &apex, types[data[0] & 3], before);
	int error = 0;
	for (size_t at = 1; at < size && error == 0; at += piece < size ? piece : size)
		error = dns_incoming_feed(
		        &incoming, weir_span(data + at, size - at < piece ? size - at : piece), 0);
	/* A message is at least as long as its length and header. */
	if (dns_name_steps - before_steps >
	        4 * (size / 14 + 1) * dns_name_steps_max(0) + 16 * size + 1000)
		abort();
	if (error == 0 && incoming.state == INCOMING_ENDED && !incoming.current &&
	        incoming.type != WEIR_DNS_SOA && dns_incoming_finish(&incoming, &zone) == 0)
		walk(zone, &incoming);
	weir_dns_zone_release(zone);
	dns_incoming_free(&incoming);
	return 0;
}
