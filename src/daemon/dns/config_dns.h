/*
 * What DNS needs beside its values: the zones, the keys of TSIG, the secrets of cookies.
 *
 * A reload reads the zones anew whose files have changed. One that has mistakes stays as it was
 * before, and all others are renewed; where there was none before, the configuration is refused.
 */
#ifndef DAEMON_CONFIG_DNS_H
#define DAEMON_CONFIG_DNS_H

#include "config.h"

/*
 * What is wrong: `item` is the struct config_zone or config_dns_key that it is about, or NULL; `path`
 * the file that it stands in, or "" if in none; `line` may be 0.
 */
typedef void config_dns_report(
        void *context, const void *item, const char *path, unsigned line, const char *text);

/*
 * Makes the keyring, unless there is one already; reads the secrets of cookies, or takes those of
 * `previous`, which may be NULL. Both block. Return 0 or a negative errno.
 */
int config_dns_load_keys(struct config_dns *dns, config_dns_report *report, void *context);
int config_dns_load_secrets(struct config_dns *dns, const struct config_dns *previous,
        config_dns_report *report, void *context);

/* Why DNS cannot be served, and what to do; NULL: it can. */
const char *config_dns_lack(const struct config *config);

/* Whether servers that serve the one can go on to serve the other. */
bool config_dns_same(const struct config_dns *a, const struct config_dns *b);

/* The same for the caches of what was looked up. */
bool config_dns_same_cache(const struct config_dns *a, const struct config_dns *b);

/* What a responder is made with; it holds the keyring itself. */
struct weir_dns_responder_options config_dns_responder(const struct config_dns *dns);

/* The key of this name, or NULL. */
const struct config_dns_key *config_dns_key(
        const struct config_dns *dns, const struct weir_dns_name *name);

#endif
