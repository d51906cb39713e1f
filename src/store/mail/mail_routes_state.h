/*
 * The snapshot of the routes, for mail_routes.c, which looks up, and mail_routes_file.c, which
 * parses.
 */
#ifndef WEIR_MAIL_ROUTES_STATE_H
#define WEIR_MAIL_ROUTES_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/mail_routes.h>

#include "siphash.h"
#include "refcount.h"

/* Spans of the snapshot's text. */
struct alias {
	struct weir_span key;  /* in lower case: `local@domain`, `local`, `@domain` */
	struct weir_span list; /* its targets, separated by commas; checked */
	unsigned line;
	uint32_t next; /* of the bucket: 1 + its index; 0: the end */
};

struct weir_mail_routes {
	struct refcount references;
	struct siphash_key key;
	struct weir_users *users;
	struct weir_buffer text;
	struct weir_buffer table; /* of struct alias */
	uint32_t *buckets;        /* 1 + index, or 0 */
	uint32_t mask;
	struct weir_buffer
	        domains; /* in lower case, each with a NUL; in the order of the options */
	struct weir_span postmaster; /* a user; empty: none */
	struct weir_buffer postmaster_text;
	char separator;
};

static inline struct alias *mail_routes_table(const struct weir_mail_routes *routes)
{
	return (struct alias *)(void *)routes->table.data;
}

static inline uint32_t *mail_routes_bucket(
        const struct weir_mail_routes *routes, struct weir_span key)
{
	uint64_t hash = siphash_13(&routes->key, key.data, key.size);
	return &routes->buckets[hash & routes->mask];
}

/* Finds the alias of a key in lower case. */
const struct alias *mail_routes_alias(const struct weir_mail_routes *routes, struct weir_span key);

/* Finds the user of this name, or of this name in lower case; a span of the snapshot. */
bool mail_routes_user(
        const struct weir_mail_routes *routes, struct weir_span name, struct weir_span *ret);

/* Cuts the next target off a list, trimmed. Returns false if there are no more. */
bool mail_routes_next(struct weir_span *list, struct weir_span *ret);

/* Folds `text` to lower case (ASCII) in `buffer`; empty if it is longer than `room`. */
struct weir_span mail_routes_fold(struct weir_span text, char *buffer, size_t room);

/* Checks a target of the alias. Returns 0, or an error of weir_mail_routes_find. */
int mail_routes_check(
        const struct weir_mail_routes *routes, const struct alias *alias, struct weir_span word);

/* Splits at the last `@`. Returns false if there is none. */
bool mail_routes_split(
        struct weir_span address, struct weir_span *ret_local, struct weir_span *ret_domain);

#endif
