/*
 * The parts that the DNS layers share below the public headers: numbers in network order, names in
 * wire form that are known to be valid, keys for looking names up, and the names in rdata.
 */
#ifndef WEIR_DNS_CODEC_H
#define WEIR_DNS_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/dns_message.h>
#include <weir/dns_name.h>
#include <weir/span.h>

/* -- numbers and names ------------------------------------------------------------------------- */

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

/* Copies a wire form in lower case; it may be its own copy. */
void dns_wire_lower(uint8_t *to, const uint8_t *wire, size_t size);

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

/* -- the names in rdata ------------------------------------------------------------------------ */

/*
 * The position of names in the rdata of types that senders may compress: those of RFC 1035, and
 * some older ones that receivers must decompress, but must not compress (RFC 3597 4).
 */

struct dns_layout {
	uint8_t skip;  /* bytes before the first name */
	uint8_t names; /* one after the other; 0: nothing is compressed here */
	bool compress; /* a sender may compress them */
};

struct dns_layout dns_layout(uint16_t type);

/*
 * Whether uncompressed rdata is safe for the code of the DNS layers: its names end within it, and
 * it has the size that is relied on. Rdata of other types is not examined.
 */
bool dns_rdata_good(uint16_t type, struct weir_span data);

enum {
	DNS_EXPANDED_MAX =
	        6 + 2 * 255 + 20 /* bytes before the names, two names, the numbers of a SOA */
};

/*
 * The rdata of a record of a message, without compression: in `buffer`, or in the message if its
 * type has no names. Returns 0, or WEIR_E_SYNTAX if it is not safe in the sense of dns_rdata_good.
 */
int dns_rdata_expand(struct weir_span message, const struct weir_dns_record *record,
        uint8_t buffer[DNS_EXPANDED_MAX], struct weir_span *ret);

/* -- writing the parts of a record ------------------------------------------------------------- */

/* Puts the length and the rdata. Returns false without room; the caller must cut what was put. */
bool dns_put_rdata(struct weir_dns_writer *writer, uint16_t type, struct weir_span data);

#endif
