/*
 * An order that the authority may have consented to: its URL and the key of its certificate. It is
 * in the store, and published, before the authority is asked to finalize. So after a crash the
 * certificate is fetched, by the process that comes next or by another front end, and no second one
 * is ordered.
 */
#ifndef DAEMON_ACME_SAVED_ORDER_H
#define DAEMON_ACME_SAVED_ORDER_H

#include <openssl/evp.h>

#include "acme_message.h"

struct acme_store;

struct acme_saved_order {
	char url[ACME_URL_SIZE];
	EVP_PKEY *key;   /* belongs to the caller */
	int64_t saved_s; /* since 1970; filled when it is read */
};

/* `authority` is the URL of the directory. Returns 0 or a negative errno. */
int acme_saved_order_write(const struct acme_store *store, const char *name, const char *authority,
        const struct acme_saved_order *order);

/*
 * Reads that of a name. Returns 0; -ENOENT if there is none of this authority, or it is damaged; or
 * another negative errno.
 */
int acme_saved_order_read(const struct acme_store *store, const char *name, const char *authority,
        struct acme_saved_order *ret);

void acme_saved_order_remove(const struct acme_store *store, const char *name);

#endif
