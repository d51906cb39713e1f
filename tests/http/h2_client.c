/* Sends frames, and notes those that come. */
#include "h2_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "clock.h"
#include "h2.h"

void h2_client_put(struct h2_client *client, enum h2_frame_type type, unsigned flags, uint32_t id,
        const void *payload, size_t size)
{
	char header[H2_FRAME_HEADER_SIZE];
	h2_frame_put_header(header, size, type, flags, id);
	weir_buffer_append(&client->out, header, sizeof header, SIZE_MAX);
	weir_buffer_append(&client->out, payload, size, SIZE_MAX);
}

void h2_client_put32(struct h2_client *client, enum h2_frame_type type, uint32_t id, uint32_t value)
{
	char payload[4];
	h2_frame_put32(payload, value);
	h2_client_put(client, type, 0, id, payload, sizeof payload);
}

void h2_client_put_setting(struct h2_client *client, enum h2_setting setting, uint32_t value)
{
	char payload[6] = {0, (char)setting};
	h2_frame_put32(payload + 2, value);
	h2_client_put(client, H2_SETTINGS, 0, 0, payload, sizeof payload);
}

char *h2_client_add_field(char *to, const char *name, const char *value)
{
	*to++ = 0;
	*to++ = (char)strlen(name);
	to = stpcpy(to, name);
	*to++ = (char)strlen(value);
	return stpcpy(to, value);
}

void h2_client_put_head(
        struct h2_client *client, uint32_t id, unsigned flags, const char *const *fields)
{
	char block[1000], *to = block;
	for (; *fields; fields += 2)
		to = h2_client_add_field(to, fields[0], fields[1]);
	h2_client_put(
	        client, H2_HEADERS, H2_FLAG_END_HEADERS | flags, id, block, (size_t)(to - block));
}

void h2_client_ask(
        struct h2_client *client, uint32_t id, const char *method, const char *path, bool end)
{
	const char *const fields[] = {
	        ":method", method, ":scheme", "http", ":path", path, ":authority", "a", NULL};
	h2_client_put_head(client, id, end ? H2_FLAG_END_STREAM : 0, fields);
}

struct h2_client h2_client_begin(struct weir_loop *loop, struct weir_http_server *server)
{
	struct h2_client client = {0};
	client.peer = peer_connect(loop, weir_server_address(weir_http_listener(server)), 0);
	assert_int_equal(nghttp2_hd_inflate_new(&client.inflater), 0);
	weir_buffer_append(&client.out, H2_PREFACE, sizeof H2_PREFACE - 1, SIZE_MAX);
	h2_client_put(&client, H2_SETTINGS, 0, 0, NULL, 0);
	return client;
}

void h2_client_end(struct h2_client *client)
{
	peer_close(&client->peer);
	nghttp2_hd_inflate_del(client->inflater);
	weir_buffer_finish(&client->out);
	weir_buffer_finish(&client->text);
	weir_buffer_finish(&client->block);
}

void h2_client_send(struct h2_client *client)
{
	peer_send_bytes(&client->peer, client->out.data, client->out.size);
	client->out.size = 0;
}

#define NOTE(client, ...) weir_buffer_format(&(client)->text, SIZE_MAX, __VA_ARGS__)

static void h2_client_note_fields(struct h2_client *client, const struct h2_frame *frame)
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
		else if (flags & NGHTTP2_HD_INFLATE_EMIT && strcmp((char *)nv.name, "date") == 0)
			snprintf(client->date, sizeof client->date, "%s", (char *)nv.value);
		else if (flags & NGHTTP2_HD_INFLATE_EMIT &&
		         strcmp((char *)nv.name, "content-type") != 0)
			NOTE(client, "%u:%s=%s ", frame->stream_id, (char *)nv.name,
			        (char *)nv.value);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(client->inflater);
	client->block_size = client->block.size;
	client->block.size = 0;
}

static void h2_client_note_settings(struct h2_client *client, const struct h2_frame *frame)
{
	for (size_t at = 0; at + 6 <= frame->payload.size; at += 6)
		if (frame->payload.data[at + 1] == H2_SETTINGS_ENABLE_CONNECT_PROTOCOL)
			NOTE(client, "set8=%u ", h2_frame_get32(frame->payload.data + at + 2));
}

static void h2_client_note_data(struct h2_client *client, const struct h2_frame *frame)
{
	client->data_bytes += frame->size;
	if (!frame->size || client->quiet)
		return;
	NOTE(client, "%u:\"", frame->stream_id);
	weir_buffer_append(&client->text, frame->payload.data, frame->size, SIZE_MAX);
	NOTE(client, "\" ");
}

static void h2_client_note_frame(struct h2_client *client, const struct h2_frame *frame)
{
	unsigned id = frame->stream_id;
	if (frame->type == H2_HEADERS || frame->type == H2_CONTINUATION)
		h2_client_note_fields(client, frame);
	client->continuations += frame->type == H2_CONTINUATION;
	if (frame->type == H2_SETTINGS)
		h2_client_note_settings(client, frame);
	if (frame->type == H2_DATA)
		h2_client_note_data(client, frame);
	if (frame->type == H2_RST_STREAM)
		NOTE(client, "%u!%u ", id, h2_frame_get32(frame->payload.data));
	if (frame->type == H2_GOAWAY) {
		client->goaway_stream = h2_frame_get32(frame->payload.data);
		NOTE(client, "goaway %u ", h2_frame_get32(frame->payload.data + 4));
	}
	if (frame->type <= H2_HEADERS && frame->flags & H2_FLAG_END_STREAM)
		NOTE(client, "%u. ", id);
}

void h2_client_read(struct h2_client *client)
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
		h2_client_note_frame(client, &frame);
		weir_buffer_consume(got, cut.end);
	}
}

static bool h2_client_has_span(struct h2_client *client, struct weir_span text)
{
	h2_client_read(client);
	weir_buffer_append(&client->text, "", 1, SIZE_MAX);
	client->text.size--;
	return memmem(client->text.data, client->text.size, text.data, text.size);
}

bool h2_client_has(struct h2_client *client, const char *text)
{
	return h2_client_has_span(client, weir_span_of(text));
}

void h2_client_expect_span(struct h2_client *client, struct weir_span text)
{
	bool came =
	        TURN_UNTIL(client->peer.loop, h2_client_has_span(client, text) || client->peer.eof);
	if (!came || !weir_span_equal(weir_buffer_span(&client->text), text))
		fail_msg(
		        "\"%s\" instead of \"%.*s\"", client->text.data, (int)text.size, text.data);
	client->text.size = 0;
}

void h2_client_expect(struct h2_client *client, const char *text)
{
	h2_client_expect_span(client, weir_span_of(text));
}

void h2_client_await(struct h2_client *client, const char *text)
{
	if (!TURN_UNTIL(client->peer.loop, h2_client_has(client, text)))
		fail_msg("no \"%s\" in \"%s\" and %zu bytes", text, client->text.data,
		        client->data_bytes);
}
