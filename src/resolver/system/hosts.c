/*
 * /etc/hosts as one block: an entry for each name of each line, two hash tables of chains through
 * them, in the file's order, and the names in lower case. The file is the administrator's, and its
 * hashes need no key; some list a hundred thousand names to be rid of them.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "dns_codec.h"
#include "helper.h"
#include "system_files.h"

/* -- addresses that are written instead of a name ---------------------------------------------- */

/* inet_pton is strict: no 127.1, no octal. */

enum {
	TEXT_MAX = INET6_ADDRSTRLEN + IF_NAMESIZE
};

static bool address_literal_parse_scope(const char *name, struct sockaddr_in6 *to)
{
	uint64_t number;
	to->sin6_scope_id = if_nametoindex(name);
	if (to->sin6_scope_id == 0 && weir_span_number(weir_span_of(name), 10, &number) == 0 &&
	        number <= UINT32_MAX)
		to->sin6_scope_id = (uint32_t)number;
	return to->sin6_scope_id != 0 && IN6_IS_ADDR_LINKLOCAL(&to->sin6_addr);
}

bool address_literal_parse(struct weir_span span, uint16_t port, struct weir_address *ret)
{
	struct weir_address address = {0};
	char text[TEXT_MAX];
	if (address_parse_host(span, AF_INET, port, ret) == 0)
		return true;
	if (span.size >= sizeof text || memchr(span.data, 0, span.size))
		return false;
	memcpy(text, span.data, span.size);
	text[span.size] = 0;
	char *scope = strchr(text, '%');
	if (scope)
		*scope++ = 0;
	if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1 ||
	        (scope && !address_literal_parse_scope(scope, &address.v6)))
		return false;
	address.v6.sin6_family = AF_INET6;
	address.v6.sin6_port = htons(port);
	*ret = address;
	return true;
}

/* -- the file ---------------------------------------------------------------------------------- */

enum {
	NONE = UINT32_MAX
};

struct hosts_entry {
	struct weir_address address;
	uint32_t name; /* offset in text */
	uint32_t next_name;
	uint32_t next_address;
};

struct hosts {
	char *text; /* names, each ended by NUL */
	struct hosts_entry *entries;
	uint32_t count;
	uint32_t mask;   /* of both tables */
	uint32_t *names; /* first entry by the hash of its name */
	uint32_t *addresses;
};

/* -- hashes ------------------------------------------------------------------------------------ */

static uint32_t hosts_hash_bytes(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t hash = 0x811c9dc5;
	while (size--)
		hash = (hash ^ dns_lower(*at++)) * 0x01000193;
	return hash ^ hash >> 15;
}

static struct weir_span hosts_host_bytes(const struct weir_address *address)
{
	if (address->any.sa_family == AF_INET)
		return weir_span(&address->v4.sin_addr, sizeof address->v4.sin_addr);
	return weir_span(&address->v6.sin6_addr, sizeof address->v6.sin6_addr);
}

static uint32_t hosts_hash_address(const struct weir_address *address)
{
	struct weir_span bytes = hosts_host_bytes(address);
	uint32_t hash = 0x811c9dc5;
	for (size_t i = 0; i < bytes.size; i++)
		hash = (hash ^ (uint8_t)bytes.data[i]) * 0x01000193;
	return hash ^ hash >> 15;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct line {
	struct weir_address address;
	struct weir_span names;
};

/* Takes the next line that has an address. Returns false at the end of the text. */
static bool hosts_next_line(struct weir_span *text, struct line *ret)
{
	struct weir_span line, word;
	while (text->size) {
		weir_span_cut(text, '\n', &line);
		weir_span_cut(&line, '#', &ret->names);
		if (token_next(&ret->names, &word) && address_literal_parse(word, 0, &ret->address))
			return true;
	}
	return false;
}

static void hosts_count_names(struct weir_span text, uint32_t *ret_count, size_t *ret_size)
{
	struct weir_span word;
	struct line line;
	*ret_count = 0;
	*ret_size = 0;
	while (hosts_next_line(&text, &line))
		while (token_next(&line.names, &word)) {
			++*ret_count;
			*ret_size += word.size + 1;
		}
}

static void hosts_add(
        struct hosts *hosts, size_t *at, const struct weir_address *address, struct weir_span name)
{
	struct hosts_entry *entry = &hosts->entries[hosts->count++];
	entry->address = *address;
	entry->name = (uint32_t)*at;
	for (size_t i = 0; i < name.size; i++)
		hosts->text[(*at)++] = (char)dns_lower((uint8_t)name.data[i]);
	hosts->text[(*at)++] = 0;
}

/* Goes from the last to the first line, so that chains begin with the first line of the file. */
static void hosts_link_entries(struct hosts *hosts)
{
	memset(hosts->names, 0xff, (hosts->mask + 1) * sizeof *hosts->names);
	memset(hosts->addresses, 0xff, (hosts->mask + 1) * sizeof *hosts->addresses);
	for (uint32_t i = hosts->count; i-- > 0;) {
		struct hosts_entry *entry = &hosts->entries[i];
		const char *name = hosts->text + entry->name;
		uint32_t *by_name =
		        &hosts->names[hosts_hash_bytes(name, strlen(name)) & hosts->mask];
		uint32_t *by_address =
		        &hosts->addresses[hosts_hash_address(&entry->address) & hosts->mask];
		entry->next_name = *by_name;
		entry->next_address = *by_address;
		*by_name = *by_address = i;
	}
}

struct hosts *hosts_parse(struct weir_span text)
{
	struct weir_span word;
	struct line line;
	uint32_t count;
	size_t size, capacity = 1, at = 0;
	hosts_count_names(text, &count, &size);
	while (capacity < count)
		capacity *= 2;
	struct hosts *hosts = malloc(sizeof *hosts + count * sizeof *hosts->entries +
	                             2 * capacity * sizeof *hosts->names + size);
	if (!hosts)
		return NULL;
	hosts->entries = (struct hosts_entry *)(hosts + 1);
	hosts->names = (uint32_t *)(hosts->entries + count);
	hosts->addresses = hosts->names + capacity;
	hosts->text = (char *)(hosts->addresses + capacity);
	hosts->mask = (uint32_t)capacity - 1;
	hosts->count = 0;
	while (hosts_next_line(&text, &line))
		while (token_next(&line.names, &word))
			hosts_add(hosts, &at, &line.address, word);
	hosts_link_entries(hosts);
	return hosts;
}

void hosts_free(struct hosts *hosts)
{
	free(hosts);
}

/* -- finding ----------------------------------------------------------------------------------- */

size_t hosts_addresses(
        const struct hosts *hosts, struct weir_span name, struct weir_address *ret, size_t max)
{
	size_t count = 0;
	uint32_t at = hosts->names[hosts_hash_bytes(name.data, name.size) & hosts->mask];
	for (; at != NONE && count < max; at = hosts->entries[at].next_name)
		if (weir_span_equal_nocase(
		            name, weir_span_of(hosts->text + hosts->entries[at].name)))
			ret[count++] = hosts->entries[at].address;
	return count;
}

size_t hosts_names(
        const struct hosts *hosts, const struct weir_address *address, const char **ret, size_t max)
{
	size_t count = 0;
	uint32_t at = hosts->addresses[hosts_hash_address(address) & hosts->mask];
	for (; at != NONE && count < max; at = hosts->entries[at].next_address) {
		const struct hosts_entry *entry = &hosts->entries[at];
		if (entry->address.any.sa_family == address->any.sa_family &&
		        weir_span_equal(
		                hosts_host_bytes(&entry->address), hosts_host_bytes(address)))
			ret[count++] = hosts->text + entry->name;
	}
	return count;
}
