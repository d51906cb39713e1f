/*
 * Messages (RFC 1035 4, RFC 6891): read strictly and without a copy, written directly into memory.
 *
 *   header ─ question ─ answer ─ authority ─ additional (… OPT, TSIG)
 *
 * Reading never goes beyond the message, and always ends: all counts are checked against its bytes.
 * Spans point into the message.
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

WEIR_C_BEGIN

enum {
	WEIR_DNS_LENGTH_SIZE = 2, /* of the length before each message on a stream */
	WEIR_DNS_HEADER_SIZE = 12,
	WEIR_DNS_MESSAGE_MAX = 65535,
	WEIR_DNS_UDP_MIN = 512, /* every client accepts this, with or without EDNS */
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

/* For streams (RFC 1035 4.2.2): a request is a message, preceded by its length. */
WEIR_API struct weir_terminator weir_until_dns_message(void);

/* -- reading ----------------------------------------------------------------------------------- */

/* Returns false if the message is shorter than a header. */
WEIR_API bool weir_dns_header_read(struct weir_span message, struct weir_dns_header *ret);

struct weir_dns_question {
	struct weir_dns_name name;
	uint16_t type;
	uint16_t rr_class;
};

/* Reads at *at, and moves *at behind it. Returns 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_dns_question_read(
        struct weir_span message, size_t *at, struct weir_dns_question *ret);

struct weir_dns_record {
	struct weir_dns_name name;
	uint16_t type;
	uint16_t rr_class;
	uint32_t ttl;
	size_t at; /* where the rdata begins in the message; its names may be compressed */
	struct weir_span data; /* the rdata as in the message */
};

/* Reads at *at, and moves *at behind it. Returns 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_dns_record_read(
        struct weir_span message, size_t *at, struct weir_dns_record *ret);

/* The content of an OPT record (RFC 6891); all zero without one. */
struct weir_dns_edns {
	bool present;
	bool dnssec; /* DO */
	uint8_t version;
	uint8_t rcode_high;       /* the upper bits of the rcode */
	uint16_t size;            /* the largest datagram that the sender accepts */
	struct weir_span options; /* well formed */
};

/*
 * Reads an OPT record. Returns 0, or WEIR_E_SYNTAX if the owner is not the root, or the options do
 * not fill the rdata.
 */
WEIR_API int weir_dns_edns_read(const struct weir_dns_record *opt, struct weir_dns_edns *ret);

/* Takes the next option. Returns false if there is none. The options must be well formed. */
WEIR_API bool weir_dns_option_read(
        struct weir_span *options, uint16_t *ret_code, struct weir_span *ret_data);

/* A query as a server sees it. */
struct weir_dns_query {
	struct weir_dns_header header;
	struct weir_dns_question question; /* not set if header.counts[WEIR_DNS_QUESTION] is 0 */
	struct weir_dns_edns edns;
	size_t question_end; /* the size of header and question */
	size_t authority;    /* where that section begins; IXFR has the client's SOA there */
	size_t tsig;         /* where the TSIG record begins, or 0 */
};

/*
 * Reads a query completely: every record, up to the last byte. Returns WEIR_DNS_NOERROR, or the
 * rcode of the refusal:
 *
 *   FORMERR   it is malformed, or has additional records other than OPT and TSIG
 *   NOTIMP    the opcode is neither QUERY nor NOTIFY
 *   BADVERS   the version of EDNS is not 0
 *
 * After a refusal *ret has all that was read before the fault; question_end is 0 if the question
 * was not read. Returns -1 if nothing may be answered: the message is too short, or is a reply.
 */
WEIR_API int weir_dns_query_read(struct weir_span message, struct weir_dns_query *ret);

/* -- writing ----------------------------------------------------------------------------------- */

enum {
	WEIR_DNS_COMPRESSED_MAX =
	        64 /* slots for names that later ones may point to; a power of 2 */
};

/*
 * A message being written. Each put function returns false, and leaves the message as it was, if
 * there is no room. Invariant: size ≤ limit ≤ the bytes of `data`.
 */
struct weir_dns_writer {
	uint8_t *data;
	size_t size;
	size_t limit;
	uint16_t counts[4];
	uint16_t question; /* where a name is that is not in the table yet; 0: nowhere */
	unsigned names;    /* slots in use */
	struct {
		uint16_t at;     /* of a label in the message; 0: free */
		uint16_t parent; /* of the name behind it; 0: the root. Bit 15: a pointer ends it */
	} table[WEIR_DNS_COMPRESSED_MAX];
};

/* Starts with an empty header. `limit` is at least WEIR_DNS_HEADER_SIZE. */
WEIR_API void weir_dns_writer_init(struct weir_dns_writer *writer, void *data, size_t limit);

/* Puts a question section, copied from a message. Its name is not compressed. */
WEIR_API bool weir_dns_put_question(struct weir_dns_writer *writer, struct weir_span bytes);

/*
 * Puts a name, whose wire form must be valid. It is compressed, and later names may point to it. A
 * reader of the name follows at most two pointers.
 */
WEIR_API bool weir_dns_put_name(struct weir_dns_writer *writer, const uint8_t *wire);
WEIR_API bool weir_dns_put_bytes(struct weir_dns_writer *writer, const void *data, size_t size);

/*
 * Puts a record and counts it. `data` is rdata without compression; its names are compressed if the
 * type allows that (RFC 3597 4).
 */
WEIR_API bool weir_dns_put_record(struct weir_dns_writer *writer, enum weir_dns_section section,
        const uint8_t *owner, uint16_t type, uint16_t rr_class, uint32_t ttl,
        struct weir_span data);

/* Goes back to the state in which the size and the section's count were these. */
WEIR_API void weir_dns_writer_cut(
        struct weir_dns_writer *writer, size_t size, enum weir_dns_section section, uint16_t count);

/* Puts OPT. `rcode` is the full code, of which OPT has the upper bits. */
WEIR_API bool weir_dns_put_opt(struct weir_dns_writer *writer, uint16_t size, unsigned rcode,
        bool dnssec, struct weir_span options);

/* Writes the header, which completes the message. Returns its size. */
WEIR_API size_t weir_dns_writer_finish(struct weir_dns_writer *writer, uint16_t id, uint16_t flags);

WEIR_C_END

#endif
