/* The names that certificates are obtained for, and the files that they have. */
#ifndef DAEMON_CONFIG_ACME_H
#define DAEMON_CONFIG_ACME_H

#include "acme_message.h"
#include "config.h"
#include "table.h"

/* Rules of `acme`, and the names; for table_tls_check. */
void table_acme_check(struct reader *reader, const struct node *top);

/*
 * A directory that lives as long as the process, since handshakes read it: the path of the
 * configuration. Returns NULL without memory.
 */
void *config_acme_directory(const struct config *config);

/* The index in config->tls.all of the first certificate that is obtained. */
size_t config_acme_first(const struct config *config);

/* The label of a certificate: its file, or the name that it is obtained for. */
const char *config_acme_label(const struct config *config, size_t certificate);

/*
 * Whether a name, or the names below it, can be proven by this kind of challenge: it is allowed,
 * and a listener, or a zone, can answer it.
 */
bool config_acme_can_prove(const struct config *config, const char *name, bool wildcard,
        enum acme_challenge_kind kind);

/* Whether front ends obtain the certificates together, in the database (acme_share.h). */
bool config_acme_is_shared(const struct config *config);

/* Whether a zone of the database, which is found later, may prove a name by DNS-01. */
bool config_acme_may_prove_by_stored_zone(const struct config *config);

/* Makes the directories, for the configured user. Returns 0 or a negative errno, reported. */
int config_acme_make_directories(const struct config *config);

/*
 * Whether what obtains certificates by one configuration can go on with the other. NULL is
 * allowed.
 */
bool config_acme_same(const struct config *a, const struct config *b);

#endif
