/*
 * Makes the chain of handlers of a site, in the order in which a request passes them: proofs of the
 * name, for certificates; redirects to https, the checks of rules, redirects, passwords, forward
 * authentication, what rules do, DNS, proxies, FastCGI, uploads, files. Invariant: a handler that
 * asks for a password, or for consent, comes before all handlers that it protects.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http_redirect.h>
#include <weir/http_upload.h>
#include <weir/list.h>
#include <weir/tree.h>

#include "acme_proofs.h"
#include "log_file.h"
#include "proxies.h"
#include "say.h"
#include "service_dns.h"
#include "service_http.h"
#include "site_auths.h"

struct sites_entry {
	struct weir_http_site site;
	struct weir_http_handler *doh;          /* of its chain, or NULL */
	struct log_file *log;                   /* its own, held; or NULL */
	struct weir_http_field_change *changes; /* of its rules */
};

struct site_set {
	struct weir_http_sites sites;
	struct config *config; /* names are borrowed from it */
	struct proxies proxies;
	struct site_auths auths;
	size_t count;
	struct sites_entry items[];
};

static void sites_destroy(struct weir_http_sites *sites)
{
	struct site_set *set = WEIR_CONTAINER(sites, struct site_set, sites);
	for (size_t i = 0; i < set->count; i++) {
		weir_http_handlers_destroy(set->items[i].site.handlers);
		log_file_release(set->items[i].log);
		free(set->items[i].changes);
	}
	proxies_finish(&set->proxies);
	site_auths_finish(&set->auths);
	config_release(set->config);
	free(set);
}

const struct config *sites_config(const struct weir_http_sites *sites)
{
	return WEIR_CONTAINER(sites, const struct site_set, sites)->config;
}

/* -- a site's chain ---------------------------------------------------------------------------- */

/* Appends a handler. Returns 0, or -ENOMEM if a constructor returned NULL. */
static int sites_append(struct weir_http_site *site, struct weir_http_handler *handler)
{
	struct weir_http_handler **last = &site->handlers;
	if (!handler)
		return -ENOMEM;
	while (*last)
		last = &(*last)->next;
	*last = handler;
	return 0;
}

static int sites_add_redirects(struct weir_http_site *site, const struct config_site *config)
{
	int error = 0;
	for (size_t i = 0; i < config->redirects.count && error == 0; i++) {
		const struct config_redirect *rule = &config->redirects.items[i];
		error = sites_append(site,
		        weir_http_redirect_create(rule->from, rule->to, (unsigned)rule->status));
	}
	return error;
}

static int sites_add_proofs(struct weir_http_site *site, const struct config *config)
{
	return config->acme.managed.count && config->acme.http_01
	               ? sites_append(site, acme_proof_handler_create(config->acme.directory))
	               : 0;
}

static int sites_add_https(
        struct weir_http_site *site, const struct config_site *config, unsigned port)
{
	return config->redirect_to_https ? sites_append(site, weir_http_https_redirect_create(port))
	                                 : 0;
}

static int sites_add_auth(
        struct weir_http_site *site, const struct config_site *config, struct site_auths *auths)
{
	int error = 0;
	for (size_t i = 0; i < config->auth.count && error == 0; i++) {
		const struct config_auth *rule = &config->auth.items[i];
		const struct site_auth auth = {
		        rule->users_path, &rule->users, rule->realm, rule->path};
		struct weir_http_handler *handler;
		error = site_auths_create(auths, &auth, &handler);
		if (error == 0)
			error = sites_append(site, handler);
	}
	return error;
}

static int sites_add_dns(
        struct sites_entry *entry, struct config *all, const struct config_site *config)
{
	if (config->doh == CONFIG_DOH_OFF)
		return 0;
	entry->doh = doh_create(all, config->doh == CONFIG_DOH_CLEAR);
	return sites_append(&entry->site, entry->doh);
}

static int sites_add_forward_auth(
        struct weir_http_site *site, const struct config_site *config, struct proxies *proxies)
{
	int error = 0;
	for (size_t i = 0; i < config->forward_auth.count && error == 0; i++) {
		struct weir_http_handler *handler;
		error = proxies_create_auth(proxies, &config->forward_auth.items[i], &handler);
		if (error == 0)
			error = sites_append(site, handler);
	}
	return error;
}

static int sites_add_proxies(
        struct weir_http_site *site, const struct config_site *config, struct proxies *proxies)
{
	int error = 0;
	for (size_t i = 0; i < config->proxies.count && error == 0; i++) {
		struct weir_http_handler *handler;
		error = proxies_create(proxies, &config->proxies.items[i], &handler);
		if (error == 0)
			error = sites_append(site, handler);
	}
	return error;
}

static int sites_add_fastcgi(struct weir_http_site *site, struct config_site *config,
        struct proxies *proxies, unsigned entries_max)
{
	int error = 0;
	for (size_t i = 0; i < config->fastcgi.count && error == 0; i++) {
		const struct config_fastcgi *rule = &config->fastcgi.items[i];
		struct weir_http_handler *handler;
		struct weir_tree *tree = NULL;
		if (config_fastcgi_has_scripts(rule))
			error = site_files_open(config, entries_max, &tree);
		if (error == 0)
			error = proxies_create_fastcgi(proxies, rule, config, tree, &handler);
		if (error == 0)
			error = sites_append(site, handler);
	}
	return error;
}

static int sites_add_uploads(
        struct weir_http_site *site, struct config_site *config, unsigned entries_max)
{
	struct weir_tree *tree;
	if (!config->uploads.present)
		return 0;
	int error = site_files_open(config, entries_max, &tree);
	if (error < 0)
		return error;
	struct weir_http_upload_options options;
	weir_http_upload_options_init(&options);
	if (config->uploads.prefix)
		options.prefix = config->uploads.prefix;
	options.max_size = config->uploads.max_size;
	options.mode = config->uploads.mode;
	options.put = config->uploads.put;
	options.remove = config->uploads.remove;
	options.forms = config->uploads.forms;
	return sites_append(site, weir_http_upload_create(tree, &options));
}

/* The files are the last of a chain, and made first, since rules refer to them. */
static int sites_make_files(struct site_rules_options *options, struct site_rule_handlers *ret)
{
	int error = options->site->root ? site_files_create(options, NULL, &options->files) : 0;
	return error < 0 ? error : site_rules_create(options, ret);
}

/* Appends a handler that is there, also after an error, so that the chain frees it. */
static void sites_append_made(struct weir_http_site *site, struct weir_http_handler *handler)
{
	if (handler)
		sites_append(site, handler);
}

static int sites_add_protection(struct site_set *set, struct weir_http_site *site,
        const struct config_site *config, struct weir_http_handler *check)
{
	int error = sites_add_https(site, config, set->config->https_port);
	sites_append_made(site, check);
	if (error == 0)
		error = sites_add_redirects(site, config);
	if (error == 0)
		error = sites_add_auth(site, config, &set->auths);
	return error ? error : sites_add_forward_auth(site, config, &set->proxies);
}

static int sites_fill_site(struct site_set *set, size_t index, unsigned entries_max)
{
	struct sites_entry *entry = &set->items[index];
	struct config *all = set->config;
	struct config_site *config = &all->sites.items[index];
	struct weir_http_site *site = &entry->site;
	struct site_rules_options options = {
	        .config = all,
	        .site = config,
	        .auths = &set->auths,
	        .tree_entries_max = entries_max,
	};
	struct site_rule_handlers rules = {0};
	site->names = config->names.items;
	int error = sites_make_files(&options, &rules);
	entry->changes = rules.changes;
	if (error == 0)
		error = sites_add_proofs(site, all);
	if (error == 0)
		error = sites_add_protection(set, site, config, rules.check);
	else
		sites_append_made(site, rules.check);
	sites_append_made(site, rules.act);
	if (error == 0)
		error = sites_add_dns(entry, all, config);
	if (error == 0)
		error = sites_add_proxies(site, config, &set->proxies);
	if (error == 0)
		error = sites_add_fastcgi(site, config, &set->proxies, entries_max);
	if (error == 0)
		error = sites_add_uploads(site, config, entries_max);
	sites_append_made(site, options.files);
	if (error < 0)
		say("cannot serve %s: %s",
		        config->root            ? config->root
		        : config->proxies.count ? config->proxies.items[0].to
		                                : config->fastcgi.items[0].to,
		        weir_error_text(error));
	return error;
}

struct weir_http_sites *sites_create(struct config *config, unsigned tree_entries_max)
{
	size_t count = config->sites.count;
	struct site_set *set = calloc(1, sizeof *set + count * sizeof set->items[0]);
	if (!set || site_auths_init(&set->auths, config) < 0) {
		say("out of memory");
		free(set);
		return NULL;
	}
	set->sites = (struct weir_http_sites){&set->items[0].site, 1, sites_destroy};
	set->config = config_hold(config);
	set->count = count;
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count)
			set->items[i].site.next = &set->items[i + 1].site;
		if (sites_fill_site(set, i, tree_entries_max) < 0) {
			weir_http_sites_release(&set->sites);
			return NULL;
		}
	}
	return &set->sites;
}

int sites_open_logs(struct weir_http_sites *sites, struct weir_list *logs, struct weir_loop *loop,
        const char *user)
{
	struct site_set *set = WEIR_CONTAINER(sites, struct site_set, sites);
	for (size_t i = 0; i < set->count; i++) {
		struct sites_entry *entry = &set->items[i];
		struct log_file *log = NULL;
		const char *path = set->config->sites.items[i].access_log;
		int error = path && *path ? log_file_open(logs, loop, user, path, &log) : 0;
		if (error < 0)
			return error;
		entry->log = log_file_hold(log);
		entry->site.own_log = path;
		entry->site.log = log ? log->log : NULL;
	}
	return 0;
}

int sites_join(struct weir_http_sites *sites, const struct service_options *options)
{
	struct site_set *set = WEIR_CONTAINER(sites, struct site_set, sites);
	int error = 0;
	for (size_t i = 0; i < set->count && error == 0; i++)
		if (set->items[i].doh)
			error = doh_join(set->items[i].doh, options);
	return error ? error : proxies_start(&set->proxies, options->loop);
}

void sites_inherit(struct weir_http_sites *sites, const struct weir_http_sites *from)
{
	proxies_inherit(&WEIR_CONTAINER(sites, struct site_set, sites)->proxies,
	        &WEIR_CONTAINER(from, const struct site_set, sites)->proxies);
}

void sites_renew(struct weir_http_sites *sites)
{
	struct site_set *set = WEIR_CONTAINER(sites, struct site_set, sites);
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i].doh)
			doh_renew(set->items[i].doh);
	site_auths_renew(&set->auths);
}
