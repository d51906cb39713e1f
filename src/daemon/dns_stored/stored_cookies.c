/*
 * Invariant: a timer runs up to the next time at which other secrets are to be used, unless there
 * are none. The lock is for the secrets that workers ask for.
 */
#include "stored_cookies.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_secrets.h>
#include <weir/loop.h>

#include "config.h"
#include "say.h"
#include "store.h"

struct stored_cookies {
	struct weir_loop *loop;
	struct weir_database_secrets *secrets;
	void (*changed)(void *context);
	void *context;
	struct weir_database_secret shared[WEIR_DATABASE_SECRETS_MAX];
	size_t shared_count;
	int64_t shared_ms; /* when their ages were right */
	struct weir_timer choose;
	pthread_mutex_t lock;
	/* Protected. */
	unsigned count;
	uint8_t chosen[2][WEIR_DNS_COOKIE_SECRET_SIZE];
};

static void stored_cookies_choose(struct stored_cookies *cookies);

static void stored_cookies_on_choose(struct weir_timer *timer)
{
	stored_cookies_choose(WEIR_CONTAINER(timer, struct stored_cookies, choose));
}

/*
 * A responder has two secrets. The second one is that of the period before, while its cookies are
 * valid; then it is the next one, which another front end may use a moment before this one.
 */
static void stored_cookies_choose(struct stored_cookies *cookies)
{
	int64_t passed_s = (weir_loop_now_ms(cookies->loop) - cookies->shared_ms) / 1000;
	size_t current = 0, count = cookies->shared_count;
	while (current < count && cookies->shared[current].age_s + passed_s < 0)
		current++;
	if (current == count)
		return;
	int64_t left_s = STORED_COOKIES_LIFE_S - cookies->shared[current].age_s - passed_s;
	size_t other = left_s > 0 || current == 0 ? current + 1 : current - 1;
	pthread_mutex_lock(&cookies->lock);
	memcpy(cookies->chosen[0], cookies->shared[current].bytes, sizeof cookies->chosen[0]);
	cookies->count = 1;
	if (other < count) {
		memcpy(cookies->chosen[1], cookies->shared[other].bytes, sizeof cookies->chosen[1]);
		cookies->count = 2;
	}
	pthread_mutex_unlock(&cookies->lock);
	if (left_s > 0)
		weir_timer_start(
		        cookies->loop, &cookies->choose, left_s * 1000, stored_cookies_on_choose);
	cookies->changed(cookies->context);
}

static void stored_cookies_on_secrets(
        void *context, const struct weir_database_secret *secrets, size_t count)
{
	struct stored_cookies *cookies = context;
	memcpy(cookies->shared, secrets, count * sizeof *secrets);
	cookies->shared_count = count;
	cookies->shared_ms = weir_loop_now_ms(cookies->loop);
	stored_cookies_choose(cookies);
}

static void stored_cookies_on_failed(void *context, const char *why)
{
	(void)context;
	say_at(WEIR_LOG_WARNING, "the secrets of DNS cookies are not renewed from the database: %s",
	        why);
}

/* -- life -------------------------------------------------------------------------------------- */

static int stored_cookies_follow(struct stored_cookies *cookies, const struct config *config)
{
	char *copy;
	struct weir_database_secrets_options options;
	weir_database_secrets_options_init(&options);
	options.purpose = store_snapshots[STORE_SNAPSHOT_COOKIES].source;
	options.period_s = STORED_COOKIES_S;
	options.changed = stored_cookies_on_secrets;
	options.failed = stored_cookies_on_failed;
	options.warn = store_on_copy_warning;
	options.context = cookies;
	int error = store_copy_path(config, STORE_SNAPSHOT_COOKIES, &copy);
	options.copy = copy;
	if (error == 0)
		error = weir_database_secrets_create(
		        config->store.database, cookies->loop, &options, &cookies->secrets);
	free(copy);
	return error;
}

int stored_cookies_create(struct weir_loop *loop, const struct config *config,
        void (*changed)(void *context), void *context, struct stored_cookies **ret)
{
	struct stored_cookies *cookies = calloc(1, sizeof *cookies);
	if (!cookies)
		return -ENOMEM;
	cookies->loop = loop;
	cookies->changed = changed;
	cookies->context = context;
	weir_list_init(&cookies->choose.link);
	pthread_mutex_init(&cookies->lock, NULL);
	int error = stored_cookies_follow(cookies, config);
	if (error < 0)
		stored_cookies_destroy(cookies);
	else
		*ret = cookies;
	return error;
}

void stored_cookies_info(
        const struct stored_cookies *cookies, struct weir_database_snapshot_info *ret)
{
	weir_database_secrets_info(cookies->secrets, ret);
}

unsigned stored_cookies_secrets(
        struct stored_cookies *cookies, uint8_t ret[2][WEIR_DNS_COOKIE_SECRET_SIZE])
{
	pthread_mutex_lock(&cookies->lock);
	unsigned count = cookies->count;
	memcpy(ret, cookies->chosen, sizeof cookies->chosen);
	pthread_mutex_unlock(&cookies->lock);
	return count;
}

void stored_cookies_destroy(struct stored_cookies *cookies)
{
	if (!cookies)
		return;
	weir_database_secrets_destroy(cookies->secrets);
	weir_timer_stop(&cookies->choose);
	pthread_mutex_destroy(&cookies->lock);
	explicit_bzero(cookies, sizeof *cookies);
	free(cookies);
}
