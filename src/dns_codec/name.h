/*
 * Names inside of the DNS layers: wire forms that are known to be valid, and keys for looking them
 * up.
 */
#ifndef WEIR_DNS_NAME_INTERNAL_H
#define WEIR_DNS_NAME_INTERNAL_H

#include <weir/dns_name.h>

static inline uint8_t dns_lower(uint8_t byte)
{
	return (uint8_t)(byte - 'A') < 26 ? byte | 0x20 : byte;
}

static inline uint16_t dns_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t dns_get32(const uint8_t *at)
{
	return (uint32_t)dns_get16(at) << 16 | dns_get16(at + 2);
}

static inline void dns_put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void dns_put32(uint8_t *at, uint32_t value)
{
	dns_put16(at, value >> 16);
	dns_put16(at + 2, value & 0xffff);
}

/*
 * The labels and pointers of all names that this thread has read from messages. The number only
 * grows: to bound its own work, a caller compares two readings of it.
 */
extern _Thread_local uint64_t dns_name_steps;

/*
 * The most steps that one pass over a message of this size may take. The names of real messages
 * take fewer than 5 steps a byte, even below ip6.arpa. Names that all point to one long name would
 * take 10.
 */
static inline uint64_t dns_name_steps_max(size_t message_size)
{
	return 16384 + 4 * (uint64_t)message_size;
}

/*
 * Stores where each label begins; the last one is the root's. Returns the number of labels without
 * the root's.
 */
unsigned dns_label_starts(const uint8_t *wire, uint8_t starts[WEIR_DNS_LABELS_MAX + 1]);

/* Compares in canonical order. */
int dns_wire_compare(const uint8_t *a, const uint8_t *b);

static inline size_t dns_wire_size(const uint8_t *wire)
{
	size_t at = 0;
	while (wire[at])
		at += wire[at] + 1u;
	return at + 1;
}

/*
 * A name in lower case, with the data to look up the name and all names above it. Index i means the
 * name without its first i labels.
 */
struct dns_key {
	uint8_t size;
	uint8_t labels;
	uint8_t wire[WEIR_DNS_NAME_MAX];
	uint8_t starts[WEIR_DNS_LABELS_MAX + 1];
	uint32_t hashes[WEIR_DNS_LABELS_MAX + 1];
};

void dns_key_make(struct dns_key *key, const uint8_t *wire, size_t size, uint32_t seed);

#endif
