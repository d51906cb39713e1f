/* The service of HTTP: the sites of a configuration. */
#ifndef DAEMON_SERVICE_HTTP_H
#define DAEMON_SERVICE_HTTP_H

#include <weir/http.h>

#include "config.h"
#include "service.h"

extern const struct service_type service_http;

/* -- sites ------------------------------------------------------------------------------------- */

/*
 * The sites of a configuration, for one worker. Each is a chain of handlers with file trees of its
 * own, since a tree belongs to one loop.
 */

/*
 * Any thread; blocks on the disk. Holds the configuration. The result has one reference, for the
 * caller, who passes it to a server. Otherwise the caller releases it with weir_http_sites_release:
 * on the loop's thread, or before it served on any thread. Returns NULL on a failure, which was
 * reported.
 */
struct weir_http_sites *sites_create(struct config *config, unsigned tree_entries_max);

/* Returns the configuration of the sites, which lives as long as they do. */
const struct config *sites_config(const struct weir_http_sites *sites);

/*
 * Prepares the sites for the loop that will serve them; it may be called again. Returns 0, or a
 * negative errno: handlers that need the loop cannot answer.
 */
int sites_join(struct weir_http_sites *sites, const struct service_options *options);

/* Takes over what is known of upstreams from the sites before a reload. Before sites_join. */
void sites_inherit(struct weir_http_sites *sites, const struct weir_http_sites *from);

/* See `open_logs` of struct service_type. */
int sites_open_logs(struct weir_http_sites *sites, struct weir_list *logs, struct weir_loop *loop,
        const char *user);

/* See `renew` of struct service_type. */
void sites_renew(struct weir_http_sites *sites);

/* -- files and rules of a site ----------------------------------------------------------------- */

struct site_auths;
struct weir_tree;

struct site_rules_options {
	struct config *config;
	struct config_site *site;
	struct weir_http_handler *files; /* of the site, or NULL */
	struct site_auths *auths;        /* of all sites */
	unsigned tree_entries_max;
};

/* Opens the directory of a site. Returns as weir_tree_open. */
int site_files_open(struct config_site *config, unsigned entries_max, struct weir_tree **ret);

/*
 * Makes a handler for the files of a rule, or of the site if `rule` is NULL. Returns 0 or a
 * negative errno.
 */
int site_files_create(const struct site_rules_options *options, struct config_rule *rule,
        struct weir_http_handler **ret);

/* NULL: the site needs no rules. `changes` is to be freed after the handlers. */
struct site_rule_handlers {
	struct weir_http_handler *check;
	struct weir_http_handler *act;
	struct weir_http_field_change *changes;
};

/*
 * Makes the handlers of a site's rules. Returns 0 or a negative errno; `changes` is set then, too.
 */
int site_rules_create(const struct site_rules_options *options, struct site_rule_handlers *ret);

#endif
