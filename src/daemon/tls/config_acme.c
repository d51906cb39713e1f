/*
 * A certificate is obtained for each name alone, so that a name that cannot be proven does not keep
 * the others from theirs. Its files are those of the version in use when the configuration was
 * read; without one, a self-signed certificate holds the place.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "acme_dns.h"
#include "acme_store.h"
#include "config_acme.h"
#include "helper.h"
#include "resources.h"
#include "say.h"
#include "service.h"
#include "sources.h"
#include "store.h"
#include "types.h"

#define ACME_DIRECTORY "/var/lib/weir/acme"
#define ACME_LETS_ENCRYPT "https://acme-v02.api.letsencrypt.org/directory"

/* -- keys -------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_authority
static const struct key authority_keys[] = {
#include "authority_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* These become parts of JSON as they are. */
static bool acme_text_is_plain(const char *text)
{
	for (; text && *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

static void authority_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_authority *authority = target;
	if (authority->url && !acme_url_is_good(weir_span_of(authority->url)))
		reader_problem_at(reader, node_find(node, "url"),
		        "'url' must be a URL that begins with https://, such as %s",
		        ACME_LETS_ENCRYPT);
	if (!acme_text_is_plain(authority->account_id))
		reader_problem_at(reader, node_find(node, "account-id"),
		        "'account-id' has a character that no identifier has");
	if (!acme_text_is_plain(authority->profile))
		reader_problem_at(reader, node_find(node, "profile"),
		        "'profile' must be a name without spaces");
}

const struct section table_authority = {
        .what = "an authority",
        .keys = authority_keys,
        .size = sizeof(struct config_authority),
        .check = authority_check,
        .doc = "An authority that issues certificates by ACME.",
};

#define KEYS_STRUCT config_acme
static const struct key acme_keys[] = {
#include "acme_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void acme_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_acme *acme = target;
	if (acme->email && (!acme_text_is_plain(acme->email) || !strchr(acme->email, '@') ||
	                           strlen(acme->email) >= ACME_NAME_SIZE))
		reader_problem_at(reader, node_find(node, "email"),
		        "'email' must be an address such as admin@example.org");
	if (!acme->http_01 && !acme->tls_alpn_01 && !acme->dns_01)
		reader_problem_at(reader, node,
		        "one of 'http-01', 'tls-alpn-01' and 'dns-01' must be left, to prove names by");
}

static bool acme_is_present(const void *target)
{
	const struct config_acme *acme = target;
	return acme->managed.count || acme->names.count || acme->authorities.count;
}

const struct section table_acme = {
        .what = "acme",
        .keys = acme_keys,
        .size = sizeof(struct config_acme),
        .check = acme_check,
        .is_present = acme_is_present,
        .doc = "How certificates are obtained by themselves (ACME, RFC 8555), and renewed: at two "
               "thirds of their time, or when the authority suggests (RFC 9773). Using it, the operator "
               "agrees to the terms of the authorities. `weir check` prints what a name waits for.",
};

/* -- names ------------------------------------------------------------------------------------- */

/* Whether an authority could issue a certificate for the name: it has a dot, and is no address. */
static bool acme_name_is_public(const char *name)
{
	const char *at = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
	const char *last = strrchr(at, '.');
	if (!last || !last[1] || strlen(name) >= ACME_NAME_SIZE ||
	        last[1 + strspn(last + 1, "0123456789")] == 0)
		return false;
	for (const char *label = at; label;) {
		size_t size = strcspn(label, ".");
		if (size == 0 || size > 63 || label[0] == '-' || label[size - 1] == '-')
			return false;
		for (size_t i = 0; i < size; i++)
			if (!isalnum((unsigned char)label[i]) && label[i] != '-')
				return false;
		label = label[size] ? label + size + 1 : NULL;
	}
	return true;
}

static bool acme_has_listener(const struct config *config, const char *type)
{
	for (size_t i = 0; i < config->listeners.count; i++)
		if (config->listeners.items[i].type == listener_type_find(type))
			return true;
	return false;
}

bool config_acme_can_prove(
        const struct config *config, const char *name, bool wildcard, enum acme_challenge_kind kind)
{
	const struct config_acme *acme = &config->acme;
	switch (kind) {
	case ACME_HTTP_01:
		return !wildcard && acme->http_01 && acme_has_listener(config, "http");
	case ACME_TLS_ALPN_01:
		return !wildcard && acme->tls_alpn_01 && acme_has_listener(config, "https");
	default:
		return acme->dns_01 && acme_dns_can_prove(config, name, "");
	}
}

bool config_acme_is_shared(const struct config *config)
{
	return config->acme.managed.count && store_has(config, STORE_KEYS);
}

bool config_acme_may_prove_by_stored_zone(const struct config *config)
{
	return config->acme.dns_01 && store_has(config, STORE_KEYS) &&
	       store_has(config, STORE_ZONES) && listeners_include(config, SERVICE_DNS);
}

static bool acme_name_is_provable(const struct config *config, const char *name)
{
	bool wild = strncmp(name, "*.", 2) == 0, good = false;
	for (unsigned kind = 0; kind < ACME_CHALLENGE_KINDS && !good; kind++)
		good = config_acme_can_prove(config, wild ? name + 2 : name, wild, kind);
	/* Which zones the database has is known later. */
	return good || config_acme_may_prove_by_stored_zone(config);
}

/* Adds a name once, in lower case. Returns false without memory, or for one too many. */
static bool acme_names_add(struct config *config, const char *name)
{
	struct config_acme *acme = &config->acme;
	char *copy = config_copy(config, name, strlen(name));
	for (char *at = copy; at && *at; at++)
		*at = (char)tolower((unsigned char)*at);
	for (size_t i = 0; copy && i < acme->managed.count; i++)
		if (strcmp(acme->managed.items[i], copy) == 0)
			return true;
	if (!copy || acme->managed.count == CONFIG_CERTIFICATES_MAX)
		return false;
	acme->managed.items[acme->managed.count++] = copy;
	return true;
}

/* Names that are not public are served with the first certificate, as before. */
static bool acme_names_add_if_public(struct config *config, const char *name)
{
	bool wild = name && strncmp(name, "*.", 2) == 0;
	if (!name || !acme_name_is_public(name) || (wild && !acme_name_is_provable(config, name)))
		return true;
	return acme_names_add(config, name);
}

static bool acme_names_collect(struct config *config)
{
	bool good = true;
	for (size_t i = 0; i < config->sites.count && good; i++)
		for (size_t j = 0; j < config->sites.items[i].names.count && good; j++)
			good = acme_names_add_if_public(
			        config, config->sites.items[i].names.items[j]);
	if (listeners_include(config, SERVICE_SMTP) || listeners_include(config, SERVICE_POP3))
		good = good && acme_names_add_if_public(config, config->mail.hostname);
	for (size_t i = 0;
	        listeners_include(config, SERVICE_FTP) && i < config->ftp.hosts.count && good; i++)
		good = acme_names_add_if_public(config, config->ftp.hosts.items[i]);
	return good;
}

static void acme_names_take(struct reader *reader, const struct node *node)
{
	struct config *config = reader->config;
	const struct config_acme *acme = &config->acme;
	for (size_t i = 0; i < acme->names.count; i++) {
		if (!acme_name_is_public(acme->names.items[i]))
			reader_problem_at(reader, node,
			        "'%.64s' is no name that an authority issues certificates for",
			        acme->names.items[i]);
		else if (!acme_names_add(config, acme->names.items[i]))
			reader_problem_at(reader, node, "out of memory");
	}
}

static void acme_names_check(struct reader *reader, const struct node *node)
{
	const struct config *config = reader->config;
	for (size_t i = 0; i < config->acme.managed.count; i++) {
		const char *name = config->acme.managed.items[i];
		if (acme_name_is_provable(config, name))
			continue;
		reader_problem_at(reader, node,
		        strncmp(name, "*.", 2) == 0
		                ? "'%.64s' cannot be proven: it needs 'dns-01', and a zone of 'dns' with a file, or of 'store'"
		                : "'%.64s' cannot be proven: it needs a listener of http or https, or a zone of 'dns'",
		        name);
	}
}

/* -- files ------------------------------------------------------------------------------------- */

/*
 * Reads the number of the version in use; "" if there is none, or it is damaged. Returns 0 or a
 * negative errno.
 */
static int acme_version_read(const struct config *config, const char *file, char *ret, size_t size)
{
	char path[PATH_MAX];
	struct weir_buffer text = {0};
	int error;
	snprintf(path, sizeof path, "%s/" ACME_CERTIFICATES "/%s/" ACME_CURRENT,
	        config->acme.directory, file);
	if (!sources_recorded(path, &text, &error)) {
		error = file_read_whole(AT_FDCWD, path, O_NOFOLLOW, size - 1, &text);
		if (error == 0)
			sources_add_text(path, weir_buffer_span(&text));
	}
	text_copy_span(ret, size, weir_buffer_span(&text));
	weir_buffer_finish(&text);
	if (!acme_version_is_good(ret))
		*ret = 0;
	return error == -ENOENT || error == WEIR_E_LIMIT ? 0 : error;
}

/* A certificate that cannot be read now is a mistake: the one in use would be replaced. */
static int acme_fill_certificate(
        struct config *config, const char **name, struct weir_tls_certificate *ret)
{
	char file[ACME_NAME_SIZE + 16], version[ACME_VERSION_SIZE], path[PATH_MAX];
	ret->names = config_alloc(config, 2 * sizeof *ret->names);
	if (!ret->names)
		return -ENOMEM;
	memcpy((void *)(uintptr_t)ret->names, name, sizeof *name);
	acme_store_file_of(*name, file, sizeof file);
	int error = acme_version_read(config, file, version, sizeof version);
	if (error < 0 || !*version)
		return error;
	int size = snprintf(path, sizeof path, "%s/" ACME_CERTIFICATES "/%s/%s/chain.pem",
	        config->acme.directory, file, version);
	if (size < 0 || (size_t)size >= sizeof path)
		return -ENAMETOOLONG;
	ret->chain = config_copy(config, path, (size_t)size);
	size = snprintf(path, sizeof path, "%s/" ACME_CERTIFICATES "/%s/%s/key.pem",
	        config->acme.directory, file, version);
	ret->key = config_copy(config, path, (size_t)size);
	return ret->chain && ret->key ? 0 : -ENOMEM;
}

static int acme_fill_all(struct config *config)
{
	struct config_tls *tls = &config->tls;
	size_t first = tls->certificates.count, count = first + config->acme.managed.count;
	struct weir_tls_certificate *items = config_alloc(config, (count + 1) * sizeof *items);
	int error = items ? 0 : -ENOMEM;
	if (items && first)
		memcpy(items, tls->certificates.items, first * sizeof *items);
	for (size_t i = first; i < count && error == 0; i++)
		error = acme_fill_certificate(
		        config, &config->acme.managed.items[i - first], &items[i]);
	if (error < 0)
		return error;
	tls->all.items = items;
	tls->all.count = count;
	return 0;
}

static bool acme_fill_defaults(struct config *config)
{
	struct config_acme *acme = &config->acme;
	acme->config = config;
	acme->managed.items =
	        config_alloc(config, (CONFIG_CERTIFICATES_MAX + 1) * sizeof *acme->managed.items);
	if (!acme->directory)
		acme->directory = config_copy(config, ACME_DIRECTORY, strlen(ACME_DIRECTORY));
	if (acme->authorities.count)
		return acme->managed.items && acme->directory;
	acme->authorities.items = config_alloc(config, sizeof *acme->authorities.items);
	if (!acme->authorities.items)
		return false;
	acme->authorities.items[0] = (struct config_authority){.url = ACME_LETS_ENCRYPT};
	acme->authorities.count = 1;
	return acme->managed.items && acme->directory;
}

void table_acme_check(struct reader *reader, const struct node *top)
{
	struct config *config = reader->config;
	const struct config_tls *tls = &config->tls;
	const struct node *section = node_find(top, "acme"), *names = node_find(section, "names");
	const struct node *list = node_find(node_find(top, "tls"), "certificates");
	bool automatic = tls->certificates.items && tls->certificates.count == 0 && list &&
	                 list->type == NODE_SCALAR;
	if (section && !automatic && !names) {
		reader_problem_at(reader, section,
		        "'acme' is not used: it needs 'names', or 'certificates: auto' in 'tls'");
		return;
	}
	bool good = (!automatic && !names) || acme_fill_defaults(config);
	if (good && names)
		acme_names_take(reader, names);
	else if (good && automatic && !acme_names_collect(config))
		reader_problem_at(
		        reader, list, "there are more than %d names", CONFIG_CERTIFICATES_MAX);
	if (good && automatic && !names && config->acme.managed.count == 0)
		reader_problem_at(reader, list,
		        "'auto' finds no public name: give a site 'names', or 'acme' a list of 'names'");
	acme_names_check(reader, names ? names : list);
	int error = good ? acme_fill_all(config) : -ENOMEM;
	if (error < 0)
		reader_problem_at(reader, section ? section : top,
		        "the certificates in %s cannot be read: %s",
		        good && config->acme.directory ? config->acme.directory : "'directory'",
		        weir_error_text(error));
}

size_t config_acme_first(const struct config *config)
{
	return config->tls.all.count - config->acme.managed.count;
}

const char *config_acme_label(const struct config *config, size_t certificate)
{
	size_t first = config_acme_first(config);
	return certificate < first ? config->tls.all.items[certificate].chain
	                           : config->acme.managed.items[certificate - first];
}

/* -- directories ------------------------------------------------------------------------------- */

/* The directories that have been in use, which are few. */
struct acme_directory_name {
	struct acme_directory_name *next;
	char path[];
};

void *config_acme_directory(const struct config *config)
{
	static struct acme_directory_name *all;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&lock);
	struct acme_directory_name *name = all;
	while (name && strcmp(name->path, config->acme.directory) != 0)
		name = name->next;
	size_t size = strlen(config->acme.directory) + 1;
	if (!name && (name = malloc(sizeof *name + size))) {
		memcpy(name->path, config->acme.directory, size);
		name->next = all;
		all = name;
	}
	pthread_mutex_unlock(&lock);
	return name ? name->path : NULL;
}

int config_acme_make_directories(const struct config *config)
{
	static const char *const folders[] = {
	        "", "/" ACME_CHALLENGES, "/" ACME_STATES, "/" ACME_SERIALS};
	char path[PATH_MAX];
	for (size_t i = 0; config->acme.managed.count && i < sizeof folders / sizeof *folders;
	        i++) {
		snprintf(path, sizeof path, "%s%s", config->acme.directory, folders[i]);
		int error = resources_make_directory(config, path);
		if (error < 0) {
			say("cannot keep certificates in %s: %s", path, weir_error_text(error));
			return error;
		}
	}
	return 0;
}

/* -- comparison -------------------------------------------------------------------------------- */

static bool acme_same_authorities(const struct config_acme *a, const struct config_acme *b)
{
	bool same = a->authorities.count == b->authorities.count;
	for (size_t i = 0; i < a->authorities.count && same; i++) {
		const struct config_authority *one = &a->authorities.items[i];
		const struct config_authority *other = &b->authorities.items[i];
		same = text_equal(one->url, other->url) && text_equal(one->trust, other->trust) &&
		       text_equal(one->account_id, other->account_id) &&
		       text_equal(one->account_key_path, other->account_key_path) &&
		       text_equal(one->profile, other->profile);
	}
	return same;
}

/* DNS-01 asks the listeners, and those that are notified. */
static bool acme_same_servers(const struct config *a, const struct config *b)
{
	bool same = a->listeners.count == b->listeners.count &&
	            a->dns.zones.count == b->dns.zones.count;
	for (size_t i = 0; i < a->listeners.count && same; i++)
		same = a->listeners.items[i].type == b->listeners.items[i].type &&
		       weir_address_equal(
		               &a->listeners.items[i].address, &b->listeners.items[i].address);
	for (size_t i = 0; i < a->dns.zones.count && same; i++) {
		const struct config_zone *one = &a->dns.zones.items[i];
		const struct config_zone *other = &b->dns.zones.items[i];
		same = weir_dns_name_equal(&one->name, &other->name) &&
		       one->primaries.count == other->primaries.count &&
		       one->notify.count == other->notify.count;
		for (size_t j = 0; j < one->notify.count && same; j++)
			same = weir_address_equal(&one->notify.items[j], &other->notify.items[j]);
	}
	return same;
}

bool config_acme_same(const struct config *one, const struct config *other)
{
	if (!one || !other)
		return one == other;
	const struct config_acme *a = &one->acme, *b = &other->acme;
	bool same = a->managed.count == b->managed.count &&
	            text_equal(a->directory, b->directory) && text_equal(a->email, b->email) &&
	            a->http_01 == b->http_01 && a->tls_alpn_01 == b->tls_alpn_01 &&
	            a->dns_01 == b->dns_01 && a->retry_ms == b->retry_ms &&
	            a->key_age_ms == b->key_age_ms && a->lease_ms == b->lease_ms &&
	            store_same(one, other) && text_equal(one->user, other->user) &&
	            text_equal(one->logs[LOG_DAEMON], other->logs[LOG_DAEMON]) &&
	            one->log_format == other->log_format;
	for (size_t i = 0; i < a->managed.count && same; i++)
		same = strcmp(a->managed.items[i], b->managed.items[i]) == 0;
	return same && acme_same_authorities(a, b) && acme_same_servers(one, other);
}
