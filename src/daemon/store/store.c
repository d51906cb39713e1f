/* The database of the process, made of the section `store`. */
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/database.h>
#include <weir/database_certificates.h>
#include <weir/database_guard.h>
#include <weir/database_users.h>
#include <weir/database_zones.h>
#include <weir/error.h>

#include "helper.h"
#include "key_client.h"
#include "say.h"
#include "store.h"
#include "table.h"

const char *const store_part_names[STORE_PARTS] = {
        [STORE_USERS] = "users",
        [STORE_MAILBOXES] = "mailboxes",
        [STORE_QUEUE] = "queue",
        [STORE_ZONES] = "zones",
        [STORE_KEYS] = "keys",
};

unsigned store_parts(const struct config *config)
{
	return config->store.url ? config->store.parts : 0;
}

bool store_has(const struct config *config, enum config_store_part part)
{
	return store_parts(config) >> part & 1;
}

uint32_t store_start_ms(const struct config *config)
{
	return (uint32_t)min_of(config->store.wait_ms, (uint64_t)STORE_START_MS);
}

struct weir_database *store_database(const struct config *config, enum config_store_part part)
{
	return store_has(config, part) ? config->store.database : NULL;
}

void store_options(const struct config *config, const char *user, struct weir_postgres_options *ret)
{
	const struct config_store *store = &config->store;
	/* Most calls are short, and share connections. A stream has one of its own. */
	unsigned connections = (unsigned)store->connections;
	weir_postgres_options_init(ret);
	ret->url = store->url;
	ret->name = "store";
	ret->user = user;
	ret->password = store->password;
	ret->batches_max = max_of(connections / 3, 1u);
	ret->streams_max = connections - ret->batches_max;
	ret->wait_ms = (uint32_t)store->wait_ms;
	ret->answer_ms = (uint32_t)store->answer_ms;
	ret->hasty = store->hasty;
	if (!store->prepares)
		ret->statements_max = 0;
}

/* -- the key process --------------------------------------------------------------------------- */

/* The process has one database, and each configuration a key process. */
static struct {
	pthread_mutex_t lock;
	struct key_client *client;
} store_keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool store_seals_elsewhere(const struct config *config)
{
	return config->tls.keys && config->store.seal_path;
}

void store_use_keys(const struct config *config)
{
	bool wanted = config && store_seals_elsewhere(config);
	struct key_client *next = wanted ? key_client_hold(config->tls.keys) : NULL;
	pthread_mutex_lock(&store_keys.lock);
	struct key_client *before = store_keys.client;
	store_keys.client = next;
	pthread_mutex_unlock(&store_keys.lock);
	key_client_release(before);
}

static struct key_client *store_keys_hold(void)
{
	pthread_mutex_lock(&store_keys.lock);
	struct key_client *client = store_keys.client ? key_client_hold(store_keys.client) : NULL;
	pthread_mutex_unlock(&store_keys.lock);
	return client;
}

static int store_seal(void *context, const char *purpose, struct weir_span name,
        struct weir_span secret, struct weir_buffer *text)
{
	struct key_client *client = store_keys_hold();
	int error = client ? key_client_seal(client, purpose, name, secret, text) : -ENOKEY;
	(void)context;
	key_client_release(client);
	return error;
}

static int store_unseal(void *context, const char *purpose, struct weir_span name,
        struct weir_span text, struct weir_buffer *secret)
{
	struct key_client *client = store_keys_hold();
	int error = client ? key_client_unseal(client, purpose, name, text, secret) : -ENOKEY;
	(void)context;
	key_client_release(client);
	return error;
}

static const struct weir_database_sealer store_sealer = {
        .seal = store_seal, .unseal = store_unseal};

/* Whether both have the same `secret-key-file`, here or in their key processes. */
static bool store_same_seal(const struct config *a, const struct config *b)
{
	const struct config_store *one = &a->store, *other = &b->store;
	if (store_seals_elsewhere(a) != store_seals_elsewhere(b))
		return false;
	if (store_seals_elsewhere(a))
		return key_client_compare(a->tls.keys, b->tls.keys) == 0;
	return one->sealed == other->sealed &&
	       memcmp(one->seal, other->seal, sizeof one->seal) == 0;
}

/* -- the database ------------------------------------------------------------------------------ */

int store_open(const struct config *config, struct weir_database **ret)
{
	struct weir_postgres_options options;
	char why[WEIR_POSTGRES_WHY_MAX];
	*ret = NULL;
	if (!config->store.url)
		return 0;
	store_use_keys(config);
	const struct passwd *entry = config->user ? NULL : getpwuid(geteuid());
	store_options(config, entry ? entry->pw_name : config->user, &options);
	int error = weir_database_create(&options, why, ret);
	if (error < 0)
		say("cannot use the database: %s", why);
	else if (store_seals_elsewhere(config))
		weir_database_set_sealer(*ret, &store_sealer);
	else if (config->store.sealed)
		weir_database_set_seal(*ret, config->store.seal);
	return error;
}

/* Parts of the schema are called as those of the configuration. */
bool store_parts_include(unsigned parts, const struct weir_database_part *part)
{
	for (unsigned i = 0; i < STORE_PARTS; i++)
		if (strcmp(store_part_names[i], part->name) == 0)
			return parts >> i & 1;
	return false;
}

const char *store_part_lack(const struct weir_database_part *part)
{
	if (part->have == 0 && part->wanted)
		return "not there: run `weir store init`";
	if (part->have < part->least)
		return "too old: run `weir store migrate`";
	if (part->oldest > part->wanted)
		return "too new for this program: upgrade it";
	return NULL;
}

bool store_part_waits(const struct weir_database_part *part, char *ret, size_t size)
{
	if (store_part_lack(part) || part->have >= part->wanted)
		return false;
	snprintf(ret, size,
	        "of version %u, and this program knows %u: run `weir store migrate`; what is new "
	        "waits for that",
	        part->have, part->wanted);
	return true;
}

const struct store_snapshot_row store_snapshots[STORE_SNAPSHOTS] = {
        [STORE_SNAPSHOT_USERS] = {"users", WEIR_DATABASE_USERS, STORE_USERS},
        [STORE_SNAPSHOT_ZONES] = {"zones", WEIR_DATABASE_ZONES_SNAPSHOT, STORE_ZONES},
        [STORE_SNAPSHOT_COOKIES] = {"cookies", STORE_SECRET_COOKIE, STORE_KEYS},
        [STORE_SNAPSHOT_CERTIFICATES] = {"certificates", WEIR_DATABASE_CERTIFICATES_SNAPSHOT,
                STORE_KEYS},
        [STORE_SNAPSHOT_TICKETS] = {"tickets", STORE_SECRET_TICKET, STORE_KEYS},
};

int store_copy_path(const struct config *config, enum store_snapshot which, char **ret)
{
	const char *directory = config->store.directory;
	*ret = NULL;
	if (!directory || asprintf(ret, "%s/%s", directory, store_snapshots[which].name) >= 0)
		return 0;
	*ret = NULL;
	say("out of memory");
	return -ENOMEM;
}

void store_on_copy_warning(void *context, const char *text)
{
	(void)context;
	say_at(WEIR_LOG_WARNING, "%s", text);
}

/* Files have none of the first two. */
const char *store_error_text(int error)
{
	switch (error) {
	case -ENOTCONN:
	case -ECONNRESET:
		return "the database does not answer";
	case -ETIMEDOUT:
		return "no answer in time";
	case -EBUSY:
		return "the mailbox is in use";
	default:
		return weir_error_text(error);
	}
}

const char *store_secret_text(int error)
{
	switch (error) {
	case -ENOKEY:
		return "it is encrypted, and there is no 'secret-key-file'";
	case -EBADMSG:
		return "it is encrypted by another key than 'secret-key-file'";
	case -EAGAIN:
		return "the key process does not reply";
	default:
		return weir_error_text(error);
	}
}

int store_share_guard(
        struct weir_loop *loop, const struct config *config, struct weir_database_guard **ret)
{
	struct weir_database *database = store_database(config, STORE_USERS);
	*ret = NULL;
	/* Wrong passwords are less urgent than users who were locked. */
	uint64_t every_ms = min_of(config->store.refresh_ms * 5 / 2, DAY_MS);
	return database ? weir_database_guard_create(
	                          database, loop, config->guarded, (uint32_t)every_ms, ret)
	                : 0;
}

void store_leave(struct weir_database *database, struct weir_loop *loop)
{
	if (database)
		weir_database_leave(database, loop);
}

bool store_same(const struct config *a, const struct config *b)
{
	const struct config_store *one = &a->store, *other = &b->store;
	return text_equal(one->url, other->url) && text_equal(one->password, other->password) &&
	       store_same_seal(a, b) && text_equal(one->directory, other->directory) &&
	       (!one->url ||
	               (one->parts == other->parts && one->connections == other->connections &&
	                       one->refresh_ms == other->refresh_ms &&
	                       one->wait_ms == other->wait_ms &&
	                       one->answer_ms == other->answer_ms &&
	                       one->prepares == other->prepares));
}
