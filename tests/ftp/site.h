/*
 * An FTP server over a directory of the test's own, and clients that speak to it. There is
 * one thread: a client that waits turns the loop.
 */
#ifndef WEIR_TEST_FTP_SITE_H
#define WEIR_TEST_FTP_SITE_H

#include "../store/scratch.h"

#include <crypt.h>

#include <weir/ftp.h>
#include <weir/tree.h>
#include <weir/users.h>

#include "peer.h"

/* The last event of the log, and the number of events. */
static struct {
	int count;
	enum weir_ftp_event_kind kind;
	uint64_t bytes;
	int error;
	unsigned code;
	bool secure;
	bool resumed;
	char path[64];
	char user[32];
} logged;

static struct weir_ftp_server *server;
static struct weir_users *users;

static inline void on_event(void *context, const struct weir_ftp_event *event)
{
	(void)context;
	if (event->kind == WEIR_FTP_LOGOUT)
		return;
	logged.count++;
	logged.kind = event->kind;
	logged.bytes = event->bytes;
	logged.error = event->error;
	logged.code = event->code;
	logged.secure = event->secure;
	logged.resumed = event->resumed;
	snprintf(logged.path, sizeof logged.path, "%s", event->path ? event->path : "");
	snprintf(logged.user, sizeof logged.user, "%s", event->user);
}

static inline const char *hash_of_secret(void)
{
	static struct crypt_data data;
	return crypt_r("secret", "$5$rounds=1000$abcdefgh$", &data);
}

/*
 * alice may do everything, bob not leave /sub, carol only read, dave only write, slowly. The
 * password is "secret".
 */
static inline void start_server(struct weir_ftp_options options)
{
	char text[1024];
	const char *hash = hash_of_secret();
	snprintf(text, sizeof text,
	        "alice:%s\nbob:%s:home=/sub rights=rwdl\ncarol:%s:rights=rl\ndave:%s:rights=w "
	        "rate=200000\n",
	        hash, hash, hash, hash);
	assert_int_equal(weir_users_parse(weir_span_of(text), NULL, NULL, &users), 0);
	options.listener.address = local_address();
	options.rules.users = users;
	options.log = on_event;
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &options.tree), 0);
	assert_int_equal(weir_ftp_create(loop, &options, &server), 0);
	memset(&logged, 0, sizeof logged);
}

static inline void stop_server(void)
{
	weir_ftp_destroy(server);
	weir_users_release(users);
	server = NULL;
	for (int i = 0; i < 50; i++)
		weir_loop_turn(loop, 1);
}

/* -- replies ----------------------------------------------------------------------------------- */

/* The bytes of the first whole reply of what has come; 0: it is not whole. */
static inline size_t reply_size(const struct peer *control)
{
	const char *data = control->got.data;
	size_t size = control->got.size;
	for (size_t line = 0, end; line < size; line = end) {
		const char *feed = memchr(data + line, '\n', size - line);
		if (!feed)
			return 0;
		end = (size_t)(feed - data) + 1;
		if (end - line >= 4 && size >= 4 && memcmp(data + line, data, 3) == 0 &&
		        data[line + 3] == ' ')
			return end;
	}
	return 0;
}

/* The next reply, all its lines, or what came before the end. */
static inline const char *next_reply(struct peer *control)
{
	static char texts[4][16384];
	static int next;
	char *text = texts[next++ % 4];
	while (!reply_size(control) && peer_read(control, control->got.size + 1))
		;
	size_t size = reply_size(control);
	if (!size)
		size = control->got.size;
	assert_true(size < sizeof texts[0]);
	if (size)
		memcpy(text, control->got.data, size);
	text[size] = 0;
	weir_buffer_consume(&control->got, size);
	return text;
}

static inline const char *ask(struct peer *control, const char *line)
{
	peer_send(control, line);
	peer_send(control, "\r\n");
	return next_reply(control);
}

static inline void expect_at(
        const char *reply, const char *beginning, const char *what, const char *file, int line)
{
	if (strncmp(reply, beginning, strlen(beginning)) == 0)
		return;
	fprintf(stderr, "%s:%d: %s: %s expected, got: %s\n", file, line, what, beginning, reply);
	fail();
}

#define EXPECT(control, line, beginning)                                                           \
	expect_at(ask(control, line), beginning, line, __FILE__, __LINE__)
#define EXPECT_NEXT(control, beginning)                                                            \
	expect_at(next_reply(control), beginning, "", __FILE__, __LINE__)

/* -- clients ----------------------------------------------------------------------------------- */

static inline struct peer greet(void)
{
	struct peer control = peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
	EXPECT_NEXT(&control, "220 ");
	return control;
}

static inline struct peer log_in(const char *user)
{
	char line[64];
	struct peer control = greet();
	snprintf(line, sizeof line, "USER %s", user);
	EXPECT(&control, line, "331 ");
	EXPECT(&control, "PASS secret", "230 ");
	EXPECT(&control, "TYPE I", "200 ");
	return control;
}

static inline struct weir_address passive_address(struct peer *control)
{
	unsigned port;
	struct weir_address address = local_address();
	const char *reply = ask(control, "EPSV");
	const char *bar = strstr(reply, "|||");
	if (!bar)
		fail_msg("EPSV: %s", reply);
	assert_int_equal(sscanf(bar, "|||%u|", &port), 1);
	address.v4.sin_port = htons((uint16_t)port);
	return address;
}

static inline struct peer passive(struct peer *control)
{
	struct weir_address address = passive_address(control);
	return peer_connect(loop, &address, 0);
}

/* All that comes on a data connection, up to its end. */
static inline const char *read_data(struct peer *data)
{
	static char *text;
	assert_true(peer_read_end(data));
	text = realloc(text, data->got.size + 1);
	if (data->got.size)
		memcpy(text, data->got.data, data->got.size);
	text[data->got.size] = 0;
	return text;
}

/* Fetches the data that a command sends, in the mode that is set. */
static inline const char *fetch(struct peer *control, const char *line)
{
	struct peer data = passive(control);
	EXPECT(control, line, "150 ");
	const char *text = read_data(&data);
	EXPECT_NEXT(control, "226 ");
	peer_close(&data);
	return text;
}

static inline void store(struct peer *control, const char *line, const char *text)
{
	struct peer data = passive(control);
	EXPECT(control, line, "150 ");
	peer_send(&data, text);
	peer_close(&data);
	EXPECT_NEXT(control, "226 ");
}

#endif
