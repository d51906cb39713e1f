/*
 * Values of DNS: names of zones, addresses of servers; and the zones, read so that `weir check` looks
 * at them, too. What is wrong with a file is told with its line, at the place of the value that names
 * it.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config_check.h"
#include "config_dns.h"

static bool value_dns_parse_zone(
        struct reader *reader, const struct key *key, yaml_node_t *node, struct weir_dns_name *ret)
{
	const char *text = schema_text(reader, key->name, node);
	if (!text)
		return false;
	if (*text && weir_dns_name_parse(weir_span_of(text), ret) == 0) {
		weir_dns_name_lower(ret);
		return true;
	}
	problems_add(reader->problems, schema_place(node),
	        "'%s' wants a domain name as example.org, not '%.64s'", key->name, text);
	return false;
}

void value_zone(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	value_dns_parse_zone(reader, key, node, target);
}

void value_zones(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	struct config_list list = {NULL, 0};
	size_t count = schema_count(
	        reader, key->name, node, CONFIG_PEERS_MAX, "names, as [transfer.example.org]");
	struct weir_dns_name *names = schema_alloc(reader, count * sizeof *names + 1);
	for (size_t i = 0; names && i < count; i++)
		list.count += value_dns_parse_zone(
		        reader, key, schema_item(reader, node, i), &names[list.count]);
	list.items = names;
	memcpy(target, &list, sizeof list);
}

void value_peers(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	struct config_list list = {NULL, 0};
	size_t count = schema_count(reader, key->name, node, CONFIG_PEERS_MAX,
	        "addresses, as [192.0.2.1, \"[2001:db8::1]:5353\"]");
	struct weir_address *addresses = schema_alloc(reader, count * sizeof *addresses + 1);
	for (size_t i = 0; addresses && i < count; i++) {
		yaml_node_t *item = schema_item(reader, node, i);
		const char *text = schema_text(reader, key->name, item);
		if (text && !config_dns_parse_peer(text, &addresses[list.count++]))
			problems_add(reader->problems, schema_place(item),
			        "'%.64s' is no address of a server: 192.0.2.1, \"2001:db8::1\", "
			        "192.0.2.1:5353 or \"[2001:db8::1]:5353\"",
			        text);
	}
	list.items = addresses;
	memcpy(target, &list, sizeof list);
}

/* -- what the section names -------------------------------------------------------------------- */

struct value_dns_report {
	struct reader *reader;
	yaml_node_t *node; /* of `dns` */
};

/* The mapping of the item that a mistake is about, or NULL. */
static yaml_node_t *value_dns_find_item(struct value_dns_report *report, const void *item)
{
	const struct config_dns *dns = &report->reader->config->dns;
	const struct config_zone *zones = dns->zones.items;
	const struct config_dns_key *keys = dns->keys.items;
	for (size_t i = 0; item && i < dns->zones.count; i++)
		if (item == &zones[i])
			return schema_item(report->reader,
			        schema_find(report->reader, report->node, "zones"), i);
	for (size_t i = 0; item && i < dns->keys.count; i++)
		if (item == &keys[i])
			return schema_item(report->reader,
			        schema_find(report->reader, report->node, "keys"), i);
	return NULL;
}

static yaml_node_t *value_dns_find_place(
        struct value_dns_report *report, const void *item, const char *path)
{
	yaml_node_t *mapping = value_dns_find_item(report, item);
	const char *key = !mapping ? "cookie-secrets" : *path ? "file" : "name";
	yaml_node_t *found = *path || mapping ? schema_find(report->reader,
	                                                mapping ? mapping : report->node, key)
	                                      : NULL;
	return found ? found : mapping ? mapping : report->node;
}

static void value_dns_add_problem(
        void *context, const void *item, const char *path, unsigned line, const char *text)
{
	struct value_dns_report *report = context;
	struct file_position place = schema_place(value_dns_find_place(report, item, path));
	if (line)
		problems_add(report->reader->problems, place, "%s:%u: %s", path, line, text);
	else
		problems_add(
		        report->reader->problems, place, "%s%s%s", path, *path ? ": " : "", text);
}

void config_check_init_dns(void *target)
{
	config_dns_default(target);
}

void config_check_dns_key(struct reader *reader, yaml_node_t *node, void *target)
{
	const struct config_dns_key *key = target;
	if (!key->secret == !key->secret_path)
		problems_add(reader->problems, schema_place(node),
		        "a key has its secret either in 'secret' or in a 'file'");
}

void config_check_zone(struct reader *reader, yaml_node_t *node, void *target)
{
	const struct config_zone *zone = target;
	if (!zone->path && !schema_find(reader, node, "primaries"))
		problems_add(reader->problems, schema_place(node),
		        "a zone lacks 'file', or 'primaries' that it comes from");
	if (zone->key.size && !schema_find(reader, node, "primaries"))
		problems_add(reader->problems, schema_place(schema_find(reader, node, "key")),
		        "'key' is for 'primaries'; who may have a copy says 'transfer'");
}

void config_check_transfer(struct reader *reader, yaml_node_t *node, void *target)
{
	const struct config_transfer *transfer = target;
	if (transfer->both && (!transfer->networks.count || !transfer->keys.count))
		problems_add(
		        reader->problems, schema_place(node), "'both' wants 'networks' and 'keys'");
}

/* What lacks was told already. */
static bool value_dns_is_complete(const struct config_dns *dns)
{
	for (size_t i = 0; i < dns->zones.count; i++)
		if ((!dns->zones.items[i].path && !dns->zones.items[i].primaries.count) ||
		        !dns->zones.items[i].name.size)
			return false;
	for (size_t i = 0; i < dns->keys.count; i++)
		if (!dns->keys.items[i].key.name.size ||
		        !dns->keys.items[i].secret == !dns->keys.items[i].secret_path)
			return false;
	return true;
}

static void value_dns_check_length(
        struct reader *reader, yaml_node_t *node, const char *name, const char *text, size_t max)
{
	if (text && strlen(text) > max)
		problems_add(reader->problems, schema_place(schema_find(reader, node, name)),
		        "'%s' is longer than %zu bytes", name, max);
}

/*
 * Where a zone from elsewhere is kept that has no file of its own: by its name, of which all stays
 * that stands in names of hosts. NULL was made a problem.
 */
static const char *value_dns_path_in(
        struct reader *reader, const char *directory, struct config_zone *zone)
{
	char name[WEIR_DNS_TEXT_MAX], file[3 * WEIR_DNS_TEXT_MAX + sizeof "zone"];
	size_t used = 0, size = weir_dns_name_format(&zone->name, name);
	for (size_t i = 0; i + 1 < size; i++) {
		unsigned char c = (unsigned char)name[i];
		bool plain = isalnum(c) || c == '-' || c == '_' || c == '.';
		used += (size_t)snprintf(
		        file + used, sizeof file - used, plain ? "%c" : "%%%02x", c);
	}
	snprintf(file + used, sizeof file - used, "%szone", used ? "." : "");
	/* A file name has 255 bytes, with ".new" behind it. */
	if (strlen(file) > 250)
		problems_add(reader->problems, (struct file_position){0},
		        "the name %s is too long for a file: give the zone one with 'file'", name);
	return config_path(reader->config, directory, file);
}

static void value_dns_place_zones(struct reader *reader, struct config_dns *dns)
{
	for (size_t i = 0; dns->directory && i < dns->zones.count; i++) {
		struct config_zone *zone = &dns->zones.items[i];
		if (zone->primaries.count && zone->name.size && !zone->path)
			zone->path = value_dns_path_in(reader, dns->directory, zone);
	}
}

void config_check_dns(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config_dns *dns = target;
	struct value_dns_report report = {reader, node};
	value_dns_check_length(reader, node, "nsid", dns->nsid, WEIR_DNS_NSID_MAX);
	value_dns_check_length(reader, node, "version", dns->version, WEIR_DNS_CHAOS_MAX);
	value_dns_check_length(reader, node, "identity", dns->identity, WEIR_DNS_CHAOS_MAX);
	static const char *const useless[] = {
	        "forward-in-order", "recurse-from", "trust-ad", "forward-private", "cache", NULL};
	if (dns->forward.count > WEIR_DNS_UPSTREAMS_MAX)
		problems_add(reader->problems, schema_place(schema_find(reader, node, "forward")),
		        "'forward' has more than %d servers", WEIR_DNS_UPSTREAMS_MAX);
	for (size_t i = 0; useless[i]; i++)
		if (schema_find(reader, node, useless[i]) && !schema_find(reader, node, "forward"))
			problems_add(reader->problems,
			        schema_place(schema_find(reader, node, useless[i])),
			        "'%s' is not used: it needs 'forward'", useless[i]);
	value_dns_place_zones(reader, dns);
	if (value_dns_is_complete(dns))
		config_dns_load(reader->config, reader->previous, value_dns_add_problem, &report);
}
