/*
 * The keys of `dns`. Zones, keys and secrets are loaded here, so that `weir check` finds their
 * mistakes, too; a mistake in a file is reported at the value that names the file.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <weir/limits.h>

#include "config.h"
#include "config_dns.h"
#include "service.h"
#include "table.h"
#include "types.h"

/* -- keys of TSIG ------------------------------------------------------------------------------ */

static const char *const algorithm_words[] = {
        [WEIR_DNS_HMAC_SHA256] = "hmac-sha256",
        [WEIR_DNS_HMAC_SHA512] = "hmac-sha512",
        [WEIR_DNS_HMAC_SHA1] = "hmac-sha1",
        NULL,
};

#define KEYS_STRUCT config_dns_key
static const struct key tsig_keys[] = {
#include "tsig_keys.def"
        {0},
};
#undef KEYS_STRUCT

static bool tsig_has_one_secret(const struct config_dns_key *key)
{
	return !key->secret != !key->secret_path;
}

static void tsig_check(struct reader *reader, struct node *node, void *target)
{
	if (!tsig_has_one_secret(target))
		reader_problem_at(reader, node,
		        "a key must have its secret either in 'secret' or in a 'file'");
}

static const struct section table_dns_key = {
        .what = "a key of dns",
        .keys = tsig_keys,
        .size = sizeof(struct config_dns_key),
        .check = tsig_check,
        .doc = "Keys of TSIG (RFC 8945), which sign transfers and notifications.",
};

/* -- zones ------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_transfer
static const struct key transfer_keys[] = {
#include "transfer_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void transfer_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_transfer *transfer = target;
	if (transfer->both && (!transfer->networks.count || !transfer->keys.count))
		reader_problem_at(reader, node, "'both' needs 'networks' and 'keys'");
}

static bool transfer_is_present(const void *target)
{
	const struct config_transfer *transfer = target;
	return transfer->networks.count || transfer->keys.count;
}

static const struct section table_transfer = {
        .what = "transfer",
        .keys = transfer_keys,
        .size = sizeof(struct config_transfer),
        .check = transfer_check,
        .is_present = transfer_is_present,
        .doc = "The servers that may transfer the zone.",
};

#define KEYS_STRUCT config_zone
static const struct key zone_keys[] = {
#include "zone_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void zone_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_zone *zone = target;
	if (!zone->path && !node_find(node, "primaries"))
		reader_problem_at(
		        reader, node, "a zone lacks 'file', or 'primaries' to transfer it from");
}

static const struct section table_zone = {
        .what = "a zone",
        .keys = zone_keys,
        .size = sizeof(struct config_zone),
        .check = zone_check,
        .doc = "The zones that the server is authoritative for.",
};

#define KEYS_STRUCT config_stored_zones
static const struct key stored_zones_keys[] = {
#include "stored_zones_keys.def"
        {0},
};
#undef KEYS_STRUCT
static bool stored_zones_are_present(const void *target)
{
	const struct config_stored_zones *zones = target;
	return zones->notify.count || transfer_is_present(&zones->transfer);
}

static const struct section table_stored_zones = {
        .what = "database-zones",
        .keys = stored_zones_keys,
        .size = sizeof(struct config_stored_zones),
        .is_present = stored_zones_are_present,
        .doc = "The policy of the zones that are in the database of `store`, and that `zones` does "
               "not name.",
};

/* -- cache, rate limit, limits ----------------------------------------------------------------- */

#define KEYS_STRUCT config_cache
static const struct key cache_keys[] = {
#include "cache_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_cache = {
        .what = "cache",
        .keys = cache_keys,
        .size = sizeof(struct config_cache),
        .doc = "The cache of answers of the servers of `forward`. It changes at the next start.",
};

/*
 * A resolver for a whole network asks for one name a few times a second at most, since it caches.
 * 200 leave room for many resolvers behind one address, and a forged address receives a few hundred
 * KB/s at most.
 */
#define RATE_REPLIES 200

#define KEYS_STRUCT config_rate_limit
static const struct key rate_keys[] = {
#include "rate_limit_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_rate_limit = {
        .what = "rate-limit",
        .keys = rate_keys,
        .size = sizeof(struct config_rate_limit),
        .doc = "The limit of replies by UDP to clients without a cookie.",
};

#define KEYS_STRUCT config_dns_limits
static const struct key limit_keys[] = {
#include "dns_limit_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_dns_limits = {
        .what = "limits of dns",
        .keys = limit_keys,
        .size = sizeof(struct config_dns_limits),
        .doc = "The limits of clients of DNS.",
};

/* -- dns --------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_dns
static const struct key dns_keys[] = {
#include "dns_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* -- rules ------------------------------------------------------------------------------------- */

struct dns_report {
	struct reader *reader;
	const struct node *node; /* of `dns` */
};

/* The mapping of the zone or key that a mistake is in, or NULL. */
static const struct node *dns_find_item(const struct dns_report *report, const void *item)
{
	const struct config_dns *dns = &report->reader->config->dns;
	for (size_t i = 0; item && i < dns->zones.count; i++)
		if (item == &dns->zones.items[i])
			return node_item(node_find(report->node, "zones"), i);
	for (size_t i = 0; item && i < dns->keys.count; i++)
		if (item == &dns->keys.items[i])
			return node_item(node_find(report->node, "keys"), i);
	return NULL;
}

static const struct node *dns_find_value(
        const struct dns_report *report, const void *item, const char *path)
{
	const struct node *mapping = dns_find_item(report, item);
	const char *key = !mapping ? "cookie-secrets" : *path ? "file" : "name";
	const struct node *found =
	        *path || mapping ? node_find(mapping ? mapping : report->node, key) : NULL;
	return found ? found : mapping ? mapping : report->node;
}

static void dns_add_problem(
        void *context, const void *item, const char *path, unsigned line, const char *text)
{
	const struct dns_report *report = context;
	const struct node *node = dns_find_value(report, item, path);
	if (line)
		reader_problem_at(report->reader, node, "%s:%u: %s", path, line, text);
	else
		reader_problem_at(report->reader, node, "%s%s%s", path, *path ? ": " : "", text);
}

/* Whether the section has everything that it needs; what is missing was reported. */
static bool dns_is_complete(const struct config_dns *dns)
{
	for (size_t i = 0; i < dns->zones.count; i++)
		if ((!dns->zones.items[i].path && !dns->zones.items[i].primaries.count) ||
		        !dns->zones.items[i].name.size)
			return false;
	for (size_t i = 0; i < dns->keys.count; i++)
		if (!dns->keys.items[i].key.name.size || !tsig_has_one_secret(&dns->keys.items[i]))
			return false;
	return true;
}

static void dns_check_length(struct reader *reader, const struct node *node, const char *name,
        const char *text, size_t max)
{
	if (text && strlen(text) > max)
		reader_problem_at(
		        reader, node_find(node, name), "'%s' is longer than %zu bytes", name, max);
}

/* A file name has 255 bytes, and ".new" follows it while the file is written. */
enum {
	ZONE_FILE_NAME_MAX = 250
};

/*
 * The file of a zone from primaries that names none: called after the zone, in which every
 * character that is unusual in host names is escaped. Returns NULL without memory.
 */
static const char *dns_zone_path(
        struct reader *reader, const char *directory, const struct config_zone *zone)
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
	if (strlen(file) > ZONE_FILE_NAME_MAX)
		reader_problem_at(reader, NULL,
		        "the name %s is too long for a file: give the zone one with 'file'", name);
	return config_path(reader->config, directory, file);
}

static void dns_set_zone_paths(struct reader *reader, struct config_dns *dns)
{
	for (size_t i = 0; dns->directory && i < dns->zones.count; i++) {
		struct config_zone *zone = &dns->zones.items[i];
		if (zone->primaries.count && zone->name.size && !zone->path)
			zone->path = dns_zone_path(reader, dns->directory, zone);
	}
}

static void dns_check(struct reader *reader, struct node *node, void *target)
{
	struct config_dns *dns = target;
	struct dns_report report = {reader, node};
	dns_check_length(reader, node, "nsid", dns->nsid, WEIR_DNS_NSID_MAX);
	dns_check_length(reader, node, "version", dns->version, WEIR_DNS_CHAOS_MAX);
	dns_check_length(reader, node, "identity", dns->identity, WEIR_DNS_CHAOS_MAX);
	if (dns->forward.count > WEIR_DNS_UPSTREAMS_MAX)
		reader_problem_at(reader, node_find(node, "forward"),
		        "'forward' has more than %d servers", WEIR_DNS_UPSTREAMS_MAX);
	dns_set_zone_paths(reader, dns);
	if (dns_is_complete(dns))
		config_dns_load(reader->config, reader->previous, dns_add_problem, &report);
}

const struct section table_dns = {
        .what = "dns",
        .keys = dns_keys,
        .size = sizeof(struct config_dns),
        .check = dns_check,
        .doc = "DNS: authoritative for zones, and a cache in front of other servers.",
};

/* DNS by UDP, TCP, TLS or HTTPS needs something to answer from. */
void table_dns_check(struct reader *reader, const struct node *top)
{
	const struct config *config = reader->config;
	const struct node *dns = node_find(top, "dns"), *site = NULL;
	for (size_t i = config->sites.count; i-- > 0;)
		if (config->sites.items[i].doh)
			site = node_item(node_find(top, "sites"), i);
	/* A mistake in `forward` was reported already. */
	bool asked = site || listeners_include(config, SERVICE_DNS);
	if (dns && asked && config_dns_lack(config) && !node_find(dns, "forward"))
		reader_problem_at(reader, dns, "%s", config_dns_lack(config));
	if (site && !dns)
		reader_problem_at(reader, node_find(site, "dns-over-https"),
		        "'dns-over-https' needs a section 'dns', with the zones");
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].doh == CONFIG_DOH_ON && !listeners_include_https(config))
			reader_problem_at(reader, site,
			        "'dns-over-https' is never reached: 'listen' has no https (use "
			        "clear if a server in front of this one does TLS)");
}
