/*
 * HTTP/2 on the wire with handlers that reply at once, later, in pieces, never; bodies that are
 * received, paused or left alone; ends by either side. Frames that come are noted as text:
 *
 *   1:200 1:"hello" 1. ─ the head of stream 1, its body, its end;  1!8 ─ RST_STREAM with CANCEL
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "clock.h"
#include "h2.h"
#include "h2_frame.h"
#include <nghttp2/nghttp2.h>

#include "h2_head.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_http_server *server;
static struct weir_http_exchange *later[16];
static unsigned later_count, gone_count, hooks_closed, uploads_open;
static enum weir_close_reason hook_why;
static char large[300000], large_text[20001];

/* -- handlers, by path ------------------------------------------------------------------------- */

struct upload {
	struct weir_http_exchange *exchange;
	struct weir_buffer text;
	unsigned pieces;
	bool pauses;
	struct weir_task resume;
};

static void upload_resume(struct weir_task *task)
{
	weir_http_resume(WEIR_CONTAINER(task, struct upload, resume)->exchange);
}

static void upload_piece(void *context, struct weir_span bytes)
{
	struct upload *upload = context;
	weir_buffer_append(&upload->text, bytes.data, bytes.size, 100000);
	upload->pieces++;
	if (!upload->pauses)
		return;
	weir_http_pause(upload->exchange);
	upload->resume.run = upload_resume;
	weir_loop_defer(loop, &upload->resume);
}

static void upload_end(void *context, int error)
{
	struct upload *upload = context;
	weir_loop_cancel(loop, &upload->resume);
	if (error == 0)
		weir_http_reply_text(upload->exchange, 200, "text/plain",
		        upload->text.size > 100 ? WEIR_SPAN("large")
		                                : weir_buffer_span(&upload->text));
	weir_buffer_finish(&upload->text);
	uploads_open--;
	free(upload);
}

static void upload_trailer(void *context, const struct weir_http_field *field)
{
	struct upload *upload = context;
	weir_buffer_format(&upload->text, 100000, "|%.*s=%.*s", (int)field->name.size,
	        field->name.data, (int)field->value.size, field->value.data);
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
	weir_http_on_trailer(exchange, upload_trailer);
	if (weir_http_receive(exchange, &receiver, upload, 50000) == 0)
		return;
	uploads_open--;
	free(upload);
	weir_http_reply_error(exchange, 413);
}

static enum weir_more generate(void *context, struct weir_output *out)
{
	unsigned *left = context;
	if (!weir_output_copy(out, "piece.", 6))
		return WEIR_FAILED;
	return --*left ? WEIR_MORE : WEIR_DONE;
}

static enum weir_more generate_broken(void *context, struct weir_output *out)
{
	(void)context;
	weir_output_copy(out, "half", 4);
	return WEIR_FAILED;
}

static size_t put_trailers(void *context, char *text, size_t room)
{
	(void)context;
	return (size_t)snprintf(text, room, "Sum: 7\r\n");
}

static void note_gone(void *context)
{
	gone_count++;
	weir_http_reply_empty(context, 204);
}

static void note_hook(void *context, enum weir_close_reason why, uint64_t bytes)
{
	(void)context, (void)bytes;
	hooks_closed++;
	hook_why = why;
}

static struct weir_buffer lent_lines;
static unsigned released;

static void note_released(void *context)
{
	(void)context;
	released++;
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	static unsigned left;
	const char *path = weir_http_path(exchange).data;
	(void)context;
	if (strcmp(path, "later") == 0)
		later[later_count++ % 16] = exchange;
	else if (strcmp(path, "gone") == 0)
		weir_http_on_gone(exchange, note_gone, exchange);
	else if (strcmp(path, "pieces") == 0) {
		left = 3;
		weir_http_reply(exchange, 200, weir_produce_generator(generate, NULL, &left));
	} else if (strcmp(path, "hints") == 0) {
		const struct weir_http_field fields[] = {{WEIR_SPAN("Link"), WEIR_SPAN("</a>")},
		        {WEIR_SPAN("X-Empty"), WEIR_SPAN("")}};
		weir_http_interim(exchange, 103, fields, 2);
		weir_http_interim(exchange, 102, NULL, 0);
		weir_http_reply_empty(exchange, 204);
	} else if (strcmp(path, "trailers") == 0) {
		left = 1;
		weir_http_set_trailers(exchange, put_trailers, NULL);
		weir_http_reply(exchange, 200, weir_produce_generator(generate, NULL, &left));
	} else if (strcmp(path, "text-trailers") == 0) {
		weir_http_set_trailers(exchange, put_trailers, NULL);
		weir_http_reply(exchange, 200, weir_produce_borrowed("piece.", 6));
	} else if (strcmp(path, "noted") == 0) {
		later[later_count++ % 16] = exchange;
		weir_http_on_gone(exchange, note_gone, exchange);
		weir_http_lend_fields(exchange, WEIR_SPAN("X: y\r\n"), note_released, NULL);
		weir_http_reply(exchange, 200, weir_produce_borrowed(large, sizeof large));
	} else if (strcmp(path, "broken") == 0)
		weir_http_reply(exchange, 200, weir_produce_generator(generate_broken, NULL, NULL));
	else if (strcmp(path, "large") == 0)
		weir_http_reply(exchange, 200,
		        weir_produce_hook(
		                weir_produce_borrowed(large, sizeof large), note_hook, NULL));
	else if (strcmp(path, "204") == 0)
		weir_http_reply_empty(exchange, 204);
	else if (strcmp(path, "upload") == 0)
		receive(exchange, false);
	else if (strcmp(path, "pauses") == 0)
		receive(exchange, true);
	else if (strcmp(path, "fields") == 0) {
		char long_value[200];
		memset(long_value, 'v', sizeof long_value);
		weir_http_add_field(exchange, "X-Long", weir_span(long_value, sizeof long_value));
		weir_http_add_field(exchange, "ETag", WEIR_SPAN("\"a\""));
		weir_http_add_field(exchange, "Connection", WEIR_SPAN("close"));
		weir_http_reply_empty(exchange, 200);
	} else if (strcmp(path, "lent") == 0) {
		weir_http_lend_fields(exchange, weir_buffer_span(&lent_lines), note_released, NULL);
		weir_http_reply_text(exchange, 200, "text/plain", WEIR_SPAN("behind"));
	} else
		weir_http_reply_text(exchange, 200, "text/plain", weir_http_path(exchange));
}

/* -- the fixture ------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	later_count = gone_count = hooks_closed = 0;
	memset(large_text, 'v', sizeof large_text - 1);
	assert_int_equal(weir_loop_create(&loop), 0);
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.listener.bounds.progress_ms = 3000;
	options.listener.bounds.request_ms = 2000;
	options.listener.bounds.idle_ms = 5000;
	options.http2_prior_knowledge = true;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	assert_int_equal(weir_http_create(loop, &options, &server), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_http_destroy(server);
	weir_loop_destroy(loop);
	assert_int_equal(uploads_open, 0);
	return 0;
}

/* -- a client ---------------------------------------------------------------------------------- */

struct client {
	struct peer peer;
	nghttp2_hd_inflater *inflater;
	struct weir_buffer out; /* frames to send */
	struct weir_buffer text;
	struct weir_buffer block; /* of HEADERS without END_HEADERS */
	size_t data_bytes;        /* of DATA frames */
	unsigned continuations;
	uint32_t goaway_stream; /* that the last GOAWAY has named */
	bool quiet;             /* DATA is counted, but not noted */
};

static void put(struct client *client, enum h2_frame_type type, unsigned flags, uint32_t id,
        const void *payload, size_t size)
{
	char header[H2_FRAME_HEADER_SIZE];
	h2_frame_put_header(header, size, type, flags, id);
	weir_buffer_append(&client->out, header, sizeof header, SIZE_MAX);
	weir_buffer_append(&client->out, payload, size, SIZE_MAX);
}

static void put32(struct client *client, enum h2_frame_type type, uint32_t id, uint32_t value)
{
	char payload[4];
	h2_frame_put32(payload, value);
	put(client, type, 0, id, payload, sizeof payload);
}

static char *add_field(char *to, const char *name, const char *value)
{
	*to++ = 0;
	*to++ = (char)strlen(name);
	to = stpcpy(to, name);
	*to++ = (char)strlen(value);
	return stpcpy(to, value);
}

static void put_request(
        struct client *client, uint32_t id, const char *method, const char *path, bool end)
{
	char block[512], *to = block;
	to = add_field(to, ":method", method);
	to = add_field(to, ":scheme", "http");
	to = add_field(to, ":path", path);
	to = add_field(to, ":authority", "a");
	put(client, H2_HEADERS, H2_FLAG_END_HEADERS | (end ? H2_FLAG_END_STREAM : 0), id, block,
	        (size_t)(to - block));
}

static struct client client_begin(void)
{
	struct client client = {0};
	client.peer = peer_connect(loop, weir_server_address(weir_http_listener(server)), 0);
	assert_int_equal(nghttp2_hd_inflate_new(&client.inflater), 0);
	weir_buffer_append(&client.out, H2_PREFACE, sizeof H2_PREFACE - 1, SIZE_MAX);
	put(&client, H2_SETTINGS, 0, 0, NULL, 0);
	return client;
}

static void client_end(struct client *client)
{
	peer_close(&client->peer);
	nghttp2_hd_inflate_del(client->inflater);
	weir_buffer_finish(&client->out);
	weir_buffer_finish(&client->text);
	weir_buffer_finish(&client->block);
}

static void client_send(struct client *client)
{
	peer_send_bytes(&client->peer, client->out.data, client->out.size);
	client->out.size = 0;
}

#define NOTE(client, ...) weir_buffer_format(&(client)->text, SIZE_MAX, __VA_ARGS__)

static void note_fields(struct client *client, const struct h2_frame *frame)
{
	weir_buffer_append(&client->block, frame->payload.data, frame->payload.size, SIZE_MAX);
	if (!(frame->flags & H2_FLAG_END_HEADERS))
		return;
	struct weir_span block = weir_buffer_span(&client->block);
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(
		        client->inflater, &nv, &flags, (const uint8_t *)block.data, block.size, 1);
		assert_true(used >= 0);
		block = weir_span_skip(block, (size_t)used);
		if (flags & NGHTTP2_HD_INFLATE_EMIT && strcmp((char *)nv.name, ":status") == 0)
			NOTE(client, "%u:%s ", frame->stream_id, (char *)nv.value);
		else if (flags & NGHTTP2_HD_INFLATE_EMIT && strcmp((char *)nv.name, "date") != 0 &&
		         strcmp((char *)nv.name, "content-type") != 0)
			NOTE(client, "%u:%s=%s ", frame->stream_id, (char *)nv.name,
			        (char *)nv.value);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(client->inflater);
	client->block.size = 0;
}

static void note_frame(struct client *client, const struct h2_frame *frame)
{
	unsigned id = frame->stream_id;
	if (frame->type == H2_HEADERS || frame->type == H2_CONTINUATION)
		note_fields(client, frame);
	client->continuations += frame->type == H2_CONTINUATION;
	if (frame->type == H2_DATA && frame->size && !client->quiet)
		NOTE(client, "%u:\"%.*s\" ", id, (int)frame->size, frame->payload.data);
	if (frame->type == H2_DATA)
		client->data_bytes += frame->size;
	if (frame->type == H2_RST_STREAM)
		NOTE(client, "%u!%u ", id, h2_frame_get32(frame->payload.data));
	if (frame->type == H2_GOAWAY) {
		client->goaway_stream = h2_frame_get32(frame->payload.data);
		NOTE(client, "goaway %u ", h2_frame_get32(frame->payload.data + 4));
	}
	if (frame->type <= H2_HEADERS && frame->flags & H2_FLAG_END_STREAM)
		NOTE(client, "%u. ", id);
}

/* Notes the frames that have come whole. */
static void client_read(struct client *client)
{
	char bytes[65536];
	struct weir_buffer *got = &client->peer.got;
	ssize_t size = recv(client->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	client->peer.eof |= size == 0;
	if (size > 0)
		weir_buffer_append(got, bytes, (size_t)size, SIZE_MAX);
	struct weir_cut cut = {0};
	while (h2_frame_scan(weir_buffer_span(got), &cut) == WEIR_SCAN_FOUND) {
		struct h2_frame frame = h2_frame_read(weir_span(got->data, cut.end));
		note_frame(client, &frame);
		weir_buffer_consume(got, cut.end);
	}
}

static bool client_has(struct client *client, const char *text)
{
	client_read(client);
	weir_buffer_append(&client->text, "", 1, SIZE_MAX);
	client->text.size--;
	return strstr(client->text.data, text);
}

/* Turns until exactly this was noted, in this order. */
static void client_expect(struct client *client, const char *text)
{
	bool came = TURN_UNTIL(loop, client_has(client, text) || client->peer.eof);
	if (!came || strcmp(client->text.data, text) != 0)
		fail_msg("\"%s\" instead of \"%s\"", client->text.data, text);
	client->text.size = 0;
}

static void client_await(struct client *client, const char *text)
{
	if (!TURN_UNTIL(loop, client_has(client, text)))
		fail_msg("no \"%s\" in \"%s\" and %zu bytes", text, client->text.data,
		        client->data_bytes);
}

/* -- replies ----------------------------------------------------------------------------------- */

static void replies_have_frames_and_no_codings(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/hello", true);
	client_send(&client);
	client_expect(&client, "1:200 1:content-length=5 1:\"hello\" 1. ");
	put_request(&client, 3, "HEAD", "/hello", true);
	client_send(&client);
	client_expect(&client, "3:200 3:content-length=5 3. ");
	put_request(&client, 5, "GET", "/pieces", true);
	client_send(&client);
	client_expect(&client, "5:200 5:\"piece.piece.piece.\" 5. ");
	put_request(&client, 7, "GET", "/204", true);
	client_send(&client);
	client_expect(&client, "7:204 7. ");
	put_request(&client, 9, "GET", "/trailers", true);
	client_send(&client);
	client_expect(&client, "9:200 9:\"piece.\" 9:sum=7 9. ");
	put_request(&client, 11, "GET", "/broken", true);
	client_send(&client);
	client_expect(&client, "11:200 11:\"half\" 11!2 ");
	client_end(&client);
}

static void fields_are_in_lower_case_and_those_of_the_connection_left_out(void **state)
{
	char text[400], value[201] = "";
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/fields", true);
	client_send(&client);
	memset(value, 'v', 200);
	snprintf(text, sizeof text, "1:200 1:content-length=0 1:x-long=%s 1:etag=\"a\" 1. ", value);
	client_expect(&client, text);
	client_end(&client);
}

static void a_large_head_has_continuation_frames(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		char name[100];
		memset(name, 'a' + i, sizeof name);
		weir_buffer_format(&lent_lines, SIZE_MAX, "X-%.90s: %.*s\r\n", name,
		        i == 1 ? 20000 : 126 + i, large_text);
	}
	released = 0;
	struct client client = client_begin();
	client.quiet = true;
	put_request(&client, 1, "GET", "/lent", true);
	client_send(&client);
	client_await(&client, "1. ");
	assert_int_equal(client.continuations, 1);
	struct weir_buffer lines = {0};
	for (int i = 0; i < 3; i++) {
		char name[100];
		memset(name, 'a' + i, sizeof name);
		weir_buffer_format(&lines, SIZE_MAX, "1:x-%.90s=%.*s ", name,
		        i == 1 ? 20000 : 126 + i, large_text);
	}
	weir_buffer_append(&lines, "", 1, SIZE_MAX);
	assert_non_null(strstr(client.text.data, lines.data));
	weir_buffer_finish(&lines);
	client_end(&client);
	assert_int_equal(released, 1);
	weir_buffer_finish(&lent_lines);
}

static void replies_leave_in_any_order(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/later", true);
	put_request(&client, 3, "PUT", "/later", true);
	put_request(&client, 5, "GET", "/x", true);
	client_send(&client);
	client_expect(&client, "5:200 5:content-length=1 5:\"x\" 5. ");
	assert_int_equal(later_count, 2);
	weir_http_reply_empty(later[1], 404);
	client_expect(&client, "3:404 3:content-length=0 3. ");
	weir_http_reply_empty(later[0], 206);
	client_expect(&client, "1:206 1:content-length=0 1. ");
	client_end(&client);
}

static void a_reset_tells_the_handler_that_waits(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/gone", true);
	put_request(&client, 3, "GET", "/later", true);
	client_send(&client);
	assert_true(TURN_UNTIL(loop, later_count == 1));
	put32(&client, H2_RST_STREAM, 1, H2_CANCEL);
	put32(&client, H2_RST_STREAM, 3, H2_CANCEL);
	put_request(&client, 5, "GET", "/x", true);
	client_send(&client);
	client_expect(&client, "5:200 5:content-length=1 5:\"x\" 5. ");
	assert_int_equal(gone_count, 1);
	assert_true(weir_http_gone(later[0]));
	weir_http_reply_empty(later[0], 200);
	client_end(&client);
}

static void the_end_of_the_connection_tells_the_handler_that_waits(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/gone", true);
	client_send(&client);
	peer_turn(&client.peer, 20);
	client_end(&client);
	assert_true(TURN_UNTIL(loop, gone_count == 1));
}

/* Bytes that a producer has lent stay untouched as long as the kernel has not taken them. */
static void a_producer_is_not_closed_before_its_bytes_were_taken(void **state)
{
	(void)state;
	struct client client = client_begin();
	int small = 65536;
	setsockopt(client.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client.quiet = true;
	put32(&client, H2_WINDOW_UPDATE, 0, 1 << 30);
	char setting[6] = {0, H2_SETTINGS_INITIAL_WINDOW_SIZE, 0x3f, 0, 0, 0};
	put(&client, H2_SETTINGS, 0, 0, setting, sizeof setting);
	for (uint32_t id = 1; id < 40; id += 2)
		put_request(&client, id, "GET", "/large", true);
	client_send(&client);
	peer_turn(&client.peer, 100);
	assert_true(hooks_closed < 20);
	for (uint32_t id = 1; id < 38; id += 2)
		put32(&client, H2_RST_STREAM, id, H2_CANCEL);
	client_send(&client);
	peer_turn(&client.peer, 100);
	/* At least one waits: that whose bytes the kernel did not take. */
	assert_true(hooks_closed < 20);
	client_await(&client, "39. ");
	assert_true(TURN_UNTIL(loop, hooks_closed == 20));
	client_end(&client);
}

/* -- bodies ------------------------------------------------------------------------------------ */

static void bodies_come_in_any_pieces(void **state)
{
	static const char *const paths[] = {"/upload", "/pauses"};
	(void)state;
	for (size_t at_once = 0; at_once < 2; at_once++)
		for (size_t i = 0; i < 2; i++) {
			struct client client = client_begin();
			put_request(&client, 1, "PUT", paths[i], false);
			put(&client, H2_DATA, 0, 1, "first ", 6);
			put(&client, H2_DATA, H2_FLAG_PADDED, 1, "\2second xx", 10);
			put(&client, H2_DATA, 0, 1, "", 0);
			put(&client, H2_DATA, H2_FLAG_END_STREAM, 1, "third", 5);
			put_request(&client, 3, "PUT", paths[i], true);
			put_request(&client, 5, "PUT", paths[i], false);
			put(&client, H2_DATA, H2_FLAG_END_STREAM, 5, "", 0);
			for (size_t at = 0; !at_once && at < client.out.size; at++) {
				peer_send_bytes(&client.peer, client.out.data + at, 1);
				weir_loop_turn(loop, 0);
			}
			if (at_once)
				client_send(&client);
			client_await(&client, "1:\"first second third\" 1. ");
			client_await(&client, "3:200 3:content-length=0 3. ");
			client_await(&client, "5:200 5:content-length=0 5. ");
			client_end(&client);
		}
}

/* Behind all pieces, and before the end, also while the body is paused. */
static void trailers_of_a_request_reach_the_handler(void **state)
{
	static const char *const paths[] = {"/upload", "/pauses"};
	char block[100], *to = block;
	(void)state;
	to = add_field(to, "digest", "abc");
	to = add_field(to, "x-empty", "");
	for (size_t i = 0; i < 2; i++) {
		struct client client = client_begin();
		put_request(&client, 1, "PUT", paths[i], false);
		put(&client, H2_DATA, 0, 1, "one", 3);
		put(&client, H2_DATA, 0, 1, "two", 3);
		put(&client, H2_HEADERS, H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM, 1, block,
		        (size_t)(to - block));
		/* One without a body, and one that nobody receives. */
		put_request(&client, 3, "PUT", paths[i], false);
		put(&client, H2_HEADERS, H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM, 3, block,
		        (size_t)(to - block));
		put_request(&client, 5, "PUT", "/x", false);
		put(&client, H2_HEADERS, H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM, 5, block,
		        (size_t)(to - block));
		client_send(&client);
		client_await(&client, "1:\"onetwo|digest=abc|x-empty=\" 1. ");
		client_await(&client, "3:\"|digest=abc|x-empty=\" 3. ");
		client_await(&client, "5:\"x\" 5. ");
		client_end(&client);
	}
}

static void interim_replies_are_heads_of_their_own(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/hints", true);
	client_send(&client);
	client_expect(&client, "1:103 1:link=</a> 1:x-empty= 1:102 1:204 1. ");
	client_end(&client);
}

static void a_body_that_is_too_large_ends_the_stream_alone(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "PUT", "/upload", false);
	for (int i = 0; i < 5; i++)
		put(&client, H2_DATA, 0, 1, large, H2_FRAME_PAYLOAD_MAX);
	client.quiet = true;
	client_send(&client);
	client_await(&client, "1:413 ");
	client_await(&client, "1!0 ");
	put_request(&client, 3, "GET", "/x", true);
	client_send(&client);
	client_await(&client, "3:200 ");
	client_end(&client);
}

static void a_body_that_nobody_receives_is_bounded_by_the_window(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "PUT", "/later", false);
	for (int i = 0; i < WEIR_HTTP2_STREAM_WINDOW / H2_FRAME_PAYLOAD_MAX; i++)
		put(&client, H2_DATA, 0, 1, large, H2_FRAME_PAYLOAD_MAX);
	put_request(&client, 3, "GET", "/x", true);
	client_send(&client);
	client_expect(&client, "3:200 3:content-length=1 3:\"x\" 3. ");
	put(&client, H2_DATA, 0, 1, "x", 1);
	client_send(&client);
	client_expect(&client, "1!3 ");
	weir_http_reply_empty(later[0], 200);
	client_end(&client);
}

/* A handler that has not asked for the body gets the error when it asks, or makes its own reply. */
static void a_body_may_fail_before_it_is_asked_for(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "PUT", "/later", false);
	put_request(&client, 3, "PUT", "/later", false);
	put(&client, H2_DATA, 0, 1, "x", 1);
	client_send(&client);
	assert_true(TURN_UNTIL(loop, later_count == 2));
	shutdown(client.peer.fd, SHUT_WR);
	peer_turn(&client.peer, 20);
	assert_true(weir_http_has_body(later[0]));
	receive(later[0], false);
	assert_int_equal(uploads_open, 0);
	weir_http_reply_empty(later[1], 204);
	client.quiet = true;
	client_await(&client, "1:400 ");
	client_await(&client, "3:204 ");
	client_end(&client);
}

/* The windows of the connection stay whole, whatever becomes of the bodies. */
static void the_window_is_given_back_for_bodies_that_are_dropped(void **state)
{
	(void)state;
	struct client client = client_begin();
	client_send(&client);
	for (uint32_t id = 1; id < 60; id += 2) {
		put_request(&client, id, "PUT", id % 4 == 1 ? "/x" : "/upload", false);
		put(&client, H2_DATA, 0, id, large, H2_FRAME_PAYLOAD_MAX);
		put(&client, H2_DATA, 0, id, large, H2_FRAME_PAYLOAD_MAX);
		put32(&client, H2_RST_STREAM, id, H2_CANCEL);
		client_send(&client);
		peer_turn(&client.peer, 5);
	}
	client.quiet = true;
	put_request(&client, 61, "GET", "/y", true);
	client_send(&client);
	client_await(&client, "61:200 ");
	assert_null(strstr(client.text.data, "goaway"));
	client_end(&client);
}

static void a_client_that_sends_no_body_is_told_after_a_time(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "PUT", "/upload", false);
	client_send(&client);
	peer_turn(&client.peer, 20);
	client.quiet = true;
	assert_true(TURN_UNTIL(loop, (clock_advance(100), client_has(&client, "goaway 0 "))));
	assert_non_null(strstr(client.text.data, "1:408 "));
	assert_true(TURN_UNTIL(loop, (client_read(&client), client.peer.eof)));
	client_end(&client);
}

static void an_idle_connection_is_closed_with_goaway(void **state)
{
	(void)state;
	struct client client = client_begin();
	client_send(&client);
	peer_turn(&client.peer, 20);
	assert_true(TURN_UNTIL(loop, (clock_advance(100), client_has(&client, "goaway 0 "))));
	assert_true(TURN_UNTIL(loop, (client_read(&client), client.peer.eof)));
	client_end(&client);
}

/* Streams that are open go on, and so does one that was on the way. Later ones are refused. */
static void a_busy_connection_gets_goaway_when_a_drain_begins(void **state)
{
	(void)state;
	struct client client = client_begin();
	put_request(&client, 1, "GET", "/later", true);
	put_request(&client, 3, "PUT", "/upload", false);
	client_send(&client);
	assert_true(TURN_UNTIL(loop, (client_read(&client), later_count == 1)));
	weir_server_drain(weir_http_listener(server), NULL, NULL);
	client_expect(&client, "goaway 0 ");
	assert_int_equal(client.goaway_stream, H2_STREAM_ID_MAX);
	put_request(&client, 5, "GET", "/x", true);
	put_request(&client, 7, "GET", "/x", true);
	put(&client, H2_DATA, H2_FLAG_END_STREAM, 3, "body", 4);
	client_send(&client);
	client_await(&client, "3. ");
	client_await(&client, "5. ");
	client_await(&client, "7!7 ");
	assert_int_equal(client.goaway_stream, 5);
	assert_non_null(strstr(client.text.data, "3:200 "));
	client.text.size = 0;
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("late"));
	client_expect(&client, "1:200 1:content-length=4 1:\"late\" 1. ");
	assert_true(TURN_UNTIL(loop, (client_read(&client), client.peer.eof)));
	client_end(&client);
}

static void trailers_follow_a_body_that_has_waited(void **state)
{
	(void)state;
	struct client client = client_begin();
	put(&client, H2_SETTINGS, 0, 0, "\0\4\0\0\0\3", 6);
	put_request(&client, 1, "GET", "/text-trailers", true);
	client_send(&client);
	client_expect(&client, "1:200 1:content-length=6 1:\"pie\" ");
	put32(&client, H2_WINDOW_UPDATE, 1, 100);
	client_send(&client);
	client_expect(&client, "1:\"ce.\" 1:sum=7 1. ");
	client_end(&client);
}

/* Two of them are asked for in turn, so that the second one is made of what the first gave back. */
static void a_stalled_reply_retains_little(void **state)
{
	(void)state;
	struct client client = client_begin();
	released = 0;
	client.quiet = true;
	for (uint32_t id = 1; id <= 3; id += 2) {
		put_request(&client, id, "GET", "/noted", true);
		client_send(&client);
		assert_true(TURN_UNTIL(loop,
		        (client_read(&client),
		                later_count == (id + 1) / 2 && !later[later_count - 1]->handling)));
	}
	client_expect(&client, "1:200 1:content-length=300000 1:x=y "
	                       "3:200 3:content-length=300000 3:x=y ");
	/* A handler that goes on nevertheless does no harm. */
	weir_http_on_gone(later[0], NULL, NULL);
	weir_http_pause(later[0]);
	weir_http_resume(later[0]);
	weir_http_discard(later[0]);
	assert_int_equal(weir_http_log_note(later[0], "key", WEIR_SPAN("value")), 0);
	assert_int_equal(weir_http_add_field(later[0], "X", WEIR_SPAN("z")), WEIR_E_CLOSED);
	assert_int_equal(released, 0);
	put32(&client, H2_WINDOW_UPDATE, 1, 300000);
	put32(&client, H2_WINDOW_UPDATE, 0, 1000000);
	client_send(&client);
	client_await(&client, "1. ");
	assert_int_equal(released, 1);
	put32(&client, H2_RST_STREAM, 3, H2_CANCEL);
	client_send(&client);
	assert_true(TURN_UNTIL(loop, released == 2));
	assert_int_equal(gone_count, 0);
	client_end(&client);
}

/* A client that has ended its side gives no window any more. */
static void streams_that_wait_for_a_window_end_with_the_input(void **state)
{
	(void)state;
	struct client client = client_begin();
	client.quiet = true;
	put_request(&client, 1, "GET", "/large", true);
	client_send(&client);
	assert_true(TURN_UNTIL(loop, (client_read(&client), client.data_bytes == 65535)));
	shutdown(client.peer.fd, SHUT_WR);
	client_await(&client, "1!8 ");
	assert_true(TURN_UNTIL(loop, (client_read(&client), client.peer.eof)));
	assert_int_equal(hooks_closed, 1);
	assert_int_equal(hook_why, WEIR_CLOSE_ABORTED);
	client_end(&client);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void converse(void)
{
	struct client client = client_begin();
	put(&client, H2_SETTINGS, H2_FLAG_ACK, 0, NULL, 0);
	put_request(&client, 1, "GET", "/hello", true);
	put_request(&client, 3, "PUT", "/pauses", false);
	put(&client, H2_DATA, 0, 3, "a", 1);
	put(&client, H2_DATA, H2_FLAG_END_STREAM, 3, "b", 1);
	put_request(&client, 5, "GET", "/trailers", true);
	put_request(&client, 7, "GET", "/gone", true);
	put_request(&client, 9, "GET", "/large", true);
	client_send(&client);
	peer_turn(&client.peer, 30);
	client_end(&client);
	peer_turn(&client.peer, 30);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		fail_allocation_after(good, false);
		converse();
		bool failed = stop_failing_allocations();
		assert_true(TURN_UNTIL(loop,
		        (clock_advance(500), !weir_server_channels(weir_http_listener(server)))));
		assert_int_equal(uploads_open, 0);
		if (!failed)
			break;
	}
	replies_leave_in_any_order(state);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(replies_have_frames_and_no_codings),
	        TEST(fields_are_in_lower_case_and_those_of_the_connection_left_out),
	        TEST(a_large_head_has_continuation_frames),
	        TEST(replies_leave_in_any_order),
	        TEST(a_reset_tells_the_handler_that_waits),
	        TEST(the_end_of_the_connection_tells_the_handler_that_waits),
	        TEST(a_producer_is_not_closed_before_its_bytes_were_taken),
	        TEST(bodies_come_in_any_pieces),
	        TEST(trailers_of_a_request_reach_the_handler),
	        TEST(interim_replies_are_heads_of_their_own),
	        TEST(a_body_that_is_too_large_ends_the_stream_alone),
	        TEST(a_body_that_nobody_receives_is_bounded_by_the_window),
	        TEST(a_body_may_fail_before_it_is_asked_for),
	        TEST(the_window_is_given_back_for_bodies_that_are_dropped),
	        TEST(a_client_that_sends_no_body_is_told_after_a_time),
	        TEST(an_idle_connection_is_closed_with_goaway),
	        TEST(a_busy_connection_gets_goaway_when_a_drain_begins),
	        TEST(trailers_follow_a_body_that_has_waited),
	        TEST(a_stalled_reply_retains_little),
	        TEST(streams_that_wait_for_a_window_end_with_the_input),
	        TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
