/*
 * The configuration's memory: blocks in a chain, freed together with the snapshots of users and
 * certificates by the last release. Invariant: nothing in a configuration changes once a worker has seen it. How it is
 * read from a file is in config_file.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/peers.h>

#include "config.h"
#include "config_dns.h"
#include "config_ftp.h"
#include "mail_host.h"

struct config_memory {
	struct config_memory *next;
	max_align_t data[];
};

struct config *config_create(void)
{
	struct config *config = calloc(1, sizeof *config);
	if (!config)
		return NULL;
	atomic_init(&config->holds, 1);
	config->mail.separator = "+";
	config->guard.enabled = true;
	config_ftp_default(&config->ftp);
	config_dns_default(&config->dns);
	return config;
}

struct config *config_hold(struct config *config)
{
	atomic_fetch_add(&config->holds, 1);
	return config;
}

static void config_release_users(struct config *config)
{
	for (size_t i = 0; i < config->sites.count; i++) {
		struct config_site *site = &config->sites.items[i];
		for (size_t j = 0; j < site->auth.count; j++)
			weir_users_release(site->auth.items[j].users);
	}
}

void config_release(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->holds, 1) != 1)
		return;
	config_release_users(config);
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		weir_tls_release(config->tls.of[i]);
	weir_mail_routes_release(config->mail.routes);
	weir_users_release(config->mail.users);
	mail_host_release(config->mail.host);
	weir_users_release(config->ftp.users);
	weir_peers_release(config->ftp.peers);
	weir_peers_release(config->http_peers);
	config_dns_release(&config->dns);
	for (struct config_memory *next; config->memory; config->memory = next) {
		next = config->memory->next;
		free(config->memory);
	}
	free(config);
}

void *config_alloc(struct config *config, size_t size)
{
	struct config_memory *memory = calloc(1, sizeof *memory + size);
	if (!memory)
		return NULL;
	memory->next = config->memory;
	config->memory = memory;
	return memory->data;
}

char *config_copy(struct config *config, const char *text, size_t size)
{
	char *copy = config_alloc(config, size + 1);
	if (copy)
		memcpy(copy, text, size);
	return copy;
}

const char *config_log_path(const char *name)
{
	return strcmp(name, "-") == 0 ? "/dev/stdout" : name;
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

bool config_same_log(const struct config *a, const struct config *b, enum config_log log)
{
	const char *one = a->logs[log], *other = b->logs[log];
	return one == other || (one && other && strcmp(one, other) == 0);
}

void config_site_default(struct config_site *site)
{
	*site = (struct config_site){
	        .index = "index.html",
	        .listing = true,
	        .compress = true,
	        .siblings = true,
	};
}

int config_set_root(struct config *config, const char *root)
{
	struct config_site *site = config_alloc(config, sizeof *site);
	const char *copy = config_copy(config, root, strlen(root));
	if (!site || !copy)
		return -ENOMEM;
	config_release_users(config);
	config_site_default(site);
	site->root = copy;
	config->sites.items = site;
	config->sites.count = 1;
	return 0;
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
	config->tls.certificates.items = items;
	config->tls.certificates.count = count;
	return 0;
}
