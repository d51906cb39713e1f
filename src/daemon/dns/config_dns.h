/*
 * The configuration of DNS: keys of TSIG, secrets of cookies, zones, and what a reload changes. Its
 * keys are in table_dns.c.
 */
#ifndef DAEMON_CONFIG_DNS_H
#define DAEMON_CONFIG_DNS_H

#include "config.h"

struct options;

/*
 * Reports a mistake. `item` is the struct config_zone or config_dns_key that has it, or NULL;
 * `path` is the file that contains it, or "" for none; `line` may be 0.
 */
typedef void config_dns_report(
        void *context, const void *item, const char *path, unsigned line, const char *text);

/*
 * The first creates the keyring, unless there is one already. The second reads the secrets of
 * cookies, or copies those of `previous`, which may be NULL. Both block, and return 0 or a negative
 * errno.
 */
int config_dns_load_keys(struct config_dns *dns, config_dns_report *report, void *context);
int config_dns_load_secrets(struct config_dns *dns, const struct config_dns *previous,
        config_dns_report *report, void *context);

/* Warns of keys of files whose secrets are short. Keys that have not been loaded do not count. */
void config_dns_warn(const struct config *config);

/* Whether a listener or a site answers DNS. */
bool config_dns_is_served(const struct config *config);

/* Returns why DNS cannot be served, and what to do; NULL if it can. */
const char *config_dns_lack(const struct config *config);

/* Whether the servers of one configuration can go on with the other. */
bool config_dns_same(const struct config_dns *a, const struct config_dns *b);

/* Whether the caches of one configuration can go on with the other. */
bool config_dns_same_cache(const struct config_dns *a, const struct config_dns *b);

/* The options of a responder, which holds the keyring itself. */
struct weir_dns_responder_options config_dns_responder(const struct config_dns *dns);

/* Returns the key of this name, or NULL. */
const struct config_dns_key *config_dns_key(
        const struct config_dns *dns, const struct weir_dns_name *name);

/* -- zones ------------------------------------------------------------------------------------- */

/*
 * The zones of a configuration. A reload loads the zones whose files have changed. If a changed
 * file has mistakes, its zone stays as it was; if the zone is new, the configuration is refused.
 */

/*
 * Loads keys, secrets and zones; blocks. `previous` is the configuration in effect, or NULL.
 * Returns 0 or a negative errno. Can be called again when zones have changed.
 */
int config_dns_load(struct config *config, const struct config *previous, config_dns_report *report,
        void *context);

/* Releases the zones, and `by_name`. */
void config_zones_release(struct config_dns *dns);

/* Releases everything, and erases the secrets. For config_on_release. */
void config_dns_release(struct config *config);

/* The versions of zones that are served. A function may return NULL: not that zone. */
struct config_zones_versions {
	/* Of a zone of the configuration. */
	struct weir_dns_zone *(*configured)(void *context, const struct config_zone *zone);
	/* Of a zone of the database; those that the configuration has, too, do not count. */
	struct weir_dns_zone *(*stored)(void *context, size_t index);
	size_t stored_count;
	void *context;
};

/*
 * Creates a set of all zones, each with its policy: its own, or that of `database-zones`. Returns 0
 * or a negative errno.
 */
int config_zones_set(const struct config_dns *dns, const struct config_zones_versions *versions,
        struct weir_dns_zones **ret);

/* Returns the loaded zone of this name, or NULL. */
struct config_zone *config_zones_find(
        const struct config_dns *dns, const struct weir_dns_name *name);

/* -- options of the command line --------------------------------------------------------------- */

/*
 * Replaces keys of the file by the options, and checks that there is something to answer from.
 * `previous` is the configuration in effect, or NULL. Returns 0 or a negative errno, which was
 * reported.
 */
int load_dns(struct config *config, const struct options *options, const struct config *previous);

#endif
