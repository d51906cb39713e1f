/*
 * Reserves addresses. The sockets of the workers share an address (SO_REUSEPORT), and another
 * program of the same user could share it unnoticed. So a socket without SO_REUSEPORT is bound to
 * each address first, and shares it only then. This socket never listens, and is closed when the
 * workers do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "endpoint.h"
#include "network_policy.h"
#include "link.h"
#include "listening.h"
#include "say.h"
#include "service.h"

/* Attempts to find a port that is free by TCP and UDP, for port 0. */
enum {
	PORT_TRIES = 16
};

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->type == b->type && a->ordinal == b->ordinal &&
	       weir_address_equal(&a->wanted, &b->wanted);
}

/* Sets the socket up as the library does, but without sharing. */
static int endpoint_bind_alone(int fd, const struct weir_address *address)
{
	int on = 1, off = 0;
	if (address->any.sa_family == AF_INET6) {
		bool any = IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof on);
	}
	return bind(fd, &address->any, weir_address_size(address)) < 0 ? -errno : 0;
}

/*
 * Checks that the address is free by UDP, too. The socket is closed, since it would receive
 * datagrams for the workers. If another program takes the address meanwhile, opening the workers'
 * sockets fails.
 */
static int endpoint_try_datagrams(const struct weir_address *address)
{
	int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = endpoint_bind_alone(fd, address);
	close(fd);
	return error;
}

static int endpoint_reserve_once(struct endpoint *endpoint)
{
	int on = 1;
	socklen_t size = sizeof endpoint->actual;
	int fd = socket(endpoint->wanted.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	int error = endpoint_bind_alone(fd, &endpoint->wanted);
	if (error == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
		error = -errno;
	if (error == 0 && getsockname(fd, &endpoint->actual.any, &size) < 0)
		error = -errno;
	if (error == 0 && endpoint->type->datagrams)
		error = endpoint_try_datagrams(&endpoint->actual);
	if (error < 0) {
		close(fd);
		return error;
	}
	endpoint->reserved = fd;
	return 0;
}

static int endpoint_reserve(struct endpoint *endpoint)
{
	bool any = endpoint->type->datagrams && weir_address_port(&endpoint->wanted) == 0;
	int error = endpoint_reserve_once(endpoint);
	for (unsigned i = 1; any && error == -EADDRINUSE && i < PORT_TRIES; i++)
		error = endpoint_reserve_once(endpoint);
	return error;
}

static const char *endpoint_hint(int error)
{
	switch (error) {
	case -EACCES:
		return "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
	case -EADDRINUSE:
		return "; another program listens there: stop it, or choose another port";
	case -EADDRNOTAVAIL:
		return "; this machine has no such address (see `ip address`)";
	default:
		return "";
	}
}

const struct endpoint *endpoint_find(
        const struct endpoint_list *list, const struct endpoint *wanted)
{
	bool named = weir_address_port(&wanted->wanted) != 0;
	for (size_t i = 0; list && i < list->count; i++)
		if (endpoint_same(&list->items[i], wanted) ||
		        (named && weir_address_equal(&list->items[i].wanted, &wanted->wanted)))
			return &list->items[i];
	return NULL;
}

/* Begins an endpoint behind those of the list. */
static void endpoint_init(struct endpoint *endpoint, const struct endpoint_list *list,
        const struct config_listener *listener)
{
	*endpoint = (struct endpoint){
	        .type = listener->type, .wanted = listener->address, .reserved = -1};
	for (size_t i = 0; i < list->count; i++)
		endpoint->ordinal += list->items[i].type == endpoint->type &&
		                     weir_address_equal(&list->items[i].wanted, &endpoint->wanted);
}

/* The list has `count` endpoints already. */
static int endpoint_add(struct endpoint_list *list, const struct endpoint_list *old,
        const struct config *config, const struct config_listener *listener)
{
	struct endpoint *endpoint = &list->items[list->count];
	char text[WEIR_ADDRESS_TEXT_MAX];
	endpoint_init(endpoint, list, listener);
	list->count++;
	int error = network_policy_create(config, listener, &endpoint->policy);
	if (error < 0)
		return error;
	const struct endpoint *kept = endpoint_find(old, endpoint);
	if (kept) {
		endpoint->actual = kept->actual;
		return 0;
	}
	error = endpoint_reserve(endpoint);
	if (error < 0) {
		weir_address_format(&endpoint->wanted, text);
		say("cannot listen on %s: %s%s", text, weir_error_text(error),
		        endpoint_hint(error));
	}
	return error;
}

int endpoints_reserve(
        const struct config *config, const struct endpoint_list *old, struct endpoint_list *ret)
{
	struct endpoint_list list = {calloc(config->listeners.count, sizeof *list.items), 0};
	int first_error = list.items ? 0 : -ENOMEM;
	/* All endpoints are reserved, so that all failures are reported. */
	for (size_t i = 0; list.items && i < config->listeners.count; i++) {
		int error = endpoint_add(&list, old, config, &config->listeners.items[i]);
		if (error < 0 && first_error == 0)
			first_error = error;
	}
	if (first_error < 0)
		endpoints_free(&list);
	else
		*ret = list;
	return first_error;
}

int endpoints_take(const struct config *config, struct endpoint_list *ret)
{
	struct endpoint_list list = {calloc(config->listeners.count, sizeof *list.items), 0};
	if (!list.items)
		return -ENOMEM;
	for (size_t i = 0; i < config->listeners.count; i++) {
		struct endpoint *endpoint = &list.items[list.count];
		char key[ENDPOINT_KEY_SIZE];
		endpoint_init(endpoint, &list, &config->listeners.items[i]);
		list.count++;
		endpoint_key(endpoint, 0, key);
		const char *actual = link_value(GRANT_STREAM, key);
		int error = network_policy_create(
		        config, &config->listeners.items[i], &endpoint->policy);
		if (error < 0) {
			endpoints_free(&list);
			return error;
		}
		if (!actual || weir_address_parse(weir_span_of(actual), &endpoint->actual) < 0) {
			say("the master has no socket for the listener %s", key);
			endpoints_free(&list);
			return -ENOENT;
		}
	}
	*ret = list;
	return 0;
}

unsigned endpoints_port(const struct endpoint_list *list, const struct listener_type *type)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].type == type)
			return weir_address_port(&list->items[i].actual);
	return 0;
}

void endpoints_unreserve(struct endpoint_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].reserved >= 0)
			close(list->items[i].reserved);
		list->items[i].reserved = -1;
	}
}

void endpoints_free(struct endpoint_list *list)
{
	endpoints_unreserve(list);
	for (size_t i = 0; i < list->count; i++)
		weir_policy_release(list->items[i].policy);
	free(list->items);
	*list = (struct endpoint_list){NULL, 0};
}

void endpoint_key(const struct endpoint *endpoint, unsigned worker, char key[ENDPOINT_KEY_SIZE])
{
	char address[WEIR_ADDRESS_TEXT_MAX];
	weir_address_format(&endpoint->wanted, address);
	snprintf(key, ENDPOINT_KEY_SIZE, "%u %s %s %u", worker, endpoint->type->name, address,
	        endpoint->ordinal);
}
