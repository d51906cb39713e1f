/*
 * The zones, keys of TSIG and secrets of cookies that front ends share in the database (`store`).
 *
 *   snapshot "zones" ─▶ names, versions; keys ─▶ each new version: rows ─▶ text ─▶ (pool) a zone
 *
 * A version that cannot be read leaves the one before in use, and so does a database that is away.
 * With 'directory' in 'store', the list, the secrets and each version are copies on disk, too.
 * For the main thread, but for functions for any thread.
 */
#ifndef DAEMON_DNS_STORED_H
#define DAEMON_DNS_STORED_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/database_snapshot.h>
#include <weir/dns_tsig.h>
#include <weir/dns_zone.h>

#include "config.h"

struct dns_stored;
struct weir_loop;

enum {
	DNS_STORED_RETRY_MS = 5000,   /* after a zone could not be read */
	DNS_STORED_CHANGED_MS = 1000, /* while zones are read, between two calls of `changed` */
};

/*
 * `changed` is called when zones, keys or secrets have changed. Stores NULL if the configuration
 * has all of them in files. Returns 0 or a negative errno, which was reported.
 */
int dns_stored_create(struct weir_loop *loop, const struct config *config,
        void (*changed)(void *context), void *context, struct dns_stored **ret);

/* Reports on the list of zones, or on the secrets of cookies. False: there are none. */
bool dns_stored_info(
        const struct dns_stored *stored, bool secrets, struct weir_database_snapshot_info *ret);

/* Whether a zone is being read; with `copies`, from its copy on disk. NULL is allowed. */
bool dns_stored_is_reading(const struct dns_stored *stored, bool copies);

/* Looks at the database now. NULL is allowed. */
void dns_stored_poll(struct dns_stored *stored);

/* Call it before the loop leaves the database. NULL is allowed. */
void dns_stored_destroy(struct dns_stored *stored);

/* How many zones there are; and one, not held: NULL if it was never read. NULL is allowed. */
size_t dns_stored_count(const struct dns_stored *stored);
struct weir_dns_zone *dns_stored_zone(const struct dns_stored *stored, size_t index);

/* Reports each zone whose current version is not the one in use, and why. NULL is allowed. */
void dns_stored_problems(const struct dns_stored *stored,
        void (*report)(void *context, const char *zone, const char *why), void *context);

/*
 * Any thread: makes a set of the keys of the configuration and of the database; a name of the
 * configuration wins. Returns 0 or a negative errno. `stored` may be NULL.
 */
int dns_stored_keys(
        struct dns_stored *stored, const struct config_dns *dns, struct weir_dns_keys **ret);

/*
 * Any thread: the secrets of cookies, one that makes them and one that is still valid. Those of the
 * configuration, if it has a file of them, or there are no others. `stored` may be NULL.
 */
unsigned dns_stored_secrets(struct dns_stored *stored, const struct config_dns *dns,
        uint8_t ret[2][WEIR_DNS_COOKIE_SECRET_SIZE]);

#endif
