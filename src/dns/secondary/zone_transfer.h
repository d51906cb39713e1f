/* A zone on its way out (RFC 5936). */
#ifndef WEIR_DNS_ZONE_TRANSFER_H
#define WEIR_DNS_ZONE_TRANSFER_H

#include <weir/dns_answer.h>
#include <weir/dns_message.h>
#include <weir/producer.h>

/*
 * The messages, each behind its length. Holds the zone; `keys` is held as long as the outcome's
 * signature needs them. `query` is the query's message. Returns NULL without memory.
 */
struct weir_producer *dns_transfer(const struct weir_dns_outcome *outcome,
        struct weir_dns_keys *keys, struct weir_span query, struct weir_loop *loop);

/*
 * The answer to an IXFR in a single message, as by UDP (RFC 1995 2): the steps if they fit, else
 * the SOA record alone. Returns false if not even that fits.
 */
bool dns_transfer_put(const struct weir_dns_zone *zone, const struct weir_dns_query *query,
        struct weir_span message, struct weir_dns_writer *writer);

#endif
