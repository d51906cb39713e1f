/*
 * Addresses of a host. A and AAAA are asked for together, for one candidate after the other: the
 * name in each search domain, and the name by itself.
 *
 * Some texts are not asked for, because they cannot be a host's name. They have characters other
 * than letters, digits, '-' and '_', or end in a number, and are mistyped addresses.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "resolver_state.h"
#include "system_files.h"

/* -- the order --------------------------------------------------------------------------------- */

/* Connecting a datagram socket sends nothing. */
static bool resolver_address_has_route(const struct weir_address *address)
{
	struct weir_address to = *address;
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	to.v4.sin_port = htons(9);
	bool found = connect(fd, &to.any, weir_address_size(&to)) == 0;
	close(fd);
	return found;
}

static int resolver_address_rank_of(const struct weir_address *address)
{
	return (resolver_address_has_route(address) ? 0 : 2) +
	       (address->any.sa_family == AF_INET6 ? 0 : 1);
}

static void resolver_address_sort(struct weir_address *addresses, size_t count)
{
	struct weir_address sorted[WEIR_RESOLVED_MAX];
	int ranks[WEIR_RESOLVED_MAX];
	size_t to = 0;
	for (size_t i = 0; i < count; i++)
		ranks[i] = resolver_address_rank_of(&addresses[i]);
	for (int rank = 0; rank < 4; rank++)
		for (size_t i = 0; i < count; i++)
			if (ranks[i] == rank)
				sorted[to++] = addresses[i];
	memcpy(addresses, sorted, count * sizeof *addresses);
}

/* -- ends -------------------------------------------------------------------------------------- */

static bool resolver_address_wants(const struct weir_resolving *resolving, int family)
{
	unsigned both = resolving->flags & (WEIR_RESOLVE_V4 | WEIR_RESOLVE_V6);
	return !both || both & (family == AF_INET ? WEIR_RESOLVE_V4 : WEIR_RESOLVE_V6);
}

static void resolver_address_end_found(struct weir_resolving *resolving)
{
	if (resolving->address_count > 1)
		resolver_address_sort(resolving->addresses, resolving->address_count);
	resolver_resolving_end(resolving, &(struct weir_resolved){.count = resolving->address_count,
	                                          .addresses = resolving->addresses});
}

static void resolver_address_add(
        struct weir_resolving *resolving, const struct weir_address *address)
{
	struct weir_address *to = &resolving->addresses[resolving->address_count];
	if (resolving->address_count == WEIR_RESOLVED_MAX ||
	        !resolver_address_wants(resolving, address->any.sa_family))
		return;
	*to = *address;
	/* Both families have the port at the same offset. */
	to->v4.sin_port = htons(resolving->port);
	resolving->address_count++;
}

/* -- without DNS ------------------------------------------------------------------------------- */

static void resolver_address_look_into_hosts(
        struct weir_resolving *resolving, struct weir_span name)
{
	struct weir_address found[WEIR_RESOLVED_MAX];
	size_t count = hosts_addresses(resolving->resolver->hosts, name, found, WEIR_RESOLVED_MAX);
	for (size_t i = 0; i < count; i++)
		resolver_address_add(resolving, &found[i]);
}

static bool resolver_address_is_beneath(const struct weir_dns_name *name, struct weir_span domain)
{
	struct weir_dns_name parsed;
	return weir_dns_name_parse(domain, &parsed) == 0 && weir_dns_name_beneath(name, &parsed);
}

/* RFC 6761 6.3. */
static void resolver_address_look_whether_local(struct weir_resolving *resolving)
{
	struct weir_address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
	struct weir_address v4 = {
	        .v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	if (!resolver_address_is_beneath(&resolving->name, WEIR_SPAN("localhost")))
		return;
	resolver_address_add(resolving, &v6);
	resolver_address_add(resolving, &v4);
}

/* -- candidates -------------------------------------------------------------------------------- */

static bool resolver_address_join(const struct weir_dns_name *name,
        const struct weir_dns_name *domain, struct weir_dns_name *ret)
{
	if (name->size - 1 + domain->size > WEIR_DNS_NAME_MAX)
		return false;
	memcpy(ret->wire, name->wire, name->size - 1u);
	memcpy(ret->wire + name->size - 1, domain->wire, domain->size);
	ret->size = (uint8_t)(name->size - 1 + domain->size);
	ret->labels = name->labels + domain->labels;
	return true;
}

/*
 * Makes the next candidate. Returns false if there is none. A name with enough dots is itself the
 * first.
 */
static bool resolver_address_next_candidate(
        struct weir_resolving *resolving, struct weir_dns_name *ret)
{
	const struct resolv_conf *conf = &resolving->resolver->conf;
	unsigned searched = resolving->absolute ? 0 : conf->search_count;
	unsigned itself = resolving->name.labels > conf->ndots ? 0 : searched;
	while (resolving->candidate <= searched) {
		unsigned at = resolving->candidate++;
		if (at == itself) {
			*ret = resolving->name;
			return true;
		}
		if (resolver_address_join(
		            &resolving->name, &conf->search[at - (at > itself ? 1 : 0)], ret))
			return true;
	}
	return false;
}

static int resolver_address_ask(struct weir_resolving *resolving, const struct weir_dns_name *name)
{
	static const struct {
		int family;
		unsigned type;
	} kinds[] = {{AF_INET6, WEIR_DNS_AAAA}, {AF_INET, WEIR_DNS_A}};
	int error = 0;
	resolving->worst = 0;
	for (unsigned i = 0; i < 2 && error == 0; i++) {
		if (!resolver_address_wants(resolving, kinds[i].family))
			continue;
		error = resolver_chain_start(&resolving->chains[i], resolving, name, kinds[i].type);
		resolving->pending += error == 0;
	}
	return error;
}

static void resolver_address_ask_next(struct weir_resolving *resolving)
{
	struct weir_dns_name name;
	int error;
	if (!resolver_address_next_candidate(resolving, &name))
		resolver_resolving_fail(resolving, resolving->no_data ? -ENODATA : -ENOENT);
	else if ((error = resolver_address_ask(resolving, &name)) < 0)
		resolver_resolving_fail(resolving, error);
}

static void resolver_address_start(struct weir_resolving *resolving)
{
	char text[WEIR_DNS_TEXT_MAX];
	if (!resolving->address_count) {
		size_t size = weir_dns_name_format(&resolving->name, text);
		resolver_address_look_into_hosts(resolving, weir_span(text, size - 1));
	}
	if (!resolving->address_count)
		resolver_address_look_whether_local(resolving);
	if (resolving->address_count)
		resolver_address_end_found(resolving);
	else if (resolver_address_is_beneath(&resolving->name, WEIR_SPAN("invalid")) ||
	         resolver_address_is_beneath(&resolving->name, WEIR_SPAN("onion")))
		resolver_resolving_fail(resolving, -ENOENT);
	else
		resolver_address_ask_next(resolving);
}

static void resolver_address_take(struct weir_resolving *resolving, struct resolver_answer *answer)
{
	struct weir_dns_record record;
	while (dns_answer_next(answer, &record)) {
		struct weir_address address = {0};
		if (record.type == WEIR_DNS_A && record.data.size == 4) {
			address.v4.sin_family = AF_INET;
			memcpy(&address.v4.sin_addr, record.data.data, 4);
			resolver_address_add(resolving, &address);
		} else if (record.type == WEIR_DNS_AAAA && record.data.size == 16) {
			address.v6.sin6_family = AF_INET6;
			memcpy(&address.v6.sin6_addr, record.data.data, 16);
			resolver_address_add(resolving, &address);
		}
	}
}

/* One family is enough. A failure hides a negative result, which is not certain then. */
static void resolver_address_done(
        struct weir_resolving *resolving, int error, struct resolver_answer *answer)
{
	if (error == 0)
		resolver_address_take(resolving, answer);
	else if (error == -ENODATA)
		resolving->no_data = true;
	else if (error != -ENOENT)
		resolving->worst = error;
	if (--resolving->pending)
		return;
	if (resolving->address_count)
		resolver_address_end_found(resolving);
	else if (resolving->worst)
		resolver_resolving_fail(resolving, resolving->worst);
	else
		resolver_address_ask_next(resolving);
}

/* -- asking ------------------------------------------------------------------------------------ */

static bool resolver_address_is_host(struct weir_span text)
{
	bool digits = true; /* of the last label, and nothing else */
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		bool digit = (unsigned char)(c - '0') < 10;
		if (!digit && c != '-' && c != '_' && c != '.' &&
		        (unsigned char)((c | 0x20) - 'a') >= 26)
			return false;
		if (c == '.' && i + 1 < text.size)
			digits = true;
		else if (!digit && c != '.')
			digits = false;
	}
	return !digits;
}

int weir_resolve_addresses(struct weir_resolver *resolver, const char *host, uint16_t port,
        unsigned flags, weir_resolved_fn *resolved, void *context, struct weir_resolving **ret)
{
	static const struct resolving_methods methods = {
	        .start = resolver_address_start, .done = resolver_address_done};
	struct weir_span text = weir_span_of(host);
	struct weir_resolving *resolving;
	struct weir_address literal;
	int error = resolver_resolving_create(resolver, &methods, resolved, context, &resolving);
	if (error < 0)
		return error;
	resolving->flags = flags;
	resolving->port = port;
	resolving->absolute =
	        flags & WEIR_RESOLVE_ABSOLUTE || (text.size && text.data[text.size - 1] == '.');
	if (address_literal_parse(text, port, &literal)) {
		resolver_address_add(resolving, &literal);
		resolving->error = resolving->address_count ? 0 : -ENODATA;
	} else if (!resolver_address_is_host(text) ||
	           weir_dns_name_parse(text, &resolving->name) < 0) {
		resolving->error = WEIR_E_SYNTAX;
	}
	*ret = resolving;
	return 0;
}
