#include "talk.h"
#include "make_options.h"

struct talk talk;

static void on_event(void *context, const struct weir_smtp_event *event)
{
	(void)context;
	talk.events[event->kind]++;
	snprintf(talk.event_text, sizeof talk.event_text, "%.*s", (int)event->text.size,
	        event->text.data);
	snprintf(talk.event_id, sizeof talk.event_id, "%.*s", (int)event->id.size,
	        event->id.size ? event->id.data : "");
}

struct weir_smtp_options talk_options(void)
{
	return OPTIONS(weir_smtp_options, o.listener.address = local_address(),
	        o.listener.tls_upgrade = true, o.hostname = "mx.example.org",
	        o.routes = talk.routes, o.users = talk.users, o.local = &talk.local.base,
	        o.relay = &talk.relay.base, o.auth_in_clear = true, o.log = on_event);
}

static void on_mistake(void *context, unsigned line, const char *text)
{
	(void)context;
	fail_msg("line %u: %s", line, text);
}

int talk_set_up(void **state)
{
	(void)state;
	static const char *const domains[] = {"example.org", "example.net", NULL};
	/* The hash of "secret". */
	static const char users[] = "alice:$5$salt$kpa26zwgX83BPSR8d7w93OIXbFt/d3UOTZaAu5vsTM6\n"
	                            "bob:!\ncarol:!\n";
	static const char aliases[] = "sales@example.org: alice, bob\n"
	                              "both@example.org: alice, dan@elsewhere.example\n"
	                              "out@example.org: dan@elsewhere.example\n"
	                              "me@example.org: alice\n";
	memset(&talk, 0, sizeof talk);
	talk.local = fake_sink_make();
	talk.relay = fake_sink_make();
	assert_int_equal(weir_loop_create(&talk.loop), 0);
	assert_int_equal(weir_users_parse(weir_span_of(users), on_mistake, NULL, &talk.users), 0);
	struct weir_mail_routes_options options = OPTIONS(weir_mail_routes_options,
	        o.domains = domains, o.users = talk.users, o.separator = '+');
	assert_int_equal(weir_mail_routes_parse(
	                         weir_span_of(aliases), &options, on_mistake, NULL, &talk.routes),
	        0);
	return 0;
}

void talk_start(const struct weir_smtp_options *options)
{
	assert_int_equal(weir_smtp_create(talk.loop, options, &talk.server), 0);
}

void talk_start_plain(void)
{
	struct weir_smtp_options options = talk_options();
	talk_start(&options);
}

const char *talk_message(struct fake_sink *sink)
{
	const char *text = fake_sink_bytes(sink);
	const char *date = strstr(text, ";\r\n\t");
	assert_non_null(strstr(text, "Received: from "));
	assert_non_null(date);
	const char *end = strstr(date + 4, "\r\n");
	assert_non_null(end);
	return end + 2;
}

int talk_tear_down(void **state)
{
	(void)state;
	weir_smtp_destroy(talk.server);
	weir_mail_routes_release(talk.routes);
	weir_users_release(talk.users);
	weir_loop_destroy(talk.loop);
	assert_int_equal(talk.local.open, 0);
	assert_int_equal(talk.relay.open, 0);
	fake_sink_free(&talk.local);
	fake_sink_free(&talk.relay);
	return 0;
}

struct peer talk_connect(void)
{
	return peer_connect(talk.loop, weir_server_address(weir_smtp_listener(talk.server)), 0);
}

void talk_settle(void)
{
	for (int quiet = 0; quiet < 3;) {
		uint64_t before = weir_loop_counters(talk.loop)->receives;
		weir_loop_turn(talk.loop, 1);
		quiet = weir_loop_counters(talk.loop)->receives == before ? quiet + 1 : 0;
	}
}

/* -- scripts ----------------------------------------------------------------------------------- */

static size_t unescape(const char *text, size_t size, char *to)
{
	size_t put = 0;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		if (c == '\\' && i + 1 < size) {
			c = text[++i];
			c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
		}
		to[put++] = c;
	}
	return put;
}

static void send_paced(struct peer *peer, enum talk_pace pace, const char *bytes, size_t size)
{
	if (pace != TALK_BYTES) {
		peer_send_bytes(peer, bytes, size);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		peer_send_bytes(peer, bytes + i, 1);
		peer_turn(peer, 3);
	}
}

static void expect_line(struct peer *peer, const char *start, size_t size)
{
	const char *end = NULL;
	while (!(end = peer->got.size ? memchr(peer->got.data, '\n', peer->got.size) : NULL))
		if (!peer_read_more(peer))
			fail_msg("wanted \"%.*s\", and nothing came (eof %d, error %d)", (int)size,
			        start, peer->eof, peer->error);
	size_t length = (size_t)(end - peer->got.data) + 1;
	if (length < size + 2 || memcmp(peer->got.data, start, size) != 0 || end[-1] != '\r')
		fail_msg("wanted \"%.*s\", and got \"%.*s\"", (int)size, start, (int)length,
		        peer->got.data);
	weir_buffer_consume(&peer->got, length);
}

static void expect_end(struct peer *peer)
{
	if (!peer_read_end(peer))
		fail_msg("the connection did not end");
	if (peer->got.size)
		fail_msg("more came: \"%.*s\"", (int)peer->got.size, peer->got.data);
}

/* Appends the bytes of a client's line of the script. */
static void add_line(struct weir_buffer *to_send, const char *line, size_t size)
{
	char bytes[4096];
	size_t length = size > 3 ? size - 3 : 0;
	assert_true(length + 2 < sizeof bytes);
	if (line[1] == ':') {
		memcpy(bytes, line + 3, length);
		memcpy(bytes + length, "\r\n", 2);
		length += 2;
	} else {
		length = unescape(line + 3, length, bytes);
	}
	weir_buffer_append(to_send, bytes, length, SIZE_MAX);
}

void talk_on(struct peer *peer, enum talk_pace pace, const char *script)
{
	struct weir_buffer to_send = {0};
	for (const char *line = script, *next; *line; line = next) {
		size_t size = strcspn(line, "\n");
		next = line + size + (line[size] == '\n');
		if (line[0] == 'C')
			add_line(&to_send, line, size);
		if (to_send.size && (pace != TALK_AT_ONCE || next[0] != 'C')) {
			send_paced(peer, pace, to_send.data, to_send.size);
			to_send.size = 0;
		}
		if (line[0] == 'S' && line[1] == ':')
			expect_line(peer, line + 3, size - 3);
		else if (line[0] == 'S')
			expect_end(peer);
	}
	weir_buffer_finish(&to_send);
}

void talk_script(enum talk_pace pace, const char *script)
{
	struct peer peer = talk_connect();
	talk_on(&peer, pace, script);
	peer_close(&peer);
	talk_settle();
}

void talk_in_all_paces(const char *script)
{
	for (enum talk_pace pace = TALK_LINES; pace <= TALK_AT_ONCE; pace++)
		talk_script(pace, script);
}
