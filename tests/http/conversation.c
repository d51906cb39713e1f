/*
 * HTTP on the wire: framing by method, status and version, order under pipelining, bodies,
 * refusals.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/log.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "clock.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_http_server *server;
static struct weir_http_exchange *later[16]; /* to be replied to */
static unsigned later_count, handled;

/* -- handlers, by path ------------------------------------------------------------------------- */

struct generated {
	struct weir_producer base;
	unsigned left;
	bool fails;
};

static enum weir_more generated_more(struct weir_producer *producer, struct weir_output *out)
{
	struct generated *generated = (struct generated *)producer;
	if (!weir_output_copy(out, "piece.", 6))
		return WEIR_FAILED;
	if (--generated->left)
		return WEIR_MORE;
	return generated->fails ? WEIR_FAILED : WEIR_DONE;
}

static void generated_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	free(producer);
}

static struct weir_producer *generated_create(unsigned pieces, bool fails)
{
	static const struct weir_producer_type type = {
	        .name = "generated", .more = generated_more, .close = generated_close};
	struct generated *generated = calloc(1, sizeof *generated);
	if (!generated)
		return NULL;
	weir_producer_init(&generated->base, &type);
	generated->left = pieces;
	generated->fails = fails;
	return &generated->base;
}

struct failing {
	struct weir_producer base;
};

static int64_t failing_size(const struct weir_producer *producer)
{
	(void)producer;
	return 100;
}

static enum weir_more failing_more(struct weir_producer *producer, struct weir_output *out)
{
	(void)producer;
	weir_output_copy(out, "half", 4);
	return WEIR_FAILED;
}

static struct weir_producer *failing_create(void)
{
	static const struct weir_producer_type type = {.name = "failing",
	        .more = failing_more,
	        .close = generated_close,
	        .size = failing_size};
	struct weir_producer *failing = calloc(1, sizeof *failing);
	if (failing)
		weir_producer_init(failing, &type);
	return failing;
}

/* Receives a body and answers with what came. */
struct upload {
	struct weir_http_exchange *exchange;
	char text[256];
	size_t size, total;
	bool pauses;
	struct weir_task resume;
};

static unsigned uploads_open;

static void resume_upload(struct weir_task *task)
{
	weir_http_resume(WEIR_CONTAINER(task, struct upload, resume)->exchange);
}

static void upload_piece(void *context, struct weir_span bytes)
{
	struct upload *upload = context;
	for (size_t i = 0; i < bytes.size && upload->size < sizeof upload->text; i++)
		upload->text[upload->size++] = bytes.data[i];
	upload->total += bytes.size;
	if (upload->pauses) {
		weir_http_pause(upload->exchange);
		upload->resume.run = resume_upload;
		weir_loop_defer(loop, &upload->resume);
	}
}

static void upload_end(void *context, int error)
{
	struct upload *upload = context;
	weir_loop_cancel(loop, &upload->resume);
	if (error == 0) {
		struct weir_producer *reply = weir_produce_format(
		        "%zu:%.*s", upload->total, (int)upload->size, upload->text);
		weir_http_reply(upload->exchange, 200, reply);
	}
	uploads_open--;
	free(upload);
}

static void receive(struct weir_http_exchange *exchange, bool pauses)
{
	static const struct weir_http_receiver receiver = {upload_piece, upload_end};
	struct upload *upload = calloc(1, sizeof *upload);
	if (!upload) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	upload->exchange = exchange;
	upload->pauses = pauses;
	uploads_open++;
	if (weir_http_receive(exchange, &receiver, upload, 1000) == 0)
		return;
	uploads_open--;
	free(upload);
	weir_http_reply_error(exchange, 413);
}

static size_t trailers(void *context, char *text, size_t room)
{
	(void)context;
	return (size_t)snprintf(text, room, "Sum: 7\r\n");
}

static unsigned seconds_closed, lent_released;

static void second_closed(void *context, enum weir_close_reason why, uint64_t bytes)
{
	(void)context;
	seconds_closed += why == WEIR_CLOSE_ABORTED && bytes == 0;
}

static void lent_release(void *context)
{
	(void)context;
	lent_released++;
}

/* Each way to reply again is refused, and leaves the first reply alone. */
static void reply_again(struct weir_http_exchange *exchange)
{
	struct weir_producer *body =
	        weir_produce_hook(weir_produce_borrowed("second", 6), second_closed, NULL);
	assert_int_equal(weir_http_add_field(exchange, "X", WEIR_SPAN("y")), WEIR_E_CLOSED);
	weir_http_lend_fields(exchange, WEIR_SPAN("X: z\r\n"), lent_release, NULL);
	assert_int_equal(weir_http_reply(exchange, 201, body), WEIR_E_CLOSED);
	assert_int_equal(weir_http_reply(exchange, 200, NULL), WEIR_E_CLOSED);
	assert_int_equal(weir_http_reply_empty(exchange, 204), WEIR_E_CLOSED);
	assert_int_equal(weir_http_reply_text(exchange, 200, "a/b", WEIR_SPAN("c")), WEIR_E_CLOSED);
	assert_int_equal(weir_http_reply_error(exchange, 500), WEIR_E_CLOSED);
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	const char *path = weir_http_path(exchange).data;
	(void)context;
	handled++;
	if (strcmp(path, "later") == 0)
		later[later_count++] = exchange;
	else if (strcmp(path, "unknown") == 0)
		weir_http_reply(exchange, 200, generated_create(2, false));
	else if (strcmp(path, "broken") == 0)
		weir_http_reply(exchange, 200, generated_create(2, true));
	else if (strcmp(path, "short") == 0)
		weir_http_reply(exchange, 200, failing_create());
	else if (strcmp(path, "twice") == 0) {
		assert_int_equal(
		        weir_http_reply_text(exchange, 200, "text/plain", WEIR_SPAN("first")), 0);
		reply_again(exchange);
	} else if (strcmp(path, "204") == 0)
		weir_http_reply_empty(exchange, 204);
	else if (strcmp(path, "304") == 0)
		weir_http_reply(exchange, 304, weir_produce_borrowed("hidden", 6));
	else if (strcmp(path, "none") == 0)
		weir_http_reply(exchange, 200, NULL);
	else if (strcmp(path, "upload") == 0)
		receive(exchange, false);
	else if (strcmp(path, "pauses") == 0)
		receive(exchange, true);
	else if (strcmp(path, "trailers") == 0) {
		weir_http_set_trailers(exchange, trailers, NULL);
		weir_http_reply(exchange, 200, generated_create(1, false));
	} else
		weir_http_reply_text(exchange, 200, "text/plain", weir_http_path(exchange));
}

/* -- the fixture ------------------------------------------------------------------------------- */

static char log_path[64];
static struct weir_log *log_of_server;

static int set_up(void **state)
{
	(void)state;
	later_count = handled = 0;
	assert_int_equal(weir_loop_create(&loop), 0);
	snprintf(log_path, sizeof log_path, "/tmp/weir-log-%d", (int)getpid());
	assert_int_equal(weir_log_create(loop, log_path, &log_of_server), 0);
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.listener.bounds.idle_ms = 5000;
	options.listener.bounds.request_ms = 2000;
	options.listener.bounds.progress_ms = 3000;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	options.log = log_of_server;
	assert_int_equal(weir_http_create(loop, &options, &server), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_http_destroy(server);
	server = NULL;
	weir_log_destroy(log_of_server);
	weir_loop_destroy(loop);
	unlink(log_path);
	assert_int_equal(uploads_open, 0);
	return 0;
}

static struct peer connect_peer(void)
{
	return peer_connect(loop, weir_server_address(weir_http_listener(server)), 0);
}

static const char *text_of(struct peer *peer)
{
	weir_buffer_append(&peer->got, "", 1, SIZE_MAX);
	peer->got.size--;
	return peer->got.data;
}

/* Reads until the text is there. */
static bool comes(struct peer *peer, const char *text)
{
	for (int patience = 0; patience < 3000; patience++) {
		if (strstr(text_of(peer), text))
			return true;
		if (peer->eof || peer->error)
			return false;
		size_t before = peer->got.size;
		for (int i = 0; i < 4 && peer->got.size == before; i++)
			weir_loop_turn(loop, i == 3);
		char bytes[4096];
		ssize_t got = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		peer->eof = got == 0;
		if (got < 0 && errno != EAGAIN)
			peer->error = errno;
		if (got > 0)
			weir_buffer_append(&peer->got, bytes, (size_t)got, SIZE_MAX);
	}
	return false;
}

static unsigned count_of(const char *text, const char *part)
{
	unsigned count = 0;
	for (; (text = strstr(text, part)); text++)
		count++;
	return count;
}

#define assert_comes(peer, text)                                                                   \
	do {                                                                                       \
		if (!comes(peer, text))                                                            \
			fail_msg("no \"%s\" in \"%s\" (eof %d, errno %d)", text, text_of(peer),    \
			        (peer)->eof, (peer)->error);                                       \
	} while (0)

/* Sends it all and reads up to the end of the connection. */
static struct peer ask(const char *request)
{
	struct peer peer = connect_peer();
	peer_send(&peer, request);
	if (!peer_read_end(&peer))
		fail_msg("no end after: %s", text_of(&peer));
	return peer;
}

static void expect(const char *request, const char *start, const char *has, const char *has_not)
{
	struct peer peer = ask(request);
	const char *text = text_of(&peer);
	if (strncmp(text, start, strlen(start)) != 0 || (has && !strstr(text, has)) ||
	        (has_not && strstr(text, has_not)))
		fail_msg("\"%s\" gets \"%s\"", request, text);
	peer_close(&peer);
}

/* -- framing ----------------------------------------------------------------------------------- */

static void replies_are_framed_as_they_must(void **state)
{
	(void)state;
	const char *close = "Host: a\r\nConnection: close\r\n\r\n";
	char request[200];
	static const struct {
		const char *line, *start, *has, *has_not;
	} cases[] = {
	        {"GET /x", "HTTP/1.1 200 ", "Content-Length: 1\r\nConnection: close\r\n\r\nx",
	                "chunked"},
	        {"HEAD /xyz", "HTTP/1.1 200 ", "Content-Length: 3\r\nConnection: close\r\n\r\n",
	                "\r\n\r\nx"},
	        {"GET /204", "HTTP/1.1 204 ", "\r\n\r\n", "Content-Length"},
	        {"GET /304", "HTTP/1.1 304 ", "\r\n\r\n", "hidden"},
	        {"GET /unknown", "HTTP/1.1 200 ", "\r\n\r\n6\r\npiece.\r\n6\r\npiece.\r\n0\r\n\r\n",
	                "Length"},
	        {"HEAD /unknown", "HTTP/1.1 200 ", "chunked\r\n", "piece"},
	        {"GET /trailers", "HTTP/1.1 200 ", "\r\n0\r\nSum: 7\r\n\r\n", "Length"},
	        {"GET /none", "HTTP/1.1 500 ", "Content-Length: 0", NULL},
	        {"CONNECT a:1", "HTTP/1.1 405 ", NULL, NULL},
	        {"GET /%zz", "HTTP/1.1 400 ", NULL, NULL},
	        {"GET /a/../..", "HTTP/1.1 400 ", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(request, sizeof request, "%s HTTP/1.1\r\n%s", cases[i].line, close);
		expect(request, cases[i].start, cases[i].has, cases[i].has_not);
	}
}

static void one_point_zero(void **state)
{
	(void)state;
	expect("GET /unknown HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\npiece.piece.", "chunked");
	expect("GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "Connection: close", NULL);
	/*
	 * Kept alive on wish; a reply without length ends it, and what was pipelined is not
	 * answered.
	 */
	expect("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	       "GET /unknown HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	       "GET /never HTTP/1.0\r\n\r\n",
	        "HTTP/1.1 200 ", "Connection: keep-alive\r\n\r\nxHTTP/1.1 200 ", "never");
	/* No 100 for 1.0. */
	expect("POST /upload HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
	        "HTTP/1.1 200 ", "2:ab", "100");
}

static void a_broken_reply_can_be_told(void **state)
{
	(void)state;
	struct peer peer =
	        ask("GET /broken HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_null(strstr(text_of(&peer), "\r\n0\r\n"));
	assert_int_equal(count_of(text_of(&peer), "HTTP/1.1"), 1);
	peer_close(&peer);
	peer = ask("GET /short HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_non_null(strstr(text_of(&peer), "Content-Length: 100\r\n\r\nhalf"));
	assert_int_equal(count_of(text_of(&peer), "HTTP/1.1"), 1);
	peer_close(&peer);
	peer = ask("GET /broken HTTP/1.0\r\n\r\n");
	assert_int_equal(peer.error, ECONNRESET);
	peer_close(&peer);
}

/* -- pipelining -------------------------------------------------------------------------------- */

static void a_thousand_are_answered_in_order(void **state)
{
	(void)state;
	enum {
		COUNT = 1000,
		SLOW = 500
	};
	struct peer peer = connect_peer();
	for (int i = 0; i < COUNT; i++) {
		char request[64];
		snprintf(
		        request, sizeof request, "GET /%s%04d HTTP/1.1\r\nHost: a\r\n\r\n", "n", i);
		peer_send(&peer, i == SLOW ? "GET /later HTTP/1.1\r\nHost: a\r\n\r\n" : request);
	}
	assert_comes(&peer, "\r\n\r\nn0499");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	peer_turn(&peer, 10);
	assert_null(strstr(text_of(&peer), "n0501"));
	assert_true(handled <= SLOW + 1 + 128);
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("slow"));
	assert_comes(&peer, "\r\n\r\nn0999");
	const char *at = text_of(&peer);
	for (int i = 0; i < COUNT; i++) {
		char body[16];
		snprintf(body, sizeof body, i == SLOW ? "\r\n\r\nslow" : "\r\n\r\nn%04d", i);
		at = strstr(at, body);
		assert_non_null(at);
	}
	assert_int_equal(count_of(text_of(&peer), "HTTP/1.1 200"), COUNT);
	peer_close(&peer);
}

/* -- bodies ------------------------------------------------------------------------------------ */

static const char chunked[] =
        "POST /%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;name=\"v;\"\r\nabc\r\n0a\r\n0123456789\r\n0;x\r\nT: 1\r\nU: 2\r\n\r\n"
        "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* By length and chunked, paused or not, in reads of every size. */
static void bodies_arrive_however_they_are_cut(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		char request[400];
		int size;
		const char *path = kind % 2 ? "pauses" : "upload";
		if (kind < 2)
			size = snprintf(request, sizeof request, chunked, path);
		else
			size = snprintf(request, sizeof request,
			        "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\nabc0123456789"
			        "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			        path);
		for (int step = 1; step <= size; step = step < 40 ? step + 3 : step * 2) {
			struct peer peer = connect_peer();
			for (int at = 0; at < size; at += step) {
				peer_send_bytes(&peer, request + at,
				        (size_t)(size - at < step ? size - at : step));
				weir_loop_turn(loop, 0);
			}
			assert_comes(&peer, "\r\n\r\n13:abc0123456789HTTP/1.1 200");
			assert_comes(&peer, "next");
			assert_true(peer_read_end(&peer));
			assert_int_equal(peer.error, 0);
			peer_close(&peer);
		}
	}
}

static void a_body_that_nobody_wants(void **state)
{
	(void)state;
	static char large[700000];
	const char *small = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
	                    "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	expect(small, "HTTP/1.1 200 ", "next", NULL);
	/* Too large to be read for nothing: the reply arrives all the same, and nothing more. */
	for (int later_body = 0; later_body <= 1; later_body++) {
		struct peer peer = connect_peer();
		memset(large, 'x', sizeof large);
		peer_send(&peer, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n");
		if (later_body)
			peer_turn(&peer, 10);
		peer_send_bytes(&peer, large, sizeof large);
		peer_send(&peer, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_comes(&peer, "Connection: close\r\n\r\nx");
		peer_finish(&peer);
		assert_true(peer_read_end(&peer));
		assert_int_equal(peer.error, 0);
		assert_null(strstr(text_of(&peer), "next"));
		peer_close(&peer);
	}
}

static void more_than_is_allowed_is_413(void **state)
{
	(void)state;
	char request[3000];
	expect("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n",
	        "HTTP/1.1 413 ", NULL, NULL);
	int head = snprintf(request, sizeof request,
	        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n");
	memset(request + head, 'x', 0x3e9);
	strcpy(request + head + 0x3e9, "\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(request, "HTTP/1.1 413 ", NULL, "next");
}

static void continue_is_told_when_it_is_wanted(void **state)
{
	(void)state;
	struct peer peer = connect_peer();
	const char *head = "POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	                   "Content-Length: 2\r\n\r\n";
	peer_send(&peer, head);
	assert_true(peer_got(&peer, "HTTP/1.1 100 Continue\r\n\r\n"));
	peer_send(&peer, "ab");
	assert_comes(&peer, "2:ab");
	peer_close(&peer);
	/* Refused: no 100, and the end, for nobody knows what will come. */
	expect("POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n",
	        "HTTP/1.1 413 ", "Connection: close", "100 Continue");
	expect("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
	        "HTTP/1.1 200 ", "Connection: close", "100 Continue");
	expect("POST /x HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 2\r\n\r\n",
	        "HTTP/1.1 417 ", NULL, NULL);
}

/* -- refusals ---------------------------------------------------------------------------------- */

static void nothing_is_read_behind_a_refused_request(void **state)
{
	(void)state;
	static const char *const requests[][2] = {
	        {"400", "GET / HTTP/1.1\r\n\r\n"},
	        {"400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
	        {"400", "GET / HTTP/1.1\nHost: a\n\n"},
	        {"400", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"},
	        {"400", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
	        {"400", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
	        {"400", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
	        {"501", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
	        {"505", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"},
	        {"505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	        {"400", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
	        {"400", "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
	        {"400", "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"},
	        {"400", "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	                "ffffffffffffffff\r\n"},
	        {"400", "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	                "0\r\nbad trailer\r\n\r\n"},
	};
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		char start[32], request[400];
		snprintf(start, sizeof start, "HTTP/1.1 %s ", requests[i][0]);
		snprintf(request, sizeof request, "%sGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
		        requests[i][1]);
		struct peer peer = connect_peer();
		peer_send(&peer, request);
		assert_comes(&peer, "</html>");
		peer_send(&peer, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
		peer_finish(&peer);
		assert_true(peer_read_end(&peer));
		if (strncmp(text_of(&peer), start, strlen(start)) != 0 ||
		        count_of(text_of(&peer), "HTTP/1.1") != 1)
			fail_msg("\"%s\" gets \"%s\"", requests[i][1], text_of(&peer));
		assert_int_equal(peer.error, 0);
		peer_close(&peer);
	}
}

static void what_is_too_large_is_said_so(void **state)
{
	(void)state;
	static char request[200000];
	for (int which = 0; which < 3; which++) {
		size_t size = (size_t)sprintf(
		        request, which == 0 ? "GET /" : "GET / HTTP/1.1\r\nHost: a\r\n");
		for (size_t n = 0; size < 100000; n++) {
			if (which == 1)
				size += (size_t)sprintf(request + size, "f%zu: v\r\n", n);
			else if (which == 2 && n == 0)
				size += (size_t)sprintf(request + size, "a: ");
			else
				request[size++] = 'x';
			request[size] = 0;
		}
		struct peer peer = connect_peer();
		peer_send_bytes(&peer, request, size);
		assert_comes(&peer, which == 0 ? "HTTP/1.1 414 " : "HTTP/1.1 431 ");
		peer_close(&peer);
	}
}

/* -- time -------------------------------------------------------------------------------------- */

static void pass(struct peer *peer, int64_t ms)
{
	for (; ms > 0; ms -= 100) {
		clock_advance(100);
		peer_turn(peer, 2);
	}
}

static void slow_requests_are_408(void **state)
{
	(void)state;
	static const char *const parts[][2] = {
	        {"GET / HTTP/1.1\r\nHost: a\r\n", "a: b\r\n"},
	        {"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n", "x"},
	        {"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n", ""},
	        {"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
	                "1\r\nx\r\n"},
	        {"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct peer peer = connect_peer();
		peer_send(&peer, parts[i][0]);
		peer_turn(&peer, 5);
		for (int n = 0; n < 6; n++) {
			peer_send(&peer, parts[i][1]);
			peer_turn(&peer, 2);
			pass(&peer, 500);
		}
		assert_comes(&peer, "HTTP/1.1 408 ");
		peer_finish(&peer);
		assert_true(peer_read_end(&peer));
		assert_int_equal(count_of(text_of(&peer), "HTTP/1.1"), 1);
		peer_close(&peer);
		assert_int_equal(uploads_open, 0);
	}
}

static void an_idle_connection_is_closed(void **state)
{
	(void)state;
	struct peer peer = connect_peer();
	peer_send(&peer, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_comes(&peer, "\r\n\r\nx");
	pass(&peer, 4500);
	assert_int_equal(weir_server_channels(weir_http_listener(server)), 1);
	pass(&peer, 1000);
	assert_true(peer_read_end(&peer));
	assert_true(peer.eof);
	peer_close(&peer);
}

/* -- clients that go, handlers that are late --------------------------------------------------- */

static void a_late_reply_finds_nobody(void **state)
{
	(void)state;
	for (int body = 0; body <= 1; body++) {
		later_count = 0;
		struct peer peer = connect_peer();
		peer_send(&peer,
		        body ? "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"
		             : "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_true(TURN_UNTIL(loop, later_count == 1));
		assert_false(weir_http_gone(later[0]));
		peer_reset(&peer);
		assert_true(TURN_UNTIL(loop, weir_http_gone(later[0])));
		assert_true(weir_span_equal(weir_http_path(later[0]), WEIR_SPAN("later")));
		weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("in vain"));
	}
}

/* The server is gone, and its log; the loop and the handler are not. */
static void a_late_reply_finds_no_server(void **state)
{
	(void)state;
	struct peer peer = connect_peer();
	peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	weir_http_destroy(server);
	weir_log_destroy(log_of_server);
	server = NULL;
	log_of_server = NULL;
	assert_true(weir_http_gone(later[0]));
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("in vain"));
	peer_close(&peer);
}

static void a_client_goes_while_it_uploads(void **state)
{
	(void)state;
	for (int resets = 0; resets <= 1; resets++) {
		struct peer peer = connect_peer();
		peer_send(&peer, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
		assert_true(TURN_UNTIL(loop, uploads_open == 1));
		if (resets)
			peer_reset(&peer);
		else
			peer_close(&peer);
		assert_true(TURN_UNTIL(loop, uploads_open == 0));
	}
}

struct from_thread {
	struct weir_task task;
	struct weir_http_exchange *exchange;
	pthread_t thread;
};

static void reply_posted(struct weir_task *task)
{
	struct from_thread *from = WEIR_CONTAINER(task, struct from_thread, task);
	weir_http_reply_text(from->exchange, 200, "text/plain", WEIR_SPAN("made elsewhere"));
}

static void *post_reply(void *context)
{
	struct from_thread *from = context;
	usleep(1000);
	weir_loop_post(loop, &from->task);
	return NULL;
}

static void a_thread_may_have_the_reply(void **state)
{
	(void)state;
	struct from_thread from[4];
	struct peer peer = connect_peer();
	for (int i = 0; i < 4; i++)
		peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 4));
	for (int i = 3; i >= 0; i--) {
		from[i] = (struct from_thread){.task.run = reply_posted, .exchange = later[i]};
		pthread_create(&from[i].thread, NULL, post_reply, &from[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(from[i].thread, NULL);
	while (count_of(text_of(&peer), "made elsewhere") < 4)
		assert_true(peer_read_more(&peer));
	peer_close(&peer);
}

static unsigned sites_destroyed;

static void destroy_sites(struct weir_http_sites *sites)
{
	sites_destroyed++;
	weir_http_handlers_destroy(sites->first->handlers);
}

static void sites_are_swapped_under_requests(void **state)
{
	(void)state;
	struct weir_http_site site = {.handlers = weir_http_function_create("", handle, NULL)};
	struct weir_http_sites sites = {&site, 1, destroy_sites};
	sites_destroyed = 0;
	weir_http_set_sites(server, &sites);
	struct peer peer = connect_peer();
	peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	weir_http_set_sites(
	        server, weir_http_sites_create(weir_http_function_create("no/", handle, NULL)));
	assert_int_equal(sites_destroyed, 0);
	peer_send(&peer, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("old"));
	assert_comes(&peer, "\r\n\r\noldHTTP/1.1 404 ");
	assert_int_equal(sites_destroyed, 1);
	peer_close(&peer);
}

static void on_drained(void *context)
{
	*(bool *)context = true;
}

static void draining_finishes_what_began(void **state)
{
	(void)state;
	bool drained = false;
	struct peer idle = connect_peer(), busy = connect_peer();
	peer_send(&idle, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_comes(&idle, "\r\n\r\nx");
	peer_send(&busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	weir_server_drain(weir_http_listener(server), on_drained, &drained);
	assert_true(peer_read_end(&idle));
	assert_false(drained);
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("done"));
	assert_comes(&busy, "Connection: close\r\n\r\ndone");
	assert_true(peer_read_end(&busy));
	assert_true(TURN_UNTIL(loop, drained));
	peer_close(&idle);
	peer_close(&busy);
}

/* -- the log ----------------------------------------------------------------------------------- */

static void the_log_tells_how_it_went(void **state)
{
	(void)state;
	char text[4096];
	expect("GET /unknown HTTP/1.1\r\nHost: a\r\nUser-Agent: x\"\\\xff\r\nConnection: close\r\n\r\n",
	        "HTTP/1.1 200 ", NULL, NULL);
	struct peer peer = connect_peer();
	peer_send(
	        &peer, "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	peer_reset(&peer);
	assert_true(TURN_UNTIL(loop, weir_http_gone(later[0])));
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("in vain"));
	weir_http_destroy(server);
	weir_log_destroy(log_of_server);
	server = NULL;
	log_of_server = NULL;
	FILE *file = fopen(log_path, "r");
	text[fread(text, 1, sizeof text - 1, file)] = 0;
	fclose(file);
	assert_int_equal(count_of(text, "\n"), 3);
	assert_non_null(strstr(text, "\"GET /unknown HTTP/1.1\" 200 "));
	assert_non_null(strstr(text, " \"x\\x22\\x5C\\xFF\" "));
	assert_non_null(strstr(text, "\"GET /x HTTP/1.1\" 200 1 \"-\" \"-\" "));
	assert_non_null(strstr(text, "\"GET /later HTTP/1.1\" 499 0 \"-\" \"-\" "));
	assert_int_equal(count_of(text, " + \"-\" "), 1);
	assert_int_equal(count_of(text, " - \"-\" "), 1);
	assert_int_equal(count_of(text, " X \"-\" "), 1);
}

static size_t size_of_file(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? (size_t)status.st_size : 0;
}

/* Its lines go there and nowhere else; after the end of the server there are none. */
static void a_site_may_have_a_log_of_its_own(void **state)
{
	(void)state;
	char path[80], text[1024];
	struct weir_log *own;
	snprintf(path, sizeof path, "%s-own", log_path);
	assert_int_equal(weir_log_create(loop, path, &own), 0);
	struct weir_http_site site = {.handlers = weir_http_function_create("", handle, NULL),
	        .own_log = true,
	        .log = own};
	struct weir_http_sites sites = {&site, 1, destroy_sites};
	sites_destroyed = 0;
	weir_http_set_sites(server, &sites);
	expect("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", NULL,
	        NULL);
	site.log = NULL;
	expect("GET /off HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", NULL,
	        NULL);
	site.log = own;
	struct peer peer = connect_peer();
	peer_send(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	weir_http_destroy(server);
	weir_log_destroy(log_of_server);
	weir_log_destroy(own);
	server = NULL;
	log_of_server = NULL;
	assert_int_equal(sites_destroyed, 0);
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("in vain"));
	assert_int_equal(sites_destroyed, 1);
	peer_close(&peer);
	assert_int_equal(size_of_file(log_path), 0);
	FILE *file = fopen(path, "r");
	text[fread(text, 1, sizeof text - 1, file)] = 0;
	fclose(file);
	unlink(path);
	assert_int_equal(count_of(text, "\n"), 1);
	assert_non_null(strstr(text, "\"GET /x HTTP/1.1\" 200 "));
}

/* A field whose bytes need four each in the log is cut off, and the line ends as others do. */
static void a_long_line_keeps_its_end(void **state)
{
	(void)state;
	static char request[32000], text[200000];
	size_t size = (size_t)sprintf(
	        request, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: ");
	memset(request + size, 0xfe, 30000);
	sprintf(request + size + 30000, "\r\n\r\n");
	for (int i = 0; i < 3; i++)
		expect(request, "HTTP/1.1 200 ", NULL, NULL);
	weir_http_destroy(server);
	weir_log_destroy(log_of_server);
	server = NULL;
	log_of_server = NULL;
	FILE *file = fopen(log_path, "r");
	size = fread(text, 1, sizeof text - 1, file);
	text[size] = 0;
	fclose(file);
	assert_int_equal(count_of(text, "\n"), 3);
	assert_int_equal(count_of(text, "\" \""), 3);
	assert_int_equal(count_of(text, "\" 0."), 3);
	assert_int_equal(text[size - 1], '\n');
}

/* -- no memory --------------------------------------------------------------------------------- */

static void converse(void)
{
	struct peer peer = connect_peer();
	char request[400];
	peer_send(&peer, "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /la");
	peer_turn(&peer, 3);
	peer_send(&peer, "ter HTTP/1.1\r\nHost: a\r\n\r\nGET /unknown HTTP/1.1\r\nHost: a\r\n\r\n");
	peer_turn(&peer, 3);
	for (unsigned i = 0; i < later_count; i++) {
		assert_true(weir_http_request(later[i])->field_count <= 1);
		weir_http_add_field(later[i], "X-Path", weir_http_path(later[i]));
		weir_http_reply_text(later[i], 200, "text/plain", WEIR_SPAN("late"));
	}
	later_count = 0;
	snprintf(request, sizeof request, chunked, "pauses");
	peer_send(&peer, request);
	for (int i = 0; i < 200 && weir_server_channels(weir_http_listener(server)); i++) {
		char bytes[8192];
		(void)!recv(peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
		peer_turn(&peer, 1);
		if (i > 150)
			clock_advance(500);
	}
	peer_close(&peer);
	peer_turn(&peer, 3);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		fail_allocation_after(good, false);
		converse();
		bool failed = stop_failing_allocations();
		assert_int_equal(uploads_open, 0);
		assert_true(TURN_UNTIL(loop,
		        (clock_advance(500), !weir_server_channels(weir_http_listener(server)))));
		if (!failed)
			break;
	}
	expect("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", NULL,
	        NULL);
}

static void a_second_reply_is_refused_and_its_body_closed(void **state)
{
	(void)state;
	struct peer peer = connect_peer();
	seconds_closed = lent_released = 0;
	peer_send(&peer, "GET /twice HTTP/1.1\r\nHost: a\r\n\r\n"
	                 "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
	                 "GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_true(TURN_UNTIL(loop, later_count == 1));
	assert_int_equal(weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("third")), 0);
	reply_again(later[0]);
	assert_true(peer_read_end(&peer));
	const char *text = text_of(&peer);
	assert_non_null(strstr(text, "Content-Length: 5\r\n"));
	assert_non_null(strstr(text, "first"));
	assert_non_null(strstr(text, "third"));
	assert_non_null(strstr(text, "\r\n\r\nend"));
	assert_null(strstr(text, "X: "));
	assert_null(strstr(text, "a/b"));
	assert_null(strstr(text, "second"));
	assert_int_equal(seconds_closed, 2);
	assert_int_equal(lent_released, 2);
	peer_close(&peer);
}

static void a_server_needs_sites(void **state)
{
	(void)state;
	struct weir_http_server *none;
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	assert_int_equal(weir_http_create(loop, &options, &none), -ENOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(replies_are_framed_as_they_must),
	        TEST(one_point_zero),
	        TEST(a_broken_reply_can_be_told),
	        TEST(a_thousand_are_answered_in_order),
	        TEST(bodies_arrive_however_they_are_cut),
	        TEST(a_body_that_nobody_wants),
	        TEST(more_than_is_allowed_is_413),
	        TEST(continue_is_told_when_it_is_wanted),
	        TEST(nothing_is_read_behind_a_refused_request),
	        TEST(what_is_too_large_is_said_so),
	        TEST(slow_requests_are_408),
	        TEST(an_idle_connection_is_closed),
	        TEST(a_late_reply_finds_nobody),
	        TEST(a_late_reply_finds_no_server),
	        TEST(a_client_goes_while_it_uploads),
	        TEST(a_thread_may_have_the_reply),
	        TEST(sites_are_swapped_under_requests),
	        TEST(draining_finishes_what_began),
	        TEST(the_log_tells_how_it_went),
	        TEST(a_site_may_have_a_log_of_its_own),
	        TEST(a_long_line_keeps_its_end),
	        TEST(any_allocation_may_fail),
	        TEST(a_second_reply_is_refused_and_its_body_closed),
	        TEST(a_server_needs_sites),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
