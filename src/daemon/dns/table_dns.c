/*
 * The keys of `dns`. Zones, keys and secrets are loaded here, so that `weir check` finds their
 * mistakes, too; a mistake in a file is reported at the value that names the file.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <weir/limits.h>

#include "config.h"
#include "config_zones.h"
#include "kinds.h"
#include "tables.h"
#include "types.h"

/* -- keys of TSIG ------------------------------------------------------------------------------ */

static const char *const algorithm_words[] = {
        [WEIR_DNS_HMAC_SHA256] = "hmac-sha256",
        [WEIR_DNS_HMAC_SHA512] = "hmac-sha512",
        [WEIR_DNS_HMAC_SHA1] = "hmac-sha1",
        NULL,
};

static const struct key tsig_keys[] = {
        {"name", &type_domain, AT(config_dns_key, key.name), .required = true,
                .example = "transfer.example.org",
                .doc = "The name of the key, which both sides must use."},
        {"algorithm", &type_word, AT(config_dns_key, algorithm), .words = algorithm_words,
                .doc = "The algorithm: hmac-sha256, hmac-sha512 or hmac-sha1."},
        {"secret", &type_text, AT(config_dns_key, secret), .otherwise = "that of `file`",
                .example = "c2VjcmV0IHNlY3JldCBzZWNyZXQ=", .doc = "The secret, in base64."},
        {"file", &type_file, AT(config_dns_key, secret_path), .otherwise = "none",
                .doc = "A file with the secret in its first line, instead of `secret`."},
        {0},
};

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

static const struct section table_tsig = {
        .what = "a key of dns",
        .keys = tsig_keys,
        .size = sizeof(struct config_dns_key),
        .check = tsig_check,
        .doc = "Keys of TSIG (RFC 8945), which sign transfers and notifications.",
};

/* -- zones ------------------------------------------------------------------------------------- */

static const struct key transfer_keys[] = {
        {"networks", &type_networks, AT(config_transfer, networks), .min = 1,
                .max = CONFIG_NETWORKS_MAX, .otherwise = "none", .example = "[192.0.2.0/24]",
                .doc = "Networks whose addresses may transfer the zone."},
        {"keys", &type_domains, AT(config_transfer, keys), .min = 1, .max = CONFIG_PEERS_MAX,
                .otherwise = "none", .example = "[transfer.example.org]",
                .doc = "Names of `keys`; a request signed by one of them may transfer the zone."},
        {"both", &type_flag, AT(config_transfer, both),
                .doc = "Whether both an address and a key are required."},
        {0},
};

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

static const struct key zone_keys[] = {
        {"name", &type_domain, AT(config_zone, name), .required = true, .example = "example.org",
                .doc = "The name of the zone."},
        {"file", &type_file, AT(config_zone, path),
                .otherwise = "for a zone with `primaries`, a file in `directory`",
                .example = "example.org.zone", .option = "zone", .option_argument = "NAME=FILE",
                .option_doc = "A zone and its zone file, instead of the configured zones.",
                .doc = "The zone file (RFC 1035, with `$TTL` of RFC 2308).",
                .more = "`$INCLUDE` is relative to the file that contains it. A reload reads the "
                        "files that have changed; if one has mistakes, its zone stays as it was. "
                        "The file of a zone with `primaries` is written by the server."},
        {"primaries", &type_servers, AT(config_zone, primaries), .min = 1, .max = CONFIG_PEERS_MAX,
                .otherwise = "none: the zone comes from its file",
                .doc = "Addresses of the servers that the zone is transferred from, with port 53 "
                       "if none is given.",
                .more = "The zone is transferred when a primary sends NOTIFY, and at the times of "
                        "its SOA record. Before it has come, and after it has expired, queries "
                        "for it are answered with SERVFAIL."},
        {"key", &type_domain, AT(config_zone, key), .otherwise = "none", .needs = "primaries",
                .doc = "The name of one of `keys`, which signs transfers from the primaries."},
        {"transfer", &type_section, AT(config_zone, transfer), .of = &table_transfer,
                .otherwise = "nobody",
                .doc = "The servers that may transfer the zone, see `transfer` below."},
        {"notify", &type_servers, AT(config_zone, notify), .min = 1, .max = CONFIG_PEERS_MAX,
                .otherwise = "none", .example = "[192.0.2.54, \"[2001:db8::54]:5353\"]",
                .doc = "Addresses of the servers that are notified of changes (RFC 1996), with "
                       "port 53 if none is given.",
                .more = "At the start they are notified of all zones."},
        {0},
};

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

/* -- cache, rate limit, limits ----------------------------------------------------------------- */

static const struct key cache_keys[] = {
        {"size", &type_size, AT(config_cache, size), .min = 1 << 20, .max = 1ull << 40,
                .preset = WEIR_DNS_CACHE_BYTES,
                .doc = "The memory of the cache, of all workers together."},
        {"ttl-min", &type_duration, AT(config_cache, ttl_min_ms), .max = DAY_MS,
                .doc = "The shortest time that an answer is cached."},
        {"ttl-max", &type_duration, AT(config_cache, ttl_max_ms), .min = 1000, .max = 7 * DAY_MS,
                .preset = WEIR_DNS_TTL_MAX_S * 1000ull,
                .doc = "The longest time that an answer is cached."},
        {"negative-ttl-max", &type_duration, AT(config_cache, negative_ttl_max_ms), .min = 1000,
                .max = DAY_MS, .preset = WEIR_DNS_NEGATIVE_TTL_MAX_S * 1000ull,
                .doc = "The longest time that the absence of a name or type is cached."},
        {"stale", &type_duration, AT(config_cache, stale_ms), .max = 7 * DAY_MS,
                .preset = WEIR_DNS_STALE_S * 1000ull,
                .doc = "How long an expired answer may be given while no server answers "
                       "(RFC 8767); 0s disables this."},
        {0},
};
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

static const struct key rate_keys[] = {
        {"replies", &type_number, AT(config_rate_limit, replies), .max = 1000000,
                .preset = RATE_REPLIES,
                .doc = "How many replies of one kind a network is sent in a second; 0 is no limit.",
                .more = "A network is 24 bits of IPv4 or 56 bits of IPv6. Each worker has its "
                        "part of the number."},
        {"slip", &type_number, AT(config_rate_limit, slip), .min = 1, .max = 100,
                .preset = WEIR_DNS_RRL_SLIP,
                .doc = "Of the replies beyond the limit, every one of this many is sent "
                       "truncated."},
        {"exempt", &type_networks, AT(config_rate_limit, exempt), .min = 1,
                .max = CONFIG_NETWORKS_MAX, .preset_text = "127.0.0.0/8, ::1",
                .doc = "Networks without a limit."},
        {0},
};
static const struct section table_rate = {
        .what = "rate-limit",
        .keys = rate_keys,
        .size = sizeof(struct config_rate_limit),
        .doc = "The limit of replies by UDP to clients without a cookie.",
};

static const struct key limit_keys[] = {
        {"idle", &type_duration, AT(config_dns_limits, idle_ms), .min = TIME_MIN_MS,
                .max = 3600 * 1000, .preset = WEIR_DNS_IDLE_MS,
                .doc = "How long a connection may stay open without a query."},
        {"connections", &type_number, AT(config_dns_limits, connections), .min = 1, .max = 1000000,
                .preset = WEIR_PEER_CONNECTIONS_MAX,
                .doc = "How many connections one address may have open."},
        {"transfers", &type_number, AT(config_dns_limits, transfers), .min = 1, .max = 10000,
                .preset = WEIR_DNS_TRANSFERS_MAX,
                .doc = "How many transfers may run at a time, of one worker and listener."},
        {0},
};
static const struct section table_limits = {
        .what = "limits of dns",
        .keys = limit_keys,
        .size = sizeof(struct config_dns_limits),
        .doc = "What a client of DNS may use.",
};

/* -- dns --------------------------------------------------------------------------------------- */

static const struct key dns_keys[] = {
        {"zones", &type_sections, AT(config_dns, zones), .max = CONFIG_ZONES_MAX, .of = &table_zone,
                .otherwise = "none",
                .doc = "The zones that the server is authoritative for, see `zones` below."},
        {"keys", &type_sections, AT(config_dns, keys), .max = WEIR_DNS_KEYS_MAX, .of = &table_tsig,
                .otherwise = "none", .doc = "Keys of TSIG, see `keys` below."},
        {"directory", &type_new_directory, AT(config_dns, directory),
                .otherwise = "they are transferred again at each start", .example = "zones",
                .doc = "The directory for zones with `primaries`; it is created if it is missing."},
        {"forward", &type_servers, AT(config_dns, forward), .min = 1, .max = CONFIG_PEERS_MAX,
                .otherwise = "such names are refused", .example = "[192.0.2.1, \"2001:db8::1\"]",
                .option = "forward", .option_argument = "ADDRESS[:PORT]",
                .option_doc = "A DNS server that is asked for names of no zone, instead of the "
                              "configured ones.",
                .doc = "Addresses of up to 8 servers that are asked for names of no zone, with "
                       "port 53 if none is given."},
        {"forward-in-order", &type_flag, AT(config_dns, forward_in_order), .needs = "forward",
                .doc = "Whether the first server is asked as long as it answers, instead of the "
                       "fastest."},
        {"recurse-from", &type_networks, AT(config_dns, recurse_from), .min = 1,
                .max = CONFIG_NETWORKS_MAX, .needs = "forward",
                .otherwise = "loopback, link-local and private addresses",
                .example = "[127.0.0.0/8, 10.0.0.0/8]",
                .doc = "Networks that may ask for names of no zone."},
        {"trust-ad", &type_flag, AT(config_dns, trust_ad), .needs = "forward",
                .doc = "Whether the flag AD of these servers (the answer was validated) is passed "
                       "on."},
        {"forward-private", &type_flag, AT(config_dns, forward_private), .needs = "forward",
                .doc = "Whether these servers are also asked for names of private addresses "
                       "(RFC 6303).",
                .more = "Otherwise these names do not exist. Say yes if the servers know them."},
        {"cache", &type_section, AT(config_dns, cache), .of = &table_cache, .needs = "forward",
                .doc = "The cache of answers of these servers, see `cache` below."},
        {"nsid", &type_text, AT(config_dns, nsid), .otherwise = "none",
                .example = "ns1.example.org",
                .doc = "The name of this server in replies to NSID (RFC 5001)."},
        {"identity", &type_text, AT(config_dns, identity), .otherwise = "such queries are refused",
                .example = "ns1.example.org",
                .doc = "The answer to queries for id.server and hostname.bind (class CHAOS)."},
        {"version", &type_text, AT(config_dns, version), .otherwise = "such queries are refused",
                .example = "weir", .doc = "The answer to queries for version.bind (class CHAOS)."},
        {"udp-size", &type_number, AT(config_dns, udp_size), .min = 512, .max = 4096,
                .preset = WEIR_DNS_UDP_SIZE, .doc = "The largest reply by UDP, in bytes."},
        {"cookie-secrets", &type_file, AT(config_dns, secrets_path),
                .otherwise = "a secret is created at each start", .example = "cookies",
                .doc = "A file with the secrets of cookies (RFC 9018), for several servers behind "
                       "one address.",
                .more = "It has one or two lines of 32 hexadecimal digits. The first secret makes "
                        "cookies; cookies of the second one are still valid. A reload reads the "
                        "file again."},
        {"rate-limit", &type_section, AT(config_dns, rate_limit), .of = &table_rate,
                .doc = "The limit of replies by UDP, see `rate-limit` below."},
        {"limits", &type_section, AT(config_dns, limits), .of = &table_limits,
                .doc = "What a client of DNS may use, see `limits` below."},
        {0},
};

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

/* Whether nothing is missing that was reported already. */
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

static void dns_place_zones(struct reader *reader, struct config_dns *dns)
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
	dns_place_zones(reader, dns);
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
	bool asked = site || kinds_include(config, SERVICE_DNS);
	if (dns && asked && config_dns_lack(config) && !node_find(dns, "forward"))
		reader_problem_at(reader, dns, "%s", config_dns_lack(config));
	if (site && !dns)
		reader_problem_at(reader, node_find(site, "dns-over-https"),
		        "'dns-over-https' needs a section 'dns', with the zones");
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].doh == CONFIG_DOH_ON && !kinds_include_https(config))
			reader_problem_at(reader, site,
			        "'dns-over-https' is never reached: 'listen' has no https (use "
			        "clear if a server in front of this one does TLS)");
}
