/* The needs of a configuration, once its server process runs. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <weir/smtp_client.h>

#include "acme_store.h"
#include "config.h"
#include "config_acme.h"
#include "landlock.h"
#include "service.h"
#include "service_ftp.h"
#include "store.h"

static void landlock_add(struct landlock_plan *plan, const char *path, bool write)
{
	struct stat status;
	if (!path || stat(path, &status) < 0)
		return;
	for (size_t i = 0; i < plan->path_count; i++)
		if (plan->paths[i].device == status.st_dev &&
		        plan->paths[i].inode == status.st_ino) {
			plan->paths[i].write |= write;
			return;
		}
	if (plan->path_count == LANDLOCK_PATHS_MAX) {
		plan->incomplete = true;
		return;
	}
	if ((plan->path_count & (plan->path_count - 1)) == 0) {
		size_t capacity = plan->path_count ? 2 * plan->path_count : 1;
		struct landlock_path *grown = realloc(plan->paths, capacity * sizeof *grown);
		plan->incomplete |= !grown;
		if (!grown)
			return;
		plan->paths = grown;
	}
	char *copy = strdup(path);
	plan->incomplete |= !copy;
	if (copy)
		plan->paths[plan->path_count++] =
		        (struct landlock_path){copy, write, status.st_dev, status.st_ino};
}

static void landlock_add_port(struct landlock_plan *plan, unsigned port)
{
	for (size_t i = 0; i < plan->port_count; i++)
		if (plan->ports[i] == port)
			return;
	if (plan->port_count == LANDLOCK_PORTS_MAX)
		plan->any_connect = true;
	else
		plan->ports[plan->port_count++] = (uint16_t)port;
}

static void landlock_add_ports(
        struct landlock_plan *plan, const struct weir_address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		landlock_add_port(plan, weir_address_port(&addresses[i]));
}

/* Files that libraries open, and facts on this process. */
static void landlock_add_system(struct landlock_plan *plan)
{
	landlock_add(plan, "/proc/self", false);
	landlock_add(plan, "/dev/urandom", false);
	landlock_add(plan, "/etc/ssl/openssl.cnf", false);
	landlock_add(plan, "/usr/share/zoneinfo", false);
#ifdef WEIR_SANITIZED
	landlock_add(plan, "/proc", true);
	landlock_add(plan, "/tmp", true); /* for reports */
	landlock_add(plan, getenv("WEIR_REPORTS"), true);
#endif
}

/* Of servers whose certificates are verified. */
static void landlock_add_authorities(struct landlock_plan *plan)
{
	landlock_add(plan, "/etc/ssl/certs", false);
	landlock_add(plan, "/usr/share/ca-certificates", false);
	landlock_add(plan, "/usr/local/share/ca-certificates", false);
}

static void landlock_add_mail(struct landlock_plan *plan, const struct config *config)
{
	const struct config_relay *relay = &config->mail.relay;
	landlock_add(plan, config->mail.directory, true);
	if (!relay->host)
		return;
	landlock_add(plan, relay->queue, true);
	landlock_add_authorities(plan);
	landlock_add_port(plan, relay->port ? (unsigned)relay->port
	                        : relay->tls == WEIR_SMTP_CLIENT_TLS_IMPLICIT ? 465
	                                                                      : 25);
	landlock_add_port(plan, 53); /* the resolver of the machine, by TCP */
}

/* The directory of a zone: files that it includes are there, and secondaries write beside it. */
static void landlock_add_zone(struct landlock_plan *plan, const struct config_zone *zone)
{
	char *directory = zone->path ? strdup(zone->path) : NULL;
	plan->incomplete |= zone->path && !directory;
	if (directory)
		landlock_add(plan, dirname(directory), zone->primaries.count > 0);
	free(directory);
	for (size_t i = 0; i < zone->primaries.count; i++)
		landlock_add_ports(plan, &zone->primaries.items[i], 1);
}

static void landlock_add_dns(struct landlock_plan *plan, const struct config *config)
{
	const struct config_dns *dns = &config->dns;
	landlock_add(plan, dns->directory, true);
	for (size_t i = 0; i < dns->zones.count; i++)
		landlock_add_zone(plan, &dns->zones.items[i]);
	landlock_add_ports(plan, dns->forward.items, dns->forward.count);
}

/* The URL was checked: http, https or fastcgi with ://HOST:PORT, or unix:/PATH. */
static void landlock_add_upstream(struct landlock_plan *plan, const char *url)
{
	bool https = strncasecmp(url, "https", 5) == 0;
	unsigned port = https ? 443 : strncasecmp(url, "http:", 5) == 0 ? 80 : WEIR_FASTCGI_PORT;
	const char *colon = strrchr(url, ':'), *bracket = strrchr(url, ']');
	if (strncmp(url, "unix:", 5) == 0) {
		plan->unix_connect = true;
		return;
	}
	if (strstr(url, "+srv://")) {
		/* Records name the port. */
		plan->any_connect = true;
		if (https)
			landlock_add_authorities(plan);
		return;
	}
	/* The last colon is of the scheme, of an address of IPv6, or in front of the port. */
	bool has_port = colon[1] != '/' && (!bracket || bracket < colon);
	landlock_add_port(plan, has_port ? (unsigned)atoi(colon + 1) : port);
	landlock_add_port(plan, 53); /* the resolver of the machine, by TCP */
	if (https)
		landlock_add_authorities(plan);
}

static void landlock_add_upstreams(
        struct landlock_plan *plan, const struct config_upstreams *upstreams)
{
	for (size_t i = 0; upstreams && i < upstreams->servers.count; i++)
		landlock_add_upstream(plan, upstreams->servers.items[i].url);
}

static void landlock_add_site(struct landlock_plan *plan, const struct config_site *site)
{
	landlock_add(plan, site->root, site->uploads.present);
	for (size_t i = 0; i < site->rules.count; i++)
		landlock_add(plan, site->rules.items[i].alias, false);
	for (size_t i = 0; i < site->proxies.count; i++)
		landlock_add_upstreams(plan, site->proxies.items[i].upstreams);
	for (size_t i = 0; i < site->forward_auth.count; i++)
		landlock_add_upstreams(plan, site->forward_auth.items[i].upstreams);
	for (size_t i = 0; i < site->fastcgi.count; i++)
		landlock_add_upstreams(plan, site->fastcgi.items[i].upstreams);
}

static void landlock_add_need(void *context, enum weir_postgres_need need, const char *text)
{
	struct landlock_plan *plan = context;
	switch (need) {
	case WEIR_POSTGRES_CONNECTS:
		landlock_add_port(plan, (unsigned)atoi(text));
		break;
	case WEIR_POSTGRES_CONNECTS_UNIX:
		plan->unix_connect = true;
		break;
	case WEIR_POSTGRES_LOOKS_UP:
		landlock_add_port(plan, 53); /* the resolver of the machine, by TCP */
		break;
	case WEIR_POSTGRES_READS:
		landlock_add(plan, text, false);
		break;
	}
}

/* The URL was checked. */
static void landlock_add_database(struct landlock_plan *plan, const struct config *config)
{
	struct weir_postgres_options options;
	char why[WEIR_POSTGRES_WHY_MAX];
	store_options(config, STORE_ANY_USER, &options);
	weir_postgres_list_needs(&options, landlock_add_need, plan, why);
}

static void landlock_add_store(struct landlock_plan *plan, const struct config *config)
{
	landlock_add(plan, config->store.directory, true);
	landlock_add_database(plan, config);
}

/* A folder of the directory of certificates. */
static void landlock_add_folder(
        struct landlock_plan *plan, const struct config_acme *acme, const char *folder)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", acme->directory, folder);
	landlock_add(plan, path, false);
}

/* The folders that the other process writes; not the keys. */
static void landlock_add_proofs(struct landlock_plan *plan, const struct config_acme *acme)
{
	landlock_add_folder(plan, acme, ACME_CHALLENGES);
	landlock_add_folder(plan, acme, ACME_STATES);
	landlock_add_folder(plan, acme, ACME_SERIALS);
}

/* Of a URL that acme_url_is_good has accepted. */
static void landlock_add_authority(struct landlock_plan *plan, const char *url)
{
	const char *host = url + sizeof "https://" - 1;
	size_t size = strcspn(host, "/?#");
	const char *colon = memrchr(host, ':', size), *bracket = memrchr(host, ']', size);
	bool has_port = colon && (!bracket || bracket < colon);
	landlock_add_port(plan, has_port ? (unsigned)atoi(colon + 1) : 443);
}

void landlock_plan_acme(const struct config *config, struct landlock_plan *ret)
{
	*ret = (struct landlock_plan){0};
	landlock_add_system(ret);
	landlock_add_authorities(ret);
	landlock_add(ret, config->acme.directory, true);
	for (size_t i = 0; i < config->acme.authorities.count; i++)
		landlock_add_authority(ret, config->acme.authorities.items[i].url);
	if (config_acme_is_shared(config))
		landlock_add_database(ret, config);
	landlock_add_port(ret, 53); /* the resolver of the machine, by TCP */
}

void landlock_plan(const struct config *config, struct landlock_plan *ret)
{
	*ret = (struct landlock_plan){0};
	landlock_add_system(ret);
	for (size_t i = 0; i < config->sites.count; i++)
		landlock_add_site(ret, &config->sites.items[i]);
	if (listeners_include(config, SERVICE_FTP)) {
		landlock_add(ret, config_ftp_root(config),
		        config->ftp.writable || config->ftp.anonymous_writes);
		ret->any_bind = ret->any_connect = true;
	}
	if (listeners_include(config, SERVICE_SMTP) || listeners_include(config, SERVICE_POP3))
		landlock_add_mail(ret, config);
	landlock_add_dns(ret, config);
	if (config->store.url)
		landlock_add_store(ret, config);
	if (config->acme.managed.count)
		landlock_add_proofs(ret, &config->acme);
	if (config->admin.listens)
		ret->bind_port = (uint16_t)weir_address_port(&config->admin.address);
}

void landlock_plan_finish(struct landlock_plan *plan)
{
	for (size_t i = 0; i < plan->path_count; i++)
		free(plan->paths[i].path);
	free(plan->paths);
	*plan = (struct landlock_plan){0};
}

/* -- comparison -------------------------------------------------------------------------------- */

static bool landlock_covers_path(const struct landlock_plan *plan, const struct landlock_path *path)
{
	for (size_t i = 0; i < plan->path_count; i++)
		if (plan->paths[i].device == path->device && plan->paths[i].inode == path->inode)
			return plan->paths[i].write || !path->write;
	return false;
}

static bool landlock_covers_port(const struct landlock_plan *plan, uint16_t port)
{
	for (size_t i = 0; i < plan->port_count; i++)
		if (plan->ports[i] == port)
			return true;
	return plan->any_connect;
}

bool landlock_covers(const struct landlock_plan *plan, const struct landlock_plan *other)
{
	bool covers = (plan->any_bind ||
	                      (!other->any_bind && (!other->bind_port ||
	                                                   other->bind_port == plan->bind_port))) &&
	              (plan->any_connect || !other->any_connect);
	for (size_t i = 0; i < other->path_count && covers; i++)
		covers = landlock_covers_path(plan, &other->paths[i]);
	for (size_t i = 0; i < other->port_count && covers; i++)
		covers = landlock_covers_port(plan, other->ports[i]);
	return covers;
}
