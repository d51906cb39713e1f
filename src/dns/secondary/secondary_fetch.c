/*
 * One question to a primary, and its reply: by TCP (a fetch), or by UDP (a check).
 *
 * The loop only receives a transfer: what has come is checked, collected and made into an image on
 * the work pool, one batch after the other, while the next one comes. If the pool is slower, the
 * connection is not read.
 *
 * Invariant: `incoming` is the pool's as long as `working`. The fetch is freed when it is
 * concluded, the channel is gone and nothing is on the pool.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/loop.h>
#include <weir/server.h>

#include "secondary_state.h"
#include "zone_transfer.h"

/* -- by TCP ------------------------------------------------------------------------------------ */

struct dns_fetch {
	struct weir_work work;
	struct weir_timer timer;
	struct weir_loop *loop;
	struct weir_channel *channel; /* NULL: gone */
	struct weir_dns_zone *before;
	struct weir_dns_tsig_key key;
	struct weir_buffer filling; /* while the loop receives … */
	struct weir_buffer batch;   /* the data that the work pool is reading */
	struct dns_incoming incoming;
	struct weir_dns_zone *zone;
	int64_t began_ms;
	int64_t now_s; /* for the pool */
	int error;     /* of the pool's */
	bool working, concluded, paused;
	bool has_key;
	void (*done)(void *context, const struct dns_fetched *fetched);
	void *context;
};

static const char ended_early[] = "the connection ended before the transfer";

static void secondary_fetch_free_if_over(struct dns_fetch *fetch)
{
	if (!fetch->concluded || fetch->working || fetch->channel)
		return;
	dns_incoming_free(&fetch->incoming);
	weir_dns_zone_release(fetch->zone);
	weir_dns_zone_release(fetch->before);
	weir_buffer_finish(&fetch->filling);
	weir_buffer_finish(&fetch->batch);
	explicit_bzero(&fetch->key, sizeof fetch->key);
	free(fetch);
}

/* Ends a fetch; it is not used after that. */
static void secondary_fetch_conclude(struct dns_fetch *fetch, int error, const char *why)
{
	const struct dns_incoming *incoming = &fetch->incoming;
	if (fetch->concluded)
		return;
	fetch->concluded = true;
	weir_timer_stop(&fetch->timer);
	/* Data on the work pool is not looked at here: then the error is all that is reported. */
	bool known = !fetch->working;
	const struct dns_fetched fetched = {
	        .error = error,
	        .why = why ? why : weir_error_text(error),
	        .rcode = known ? incoming->rcode : 0,
	        .connected = known && incoming->messages,
	        .current = known && incoming->current,
	        .serial = known ? incoming->serial : 0,
	        .bytes = known ? incoming->bytes : 0,
	        .zone = known && error == 0 ? fetch->zone : NULL,
	};
	if (fetch->done)
		fetch->done(fetch->context, &fetched);
	if (fetch->channel)
		weir_channel_abort(fetch->channel, error ? error : -ECANCELED);
	else
		secondary_fetch_free_if_over(fetch);
}

/* -- the pool ---------------------------------------------------------------------------------- */

static void secondary_fetch_run(struct weir_work *work)
{
	struct dns_fetch *fetch = WEIR_CONTAINER(work, struct dns_fetch, work);
	struct dns_incoming *incoming = &fetch->incoming;
	fetch->error = dns_incoming_feed(incoming, weir_buffer_span(&fetch->batch), fetch->now_s);
	fetch->batch.size = 0;
	if (fetch->error < 0 || incoming->state != INCOMING_ENDED || incoming->current ||
	        incoming->type == WEIR_DNS_SOA)
		return;
	fetch->error = dns_incoming_finish(incoming, &fetch->zone);
	/* Without memory for the difference, the zone is usable, without a history. */
	if (fetch->error == 0 && fetch->before)
		weir_dns_zone_follow(fetch->zone, fetch->before);
}

static void secondary_fetch_on_done(struct weir_work *work);

/*
 * Submits the received data to the pool. Returns false if there is none, or after an error: the
 * fetch may be gone.
 */
static bool secondary_fetch_submit(struct dns_fetch *fetch)
{
	struct weir_buffer empty = fetch->batch;
	if (fetch->working || !fetch->filling.size)
		return false;
	fetch->batch = fetch->filling;
	fetch->filling = empty;
	fetch->now_s = weir_loop_wall_s(fetch->loop);
	int error = weir_work_submit_to(fetch->loop, WEIR_LANE_NAMES, &fetch->work,
	        secondary_fetch_run, secondary_fetch_on_done);
	fetch->working = error == 0;
	if (error < 0)
		secondary_fetch_conclude(fetch, error, NULL);
	return error == 0;
}

static void secondary_fetch_on_done(struct weir_work *work)
{
	struct dns_fetch *fetch = WEIR_CONTAINER(work, struct dns_fetch, work);
	fetch->working = false;
	if (fetch->concluded) {
		secondary_fetch_free_if_over(fetch);
	} else if (fetch->error < 0) {
		secondary_fetch_conclude(fetch, fetch->error, fetch->incoming.why);
	} else if (fetch->incoming.state == INCOMING_ENDED) {
		secondary_fetch_conclude(fetch, 0, NULL);
	} else if (!fetch->filling.size && !fetch->channel) {
		secondary_fetch_conclude(fetch, -ECONNRESET, ended_early);
	} else if (secondary_fetch_submit(fetch) && fetch->paused) {
		fetch->paused = false;
		if (fetch->channel)
			weir_channel_resume(fetch->channel);
	}
}

/* -- the connection ---------------------------------------------------------------------------- */

static void secondary_fetch_on_time(struct weir_timer *timer)
{
	struct dns_fetch *fetch = WEIR_CONTAINER(timer, struct dns_fetch, timer);
	bool over = weir_loop_now_ms(fetch->loop) - fetch->began_ms > WEIR_DNS_FETCH_MS;
	if (fetch->working && !over)
		weir_timer_start(
		        fetch->loop, timer, WEIR_DNS_FETCH_IDLE_MS, secondary_fetch_on_time);
	else
		secondary_fetch_conclude(fetch, -ETIMEDOUT, NULL);
}

static int secondary_fetch_on_open(struct weir_channel *channel)
{
	struct dns_fetch *fetch = weir_channel_context(channel);
	uint8_t request[2 + INCOMING_REQUEST_MAX];
	uint16_t id;
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		return -EIO;
	fetch->incoming.id = id;
	size_t size = dns_incoming_request(&fetch->incoming, fetch->has_key ? &fetch->key : NULL,
	        request + 2, weir_loop_wall_s(fetch->loop));
	if (!size)
		return -ENOMEM;
	dns_put16(request, (unsigned)size);
	weir_channel_stream(channel, weir_everything());
	weir_timer_start(
	        fetch->loop, &fetch->timer, WEIR_DNS_FETCH_IDLE_MS, secondary_fetch_on_time);
	return weir_channel_push_copy(channel, weir_span(request, size + 2));
}

static void secondary_fetch_on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	struct dns_fetch *fetch = weir_channel_context(channel);
	if (fetch->concluded)
		return;
	int error = weir_buffer_append(&fetch->filling, bytes.data, bytes.size, SIZE_MAX);
	if (error < 0) {
		secondary_fetch_conclude(fetch, error, NULL);
		return;
	}
	if (weir_loop_now_ms(fetch->loop) - fetch->began_ms > WEIR_DNS_FETCH_MS) {
		secondary_fetch_conclude(fetch, -ETIMEDOUT, "the transfer takes too long");
		return;
	}
	weir_timer_start(
	        fetch->loop, &fetch->timer, WEIR_DNS_FETCH_IDLE_MS, secondary_fetch_on_time);
	secondary_fetch_submit(fetch);
	/* NOLINTNEXTLINE: it is not freed while it has a channel */
	if (!fetch->concluded && fetch->filling.size >= WEIR_DNS_FETCH_BUFFER) {
		weir_channel_pause(channel);
		fetch->paused = true;
	}
}

static void secondary_fetch_on_request(struct weir_channel *channel, struct weir_span request)
{
	(void)channel, (void)request;
}

static void secondary_fetch_on_close(struct weir_channel *channel, int error)
{
	struct dns_fetch *fetch = weir_channel_context(channel);
	fetch->channel = NULL;
	if (fetch->concluded)
		secondary_fetch_free_if_over(fetch);
	else if (error < 0 && !fetch->working)
		secondary_fetch_conclude(fetch, error, NULL);
	else if (!fetch->working && !fetch->filling.size)
		secondary_fetch_conclude(fetch, -ECONNRESET, ended_early);
	else
		secondary_fetch_submit(fetch);
}

/* -- life -------------------------------------------------------------------------------------- */

int dns_fetch_begin(
        struct weir_loop *loop, const struct dns_fetch_options *options, struct dns_fetch **ret)
{
	static const struct weir_protocol protocol = {
	        .name = "DNS fetch",
	        .open = secondary_fetch_on_open,
	        .request = secondary_fetch_on_request,
	        .piece = secondary_fetch_on_piece,
	        .close = secondary_fetch_on_close,
	};
	/* Our own timer decides when to give up; the channel's must not be earlier. */
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.idle_ms = bounds.request_ms = bounds.progress_ms = 2 * WEIR_DNS_FETCH_MS;
	struct dns_fetch *fetch = calloc(1, sizeof *fetch);
	if (!fetch)
		return -ENOMEM;
	fetch->loop = loop;
	fetch->done = options->done;
	fetch->context = options->context;
	fetch->before = options->before ? weir_dns_zone_hold(options->before) : NULL;
	dns_incoming_init(&fetch->incoming, options->apex, options->type,
	        options->any_version ? NULL : fetch->before);
	fetch->incoming.bytes_max = options->bytes_max;
	fetch->has_key = options->key;
	if (options->key)
		fetch->key = *options->key;
	fetch->began_ms = weir_loop_now_ms(loop);
	int error = weir_connect(loop, &options->peer, &protocol, fetch, &bounds, &fetch->channel);
	if (error < 0) {
		fetch->concluded = true;
		secondary_fetch_free_if_over(fetch);
		return error;
	}
	weir_timer_start(loop, &fetch->timer, WEIR_DNS_FETCH_CONNECT_MS, secondary_fetch_on_time);
	*ret = fetch;
	return 0;
}

void dns_fetch_abort(struct dns_fetch *fetch)
{
	if (!fetch)
		return;
	fetch->done = NULL;
	secondary_fetch_conclude(fetch, -ECANCELED, NULL);
}

/* -- by UDP: the SOA record -------------------------------------------------------------------- */

/*
 * Asking for a SOA record by UDP. Each check has a connected socket of its own. So its port cannot
 * be guessed, no other address can send to it, and an unreachable port is reported at once.
 */

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
