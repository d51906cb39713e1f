/*
 * The proxies of the sites of one worker. A group of upstreams has connections, so each worker has
 * one for each group that a site uses, which all its sites share.
 */
#ifndef DAEMON_PROXIES_H
#define DAEMON_PROXIES_H

#include <weir/http.h>

struct config_fastcgi;
struct config_forward_auth;
struct config_proxy;
struct config_site;
struct proxies_group;
struct weir_tree;

/* The groups of a worker; NULL at first. */
struct proxies {
	struct proxies_group *first;
};

/* Makes the handler of a proxy. Returns 0 or a negative errno. */
int proxies_create(
        struct proxies *proxies, const struct config_proxy *config, struct weir_http_handler **ret);

/* Makes the handler of forward authentication. Returns 0 or a negative errno. */
int proxies_create_auth(struct proxies *proxies, const struct config_forward_auth *config,
        struct weir_http_handler **ret);

/*
 * Makes the handler of an application that speaks FastCGI. The tree of its scripts becomes the
 * handler's in any case; NULL: it has none. Returns 0 or a negative errno.
 */
int proxies_create_fastcgi(struct proxies *proxies, const struct config_fastcgi *config,
        const struct config_site *site, struct weir_tree *tree, struct weir_http_handler **ret);

/* Takes over what is known of the servers of groups with the same name. Before the start. */
void proxies_inherit(struct proxies *proxies, const struct proxies *from);

/* Starts the health checks, once. Returns 0 or -ENOMEM. */
int proxies_start(struct proxies *proxies, struct weir_loop *loop);

/* Releases the groups; handlers hold those that they use. */
void proxies_finish(struct proxies *proxies);

#endif
