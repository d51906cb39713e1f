/* The snapshot of the routes, for mail_routes.c (which asks) and mail_routes_file.c (which reads). */
#ifndef WEIR_MAIL_ROUTES_STATE_H
#define WEIR_MAIL_ROUTES_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/mail_routes.h>

#include "siphash.h"

/* Spans of the snapshot's text. */
struct alias {
	struct weir_span key;  /* in lower case: `local@domain`, `local`, `@domain` */
	struct weir_span list; /* what it stands for, commas between: checked */
	unsigned line;
	uint32_t next; /* in the bucket: 1 + its index, 0 is the end */
};

struct weir_mail_routes {
	atomic_uint references;
	struct siphash_key key;
	struct weir_users *users;
	struct weir_buffer text;
	struct weir_buffer table; /* of struct alias */
	uint32_t *buckets;        /* 1 + index, or 0 */
	uint32_t mask;
	struct weir_buffer domains;  /* each ended by NUL, in lower case; the first one first */
	struct weir_span postmaster; /* a user; empty: there is none */
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

/* `key` in lower case. */
const struct alias *mail_routes_alias(const struct weir_mail_routes *routes, struct weir_span key);

/* The user of this name, or of this name in lower case; the span of the snapshot's. */
bool mail_routes_user(
        const struct weir_mail_routes *routes, struct weir_span name, struct weir_span *ret);

/* The next of a list, trimmed; false: there are no more. */
bool mail_routes_next(struct weir_span *list, struct weir_span *ret);

/* At most `room` bytes of `text` in lower case (ASCII), in `buffer`; empty if it is longer. */
struct weir_span mail_routes_fold(struct weir_span text, char *buffer, size_t room);

/* Whether this word of the alias leads to somebody: 0, or as weir_mail_routes_find. */
int mail_routes_check(
        const struct weir_mail_routes *routes, const struct alias *alias, struct weir_span word);

/* The last '@' cuts. False: there is none. */
bool mail_routes_split(
        struct weir_span address, struct weir_span *ret_local, struct weir_span *ret_domain);

#endif
