/*
 * The state that all servers of mail share, on all workers: the mailboxes, and the number of
 * connections of each peer.
 *
 * It is reference counted: configurations and servers hold it, and a reload that does not change it
 * goes on with it. Any thread may hold and release it.
 */
#ifndef DAEMON_MAIL_HOST_H
#define DAEMON_MAIL_HOST_H

#include "config.h"
#include "resources.h"

struct weir_mail_store;
struct weir_peers;

struct mail_host {
	atomic_uint holds;
	struct weir_mail_store *store;
	struct weir_peers *peers;
};

/*
 * `load` and `unload` of struct service_type: the content is the configuration, which has a host
 * then. A missing directory is created for the configured user.
 */
int mail_host_load(struct config *config, struct shares shares, void **ret_content);
void mail_host_unload(void *content);

/* Has a configuration use the mailboxes of another one instead of its own. */
void mail_host_share(struct config *config, const struct config *from);

struct mail_host *mail_host_hold(struct mail_host *host);
/* NULL is allowed. */
void mail_host_release(struct mail_host *host);

#endif
