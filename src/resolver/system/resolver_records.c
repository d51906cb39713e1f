/*
 * Lookups of PTR, MX, SRV and TXT records. A result is one block that lives as long as the
 * callback.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "resolver_state.h"

/* -- texts ------------------------------------------------------------------------------------- */

/* The texts of a result: room for so many names. */
struct texts {
	char *at;
};

/* The text of the name in a record, `skip` bytes into its data; or NULL. */
static const char *resolver_records_put_name(struct texts *texts, struct weir_span reply,
        const struct weir_dns_record *record, size_t skip)
{
	struct weir_dns_name name;
	char *resolver_records_start = texts->at;
	size_t at = record->at + skip;
	if (record->data.size < skip || weir_dns_name_read(reply, &at, &name) < 0 ||
	        at != record->at + record->data.size)
		return NULL;
	weir_dns_name_lower(&name);
	size_t size = weir_dns_name_format(&name, resolver_records_start);
	if (name.labels)
		resolver_records_start[--size] = 0;
	texts->at += size + 1;
	return resolver_records_start;
}

static unsigned resolver_records_count_of(struct resolver_answer answer)
{
	struct weir_dns_record record;
	unsigned count = 0;
	while (count < WEIR_RESOLVED_MAX && dns_answer_next(&answer, &record))
		count++;
	return count;
}

/* Allocates room for `count` items and as many texts. Returns NULL without memory. */
static void *resolver_records_make_room(unsigned count, size_t item, size_t text, struct texts *ret)
{
	char *block = malloc(count * (item + text));
	ret->at = block ? block + count * item : NULL;
	return block;
}

static const uint8_t *resolver_records_bytes_of(const struct weir_dns_record *record)
{
	return (const uint8_t *)record->data.data;
}

/* Ends the lookup: with -ENODATA if no record could be read. */
static void resolver_records_end(
        struct weir_resolving *resolving, struct weir_resolved *resolved, void *block)
{
	if (!block)
		resolved->error = -ENOMEM;
	else if (resolved->count == 0 && !resolved->none)
		resolved->error = -ENODATA;
	resolver_resolving_end(resolving, resolved);
	free(block);
}

/* A random number below `below`, which is small; 0 if getrandom fails. */
static uint32_t resolver_records_throw(struct weir_resolving *resolving, uint32_t below)
{
	uint32_t number;
	if (random_pool_take(&resolving->resolver->random, &number, sizeof number) < 0)
		return 0;
	return number % below;
}

/* -- MX ---------------------------------------------------------------------------------------- */

/* Inserts the record by its preference, at a random position among equal ones. */
static void resolver_records_insert_mx(
        struct weir_resolving *resolving, struct weir_mx *list, size_t count, struct weir_mx mx)
{
	size_t first = 0, after;
	while (first < count && list[first].preference < mx.preference)
		first++;
	for (after = first; after < count && list[after].preference == mx.preference; after++)
		;
	size_t at = first + resolver_records_throw(resolving, (uint32_t)(after - first + 1));
	memmove(list + at + 1, list + at, (count - at) * sizeof *list);
	list[at] = mx;
}

static void resolver_records_end_mx(
        struct weir_resolving *resolving, struct resolver_answer *answer)
{
	struct weir_resolved resolved = {0};
	struct weir_dns_record record;
	struct texts texts;
	unsigned left = resolver_records_count_of(*answer);
	struct weir_mx *list =
	        resolver_records_make_room(left, sizeof *list, WEIR_DNS_TEXT_MAX, &texts);
	while (list && left-- && dns_answer_next(answer, &record)) {
		const char *host = resolver_records_put_name(&texts, answer->reply, &record, 2);
		if (host)
			resolver_records_insert_mx(resolving, list, resolved.count++,
			        (struct weir_mx){
			                dns_get16(resolver_records_bytes_of(&record)), host});
	}
	/* A null MX beside other MX records means nothing (RFC 7505 3). */
	resolved.none = resolved.count == 1 && strcmp(list[0].host, ".") == 0;
	resolved.count = resolved.none ? 0 : resolved.count;
	resolved.mx = list;
	resolver_records_end(resolving, &resolved, list);
}

/* -- SRV --------------------------------------------------------------------------------------- */

static int resolver_records_by_priority(const void *a, const void *b)
{
	const struct weir_srv *left = a, *right = b;
	if (left->priority != right->priority)
		return left->priority < right->priority ? -1 : 1;
	/* Records without weight come first: they have a small chance, but not none. */
	return (left->weight != 0) - (right->weight != 0);
}

/* RFC 2782: records of one priority are chosen at random, by their share of the weight. */
static void resolver_records_order_srv(
        struct weir_resolving *resolving, struct weir_srv *list, size_t count)
{
	qsort(list, count, sizeof *list, resolver_records_by_priority);
	for (size_t i = 0; i < count; i++) {
		uint32_t sum = 0, upto = 0;
		size_t chosen = i;
		for (size_t k = i; k < count && list[k].priority == list[i].priority; k++)
			sum += list[k].weight;
		uint32_t thrown = resolver_records_throw(resolving, sum + 1);
		while ((upto += list[chosen].weight) < thrown)
			chosen++;
		struct weir_srv next = list[chosen];
		memmove(list + i + 1, list + i, (chosen - i) * sizeof *list);
		list[i] = next;
	}
}

static void resolver_records_end_srv(
        struct weir_resolving *resolving, struct resolver_answer *answer)
{
	struct weir_resolved resolved = {0};
	struct weir_dns_record record;
	struct texts texts;
	unsigned left = resolver_records_count_of(*answer);
	struct weir_srv *list =
	        resolver_records_make_room(left, sizeof *list, WEIR_DNS_TEXT_MAX, &texts);
	while (list && left-- && dns_answer_next(answer, &record)) {
		const char *host = resolver_records_put_name(&texts, answer->reply, &record, 6);
		const uint8_t *data = resolver_records_bytes_of(&record);
		if (host)
			list[resolved.count++] = (struct weir_srv){
			        dns_get16(data), dns_get16(data + 2), dns_get16(data + 4), host};
	}
	resolved.none = resolved.count == 1 && strcmp(list[0].host, ".") == 0;
	resolved.count = resolved.none ? 0 : resolved.count;
	if (resolved.count)
		resolver_records_order_srv(resolving, list, resolved.count);
	resolved.srv = list;
	resolver_records_end(resolving, &resolved, list);
}

/* -- TXT --------------------------------------------------------------------------------------- */

/* Joins the strings of a record. Returns false if they do not fill the rdata. */
static bool resolver_records_put_strings(
        struct texts *texts, struct weir_span data, struct weir_span *ret)
{
	char *resolver_records_start = texts->at, *to = resolver_records_start;
	while (data.size) {
		size_t size = (uint8_t)data.data[0];
		if (size >= data.size)
			return false;
		memcpy(to, data.data + 1, size);
		to += size;
		data = weir_span_skip(data, size + 1);
	}
	*ret = weir_span(resolver_records_start, (size_t)(to - resolver_records_start));
	texts->at = to;
	return true;
}

/* The text cannot be longer than the reply. */
static void resolver_records_end_txt(
        struct weir_resolving *resolving, struct resolver_answer *answer)
{
	struct weir_resolved resolved = {0};
	struct weir_dns_record record;
	unsigned left = resolver_records_count_of(*answer);
	struct weir_span *list = malloc(left * sizeof *list + answer->reply.size);
	struct texts texts = {list ? (char *)(list + left) : NULL};
	while (list && left-- && dns_answer_next(answer, &record))
		if (resolver_records_put_strings(&texts, record.data, &list[resolved.count]))
			resolved.count++;
	resolved.texts = list;
	resolver_records_end(resolving, &resolved, list);
}

/* -- PTR --------------------------------------------------------------------------------------- */

static void resolver_records_end_ptr(
        struct weir_resolving *resolving, struct resolver_answer *answer)
{
	struct weir_resolved resolved = {0};
	struct weir_dns_record record;
	struct texts texts;
	unsigned left = resolver_records_count_of(*answer);
	const char **list =
	        resolver_records_make_room(left, sizeof *list, WEIR_DNS_TEXT_MAX, &texts);
	while (list && left-- && dns_answer_next(answer, &record)) {
		const char *name = resolver_records_put_name(&texts, answer->reply, &record, 0);
		if (name)
			list[resolved.count++] = name;
	}
	resolved.names = list;
	resolver_records_end(resolving, &resolved, list);
}

static void resolver_records_make_v4(const uint8_t *bytes, char *text, size_t size)
{
	snprintf(text, size, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
}

static void resolver_records_make_v6(const uint8_t *bytes, char *text, size_t size)
{
	size_t at = 0;
	for (int i = 15; i >= 0; i--)
		at += (size_t)snprintf(
		        text + at, size - at, "%x.%x.", bytes[i] & 15u, bytes[i] >> 4u);
	snprintf(text + at, size - at, "ip6.arpa");
}

static void resolver_records_start_ptr(struct weir_resolving *resolving)
{
	const char *names[WEIR_RESOLVED_MAX];
	struct weir_resolved resolved = {.names = names};
	resolved.count = hosts_names(
	        resolving->resolver->hosts, &resolving->address, names, WEIR_RESOLVED_MAX);
	if (resolved.count) {
		resolver_resolving_end(resolving, &resolved);
		return;
	}
	int error = resolver_chain_start(
	        &resolving->chains[0], resolving, &resolving->name, WEIR_DNS_PTR);
	if (error < 0)
		resolver_resolving_fail(resolving, error);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void resolver_records_done(
        struct weir_resolving *resolving, int error, struct resolver_answer *answer)
{
	if (error < 0)
		resolver_resolving_fail(resolving, error);
	else if (answer->type == WEIR_DNS_MX)
		resolver_records_end_mx(resolving, answer);
	else if (answer->type == WEIR_DNS_SRV)
		resolver_records_end_srv(resolving, answer);
	else if (answer->type == WEIR_DNS_TXT)
		resolver_records_end_txt(resolving, answer);
	else
		resolver_records_end_ptr(resolving, answer);
}

static void resolver_records_start(struct weir_resolving *resolving)
{
	int error = resolver_chain_start(
	        &resolving->chains[0], resolving, &resolving->name, resolving->type);
	if (error < 0)
		resolver_resolving_fail(resolving, error);
}

static int resolver_records_resolve(struct weir_resolver *resolver, const char *name, unsigned type,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret)
{
	static const struct resolving_methods methods = {
	        .start = resolver_records_start, .done = resolver_records_done};
	int error = resolver_resolving_create(resolver, &methods, resolved, context, ret);
	if (error < 0)
		return error;
	(*ret)->type = (uint16_t)type;
	(*ret)->error = weir_dns_name_parse(weir_span_of(name), &(*ret)->name);
	return 0;
}

int weir_resolve_names(struct weir_resolver *resolver, const struct weir_address *address,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret)
{
	static const struct resolving_methods methods = {
	        .start = resolver_records_start_ptr, .done = resolver_records_done};
	const uint8_t *v6 = address->v6.sin6_addr.s6_addr;
	struct weir_address asked = *address;
	char text[80];
	if (address->any.sa_family != AF_INET && address->any.sa_family != AF_INET6)
		return -EINVAL;
	if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
		asked = (struct weir_address){.v4.sin_family = AF_INET};
		memcpy(&asked.v4.sin_addr, v6 + 12, 4);
	}
	int error = resolver_resolving_create(resolver, &methods, resolved, context, ret);
	if (error < 0)
		return error;
	if (asked.any.sa_family == AF_INET)
		resolver_records_make_v4((const uint8_t *)&asked.v4.sin_addr, text, sizeof text);
	else
		resolver_records_make_v6(v6, text, sizeof text);
	(*ret)->address = asked;
	(*ret)->error = weir_dns_name_parse(weir_span_of(text), &(*ret)->name);
	return 0;
}

int weir_resolve_mx(struct weir_resolver *resolver, const char *domain, weir_resolved_fn *resolved,
        void *context, struct weir_resolving **ret)
{
	return resolver_records_resolve(resolver, domain, WEIR_DNS_MX, resolved, context, ret);
}

int weir_resolve_srv(struct weir_resolver *resolver, const char *name, weir_resolved_fn *resolved,
        void *context, struct weir_resolving **ret)
{
	return resolver_records_resolve(resolver, name, WEIR_DNS_SRV, resolved, context, ret);
}

int weir_resolve_txt(struct weir_resolver *resolver, const char *name, weir_resolved_fn *resolved,
        void *context, struct weir_resolving **ret)
{
	return resolver_records_resolve(resolver, name, WEIR_DNS_TXT, resolved, context, ret);
}
