/*
 * The keys of a site, and the rules between them: no name in two sites, no redirects that go in a
 * circle.
 */
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/transformers.h>

#include "config.h"
#include "service.h"
#include "store.h"
#include "table.h"
#include "table_rule.h"
#include "types.h"

/* -- uploads ----------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_uploads
static const struct key upload_keys[] = {
#include "upload_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void uploads_begin(void *target)
{
	((struct config_uploads *)target)->present = true;
}

static bool uploads_are_present(const void *target)
{
	return ((const struct config_uploads *)target)->present;
}

static const struct section table_uploads = {
        .what = "uploads",
        .keys = upload_keys,
        .size = sizeof(struct config_uploads),
        .begin = uploads_begin,
        .is_present = uploads_are_present,
        .doc = "Allows clients to write files. Use `auth` to require a password for it.",
};

/* -- passwords --------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_auth
static const struct key auth_keys[] = {
#include "auth_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void auth_check(struct reader *reader, struct node *node, void *target)
{
	struct config_auth *auth = target;
	table_load_users(reader, node, auth->realm, auth->users_path, &auth->users);
}

static const struct section table_auth = {
        .what = "an entry of auth",
        .keys = auth_keys,
        .size = sizeof(struct config_auth),
        .check = auth_check,
        .doc = "Parts of the site that require a password (Basic authentication).",
};

/* -- redirects --------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_redirect
static const struct key redirect_keys[] = {
#include "redirect_keys.def"
        {0},
};
#undef KEYS_STRUCT

static bool redirect_status_is_good(uint64_t status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void redirect_check(struct reader *reader, struct node *node, void *target)
{
	struct config_redirect *redirect = target;
	const struct node *to = node_find(node, "to");
	if (!redirect_status_is_good(redirect->status))
		reader_problem_at(reader, node_find(node, "status"),
		        "'status' must be 301, 302, 303, 307 or 308");
	if (!redirect->to)
		return;
	bool absolute = strncmp(redirect->to, "http://", 7) == 0 ||
	                strncmp(redirect->to, "https://", 8) == 0;
	if ((redirect->to[0] != '/' && !absolute) || strpbrk(redirect->to, " \"<>\\"))
		reader_problem_at(reader, to,
		        "'to' must begin with http://, https:// or /, and contain no spaces");
	else if (redirect->from && redirect->to[0] == '/' &&
	         strcmp(redirect->from, redirect->to + 1) == 0)
		reader_problem_at(reader, to, "this redirect leads to itself");
}

static const struct section table_redirect = {
        .what = "a redirect",
        .keys = redirect_keys,
        .size = sizeof(struct config_redirect),
        .check = redirect_check,
        .doc = "Paths that moved. The first redirect that fits is used.",
};

static bool redirect_is_below(const char *path, const char *prefix)
{
	size_t size = strlen(prefix);
	return strncmp(path, prefix, size) == 0 &&
	       (size == 0 || path[size] == 0 || path[size] == '/');
}

/* Replaces a path by the one that it is redirected to. Returns false if it is not redirected. */
static bool redirect_path(const struct config_site *site, char *path, size_t room)
{
	char rest[CONFIG_REDIRECT_PATH_MAX];
	for (size_t i = 0; i < site->redirects.count; i++) {
		const struct config_redirect *rule = &site->redirects.items[i];
		if (!rule->from || !rule->to || !redirect_is_below(path, rule->from))
			continue;
		if (rule->to[0] != '/')
			return false;
		const char *behind = path + strlen(rule->from);
		snprintf(rest, sizeof rest, "%s", *behind == '/' ? behind + 1 : behind);
		const char *to = rule->to + strspn(rule->to, "/");
		size_t size = strlen(to);
		while (size && to[size - 1] == '/')
			size--;
		int put = snprintf(
		        path, room, "%.*s%s%s", (int)size, to, size && rest[0] ? "/" : "", rest);
		return put >= 0 && (size_t)put < room;
	}
	return false;
}

/* Clients give up after about twenty redirects: a longer chain is taken for a circle. */
static bool redirect_is_circular(const struct config_site *site, const char *from)
{
	char path[CONFIG_REDIRECT_PATH_MAX];
	unsigned steps = 0;
	snprintf(path, sizeof path, "%s", from);
	while (steps < CONFIG_REDIRECT_STEPS_MAX && redirect_path(site, path, sizeof path))
		steps++;
	return steps == CONFIG_REDIRECT_STEPS_MAX;
}

static void redirect_check_all(
        struct reader *reader, const struct node *node, const struct config_site *site)
{
	const struct node *list = node_find(node, "redirect");
	for (size_t i = 0; i < site->redirects.count; i++) {
		const struct config_redirect *rule = &site->redirects.items[i];
		bool itself = rule->from && rule->to && rule->to[0] == '/' &&
		              strcmp(rule->from, rule->to + 1) == 0;
		if (rule->from && !itself && redirect_is_circular(site, rule->from))
			reader_problem_at(reader, node_find(node_item(list, i), "to"),
			        "from '/%.64s' the redirects of this site lead in a circle",
			        rule->from);
	}
}

/* -- sites ------------------------------------------------------------------------------------- */

static const char *const doh_words[] = {
        [CONFIG_DOH_OFF] = "off", [CONFIG_DOH_ON] = "on", [CONFIG_DOH_CLEAR] = "clear", NULL};

#define KEYS_STRUCT config_site
static const struct key site_keys[] = {
#include "site_keys.def"
#undef KEYS_MEMBER
#define KEYS_MEMBER settings.
#include "setting_keys.def"
#undef KEYS_MEMBER
#define KEYS_MEMBER
#include "rules_key.def"
        {0},
};
#undef KEYS_STRUCT

/* Whether no request reaches the files. */
static bool site_is_proxied(const struct config_site *site)
{
	for (size_t i = 0; i < site->fastcgi.count; i++)
		if (site->fastcgi.items[i].path && !*site->fastcgi.items[i].path &&
		        !config_fastcgi_has_scripts(&site->fastcgi.items[i]))
			return true;
	for (size_t i = 0; i < site->proxies.count; i++)
		if (site->proxies.items[i].path && !*site->proxies.items[i].path)
			return true;
	return false;
}

static void site_check_root(struct reader *reader, const struct node *node)
{
	if (!node_find(node, "root"))
		reader_problem_at(reader, node,
		        node_find(node, "proxy") ? "a site lacks 'root', or 'proxy' with the path /"
		                                 : "a site lacks 'root'");
}

static void site_check_uploads(
        struct reader *reader, const struct node *node, const struct config_site *site)
{
	if (site->uploads.present && !node_find(node, "root"))
		reader_problem_at(reader, node_find(node, "uploads"),
		        "'uploads' needs 'root': the directory that clients write to");
}

static void site_check(struct reader *reader, struct node *node, void *target)
{
	struct config_site *site = target;
	redirect_check_all(reader, node, site);
	if (!site_is_proxied(site))
		site_check_root(reader, node);
	else
		site_check_uploads(reader, node, site);
	table_fastcgi_check_site(reader, node, site);
	if (site->settings.index)
		table_complete_rules(reader, node, &table_site, site);
}

const struct section table_site = {
        .what = "a site",
        .keys = site_keys,
        .size = sizeof(struct config_site),
        .check = site_check,
        .doc = "A site is a directory that is served by HTTP under some host names. A request "
               "passes `redirect-to-https`, the checks of `rules`, `redirect`, `auth`, `forward-auth`, "
               "what `rules` do, `proxy`, `fastcgi`, `uploads` and the files, in this order.",
};

/* Whether a site before number `before` has the name. */
static bool site_has_name(const struct config *config, size_t before, const char *name)
{
	for (size_t i = 0; i < before; i++)
		for (size_t j = 0; j < config->sites.items[i].names.count; j++)
			if (strcasecmp(config->sites.items[i].names.items[j], name) == 0)
				return true;
	return false;
}

static void site_check_names(struct reader *reader, const struct node *item, size_t index)
{
	const struct config *config = reader->config;
	const struct config_site *site = &config->sites.items[index];
	const struct node *names = node_find(item, "names");
	if (index && !names)
		reader_problem_at(reader, item,
		        "this site is never reached without 'names': the first site answers for "
		        "all other names");
	for (size_t i = 0; i < site->names.count; i++)
		if (site_has_name(config, index, site->names.items[i]))
			reader_problem_at(reader, names,
			        "another site has the name '%.64s' already", site->names.items[i]);
}

/* Nobody would be served, since nobody is asked for a certificate. */
static void site_check_certificates(
        struct reader *reader, const struct node *item, const struct config_site *site)
{
	const struct node *rules = node_find(item, "rules"), *ca = node_find(item, "clients-ca");
	if (ca && !listeners_include_https(reader->config))
		reader_problem_at(reader, ca, "'clients-ca' is not used: 'listen' has no https");
	else if (ca && site->names.count == 0)
		reader_problem_at(reader, ca,
		        "'clients-ca' needs 'names', by which clients choose the site; for all "
		        "names it belongs to 'tls'");
	if (ca || reader->config->tls.clients != WEIR_TLS_CLIENTS_ANY)
		return;
	for (size_t i = 0; i < site->rules.count + 1; i++) {
		const struct node *at = i < site->rules.count ? node_item(rules, i) : item;
		if (node_find(at, "client-certificate") &&
		        (i < site->rules.count ? site->rules.items[i].settings.certificate
		                               : site->settings.certificate))
			reader_problem_at(reader, node_find(at, "client-certificate"),
			        "'client-certificate' needs 'clients-ca', or 'clients' in 'tls': optional "
			        "or required");
	}
}

static void site_check_auth(struct reader *reader, const struct node *item, const char *path)
{
	if (item && !path && !node_find(item, "users") && !store_has(reader->config, STORE_USERS))
		reader_problem_at(reader, item,
		        "'auth' lacks 'users': name a file, or have users in 'store'");
}

static void site_check_users(
        struct reader *reader, const struct node *item, const struct config_site *site)
{
	const struct node *list = node_find(item, "auth"), *rules = node_find(item, "rules");
	for (size_t i = 0; i < site->auth.count; i++)
		site_check_auth(reader, node_item(list, i), site->auth.items[i].users_path);
	for (size_t i = 0; i < site->rules.count; i++)
		if (site->rules.items[i].auth.present)
			site_check_auth(reader, node_find(node_item(rules, i), "auth"),
			        site->rules.items[i].auth.users_path);
}

void table_http_check(struct reader *reader, const struct node *top)
{
	const struct config *config = reader->config;
	const struct node *list = node_find(top, "sites");
	if (list && list->type == NODE_LIST && list->count == 0)
		reader_problem_at(
		        reader, list, "'sites' is empty; it needs a site with a 'root' at least");
	for (size_t i = 0; i < config->sites.count; i++) {
		const struct node *item = node_item(list, i);
		site_check_names(reader, item, i);
		site_check_certificates(reader, item, &config->sites.items[i]);
		site_check_users(reader, item, &config->sites.items[i]);
		if (config->sites.items[i].redirect_to_https && !listeners_include_https(config) &&
		        !listeners_have_forwarders(config))
			reader_problem_at(reader, node_find(item, "redirect-to-https"),
			        "'redirect-to-https' leads nowhere: 'listen' has no https");
	}
}
