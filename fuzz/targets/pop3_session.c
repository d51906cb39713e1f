/*
 * A POP3 session with any input in any pieces: the server survives, replies in whole lines, and
 * ends the session. The first byte chooses whether a user is logged in.
 */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/loop.h>
#include <weir/mail_store.h>
#include <weir/pop3.h>
#include <weir/users.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_loop *loop;
static struct weir_mail_store *store;
static struct weir_users *users;
static struct weir_pop3_server *server;
static uint64_t missing = 3; /* messages that were removed */

static void on_done(void *context, const int *errors)
{
	*(bool *)context = errors[0] == 0;
}

static void deliver(const char *text)
{
	struct weir_mail_recipient recipient = {.user = WEIR_SPAN("u")};
	struct weir_mail_envelope envelope = {.recipients = &recipient, .count = 1};
	const struct weir_mail_sink_type *type = store->sink.type;
	struct weir_mail_delivery *delivery;
	bool done = false;
	if (type->begin(&store->sink, loop, &envelope, NULL, NULL, &delivery) < 0)
		abort();
	type->write(delivery, weir_span_of(text));
	type->commit(delivery, on_done, &done);
	while (!done)
		weir_loop_turn(loop, 1);
}

static void on_log(void *context, const struct weir_pop3_event *event)
{
	(void)context;
	missing += event->removed;
}

static void start(void)
{
	static struct crypt_data crypted;
	char text[200];
	struct weir_pop3_options options;
	weir_pop3_options_init(&options);
	options.failures_max = 1;
	options.log = on_log;
	options.listener.address.v4.sin_family = AF_INET;
	options.listener.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(text, sizeof text, "u:%s\n", crypt_r("p", "$1$salt$", &crypted));
	if (weir_loop_create(&loop) < 0 || weir_mail_memory_create(NULL, &store) < 0 ||
	        weir_users_parse(weir_span_of(text), NULL, NULL, &users) < 0)
		abort();
	options.store = store;
	options.users = users;
	if (weir_pop3_create(loop, &options, &server) < 0)
		abort();
}

static void stop(void)
{
	weir_pop3_destroy(server);
	weir_mail_store_destroy(store);
	weir_users_release(users);
	weir_loop_destroy(loop);
}

/* From one of many addresses: each has ports for some thousand connections a minute. */
static int connect_to(const struct weir_address *address)
{
	static unsigned count;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in own = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + count++ % 250)};
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0 ||
	        connect(fd, &address->any, sizeof address->v4) < 0)
		abort();
	return fd;
}

/* Sends it in steps, until the session ends. */
static void say(int fd, const uint8_t *data, size_t size, size_t step)
{
	for (size_t at = 0; at < size; at += step) {
		size_t part = size - at < step ? size - at : step;
		(void)!send(fd, data + at, part, MSG_NOSIGNAL | MSG_DONTWAIT);
		weir_loop_turn(loop, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char login[] = "USER u\r\nPASS p\r\n";
	char bytes[65536];
	if (!server) {
		start();
		atexit(stop);
	}
	for (; missing; missing--)
		deliver("Subject: x\r\n\r\n.one\r\ntwo\r\n");
	struct weir_server *listener = weir_pop3_listener(server);
	int fd = connect_to(weir_server_address(listener));
	if (size && data[0] & 1)
		say(fd, (const uint8_t *)login, sizeof login - 1, sizeof login);
	say(fd, data, size, size ? (size_t)data[size - 1] * 16 + 1 : 1);
	shutdown(fd, SHUT_WR);
	for (int turns = 0; turns < 4 || (turns < 2000 && weir_server_channels(listener));
	        turns++) {
		(void)!recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
		weir_loop_turn(loop, turns < 10 ? 0 : 1);
	}
	/* All has been sent: the session must have ended. */
	if (weir_server_channels(listener))
		abort();
	close(fd);
	return 0;
}
