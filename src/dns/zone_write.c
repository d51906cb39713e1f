/*
 * Records as text by ldns. What it cannot take apart is written by its bytes (RFC 3597 5), which
 * stands in the same file.
 */
#include <errno.h>
#include <stdlib.h>

#include <ldns/ldns.h>

#include "zone_walk.h"
#include "zone_write.h"

enum {
	RECORD_MAX = WEIR_DNS_NAME_MAX + 10 + UINT16_MAX
};

static void write_bytes(const struct dns_entry *entry, FILE *stream)
{
	struct weir_dns_name owner;
	char name[WEIR_DNS_TEXT_MAX];
	weir_dns_name_set(weir_span(entry->owner, weir_dns_wire_size(entry->owner)), &owner);
	weir_dns_name_format(&owner, name);
	fprintf(stream, "%s\t%u\tIN\tTYPE%u\t\\# %zu ", name, entry->ttl, entry->type,
	        entry->data.size);
	for (size_t i = 0; i < entry->data.size; i++)
		fprintf(stream, "%02x", (uint8_t)entry->data.data[i]);
	fputc('\n', stream);
}

/* 0 or -ENOMEM; `wire` is room for a record. */
static int write_entry(const struct dns_entry *entry, uint8_t *wire, FILE *stream)
{
	size_t owner = weir_dns_wire_size(entry->owner), at = 0;
	uint8_t *fixed = wire + owner;
	ldns_rr *rr = NULL;
	memcpy(wire, entry->owner, owner);
	weir_dns_put16(fixed, entry->type);
	weir_dns_put16(fixed + 2, WEIR_DNS_IN);
	weir_dns_put32(fixed + 4, entry->ttl);
	weir_dns_put16(fixed + 8, (unsigned)entry->data.size);
	if (entry->data.size)
		memcpy(fixed + 10, entry->data.data, entry->data.size);
	size_t size = owner + 10 + entry->data.size;
	ldns_status status = ldns_wire2rr(&rr, wire, size, &at, LDNS_SECTION_ANSWER);
	char *text = status == LDNS_STATUS_OK && at == size ? ldns_rr2str(rr) : NULL;
	if (text)
		fputs(text, stream);
	else if (status != LDNS_STATUS_MEM_ERR)
		write_bytes(entry, stream);
	free(text);
	ldns_rr_free(rr);
	return status == LDNS_STATUS_MEM_ERR ? -ENOMEM : 0;
}

int weir_dns_zone_write(const struct weir_dns_zone *zone, FILE *stream)
{
	struct dns_walk walk;
	struct dns_entry entry;
	uint8_t *wire = malloc(RECORD_MAX);
	int error = wire ? 0 : -ENOMEM;
	weir_dns_walk_init(&walk, zone);
	for (; error == 0 && weir_dns_walk_peek(&walk, &entry); weir_dns_walk_step(&walk)) {
		error = write_entry(&entry, wire, stream);
		if (error == 0 && ferror(stream))
			error = -EIO;
	}
	free(wire);
	return error;
}
