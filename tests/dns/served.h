/* Zones made by hand, and messages for a server of them. */
#ifndef WEIR_TEST_SERVED_H
#define WEIR_TEST_SERVED_H

#include <weir/dns_server.h>

enum {
	QUERY_MAX = 64 /* bytes, its length before it included */
};

/*
 * The zone "z": its SOA and NS records, the address of ns.z, and so many names t0.z … with a text
 * of 200 bytes each. Released by the caller.
 */
struct weir_dns_zone *make_zone(uint32_t serial, unsigned texts);

/* A set of that zone alone; released by the caller. */
struct weir_dns_zones *make_zones(
        uint32_t serial, unsigned texts, const struct weir_dns_policy *policy);

/* A query with its length before it; its size, that included. */
size_t make_query(uint8_t to[QUERY_MAX], uint16_t id, const char *name, uint16_t type);

/*
 * The next message behind its length, or nothing if it is not there as a whole. Takes it from the
 * bytes.
 */
struct weir_span next_message(struct weir_span *bytes);

#endif
