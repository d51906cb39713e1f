/*
 * The keys and secrets of DNS, and the comparison of its configurations. Secrets are erased before
 * their memory is freed.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <weir/base64.h>
#include <weir/error.h>

#include "config.h"
#include "config_dns.h"
#include "helper.h"
#include "say.h"
#include "store.h"

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

/* NSD and Knot accept short secrets silently. Peers may have no other, so they are used. */
void config_dns_warn(const struct config *config)
{
	for (size_t i = 0; i < config->dns.keys.count; i++) {
		const struct weir_dns_tsig_key *key = &config->dns.keys.items[i].key;
		char name[WEIR_DNS_TEXT_MAX];
		if (!key->secret_size || key->secret_size >= WEIR_DNS_SECRET_MIN)
			continue;
		weir_dns_name_format(&key->name, name);
		say_at(WEIR_LOG_WARNING,
		        "the secret of the TSIG key %s has %u byte%s: make one of %d or more, as "
		        "`openssl rand -base64 32` does, since short ones can be guessed",
		        name, key->secret_size, key->secret_size == 1 ? "" : "s",
		        WEIR_DNS_SECRET_MIN);
	}
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
	if (config->dns.zones.count || config->dns.forward.count || store_has(config, STORE_ZONES))
		return NULL;
	if (config->store.url)
		return "there is nothing to answer from: 'zones' in 'parts' of 'store', or 'zones' "
		       "or 'forward' in 'dns'";
	return "there is nothing to answer from: --zone NAME=FILE or --forward ADDRESS, or 'zones' "
	       "or 'forward' in 'dns', or 'store'";
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
	return text_equal(a->nsid, b->nsid) && text_equal(a->version, b->version) &&
	       text_equal(a->identity, b->identity) && a->udp_size == b->udp_size &&
	       !a->forward.count == !b->forward.count &&
	       config_dns_same_rate(&a->rate_limit, &b->rate_limit) &&
	       memcmp(&a->limits, &b->limits, sizeof a->limits) == 0;
}

bool config_dns_same_cache(const struct config_dns *a, const struct config_dns *b)
{
	return memcmp(&a->cache, &b->cache, sizeof a->cache) == 0;
}
