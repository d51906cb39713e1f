/* The snapshot of a users file, for the files of this folder only. */
#ifndef WEIR_USERS_STATE_H
#define WEIR_USERS_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/users.h>

#include "refcount.h"
#include "siphash.h"

/* Spans of the snapshot's text; `hash` ends in a NUL. */
struct user {
	struct weir_span name;
	struct weir_span hash;
	struct weir_span rest;
	unsigned line;
	uint32_t next; /* in the bucket: 1 + its index; 0: the end */
	bool locked;
};

/* A password that was right. */
struct verified {
	uint64_t digest[2];
	int64_t until_ms; /* 0: none */
};

/* Immutable once it is made, except what the lock covers. */
struct weir_users {
	struct refcount references;
	struct siphash_key key;
	struct weir_buffer text;
	struct weir_buffer table;   /* of struct user */
	struct weir_buffer domains; /* names that end in NUL */
	uint32_t *buckets;          /* 1 + index, or 0 */
	uint32_t mask;
	uint32_t able;       /* users that can log in */
	uint32_t able_scram; /* users that can log in by SCRAM */
	pthread_mutex_t lock;
	struct verified verified[WEIR_VERIFIED_MAX];
};

static inline struct user *users_table(const struct weir_users *users)
{
	return (struct user *)(void *)users->table.data;
}

const struct user *users_find(const struct weir_users *users, struct weir_span name);

/* Gets the value of `key` in the rest of a line. */
bool users_rest_value(struct weir_span rest, struct weir_span key, struct weir_span *ret);

#endif
