/*
 * The secrets of cookies of DNS that front ends share in the database. Each makes cookies for a
 * day, by the clock of the database, so that all front ends have the same one at nearly the same
 * time.
 */
#ifndef DAEMON_STORED_COOKIES_H
#define DAEMON_STORED_COOKIES_H

#include <stdint.h>

#include <weir/database_snapshot.h>
#include <weir/dns_server.h>

struct config;
struct stored_cookies;
struct weir_loop;

enum {
	STORED_COOKIES_S = 24 * 60 * 60,     /* for which a secret makes cookies */
	STORED_COOKIES_LIFE_S = 2 * 60 * 60, /* no cookie is older: see RFC 9018 4.3 */
};

/*
 * Follows the database of the configuration. `changed` is called on the loop when other secrets are
 * to be used. Returns 0 or a negative errno.
 */
int stored_cookies_create(struct weir_loop *loop, const struct config *config,
        void (*changed)(void *context), void *context, struct stored_cookies **ret);

void stored_cookies_info(
        const struct stored_cookies *cookies, struct weir_database_snapshot_info *ret);

/*
 * Any thread: the secret that makes cookies, and one that is still valid, or will be next. Returns
 * how many there are; 0: none is known yet.
 */
unsigned stored_cookies_secrets(
        struct stored_cookies *cookies, uint8_t ret[2][WEIR_DNS_COOKIE_SECRET_SIZE]);

/* Call it before the loop leaves the database. NULL is allowed. */
void stored_cookies_destroy(struct stored_cookies *cookies);

#endif
