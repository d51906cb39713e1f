/*
 * Loads the keys of TSIG and the secrets of cookies, and compares configurations of DNS. Zones are
 * loaded by config_zones.h.
 */
#ifndef DAEMON_CONFIG_DNS_H
#define DAEMON_CONFIG_DNS_H

#include "config.h"

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

#endif
