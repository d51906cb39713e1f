/*
 * What all servers of mail share, on all workers: the mailboxes, and who is connected how often.
 *
 * Counted: configurations and servers hold it, so that a reload which does not change it goes on
 * with it. Any thread may hold and release.
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
 * As service_type's load and unload: a content is the configuration, which has a host then. A
 * directory that is not there is made, and belongs to the configured user.
 */
int mail_host_load(struct config *config, struct shares shares, void **ret_content);
void mail_host_unload(void *content);

/* The configuration goes on with the mailboxes of another, whatever it says itself. */
void mail_host_keep(struct config *config, const struct config *from);

struct mail_host *mail_host_hold(struct mail_host *host);
/* NULL is allowed. */
void mail_host_release(struct mail_host *host);

#endif
