/* Values that name something on the network: addresses, ports, networks, domains, hosts. */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include <weir/dns_name.h>
#include <weir/network.h>

#include "config.h"
#include "types.h"

/* -- addresses --------------------------------------------------------------------------------- */

/*
 * ADDRESS:PORT, [ADDRESS]:PORT or :PORT. If the port may be missing, ADDRESS alone is allowed, for
 * IPv6 without brackets, and an empty address is not.
 */
bool type_parse_address(const char *text, unsigned port, struct weir_address *ret)
{
	char with_port[WEIR_ADDRESS_TEXT_MAX + 16];
	const char *colon = strchr(text, ':');
	bool v6 = colon && strchr(colon + 1, ':') && *text != '[';
	if (port == 0)
		return weir_address_parse(weir_span_of(text), ret) == 0;
	if (!*text || (*text == ':' && !v6))
		return false;
	if (weir_address_parse(weir_span_of(text), ret) == 0)
		return weir_address_port(ret) != 0;
	int size = snprintf(with_port, sizeof with_port, v6 ? "[%s]:%u" : "%s:%u", text, port);
	return (size_t)size < sizeof with_port &&
	       weir_address_parse(weir_span(with_port, (size_t)size), ret) == 0;
}

static bool address_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	return type_parse_address(text, 0, target) || reader_refuse(reader, key, text);
}

static void address_print(FILE *to, const struct key *key, const void *value)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	(void)key;
	weir_address_format(value, text);
	yaml_print_text(to, text);
}

static bool server_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	return type_parse_address(text, 53, target) || reader_refuse(reader, key, text);
}

/* The reply to PASV names an IPv4 address without a port. */
static bool ipv4_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	struct weir_address address;
	if (strchr(text, ':') || !type_parse_address(text, 1, &address) ||
	        address.any.sa_family != AF_INET)
		return reader_refuse(reader, key, text);
	memcpy(target, &address, sizeof address);
	return true;
}

static void ipv4_print(FILE *to, const struct key *key, const void *value)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	(void)key;
	if (weir_address_port(value) == 0)
		return;
	weir_address_host(value, text);
	yaml_print_text(to, text);
}

/* -- ports ------------------------------------------------------------------------------------- */

/* Reads "50000-50100", or one port. */
static bool ports_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	struct weir_span rest = weir_span_of(text), first;
	uint64_t low, high;
	bool range = weir_span_cut(&rest, '-', &first);
	bool good = weir_span_number(first, 10, &low) == 0;
	high = low;
	if (good && range)
		good = weir_span_number(rest, 10, &high) == 0;
	if (!good || low < 1024 || high < low || high > UINT16_MAX)
		return reader_refuse(reader, key, text);
	*(struct config_ports *)target = (struct config_ports){(uint16_t)low, (uint16_t)high};
	return true;
}

static void ports_print(FILE *to, const struct key *key, const void *value)
{
	const struct config_ports *ports = value;
	(void)key;
	if (ports->first)
		fprintf(to, "%u-%u", ports->first, ports->last);
}

/* -- networks ---------------------------------------------------------------------------------- */

static bool network_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	return weir_network_parse(weir_span_of(text), target) == 0 ||
	       reader_refuse(reader, key, text);
}

static void network_print(FILE *to, const struct key *key, const void *value)
{
	char text[WEIR_NETWORK_TEXT_MAX];
	(void)key;
	weir_network_format(value, text);
	yaml_print_text(to, text);
}

/* -- names ------------------------------------------------------------------------------------- */

static bool domain_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	struct weir_dns_name name;
	if (!*text || weir_dns_name_parse(weir_span_of(text), &name) < 0)
		return reader_refuse(reader, key, text);
	weir_dns_name_lower(&name);
	memcpy(target, &name, sizeof name);
	return true;
}

static void domain_print(FILE *to, const struct key *key, const void *value)
{
	const struct weir_dns_name *name = value;
	char text[WEIR_DNS_TEXT_MAX];
	(void)key;
	if (!name->size)
		return;
	weir_dns_name_format(name, text);
	yaml_print_text(to, text);
}

/* Accepts example.org, *.example.org, localhost, 192.0.2.1, [2001:db8::1]: no scheme, no port. */
static bool host_is_good(const char *name)
{
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	bool bracketed = name[0] == '[';
	if (!*name || *name == '.')
		return false;
	for (; *name; name++) {
		if (isalnum((unsigned char)*name) || *name == '-' || *name == '.' || *name == '_')
			continue;
		if (!bracketed || !strchr("[]:", *name))
			return false;
	}
	return true;
}

static bool host_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	if (!host_is_good(text))
		return reader_refuse(reader, key, text);
	return type_store_text(reader, text, strlen(text), target);
}

static void host_print(FILE *to, const struct key *key, const void *value)
{
	(void)key;
	yaml_print_text(to, *(const char *const *)value);
}

/* -- lists ------------------------------------------------------------------------------------- */

void type_print_list(FILE *to, const struct key *key, const void *value)
{
	const struct list *list = value;
	const struct type *item = key->type->item;
	if (!list->count)
		return;
	putc('[', to);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", to);
		item->print(to, key, (const char *)list->items + i * item->size);
	}
	putc(']', to);
}

const struct type type_address = {
        .what = "ADDRESS:PORT such as 127.0.0.1:8080, \"[::1]:8080\" or :8080",
        .argument = "ADDRESS:PORT",
        .size = sizeof(struct weir_address),
        .parse = address_parse,
        .print = address_print,
};
const struct type type_ipv4 = {
        .what = "an IPv4 address without a port, such as 192.0.2.1",
        .argument = "ADDRESS",
        .size = sizeof(struct weir_address),
        .parse = ipv4_parse,
        .print = ipv4_print,
};
const struct type type_ports = {
        .what = "a range of ports from 1024 to 65535, such as 50000-50100",
        .argument = "PORT-PORT",
        .size = sizeof(struct config_ports),
        .parse = ports_parse,
        .print = ports_print,
};

static const struct type type_network = {
        .what = "a network such as 192.0.2.0/24 or 2001:db8::/32, with no bits set behind the prefix",
        .size = sizeof(struct weir_network),
        .parse = network_parse,
        .print = network_print,
};
const struct type type_networks = {
        .what = "a list such as [192.0.2.0/24, \"2001:db8::/32\"]",
        .argument = "[NETWORK, ...]",
        .size = sizeof(struct list),
        .item = &type_network,
        .print = type_print_list,
};

static const struct type type_server = {
        .what = "the address of a DNS server, such as 192.0.2.1, 2001:db8::1 or 192.0.2.1:5353",
        .size = sizeof(struct weir_address),
        .parse = server_parse,
        .print = address_print,
};
const struct type type_servers = {
        .what = "a list such as [192.0.2.1, \"[2001:db8::1]:5353\"]",
        .argument = "[ADDRESS, ...]",
        .size = sizeof(struct list),
        .item = &type_server,
        .print = type_print_list,
};

const struct type type_domain = {
        .what = "a domain name such as example.org",
        .argument = "DOMAIN",
        .size = sizeof(struct weir_dns_name),
        .parse = domain_parse,
        .print = domain_print,
};
const struct type type_domains = {
        .what = "a list such as [transfer.example.org]",
        .argument = "[DOMAIN, ...]",
        .size = sizeof(struct list),
        .item = &type_domain,
        .print = type_print_list,
};

static const struct type type_host = {
        .what = "a host name such as example.org, or \"*.example.org\" for all below it, without "
                "http:// and port",
        .size = sizeof(char *),
        .parse = host_parse,
        .print = host_print,
};
const struct type type_hosts = {
        .what = "a list such as [example.org, \"*.example.org\"]",
        .argument = "[NAME, ...]",
        .size = sizeof(struct list),
        .item = &type_host,
        .print = type_print_list,
};
