/* Messages on a stream: a terminator that cuts them by the length that stands before each. */
#include <weir/dns_message.h>

#include "name.h"

static enum weir_scan dns_frame_scan(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)seen, (void)before;
	if (data.size < WEIR_DNS_LENGTH_SIZE)
		return WEIR_SCAN_MORE;
	size_t end = WEIR_DNS_LENGTH_SIZE + (size_t)dns_get16((const uint8_t *)data.data);
	if (data.size < end)
		return WEIR_SCAN_MORE;
	ret->end = end;
	return WEIR_SCAN_FOUND;
}

struct weir_terminator weir_until_dns_message(void)
{
	static const struct weir_terminator_type type = {
	        .name = "DNS message", .scan = dns_frame_scan};
	return (struct weir_terminator){.type = &type};
}
