/* See the header. A check takes the lock twice, and a request none. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "health_state.h"
#include "refcount.h"

struct health_server {
	struct health_server *next;
	unsigned references;
	unsigned opposite; /* checks in a row that contradict `bad` */
	bool bad;
	bool claimed;
	int64_t due_ms; /* of the next check */
	char url[];
};

struct weir_http_health {
	struct refcount references;
	pthread_mutex_t lock; /* of all below but the version */
	atomic_uint version;
	struct health_server *first;
};

struct weir_http_health *weir_http_health_create(void)
{
	struct weir_http_health *health = calloc(1, sizeof *health);
	if (!health)
		return NULL;
	refcount_init(&health->references);
	pthread_mutex_init(&health->lock, NULL);
	return health;
}

struct weir_http_health *weir_http_health_hold(struct weir_http_health *health)
{
	refcount_hold(&health->references);
	return health;
}

void weir_http_health_release(struct weir_http_health *health)
{
	if (!health || !refcount_release(&health->references))
		return;
	pthread_mutex_destroy(&health->lock);
	free(health);
}

unsigned http_health_version(const struct weir_http_health *health)
{
	return atomic_load_explicit(&health->version, memory_order_acquire);
}

static struct health_server *health_server_create(const char *url, bool bad)
{
	size_t size = strlen(url) + 1;
	struct health_server *server = calloc(1, sizeof *server + size);
	if (!server)
		return NULL;
	memcpy(server->url, url, size);
	server->bad = bad;
	return server;
}

struct health_server *http_health_join(
        struct weir_http_health *health, const char *url, bool unhealthy, bool *ret_new)
{
	pthread_mutex_lock(&health->lock);
	struct health_server *server = health->first;
	while (server && strcmp(server->url, url) != 0)
		server = server->next;
	*ret_new = !server;
	if (!server) {
		server = health_server_create(url, unhealthy);
		if (server) {
			server->next = health->first;
			health->first = server;
		}
	}
	if (server)
		server->references++;
	pthread_mutex_unlock(&health->lock);
	return server;
}

bool http_health_leave(struct weir_http_health *health, struct health_server *server, bool claimed)
{
	pthread_mutex_lock(&health->lock);
	bool last = --server->references == 0;
	bool bad = server->bad;
	if (claimed)
		server->claimed = false;
	if (last) {
		struct health_server **at = &health->first;
		while (*at != server)
			at = &(*at)->next;
		*at = server->next;
		free(server);
	}
	pthread_mutex_unlock(&health->lock);
	return last && bad;
}

bool http_health_is_bad(struct weir_http_health *health, const struct health_server *server)
{
	pthread_mutex_lock(&health->lock);
	bool bad = server->bad;
	pthread_mutex_unlock(&health->lock);
	return bad;
}

uint32_t http_health_claim(struct weir_http_health *health, struct health_server *server,
        int64_t now_ms, uint32_t interval_ms)
{
	uint32_t wait_ms = 0;
	pthread_mutex_lock(&health->lock);
	int64_t left_ms = server->due_ms - now_ms;
	if (server->claimed || left_ms > (int64_t)interval_ms)
		wait_ms = interval_ms;
	else if (left_ms > 0)
		wait_ms = (uint32_t)left_ms;
	else
		server->claimed = true;
	pthread_mutex_unlock(&health->lock);
	return wait_ms;
}

void http_health_skip(struct weir_http_health *health, struct health_server *server, int64_t due_ms)
{
	pthread_mutex_lock(&health->lock);
	server->claimed = false;
	server->due_ms = due_ms;
	pthread_mutex_unlock(&health->lock);
}

bool http_health_note(struct weir_http_health *health, struct health_server *server, bool good,
        const struct weir_http_check *check, int64_t due_ms)
{
	pthread_mutex_lock(&health->lock);
	server->claimed = false;
	server->due_ms = due_ms;
	server->opposite = good == server->bad ? server->opposite + 1 : 0;
	bool changed = server->opposite >= (good ? check->rise : check->fall);
	if (changed) {
		server->opposite = 0;
		server->bad = !server->bad;
		atomic_fetch_add_explicit(&health->version, 1, memory_order_release);
	}
	pthread_mutex_unlock(&health->lock);
	return changed;
}
