/*
 * DNS-01: proofs in the zones of this server, and the question whether all servers of a zone have
 * them.
 *
 * A proof raises the serial of its zone by one, and so does its removal. The sum of these steps is
 * in the store (`serials`), and is added to the serial of the zone's file: so the serial that is
 * served never goes back, and secondaries follow the file, too.
 */
#ifndef DAEMON_ACME_DNS_H
#define DAEMON_ACME_DNS_H

#include <stdbool.h>

#include <weir/loop.h>
#include <weir/span.h>

#include "acme_jose.h"
#include "acme_store.h"
#include "config.h"

enum {
	ACME_DNS_SERVERS_MAX = 32, /* that are asked about one zone */
	ACME_DNS_WAIT_MS = 3000,   /* for their replies */
	/*
	 * Checks in turn that must succeed. The workers of a server take a new zone one after the
	 * other, and a check sees one of them.
	 */
	ACME_DNS_CONFIRMATIONS = 2,
};

struct acme_dns_check;
struct acme_store;

/*
 * `stored` is in each function the zone of the database that has the name, such as "example.org.";
 * "" if there is none. A zone of the configuration of that name, or one within it, goes before it.
 */

/* Whether the name is in a zone whose file this server has, or in one of the database. */
bool acme_dns_can_prove(const struct config *config, const char *name, const char *stored);

/* Stores the text of the record for a key authorisation (RFC 8555 8.4). Returns 0 or -ENOMEM. */
int acme_dns_digest(struct weir_span authorization, char ret[ACME_THUMBPRINT_SIZE]);

/* Raises the serial of the name's zone. Returns 0 or a negative errno. */
int acme_dns_step(const struct acme_store *store, const struct config *config, const char *name,
        const char *stored);

/*
 * Raises the serial of the zone whose proof for this name was removed after its process was killed:
 * the innermost zone that has had a proof. Stores the path of its file in the store. Returns 0;
 * -ENOENT if there is none, so that no server has seen the proof as a step; or a negative errno.
 */
int acme_dns_step_removed(
        const struct acme_store *store, const char *name, char ret_path[ACME_PATH_SIZE]);

/*
 * Asks this server and all that are notified of the zone's changes for the record. Calls `done`,
 * not from within: whether all of them have the text. Returns 0 or a negative errno.
 */
int acme_dns_check_start(struct weir_loop *loop, const struct config *config, const char *name,
        const char *stored, const char *text, void (*done)(void *context, bool ready),
        void *context, struct acme_dns_check **ret);

/* NULL is allowed. After done() it is gone. */
void acme_dns_check_cancel(struct acme_dns_check *check);

#endif
