/*
 * The keys of `upstreams`: groups of servers, with their health checks and their files of TLS. A
 * proxy that names a URL has a group of this one server, with the defaults of all its other keys.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include <weir/http_proxy.h>
#include <weir/limits.h>
#include <weir/tls.h>

#include "config.h"
#include "table.h"
#include "table_upstreams.h"
#include "tls_files.h"
#include "types.h"

/* -- servers ----------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_upstream
static const struct key upstream_keys[] = {
#include "upstream_keys.def"
        {0},
};
#undef KEYS_STRUCT

static bool upstream_is_https(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "https+", 6) == 0;
}

static bool upstream_is_fastcgi(const char *url)
{
	return strncasecmp(url, "fastcgi://", 10) == 0 || strncasecmp(url, "fastcgi+", 8) == 0;
}

/* Whether the library accepts the URL; that https has no certificates yet does not matter. */
static bool upstream_url_is_good(const char *url)
{
	struct weir_http_upstream one = {.url = url, .weight = 1};
	struct weir_http_upstreams_options options;
	struct weir_http_upstreams *made;
	weir_http_upstreams_options_init(&options);
	options.upstreams = &one;
	options.fastcgi = upstream_is_fastcgi(url);
	options.count = 1;
	int error = weir_http_upstreams_create(&options, &made);
	if (error == 0)
		weir_http_upstreams_release(made);
	return error == 0 || (error == -EINVAL && upstream_is_https(url));
}

#define UPSTREAM_URL "http://HOST:PORT, https://HOST:PORT or unix:/PATH"
#define UPSTREAM_FASTCGI "fastcgi://HOST:PORT or unix:/PATH"

static void upstream_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_upstream *upstream = target;
	if (upstream->url && !upstream_url_is_good(upstream->url))
		reader_problem_at(reader, node_find(node, "url"),
		        "'url' must be http://HOST:PORT, https://HOST:PORT, fastcgi://HOST:PORT or "
		        "unix:/PATH, not '%.64s'",
		        upstream->url);
}

static const struct section table_upstream = {
        .what = "a server",
        .keys = upstream_keys,
        .size = sizeof(struct config_upstream),
        .check = upstream_check,
        .doc = "A server of the group.",
};

/* -- health checks ----------------------------------------------------------------------------- */

#define KEYS_STRUCT config_check
static const struct key check_keys[] = {
#include "check_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void check_begin(void *target)
{
	((struct config_check *)target)->present = true;
}

static bool check_is_present(const void *target)
{
	return ((const struct config_check *)target)->present;
}

bool upstreams_path_is_good(const char *path)
{
	for (const char *at = path; *at; at++)
		if (*at <= ' ' || *at > '~' || *at == '#')
			return false;
	return *path == '/' && strlen(path) <= WEIR_HTTP_TARGET_MAX / 2;
}

static void check_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_check *check = target;
	if (check->path && !upstreams_path_is_good(check->path))
		reader_problem_at(reader, node_find(node, "path"),
		        "'path' must be a path such as /health, not '%.64s'", check->path);
	if (check->status && check->status < 200)
		reader_problem_at(reader, node_find(node, "status"),
		        "'status' must be from 200 to 599, or any");
}

static const struct section table_check = {
        .what = "check",
        .keys = check_keys,
        .size = sizeof(struct config_check),
        .begin = check_begin,
        .check = check_check,
        .is_present = check_is_present,
        .doc = "Health checks of the servers of a group.",
};

/* -- groups ------------------------------------------------------------------------------------ */

static const char *const protocol_words[] = {
        [CONFIG_PROTOCOL_HTTP] = "http",
        [CONFIG_PROTOCOL_FASTCGI] = "fastcgi",
        NULL,
};

static const char *const balance_words[] = {
        [WEIR_HTTP_BALANCE_RANDOM] = "random",
        [WEIR_HTTP_BALANCE_LEAST] = "least",
        [WEIR_HTTP_BALANCE_ROUND_ROBIN] = "round-robin",
        [WEIR_HTTP_BALANCE_CLIENT] = "client",
        [WEIR_HTTP_BALANCE_PATH] = "path",
        [WEIR_HTTP_BALANCE_COOKIE] = "cookie",
        [WEIR_HTTP_BALANCE_FIELD] = "field",
        NULL,
};

#define KEYS_STRUCT config_upstreams
static const struct key upstreams_keys[] = {
#include "upstreams_keys.def"
        {0},
};
#undef KEYS_STRUCT

static bool upstreams_speak_https(const struct config_upstreams *upstreams)
{
	for (size_t i = 0; i < upstreams->servers.count; i++)
		if (upstreams->servers.items[i].url &&
		        upstream_is_https(upstreams->servers.items[i].url))
			return true;
	return false;
}

static void upstreams_load_tls(
        struct reader *reader, const struct node *node, struct config_upstreams *upstreams)
{
	struct weir_tls_client_options options;
	weir_tls_client_options_init(&options);
	options.ca = upstreams->ca;
	options.certificate = upstreams->certificate;
	options.key = upstreams->certificate_key;
	options.verify = upstreams->verify;
	tls_files_load_client(reader, node, &options, &upstreams->tls);
}

static void upstreams_check_key(
        struct reader *reader, const struct node *node, const struct config_upstreams *upstreams)
{
	bool needs = upstreams->balance == WEIR_HTTP_BALANCE_COOKIE ||
	             upstreams->balance == WEIR_HTTP_BALANCE_FIELD;
	if (needs && !upstreams->key)
		reader_problem_at(reader, node_find(node, "balance"),
		        "'balance: %s' needs 'key': the name of the %s",
		        balance_words[upstreams->balance], balance_words[upstreams->balance]);
	if (!needs && upstreams->key && node_find(node, "balance"))
		reader_problem_at(reader, node_find(node, "key"),
		        "'key' is not used: it needs 'balance: cookie' or 'field'");
}

/* Each server must speak the protocol of the group. A Unix socket speaks either. */
static void upstreams_check_protocol(
        struct reader *reader, const struct node *node, const struct config_upstreams *upstreams)
{
	bool fastcgi = upstreams->protocol == CONFIG_PROTOCOL_FASTCGI;
	const struct node *list = node_find(node, "servers");
	for (size_t i = 0; i < upstreams->servers.count; i++) {
		const char *url = upstreams->servers.items[i].url;
		if (!url || !upstream_url_is_good(url) || strncmp(url, "unix:", 5) == 0 ||
		        upstream_is_fastcgi(url) == fastcgi)
			continue;
		reader_problem_at(reader, node_find(node_item(list, i), "url"),
		        fastcgi ? "'url' must be " UPSTREAM_FASTCGI
		                  " with 'protocol: fastcgi', not '%.64s'"
		                : "'%.64s' needs 'protocol: fastcgi' in its group",
		        url);
	}
	if (upstreams->keep && !fastcgi && node_find(node, "protocol"))
		reader_problem_at(reader, node_find(node, "keep"),
		        "'keep' is for 'protocol: fastcgi': connections of HTTP are kept in any case");
}

static void upstreams_check(struct reader *reader, struct node *node, void *target)
{
	struct config_upstreams *upstreams = target;
	const struct node *servers = node_find(node, "servers");
	if (servers && servers->type == NODE_LIST && upstreams->servers.count == 0)
		reader_problem_at(reader, servers, "'servers' is empty");
	if (upstreams->check.present)
		upstreams->health = weir_http_health_create();
	if (upstreams->check.present && !upstreams->health)
		reader_problem(reader, "out of memory");
	upstreams_check_key(reader, node, upstreams);
	upstreams_check_protocol(reader, node, upstreams);
	if (upstreams_speak_https(upstreams))
		upstreams_load_tls(reader, node, upstreams);
	else if (upstreams->ca || upstreams->certificate)
		reader_problem_at(reader, node_find(node, upstreams->ca ? "ca" : "certificate"),
		        "'%s' is not used: no server has a URL with https",
		        upstreams->ca ? "ca" : "certificate");
}

const struct section table_upstreams = {
        .what = "an entry of upstreams",
        .keys = upstreams_keys,
        .size = sizeof(struct config_upstreams),
        .check = upstreams_check,
        .doc = "Groups of servers that requests are passed on to. Each worker has connections of "
               "its own, and notices for itself which servers are down.",
};

/* -- finding a group --------------------------------------------------------------------------- */

static const struct config_upstreams *upstreams_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->upstreams.count; i++)
		if (config->upstreams.items[i].name &&
		        strcmp(config->upstreams.items[i].name, name) == 0)
			return &config->upstreams.items[i];
	return NULL;
}

/* Makes a group of one server. Returns NULL without memory, which was made a problem. */
static struct config_upstreams *upstreams_make_single(struct reader *reader,
        const struct node *node, const char *url, enum config_protocol protocol)
{
	struct config_upstreams *single = reader_alloc(reader, sizeof *single);
	struct config_upstream *server = reader_alloc(reader, sizeof *server);
	if (!single || !server || !section_init(reader, &table_upstreams, single) ||
	        !section_init(reader, &table_upstream, server))
		return NULL;
	server->url = url;
	single->name = url;
	single->protocol = protocol;
	single->servers.items = server;
	single->servers.count = 1;
	single->next = reader->config->singles;
	reader->config->singles = single;
	if (upstream_is_https(url))
		upstreams_load_tls(reader, node, single);
	return single;
}

static bool upstreams_url_is_for(const char *url, enum config_protocol protocol)
{
	return strchr(url, ':') && upstream_url_is_good(url) &&
	       (strncmp(url, "unix:", 5) == 0 ||
	               upstream_is_fastcgi(url) == (protocol == CONFIG_PROTOCOL_FASTCGI));
}

const struct config_upstreams *upstreams_resolve(struct reader *reader, const struct node *node,
        const char *text, enum config_protocol protocol)
{
	const struct node *to = node_find(node, "to");
	const struct config_upstreams *found = text ? upstreams_find(reader->config, text) : NULL;
	if (!text || (found && found->protocol == protocol))
		return found;
	if (!found && upstreams_url_is_for(text, protocol))
		return upstreams_make_single(reader, to, text, protocol);
	if (found)
		reader_problem_at(reader, to, "the group '%.64s' must have 'protocol: %s'", text,
		        protocol_words[protocol]);
	else
		reader_problem_at(reader, to,
		        protocol == CONFIG_PROTOCOL_FASTCGI
		                ? "'to' must be the name of an entry of 'upstreams', or " UPSTREAM_FASTCGI
		                  ", not '%.64s'"
		                : "'to' must be the name of an entry of 'upstreams', or " UPSTREAM_URL
		                  ", not '%.64s'",
		        text);
	return NULL;
}

void upstreams_check_names(struct reader *reader, const struct node *top)
{
	const struct config *config = reader->config;
	const struct node *list = node_find(top, "upstreams");
	for (size_t i = 0; i < config->upstreams.count; i++) {
		const char *name = config->upstreams.items[i].name;
		if (name && upstreams_find(config, name) != &config->upstreams.items[i])
			reader_problem_at(reader, node_find(node_item(list, i), "name"),
			        "another entry of 'upstreams' has the name '%.64s' already", name);
	}
}
