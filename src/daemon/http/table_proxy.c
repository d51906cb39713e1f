/*
 * The keys of `proxy` and of `forward-auth` in a site. `to` of each names a group of upstreams, or
 * is a URL.
 */
#include <string.h>

#include <weir/http_proxy.h>
#include <weir/limits.h>

#include "config.h"
#include "table.h"
#include "table_upstreams.h"
#include "types.h"

/* -- proxies ----------------------------------------------------------------------------------- */

static const char *const forwarded_words[] = {
        [WEIR_HTTP_FORWARDED_X] = "x",
        [WEIR_HTTP_FORWARDED_RFC] = "rfc7239",
        [WEIR_HTTP_FORWARDED_BOTH] = "both",
        [WEIR_HTTP_FORWARDED_OFF] = "off",
        NULL,
};

#define KEYS_STRUCT config_proxy
static const struct key proxy_keys[] = {
#include "proxy_keys.def"
#include "coding_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* Whether the text can be the field Host: a name or an address, perhaps with a port. */
static bool proxy_host_is_good(const char *host)
{
	size_t size = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                           "-._:[]");
	return size && !host[size] && size <= WEIR_HTTP_PROXY_HOST_MAX && *host != ':';
}

static void proxy_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_proxy *proxy = target;
	if (proxy->host && !proxy_host_is_good(proxy->host))
		reader_problem_at(reader, node_find(node, "host"),
		        "'host' must be client, upstream, or a name such as app.internal, not '%.64s'",
		        proxy->host);
}

const struct section table_proxy = {
        .what = "an entry of proxy",
        .keys = proxy_keys,
        .size = sizeof(struct config_proxy),
        .check = proxy_check,
        .doc = "Paths whose requests are passed on to other servers. Bodies are passed on as they "
               "come, in both directions. Fields of the connection are not passed on.",
};

/* -- forward authentication -------------------------------------------------------------------- */

static bool field_name_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	size_t size =
	        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
	if (size && !text[size] && size <= WEIR_HTTP_FORWARD_AUTH_NAME_MAX)
		return type_store_text(reader, text, size, target);
	return reader_refuse(reader, key, text);
}

static void field_name_print(FILE *to, const struct key *key, const void *value)
{
	(void)key;
	yaml_print_text(to, *(const char *const *)value);
}

static const struct type type_field_name = {
        .what = "the name of a field such as Remote-User",
        .size = sizeof(char *),
        .parse = field_name_parse,
        .print = field_name_print,
};

const struct type type_field_names = {
        .what = "a list such as [Remote-User, Remote-Groups]",
        .argument = "[NAME, ...]",
        .size = sizeof(struct list),
        .item = &type_field_name,
        .print = type_print_list,
};

#define KEYS_STRUCT config_forward_auth
static const struct key forward_auth_keys[] = {
#include "forward_auth_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void forward_auth_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_forward_auth *auth = target;
	if (auth->ask && !upstreams_path_is_good(auth->ask))
		reader_problem_at(reader, node_find(node, "ask"),
		        "'ask' must be a path such as /verify, not '%.64s'", auth->ask);
}

const struct section table_forward_auth = {
        .what = "an entry of forward-auth",
        .keys = forward_auth_keys,
        .size = sizeof(struct config_forward_auth),
        .check = forward_auth_check,
        .doc = "Another server decides about each request. With a status of 2xx it passes; any "
               "other reply is the client's. If there is none, nothing passes: 502, 503 or 504.",
};

/* -- the groups -------------------------------------------------------------------------------- */

static void proxy_check_site(
        struct reader *reader, const struct node *node, struct config_site *site)
{
	const struct node *list = node_find(node, "proxy");
	for (size_t i = 0; i < site->proxies.count; i++)
		site->proxies.items[i].upstreams = upstreams_resolve(reader, node_item(list, i),
		        site->proxies.items[i].to, CONFIG_PROTOCOL_HTTP);
	list = node_find(node, "forward-auth");
	for (size_t i = 0; i < site->forward_auth.count; i++)
		site->forward_auth.items[i].upstreams = upstreams_resolve(reader,
		        node_item(list, i), site->forward_auth.items[i].to, CONFIG_PROTOCOL_HTTP);
	list = node_find(node, "fastcgi");
	for (size_t i = 0; i < site->fastcgi.count; i++)
		site->fastcgi.items[i].upstreams = upstreams_resolve(reader, node_item(list, i),
		        site->fastcgi.items[i].to, CONFIG_PROTOCOL_FASTCGI);
}

void table_proxy_check(struct reader *reader, const struct node *top)
{
	const struct node *sites = node_find(top, "sites");
	upstreams_check_names(reader, top);
	for (size_t i = 0; i < reader->config->sites.count; i++)
		proxy_check_site(reader, node_item(sites, i), &reader->config->sites.items[i]);
}
