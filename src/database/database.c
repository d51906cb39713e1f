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

#include "database_state.h"
#include "helper.h"
#include "postgres_state.h"
#include "refcount.h"
#include "seal.h"

struct weir_database {
	struct refcount references;
	struct weir_postgres_options options; /* its texts are owned */
	char owner[WEIR_DATABASE_ID_SIZE];
	bool sealed;
	unsigned char seal[WEIR_DATABASE_SEAL_SIZE];
	const struct weir_database_sealer *sealer; /* in place of the key; or NULL */
	pthread_mutex_t lock;
	/* Protected. */
	unsigned count;
	struct database_loop *loops[WEIR_DATABASE_LOOPS_MAX];
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

/* NULL stays NULL. */
static bool database_copy(const char **text)
{
	char *copy = *text ? weir_span_copy(weir_span_of(*text)) : NULL;
	bool good = copy || !*text;
	*text = copy;
	return good;
}

static int database_copy_options(
        struct weir_database *database, const struct weir_postgres_options *options)
{
	const char **texts[] = {&database->options.url, &database->options.name,
	        &database->options.user, &database->options.password};
	bool good = true;
	database->options = *options;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		good = database_copy(texts[i]) && good;
	return good ? 0 : -ENOMEM;
}

static void database_need_nothing(void *context, enum weir_postgres_need need, const char *text)
{
	(void)context, (void)need, (void)text;
}

int weir_database_create(const struct weir_postgres_options *options,
        char ret_why[WEIR_POSTGRES_WHY_MAX], struct weir_database **ret)
{
	int error = weir_postgres_list_needs(options, database_need_nothing, NULL, ret_why);
	if (error < 0)
		return error;
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(-ENOMEM));
	struct weir_database *database = calloc(1, sizeof *database);
	if (!database)
		return -ENOMEM;
	refcount_init(&database->references);
	pthread_mutex_init(&database->lock, NULL);
	error = database_copy_options(database, options);
	if (error == 0)
		error = weir_database_make_id(database->owner);
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
	explicit_bzero(database->seal, sizeof database->seal);
	free((char *)database->options.user);
	if (database->options.password)
		explicit_bzero(
		        (char *)database->options.password, strlen(database->options.password));
	free((char *)database->options.password);
	free(database);
}

const char *weir_database_owner(const struct weir_database *database)
{
	return database->owner;
}

void weir_database_set_seal(
        struct weir_database *database, const unsigned char key[WEIR_DATABASE_SEAL_SIZE])
{
	memcpy(database->seal, key, sizeof database->seal);
	database->sealed = true;
}

void weir_database_set_sealer(
        struct weir_database *database, const struct weir_database_sealer *sealer)
{
	database->sealer = sealer;
}

const struct weir_database_sealer *database_sealer(const struct weir_database *database)
{
	return database->sealer;
}

const unsigned char *database_seal_key(const struct weir_database *database)
{
	return database->sealed ? database->seal : NULL;
}

/* -- pools ------------------------------------------------------------------------------------- */

/* Call with the lock. Returns `count` if the loop has none. */
static unsigned database_find(const struct weir_database *database, const struct weir_loop *loop)
{
	unsigned i = 0;
	while (i < database->count && database->loops[i]->loop != loop)
		i++;
	return i;
}

static int database_add(struct weir_database *database, struct database_loop *added)
{
	int error = WEIR_E_LIMIT;
	pthread_mutex_lock(&database->lock);
	if (database->count < WEIR_DATABASE_LOOPS_MAX) {
		database->loops[database->count++] = added;
		error = 0;
	}
	pthread_mutex_unlock(&database->lock);
	return error;
}

static void database_loop_free(struct database_loop *loop)
{
	weir_postgres_destroy(loop->pool);
	free(loop);
}

static int database_loop_create(
        struct weir_database *database, struct weir_loop *loop, struct database_loop **ret)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct database_loop *created = calloc(1, sizeof *created);
	if (!created)
		return -ENOMEM;
	created->loop = loop;
	weir_list_init(&created->leavers);
	int error = weir_postgres_create(loop, &database->options, why, &created->pool);
	if (error == 0)
		error = database_add(database, created);
	if (error < 0)
		database_loop_free(created);
	else
		*ret = created;
	return error;
}

int database_loop_get(
        struct weir_database *database, struct weir_loop *loop, struct database_loop **ret)
{
	struct database_loop *found = NULL;
	pthread_mutex_lock(&database->lock);
	unsigned index = database_find(database, loop);
	if (index < database->count)
		found = database->loops[index];
	pthread_mutex_unlock(&database->lock);
	if (!found)
		return database_loop_create(database, loop, ret);
	*ret = found;
	return 0;
}

int weir_database_pool(
        struct weir_database *database, struct weir_loop *loop, struct weir_postgres **ret)
{
	struct database_loop *found;
	int error = database_loop_get(database, loop, &found);
	if (error == 0)
		*ret = found->pool;
	return error;
}

void weir_database_leave(struct weir_database *database, struct weir_loop *loop)
{
	struct database_loop *found = NULL;
	pthread_mutex_lock(&database->lock);
	unsigned index = database_find(database, loop);
	if (index < database->count) {
		found = database->loops[index];
		database->loops[index] = database->loops[--database->count];
	}
	pthread_mutex_unlock(&database->lock);
	if (!found)
		return;
	while (!weir_list_empty(&found->leavers)) {
		struct database_leaver *leaver =
		        WEIR_CONTAINER(found->leavers.next, struct database_leaver, link);
		leaver->leave(leaver);
	}
	database_loop_free(found);
}
