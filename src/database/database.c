/*
 * A database: a pool for each loop that uses it.
 *
 * Invariant: a loop's pool is made, used and destroyed on the loop's thread. The lock protects the
 * list alone.
 */
#include <weir/database.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"
#include "postgres_target.h"
#include "refcount.h"

struct database_loop {
	struct weir_loop *loop;
	struct weir_postgres *pool;
};

struct weir_database {
	struct refcount references;
	struct weir_postgres_options options; /* its texts are owned */
	char owner[WEIR_DATABASE_ID_SIZE];
	pthread_mutex_t lock;
	/* Protected. */
	unsigned count;
	struct database_loop loops[WEIR_DATABASE_LOOPS_MAX];
};

/* -- ids --------------------------------------------------------------------------------------- */

int weir_database_make_id(char ret[WEIR_DATABASE_ID_SIZE])
{
	unsigned char bytes[16];
	struct timespec now;
	if (getrandom(bytes + 6, 10, GRND_NONBLOCK) != 10)
		return -EAGAIN;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	for (int i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
	bytes[6] = (unsigned char)(0x70 | (bytes[6] & 0x0F));
	bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F));
	char *to = ret;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = "0123456789abcdef"[bytes[i] >> 4];
		*to++ = "0123456789abcdef"[bytes[i] & 0x0F];
	}
	*to = '\0';
	return 0;
}

/* -- life -------------------------------------------------------------------------------------- */

static int database_check_url(
        const struct weir_postgres_options *options, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct postgres_target target = {0};
	int error = postgres_options_check(options, ret_why);
	if (error < 0)
		return error;
	error = postgres_target_init(
	        &target, options->url, options->environment, options->answer_ms, ret_why);
	postgres_target_finish(&target);
	return error;
}

int weir_database_create(const struct weir_postgres_options *options,
        char ret_why[WEIR_POSTGRES_WHY_MAX], struct weir_database **ret)
{
	int error = database_check_url(options, ret_why);
	if (error < 0)
		return error;
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(-ENOMEM));
	struct weir_database *database = calloc(1, sizeof *database);
	if (!database)
		return -ENOMEM;
	refcount_init(&database->references);
	pthread_mutex_init(&database->lock, NULL);
	database->options = *options;
	database->options.url = weir_span_copy(weir_span_of(options->url));
	database->options.name = weir_span_copy(weir_span_of(options->name));
	error = database->options.url && database->options.name
	                ? weir_database_make_id(database->owner)
	                : -ENOMEM;
	if (error < 0) {
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
		weir_database_release(database);
		return error;
	}
	*ret = database;
	return 0;
}

struct weir_database *weir_database_hold(struct weir_database *database)
{
	refcount_hold(&database->references);
	return database;
}

void weir_database_release(struct weir_database *database)
{
	if (!database || !refcount_release(&database->references))
		return;
	pthread_mutex_destroy(&database->lock);
	free((char *)database->options.url);
	free((char *)database->options.name);
	free(database);
}

const char *weir_database_owner(const struct weir_database *database)
{
	return database->owner;
}

/* -- pools ------------------------------------------------------------------------------------- */

/* Call with the lock. Returns `count` if the loop has none. */
static unsigned database_find(const struct weir_database *database, const struct weir_loop *loop)
{
	unsigned i = 0;
	while (i < database->count && database->loops[i].loop != loop)
		i++;
	return i;
}

static int database_add(
        struct weir_database *database, struct weir_loop *loop, struct weir_postgres *pool)
{
	int error = WEIR_E_LIMIT;
	pthread_mutex_lock(&database->lock);
	if (database->count < WEIR_DATABASE_LOOPS_MAX) {
		database->loops[database->count++] = (struct database_loop){loop, pool};
		error = 0;
	}
	pthread_mutex_unlock(&database->lock);
	return error;
}

int weir_database_pool(
        struct weir_database *database, struct weir_loop *loop, struct weir_postgres **ret)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	pthread_mutex_lock(&database->lock);
	unsigned index = database_find(database, loop);
	struct weir_postgres *pool = index < database->count ? database->loops[index].pool : NULL;
	pthread_mutex_unlock(&database->lock);
	int error = 0;
	if (!pool && (error = weir_postgres_create(loop, &database->options, why, &pool)) == 0 &&
	        (error = database_add(database, loop, pool)) < 0)
		weir_postgres_destroy(pool);
	if (error == 0)
		*ret = pool;
	return error;
}

void weir_database_leave(struct weir_database *database, struct weir_loop *loop)
{
	struct weir_postgres *pool = NULL;
	pthread_mutex_lock(&database->lock);
	unsigned index = database_find(database, loop);
	if (index < database->count) {
		pool = database->loops[index].pool;
		database->loops[index] = database->loops[--database->count];
	}
	pthread_mutex_unlock(&database->lock);
	weir_postgres_destroy(pool);
}
