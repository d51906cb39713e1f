/*
 * Asking for a SOA record by UDP. Each check has a connected socket of its own. So its port cannot
 * be guessed, no other address can send to it, and an unreachable port is reported at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/loop.h>

#include "incoming.h"
#include "secondary_fetch.h"

enum {
	ANSWER_MAX = 4096
};

struct dns_check {
	struct weir_watch watch;
	struct weir_timer timer;
	struct weir_loop *loop;
	struct dns_incoming incoming;
	struct weir_dns_tsig_key key;
	unsigned tries;
	size_t size;
	uint8_t request[INCOMING_REQUEST_MAX];
	void (*done)(void *context, const struct dns_fetched *fetched);
	void *context;
};

void dns_check_abort(struct dns_check *check)
{
	if (!check)
		return;
	weir_timer_stop(&check->timer);
	weir_watch_close(check->loop, &check->watch);
	dns_incoming_free(&check->incoming);
	explicit_bzero(&check->key, sizeof check->key);
	free(check);
}

static void secondary_check_conclude(struct dns_check *check, int error)
{
	const struct dns_incoming *incoming = &check->incoming;
	const struct dns_fetched fetched = {
	        .error = error,
	        .why = incoming->why ? incoming->why : weir_error_text(error),
	        .rcode = incoming->rcode,
	        .connected = incoming->messages,
	        .serial = incoming->serial,
	};
	check->done(check->context, &fetched);
	dns_check_abort(check);
}

/* A reply to another question is ignored: it may be delayed or forged. */
static void secondary_check_on_event(struct weir_watch *watch, unsigned events)
{
	struct dns_check *check = WEIR_CONTAINER(watch, struct dns_check, watch);
	uint8_t answer[ANSWER_MAX];
	ssize_t size = recv(watch->fd, answer, sizeof answer, MSG_DONTWAIT);
	(void)events;
	if (size < 0) {
		if (errno != EAGAIN && errno != EINTR)
			secondary_check_conclude(check, -errno);
		return;
	}
	struct dns_incoming *incoming = &check->incoming;
	int error = dns_incoming_message(
	        incoming, weir_span(answer, (size_t)size), weir_loop_wall_s(check->loop));
	if (error == -ENOMSG)
		incoming->why = NULL;
	else
		secondary_check_conclude(check, incoming->truncated ? -EMSGSIZE : error);
}

static void secondary_check_on_time(struct weir_timer *timer)
{
	struct dns_check *check = WEIR_CONTAINER(timer, struct dns_check, timer);
	if (check->tries == WEIR_DNS_CHECK_TRIES) {
		secondary_check_conclude(check, -ETIMEDOUT);
		return;
	}
	/* A message that could not be sent counts as lost on the network. */
	if (send(check->watch.fd, check->request, check->size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	        errno == ECONNREFUSED) {
		secondary_check_conclude(check, -ECONNREFUSED);
		return;
	}
	weir_timer_start(check->loop, timer, (int64_t)WEIR_DNS_CHECK_MS << check->tries,
	        secondary_check_on_time);
	check->tries++;
}

static int secondary_check_open_socket(struct dns_check *check, const struct weir_address *peer)
{
	int fd = socket(peer->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = connect(fd, &peer->any, weir_address_size(peer)) < 0 ? -errno : 0;
	if (error == 0)
		error = weir_watch_start(
		        check->loop, &check->watch, fd, WEIR_READABLE, secondary_check_on_event);
	if (error < 0)
		close(fd);
	return error;
}

static int secondary_check_make_request(
        struct dns_check *check, const struct dns_fetch_options *options)
{
	uint16_t id;
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		return -EIO;
	check->incoming.id = id;
	if (options->key)
		check->key = *options->key;
	check->size = dns_incoming_request(&check->incoming, options->key ? &check->key : NULL,
	        check->request, weir_loop_wall_s(check->loop));
	return check->size ? 0 : -ENOMEM;
}

int dns_check_begin(
        struct weir_loop *loop, const struct dns_fetch_options *options, struct dns_check **ret)
{
	struct dns_check *check = calloc(1, sizeof *check);
	if (!check)
		return -ENOMEM;
	check->loop = loop;
	check->done = options->done;
	check->context = options->context;
	dns_incoming_init(&check->incoming, options->apex, WEIR_DNS_SOA, NULL);
	int error = secondary_check_make_request(check, options);
	if (error == 0)
		error = secondary_check_open_socket(check, &options->peer);
	if (error < 0) {
		dns_incoming_free(&check->incoming);
		explicit_bzero(&check->key, sizeof check->key);
		free(check);
		return error;
	}
	weir_timer_start(loop, &check->timer, 0, secondary_check_on_time);
	*ret = check;
	return 0;
}
