/*
 * The data of records as text by ldns, where that can mean nothing else when it is read; names with
 * bytes that would have to be quoted, and types that ldns does not know, by their bytes (RFC 3597
 * 5).
 */
#include <errno.h>
#include <stdbool.h> /* ldns would make bool a signed char */
#include <stdlib.h>

#include <ldns/ldns.h>

#include "zone_fields.h"
#include "zone_file.h"
#include "zone_image.h"

enum {
	RECORD_MAX = 11 + UINT16_MAX /* its owner the root */
};

static void zone_write_bytes(const struct zone_entry *entry, FILE *stream)
{
	fprintf(stream, "\t%u\tIN\tTYPE%u\t\\# %zu ", entry->ttl, entry->type, entry->data.size);
	for (size_t i = 0; i < entry->data.size; i++)
		fprintf(stream, "%02x", (uint8_t)entry->data.data[i]);
	fputc('\n', stream);
}

/* `at` is behind the opening quote. Returns the position behind the closing one, or NULL. */
static const char *zone_write_skip_quoted(const char *text)
{
	for (; *text && *text != '"'; text++)
		if (*text == '\\' && text[1])
			text++;
	if (!*text++)
		return NULL;
	return *text == ' ' || *text == '\n' ? text : NULL;
}

static bool zone_write_is_plain(const char *text)
{
	static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                            "-_.*:/+= \t\n";
	for (;;) {
		const char *word = text;
		text += strspn(text, plain);
		if (!*text)
			return true;
		if (*text != '"' || text == word || (text[-1] != '\t' && text[-1] != ' '))
			return false;
		text = zone_write_skip_quoted(text + 1);
		if (!text)
			return false;
	}
}

/* Whether our reader makes the same data of the text: ldns writes forms that it does not read. */
static bool zone_write_is_read_again(const char *text, const struct zone_entry *entry)
{
	static const struct weir_dns_name root = {.size = 1};
	struct weir_span line = weir_span(text, strcspn(text, "\n"));
	struct fields_word word;
	struct fields_type type = {0};
	char why[FIELDS_WHY_MAX];
	size_t size;
	uint8_t *data = malloc(UINT16_MAX);
	/* The owner, the TTL, the class and the type. */
	for (unsigned i = 0; i < 4; i++)
		if (!fields_word_next(&line, &word))
			break;
	bool same = data && fields_type_find(word.text, &type) && type.number == entry->type &&
	            type.fields && fields_read(&type, line, &root, data, &size, why) &&
	            size == entry->data.size && memcmp(data, entry->data.data, size) == 0;
	free(data);
	return same;
}

/* The record as a line with the owner ".", to be freed; or NULL. */
static char *zone_write_text_of(const struct zone_entry *entry, uint8_t *wire, bool *ret_no_memory)
{
	size_t size = 11 + entry->data.size, at = 0;
	ldns_rr *rr = NULL;
	wire[0] = 0;
	dns_put16(wire + 1, entry->type);
	dns_put16(wire + 3, WEIR_DNS_IN);
	dns_put32(wire + 5, entry->ttl);
	dns_put16(wire + 9, (unsigned)entry->data.size);
	if (entry->data.size)
		memcpy(wire + 11, entry->data.data, entry->data.size);
	ldns_status status = ldns_wire2rr(&rr, wire, size, &at, LDNS_SECTION_ANSWER);
	char *text = status == LDNS_STATUS_OK && at == size
	                     ? ldns_rr2str_fmt(ldns_output_format_nocomments, rr)
	                     : NULL;
	ldns_rr_free(rr);
	*ret_no_memory = status == LDNS_STATUS_MEM_ERR;
	if (text && text[0] == '.' && zone_write_is_plain(text + 1) &&
	        zone_write_is_read_again(text, entry))
		return text;
	free(text);
	return NULL;
}

/* Returns 0 or -ENOMEM; `wire` is room for a record. */
static int zone_write_entry(const struct zone_entry *entry, uint8_t *wire, FILE *stream)
{
	struct weir_dns_name owner;
	char name[WEIR_DNS_TEXT_MAX];
	bool no_memory;
	weir_dns_name_set(weir_span(entry->owner, dns_wire_size(entry->owner)), &owner);
	weir_dns_name_format(&owner, name);
	fputs(name, stream);
	char *text = zone_write_text_of(entry, wire, &no_memory);
	if (text)
		fputs(text + 1, stream);
	else
		zone_write_bytes(entry, stream);
	free(text);
	return no_memory ? -ENOMEM : 0;
}

int weir_dns_zone_write(const struct weir_dns_zone *zone, FILE *stream)
{
	struct dns_walk walk;
	struct zone_entry entry;
	uint8_t *wire = malloc(RECORD_MAX);
	int error = wire ? 0 : -ENOMEM;
	dns_walk_init(&walk, zone);
	for (; error == 0 && dns_walk_peek(&walk, &entry); dns_walk_step(&walk)) {
		error = zone_write_entry(&entry, wire, stream);
		if (error == 0 && ferror(stream))
			error = -EIO;
	}
	free(wire);
	return error;
}
