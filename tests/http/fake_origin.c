/* See the header. Left out: TLS, Unix sockets. */
#include "fake_origin.h"

#include <ctype.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TEXT_MAX = 64 << 20,
	QUIET_TURNS = 20,
	PATIENCE_TURNS = 5000, /* of a millisecond */
};

/* -- the origin -------------------------------------------------------------------------------- */

void origin_start(struct origin *origin, struct weir_loop *loop)
{
	struct weir_address address = local_address();
	socklen_t size = sizeof address;
	*origin = (struct origin){.loop = loop};
	origin->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(origin->listener >= 0);
	assert_int_equal(bind(origin->listener, &address.any, weir_address_size(&address)), 0);
	assert_int_equal(listen(origin->listener, 64), 0);
	assert_int_equal(getsockname(origin->listener, &address.any, &size), 0);
	snprintf(origin->authority, sizeof origin->authority, "127.0.0.1:%u",
	        ntohs(address.v4.sin_port));
}

void origin_stop(struct origin *origin)
{
	close(origin->listener);
}

static int origin_try_accept(struct origin *origin)
{
	int fd = accept4(origin->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

struct peer origin_accept(struct origin *origin)
{
	struct peer peer = {.fd = -1, .loop = origin->loop};
	for (int i = 0; i < PATIENCE_TURNS && peer.fd < 0; i++) {
		peer.fd = origin_try_accept(origin);
		weir_loop_turn(origin->loop, peer.fd < 0);
	}
	assert_true(peer.fd >= 0);
	return peer;
}

bool origin_is_left_alone(struct origin *origin)
{
	for (int i = 0; i < QUIET_TURNS; i++) {
		weir_loop_turn(origin->loop, 1);
		int fd = origin_try_accept(origin);
		if (fd >= 0) {
			close(fd);
			return false;
		}
	}
	return true;
}

void origin_await(struct peer *peer, const char *text)
{
	size_t size = strlen(text);
	while (!peer->got.size || !memmem(peer->got.data, peer->got.size, text, size))
		if (!peer_read_more(peer))
			fail_msg("waited for \"%s\", and got \"%.*s\"", text, (int)peer->got.size,
			        peer->got.size ? peer->got.data : "");
}

void origin_expect(struct origin *origin, struct peer *peer, const char *text)
{
	struct weir_buffer all = {0};
	for (; *text; text++) {
		bool dollar = *text == '$';
		const char *part = dollar ? origin->authority : text;
		assert_int_equal(
		        weir_buffer_append(&all, part, dollar ? strlen(part) : 1, SIZE_MAX), 0);
	}
	peer_read(peer, all.size);
	for (size_t i = 0; i < all.size && i < peer->got.size; i++)
		if (all.data[i] == '#' && isxdigit((unsigned char)peer->got.data[i]))
			all.data[i] = peer->got.data[i];
	if (peer->got.size != all.size || memcmp(peer->got.data, all.data, all.size) != 0)
		fail_msg("wanted \"%.*s\", and got \"%.*s\"", (int)all.size, all.data,
		        (int)peer->got.size, peer->got.size ? peer->got.data : "");
	peer->got.size = 0;
	weir_buffer_finish(&all);
}

void origin_skip_request(struct peer *peer)
{
	origin_await(peer, "\r\n\r\n");
	peer->got.size = 0;
}

/* -- calls ------------------------------------------------------------------------------------- */

static void heard_note(struct heard *heard, const char *bytes, size_t size)
{
	assert_int_equal(weir_buffer_append(&heard->text, bytes, size, TEXT_MAX), 0);
}

static bool heard_cancels(struct heard *heard, char event)
{
	if (heard->cancel_at != event)
		return false;
	weir_http_call_cancel(heard->call);
	heard->call = NULL;
	return true;
}

static void heard_on_interim(void *context, const struct weir_http_reply_head *head)
{
	struct heard *heard = context;
	char text[16];
	heard_note(heard, text, (size_t)snprintf(text, sizeof text, "(%u)", head->status));
	heard_cancels(heard, 'i');
}

static void heard_on_head(void *context, const struct weir_http_reply_head *head)
{
	struct heard *heard = context;
	char text[256];
	int size = snprintf(text, sizeof text, "%u %.*s|", head->status, (int)head->reason.size,
	        head->reason.data);
	heard_note(heard, text, (size_t)size);
	snprintf(heard->url, sizeof heard->url, "%s", head->url);
	if (!heard_cancels(heard, 'h') && heard->pause_at_head)
		weir_http_call_pause(heard->call);
}

static void heard_on_piece(void *context, struct weir_span bytes)
{
	struct heard *heard = context;
	assert_true(bytes.size > 0);
	heard_note(heard, bytes.data, bytes.size);
	heard_cancels(heard, 'p');
}

static void heard_on_trailer(void *context, const struct weir_http_field *field)
{
	struct heard *heard = context;
	heard_note(heard, "|", 1);
	heard_note(heard, field->name.data, field->name.size);
	heard_note(heard, "=", 1);
	heard_note(heard, field->value.data, field->value.size);
	heard_cancels(heard, 't');
}

static void heard_on_end(void *context, const struct weir_http_call_end *end)
{
	struct heard *heard = context;
	heard->call = NULL;
	heard->ends++;
	heard->error = end->error;
	heard->head_came = end->head_came;
	heard->retried = end->retried;
	snprintf(heard->why, sizeof heard->why, "%s", end->text);
	if (end->error == 0)
		heard_note(heard, ".", 1);
}

int heard_start(struct heard *heard, struct weir_http_client *client, struct origin *origin,
        const char *path, struct weir_http_call_options options)
{
	static const struct weir_http_call_events with_trailers = {
	        heard_on_interim, heard_on_head, heard_on_piece, heard_on_trailer, heard_on_end};
	static const struct weir_http_call_events without = {
	        heard_on_interim, heard_on_head, heard_on_piece, NULL, heard_on_end};
	char url[512];
	snprintf(url, sizeof url, "http://%s%s", origin ? origin->authority : "", path);
	if (!options.url)
		options.url = url;
	return weir_http_call_start(client, &options,
	        heard->without_trailers ? &without : &with_trailers, heard, &heard->call);
}

void heard_clear(struct heard *heard)
{
	weir_buffer_finish(&heard->text);
	*heard = (struct heard){.without_trailers = heard->without_trailers};
}

void heard_await_end(struct heard *heard, struct weir_loop *loop)
{
	if (!TURN_UNTIL(loop, heard->ends))
		fail_msg("the call did not end; heard: %.*s", (int)heard->text.size,
		        heard->text.size ? heard->text.data : "");
	assert_int_equal(heard->ends, 1);
}

static bool heard_is(const struct heard *heard, const char *text)
{
	return weir_span_equal(weir_buffer_span(&heard->text), weir_span_of(text));
}

void heard_await(struct heard *heard, struct weir_loop *loop, const char *text)
{
	if (!TURN_UNTIL(loop, heard_is(heard, text)))
		fail_msg("wanted \"%s\", and heard \"%.*s\" (%d)", text, (int)heard->text.size,
		        heard->text.size ? heard->text.data : "", heard->error);
}

void heard_expect(struct heard *heard, struct weir_loop *loop, const char *text)
{
	heard_await_end(heard, loop);
	if (heard->error || !heard_is(heard, text))
		fail_msg("wanted \"%s\", and heard \"%.*s\" (%s)", text, (int)heard->text.size,
		        heard->text.size ? heard->text.data : "", heard->why);
	heard_clear(heard);
}

void heard_expect_error(struct heard *heard, struct weir_loop *loop, int error)
{
	heard_await_end(heard, loop);
	if (heard->error != error)
		fail_msg("wanted %s, and got %s", weir_error_text(error), heard->why);
	heard_clear(heard);
}

void client_stop(struct weir_http_client *client, struct weir_loop *loop)
{
	weir_http_client_destroy(client);
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 0);
}
