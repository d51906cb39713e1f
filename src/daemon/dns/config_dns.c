/*
 * The keys and secrets of DNS, the comparison of its configurations, and its options on the command
 * line: --zone and --forward replace all zones and servers of the file; --doh is for the first
 * site. Secrets are erased before their memory is freed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <weir/base64.h>
#include <weir/error.h>

#include "config.h"
#include "config_dns.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "service.h"

enum {
	SECRET_TEXT_MAX = 256, /* of a line with a secret */
};

/* -- keys -------------------------------------------------------------------------------------- */

static int config_dns_read_key(struct config_dns_key *key, config_dns_report *report, void *context)
{
	char text[SECRET_TEXT_MAX] = "";
	const char *path = key->secret_path ? key->secret_path : "";
	size_t size = 0;
	int error = key->secret_path ? file_read_line(path, text, sizeof text) : 0;
	if (error < 0) {
		report(context, key, path, 0, weir_error_text(error));
		return error;
	}
	const char *secret = key->secret_path ? text : key->secret ? key->secret : "";
	error = weir_base64_decode(
	        weir_span_of(secret), (char *)key->key.secret, sizeof key->key.secret, &size);
	explicit_bzero(text, sizeof text);
	if (error == 0 && size == 0)
		error = WEIR_E_SYNTAX;
	if (error < 0)
		report(context, key, path, key->secret_path ? 1 : 0,
		        error == WEIR_E_LIMIT
		                ? "the secret is longer than 128 bytes"
		                : "the secret is base64, as `openssl rand -base64 32` makes it");
	key->key.secret_size = (uint8_t)size;
	key->key.algorithm = key->algorithm;
	return error;
}

const struct config_dns_key *config_dns_key(
        const struct config_dns *dns, const struct weir_dns_name *name)
{
	for (size_t i = 0; i < dns->keys.count; i++)
		if (weir_dns_name_equal(&dns->keys.items[i].key.name, name))
			return &dns->keys.items[i];
	return NULL;
}

int config_dns_load_keys(struct config_dns *dns, config_dns_report *report, void *context)
{
	struct weir_dns_tsig_key keys[WEIR_DNS_KEYS_MAX];
	int first_error = 0;
	if (dns->keyring)
		return 0;
	for (size_t i = 0; i < dns->keys.count; i++) {
		struct config_dns_key *key = &dns->keys.items[i];
		int error = config_dns_read_key(key, report, context);
		first_error = first_error ? first_error : error;
		keys[i] = key->key;
	}
	int error = first_error ? first_error
	                        : weir_dns_keys_create(keys, dns->keys.count, &dns->keyring);
	explicit_bzero(keys, dns->keys.count * sizeof *keys);
	if (error < 0 && !first_error)
		report(context, NULL, "", 0,
		        error == WEIR_E_SYNTAX ? "two keys have the same name"
		                               : weir_error_text(error));
	return error;
}

/* -- the secrets of cookies -------------------------------------------------------------------- */

static bool config_dns_parse_secret(const char *text, uint8_t ret[WEIR_DNS_COOKIE_SECRET_SIZE])
{
	for (size_t i = 0; i < WEIR_DNS_COOKIE_SECRET_SIZE; i++) {
		uint64_t byte;
		if (!text[2 * i] || weir_span_number(weir_span(text + 2 * i, 2), 16, &byte) < 0)
			return false;
		ret[i] = (uint8_t)byte;
	}
	return text[2 * WEIR_DNS_COOKIE_SECRET_SIZE] == 0;
}

/* Reads a secret from each line: the one that makes cookies, then one that is still valid. */
static int config_dns_read_secrets(
        struct config_dns *dns, FILE *file, config_dns_report *report, void *context)
{
	char text[SECRET_TEXT_MAX];
	unsigned count = 0;
	const char *mistake = NULL;
	unsigned line = 0;
	while (!mistake && fgets(text, sizeof text, file)) {
		line++;
		text[strcspn(text, "\r\n")] = 0;
		if (!*text || *text == '#')
			continue;
		if (count == 2)
			mistake = "there are two secrets at most";
		else if (!config_dns_parse_secret(text, dns->secrets[count++]))
			mistake = "a secret is 32 hexadecimal digits, as `openssl rand -hex 16` "
			          "makes them";
	}
	explicit_bzero(text, sizeof text);
	if (ferror(file))
		mistake = weir_error_text(-EIO);
	else if (!mistake && count == 0)
		mistake = "there is no secret in it";
	if (mistake)
		report(context, NULL, dns->secrets_path, line, mistake);
	dns->secret_count = count;
	return mistake ? -EINVAL : 0;
}

int config_dns_load_secrets(struct config_dns *dns, const struct config_dns *previous,
        config_dns_report *report, void *context)
{
	if (dns->secrets_path) {
		FILE *file = NULL;
		int error = file_open_stream(dns->secrets_path, &file);
		if (error == 0)
			error = config_dns_read_secrets(dns, file, report, context);
		if (file)
			fclose(file);
		else
			report(context, NULL, dns->secrets_path, 0, weir_error_text(error));
		return error;
	}
	dns->secret_count = 1;
	/* Cookies stay valid over a reload. */
	if (previous && previous->secret_count && !previous->secrets_path)
		memcpy(dns->secrets[0], previous->secrets[0], sizeof dns->secrets[0]);
	else if (getrandom(dns->secrets[0], sizeof dns->secrets[0], 0) != sizeof dns->secrets[0]) {
		report(context, NULL, "", 0, "there are no random bits");
		return -EIO;
	}
	return 0;
}

/* -- what it lacks ----------------------------------------------------------------------------- */

const char *config_dns_lack(const struct config *config)
{
	if (config->dns.zones.count || config->dns.forward.count)
		return NULL;
	return "there is nothing to answer from: --zone NAME=FILE or --forward ADDRESS, or 'zones' "
	       "or 'forward' in 'dns'";
}

struct weir_dns_responder_options config_dns_responder(const struct config_dns *dns)
{
	struct weir_dns_responder_options options;
	weir_dns_responder_options_init(&options);
	options.nsid = dns->nsid ? weir_span_of(dns->nsid) : weir_span(NULL, 0);
	options.version = dns->version;
	options.identity = dns->identity;
	options.udp_size = (uint16_t)dns->udp_size;
	options.keys = dns->keyring;
	return options;
}

/* -- changes ----------------------------------------------------------------------------------- */

static bool config_dns_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool config_dns_same_rate(
        const struct config_rate_limit *a, const struct config_rate_limit *b)
{
	size_t size = a->exempt.count * sizeof *a->exempt.items;
	return a->replies == b->replies && a->slip == b->slip &&
	       a->exempt.count == b->exempt.count &&
	       (size == 0 || memcmp(a->exempt.items, b->exempt.items, size) == 0);
}

bool config_dns_same(const struct config_dns *a, const struct config_dns *b)
{
	return config_dns_same_text(a->nsid, b->nsid) &&
	       config_dns_same_text(a->version, b->version) &&
	       config_dns_same_text(a->identity, b->identity) && a->udp_size == b->udp_size &&
	       !a->forward.count == !b->forward.count &&
	       config_dns_same_rate(&a->rate_limit, &b->rate_limit) &&
	       memcmp(&a->limits, &b->limits, sizeof a->limits) == 0;
}

bool config_dns_same_cache(const struct config_dns *a, const struct config_dns *b)
{
	return memcmp(&a->cache, &b->cache, sizeof a->cache) == 0;
}

/* -- options of the command line --------------------------------------------------------------- */

static void load_dns_report(
        void *context, const void *item, const char *path, unsigned line, const char *text)
{
	(void)context, (void)item;
	if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("dns: %s%s%s", path, *path ? ": " : "", text);
}

/* Stores NAME=FILE, which was checked with the options. */
static int load_dns_set_zone(struct config *config, const char *text, struct config_zone *zone)
{
	struct weir_span file = weir_span_of(text), name;
	weir_span_cut(&file, '=', &name);
	weir_dns_name_parse(name, &zone->name);
	weir_dns_name_lower(&zone->name);
	return config_file_path(config, file.data, &zone->path);
}

static int load_dns_choose_zones(struct config *config, const struct options *options)
{
	struct config_dns *dns = &config->dns;
	struct config_zone *items = config_alloc(config, options->zone_count * sizeof *items);
	int error = items ? 0 : -ENOMEM;
	if (error < 0)
		say("out of memory");
	for (size_t i = 0; i < options->zone_count && error == 0; i++)
		error = load_dns_set_zone(config, options->zones[i], &items[i]);
	if (error < 0)
		return error;
	config_zones_release(dns);
	dns->zones.items = items;
	dns->zones.count = options->zone_count;
	return 0;
}

static int load_dns_choose_forward(struct config *config, const struct options *options)
{
	size_t size = options->forward_count * sizeof *options->forward;
	struct weir_address *items = config_alloc(config, size);
	if (!items) {
		say("out of memory");
		return -ENOMEM;
	}
	memcpy(items, options->forward, size);
	config->dns.forward.items = items;
	config->dns.forward.count = options->forward_count;
	return 0;
}

/* Whether a listener or a site answers DNS. */
static bool load_dns_is_served(const struct config *config)
{
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].doh)
			return true;
	return listeners_include(config, SERVICE_DNS);
}

static int load_dns_refuse_useless(const struct options *options)
{
	if (options->zone_count == 0 && options->forward_count == 0)
		return 0;
	say("%s needs an address for DNS: add --dns ADDRESS:PORT",
	        options->zone_count ? "--zone" : "--forward");
	return -EINVAL;
}

int load_dns(struct config *config, const struct options *options, const struct config *previous)
{
	int error = 0;
	if (options->doh && (config->sites.count == 0 || !listeners_include_https(config))) {
		say("--doh answers at /dns-query of a site: add --https ADDRESS:PORT");
		return -EINVAL;
	}
	if (options->doh)
		config->sites.items[0].doh = CONFIG_DOH_ON;
	if (!load_dns_is_served(config))
		return load_dns_refuse_useless(options);
	if (options->zone_count)
		error = load_dns_choose_zones(config, options);
	if (error == 0 && options->forward_count)
		error = load_dns_choose_forward(config, options);
	if (error < 0)
		return error;
	const char *lack = config_dns_lack(config);
	if (lack) {
		say("dns: %s", lack);
		return -EINVAL;
	}
	return config->dns.by_name ? 0 : config_dns_load(config, previous, load_dns_report, NULL);
}
