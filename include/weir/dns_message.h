/*
 * Messages (RFC 1035 4, RFC 6891): read strictly and without a copy, written straight into memory.
 *
 *   header ─ question ─ answer ─ authority ─ additional (… OPT, TSIG)
 *
 * Reading never leaves the message and ends: all counts are checked against its bytes. Spans point
 * into it.
 */
#ifndef WEIR_DNS_MESSAGE_H
#define WEIR_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/dns.h>
#include <weir/dns_name.h>
#include <weir/span.h>
#include <weir/terminator.h>

enum {
	WEIR_DNS_LENGTH_SIZE = 2, /* of a message's length, before it on a stream */
	WEIR_DNS_HEADER_SIZE = 12,
	WEIR_DNS_MESSAGE_MAX = 65535,
	WEIR_DNS_UDP_MIN = 512, /* what every client takes, with or without EDNS */
};

enum weir_dns_section {
	WEIR_DNS_QUESTION,
	WEIR_DNS_ANSWER,
	WEIR_DNS_AUTHORITY,
	WEIR_DNS_ADDITIONAL,
};

struct weir_dns_header {
	uint16_t id;
	uint16_t flags;
	uint16_t counts[4]; /* by section */
};

/* On a stream (RFC 1035 4.2.2): a request is a message with its length before it. */
WEIR_API struct weir_terminator weir_until_dns_message(void);

/* -- reading ----------------------------------------------------------------------------------- */

/* False: the message is shorter than a header. */
WEIR_API bool weir_dns_header_read(struct weir_span message, struct weir_dns_header *ret);

struct weir_dns_question {
	struct weir_dns_name name;
	uint16_t type;
	uint16_t class;
};

/* Reads at *at and moves on. 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_dns_question_read(
        struct weir_span message, size_t *at, struct weir_dns_question *ret);

struct weir_dns_record {
	struct weir_dns_name name;
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t at; /* where in the message the rdata begins: its names may be compressed */
	struct weir_span data; /* the rdata as it is */
};

/* Reads at *at and moves on. 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_dns_record_read(
        struct weir_span message, size_t *at, struct weir_dns_record *ret);

/* What RFC 6891 adds; all zero without OPT. */
struct weir_dns_edns {
	bool present;
	bool dnssec; /* DO */
	uint8_t version;
	uint8_t rcode_high;       /* the upper bits of the rcode */
	uint16_t size;            /* of a datagram that the sender takes */
	struct weir_span options; /* well formed */
};

/* From an OPT record. 0 or WEIR_E_SYNTAX: the owner is not the root, options that do not add up. */
WEIR_API int weir_dns_edns_read(const struct weir_dns_record *opt, struct weir_dns_edns *ret);

/* The next option; false: there is none. The options must be well formed. */
WEIR_API bool weir_dns_option_read(
        struct weir_span *options, uint16_t *ret_code, struct weir_span *ret_data);

/* A query as a server sees it. */
struct weir_dns_query {
	struct weir_dns_header header;
	struct weir_dns_question question; /* none: header.counts[WEIR_DNS_QUESTION] is 0 */
	struct weir_dns_edns edns;
	size_t question_end; /* the header and question as they came */
	size_t authority;    /* where that section begins (IXFR has the client's SOA there) */
	size_t tsig;         /* where the TSIG record begins, or 0 */
};

/*
 * Reads all of it: every record, up to the last byte. WEIR_DNS_NOERROR, or the rcode of the refusal:
 * FORMERR (also for more additional records than OPT and TSIG), NOTIMP (another opcode than QUERY and NOTIFY), BADVERS. What has been read by then
 * stands in *ret (question_end is 0 before the question is). -1: nothing may be answered, since it
 * is too short or is itself an answer.
 */
WEIR_API int weir_dns_query_read(struct weir_span message, struct weir_dns_query *ret);

/* -- writing ----------------------------------------------------------------------------------- */

enum {
	WEIR_DNS_COMPRESSED_MAX = 64 /* places for names that others may point to; a power of 2 */
};

/*
 * A message being written. Every put either fits whole or leaves the message as it was and answers
 * false. Invariant: size ≤ limit ≤ the bytes of `data`.
 */
struct weir_dns_writer {
	uint8_t *data;
	size_t size;
	size_t limit;
	uint16_t counts[4];
	unsigned names; /* places in use */
	struct {
		uint16_t at;     /* of a label in the message; 0: free */
		uint16_t parent; /* of the name behind it; 0: the root. Bit 15: a pointer ends it */
	} table[WEIR_DNS_COMPRESSED_MAX];
};

/* Begins with an empty header. `limit` is at least WEIR_DNS_HEADER_SIZE. */
WEIR_API void weir_dns_writer_init(struct weir_dns_writer *writer, void *data, size_t limit);

/* The question as it stands in a message: its bytes up to `end`, the name uncompressed. */
WEIR_API bool weir_dns_put_question(struct weir_dns_writer *writer, struct weir_span bytes);

/*
 * A wire form that is known to be good, compressed, and to be pointed to by later ones. Whoever reads
 * the name follows at most two pointers.
 */
WEIR_API bool weir_dns_put_name(struct weir_dns_writer *writer, const uint8_t *wire);
WEIR_API bool weir_dns_put_bytes(struct weir_dns_writer *writer, const void *data, size_t size);

/*
 * A whole record; `data` is rdata without compression. Its names are compressed where the type
 * allows it (RFC 3597 4). Counts it.
 */
WEIR_API bool weir_dns_put_record(struct weir_dns_writer *writer, enum weir_dns_section section,
        const uint8_t *owner, uint16_t type, uint16_t class, uint32_t ttl, struct weir_span data);

/* Back to what it was when `size` and the section's count were as given. */
WEIR_API void weir_dns_writer_cut(
        struct weir_dns_writer *writer, size_t size, enum weir_dns_section section, uint16_t count);

/* OPT: `rcode` in full, its lower bits are for the header. */
WEIR_API bool weir_dns_put_opt(struct weir_dns_writer *writer, uint16_t size, unsigned rcode,
        bool dnssec, struct weir_span options);

/* Writes the header; the message is complete. Returns its size. */
WEIR_API size_t weir_dns_writer_finish(struct weir_dns_writer *writer, uint16_t id, uint16_t flags);

#endif
