/*
 * The life of a configuration: its memory, which the last release frees together with the snapshots
 * of users and certificates. Invariant: nothing in a configuration changes once a worker has seen
 * it.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/ftp.h>
#include <weir/http_files.h>
#include <weir/http_proxy.h>
#include <weir/peers.h>

#include "config.h"
#include "key_client.h"
#include "say.h"

struct config *config_create(void)
{
	struct config *config = calloc(1, sizeof *config);
	if (config)
		refcount_init(&config->references);
	return config;
}

struct config *config_hold(struct config *config)
{
	refcount_hold(&config->references);
	return config;
}

bool config_separates(enum config_separation separation, const char *user)
{
	if (separation != CONFIG_SEPARATION_AUTO)
		return separation == CONFIG_SEPARATION_YES;
	const struct passwd *entry = user && geteuid() == 0 ? getpwnam(user) : NULL;
	return !entry || entry->pw_uid != 0;
}

bool config_is_separated(const struct config *config)
{
	return config_separates(config->separation, config->user);
}

void config_on_release(struct config *config, void (*release)(struct config *config))
{
	for (size_t i = 0; i < CONFIG_RELEASES_MAX; i++) {
		if (config->releases[i] == release)
			return;
		if (config->releases[i])
			continue;
		config->releases[i] = release;
		return;
	}
	assert(!"CONFIG_RELEASES_MAX is too small");
}

void config_each_auth(const struct config *config, config_auth_fn *visit, void *context)
{
	for (size_t i = 0; i < config->sites.count; i++) {
		struct config_site *site = &config->sites.items[i];
		for (size_t j = 0; j < site->auth.count; j++)
			visit(context, site->auth.items[j].users_path, &site->auth.items[j].users);
		for (size_t j = 0; j < site->rules.count; j++) {
			struct config_rule_auth *auth = &site->rules.items[j].auth;
			if (auth->present)
				visit(context, auth->users_path, &auth->users);
		}
	}
}

static void config_release_auth(void *context, const char *path, struct weir_users **users)
{
	(void)context, (void)path;
	weir_users_release(*users);
	*users = NULL;
}

void config_release_users(struct config *config)
{
	config_each_auth(config, config_release_auth, NULL);
	for (size_t i = 0; i < config->sites.count; i++) {
		struct config_site *site = &config->sites.items[i];
		for (size_t j = 0; j < site->rules.count; j++) {
			weir_http_token_keys_release(site->rules.items[j].bearer.keys);
			site->rules.items[j].bearer.keys = NULL;
		}
	}
}

void config_release_upstreams(struct config *config)
{
	for (size_t i = 0; i < config->upstreams.count; i++) {
		weir_tls_release(config->upstreams.items[i].tls);
		weir_http_health_release(config->upstreams.items[i].health);
		config->upstreams.items[i].tls = NULL;
		config->upstreams.items[i].health = NULL;
	}
	for (; config->singles; config->singles = config->singles->next)
		weir_tls_release(config->singles->tls);
}

void config_release(struct config *config)
{
	if (!config || !refcount_release(&config->references))
		return;
	for (size_t i = 0; i < CONFIG_RELEASES_MAX && config->releases[i]; i++)
		config->releases[i](config);
	config_release_users(config);
	config_release_upstreams(config);
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		weir_tls_release(config->tls.of[i]);
	key_client_release(config->tls.keys);
	explicit_bzero(config->store.seal, sizeof config->store.seal);
	weir_mail_routes_release(config->mail.routes);
	weir_users_release(config->mail.users);
	weir_users_release(config->ftp.users);
	weir_users_release(config->admin.users);
	weir_peers_release(config->ftp.peers);
	weir_ftp_ports_release(config->ftp.ports);
	weir_peers_release(config->http_peers);
	weir_http_compressed_cache_release(config->compressed_cache);
	memory_free(&config->memory);
	free(config);
}

void *config_alloc(struct config *config, size_t size)
{
	return memory_alloc(&config->memory, size);
}

char *config_copy(struct config *config, const char *text, size_t size)
{
	return memory_copy(&config->memory, text, size);
}

char *config_path(struct config *config, const char *directory, const char *name)
{
	size_t prefix = strlen(directory), size = strlen(name);
	if (name[0] == '/')
		return config_copy(config, name, size);
	char *path = config_alloc(config, prefix + size + 2);
	if (path)
		snprintf(path, prefix + size + 2, "%s/%s", directory, name);
	return path;
}

int config_absolute_path(struct config *config, const char *path, const char **ret)
{
	char directory[PATH_MAX];
	*ret = path;
	if (path[0] == '/')
		return 0;
	if (!getcwd(directory, sizeof directory)) {
		int error = -errno;
		say("cannot find the directory of %s: %s", path, weir_error_text(error));
		return error;
	}
	*ret = config_path(config, directory, path);
	if (*ret)
		return 0;
	say("out of memory");
	return -ENOMEM;
}

bool config_same_log(const struct config *a, const struct config *b, enum config_log log)
{
	const char *one = a->logs[log], *other = b->logs[log];
	if (a->log_format != b->log_format)
		return false;
	return one == other || (one && other && strcmp(one, other) == 0);
}

int config_set_listeners(
        struct config *config, const struct config_listener *listeners, size_t count)
{
	struct config_listener *items = config_alloc(config, count * sizeof *items);
	if (!items)
		return -ENOMEM;
	memcpy(items, listeners, count * sizeof *items);
	config->listeners.items = items;
	config->listeners.count = count;
	return 0;
}

int config_set_certificates(
        struct config *config, const struct weir_tls_certificate *certificates, size_t count)
{
	struct weir_tls_certificate *items = config_alloc(config, count * sizeof *items);
	if (!items)
		return -ENOMEM;
	memcpy(items, certificates, count * sizeof *items);
	config->tls.certificates.items = config->tls.all.items = items;
	config->tls.certificates.count = config->tls.all.count = count;
	config->acme.managed.count = 0;
	return 0;
}
