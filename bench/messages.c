/*
 * The load of messages on servers of SMTP at 127.0.0.1, from one thread. Each connection sends one
 * message after another, each to one of `users` users by chance: user0 … at the domain. MAIL, RCPT
 * and DATA leave together (RFC 2920); the message follows when all three are answered. Connections
 * are spread over the ports.
 *
 *   messages smtp PORT[,PORT…] DOMAIN [--connections N] [--count N] [--warm-count N] [--size N]
 *           [--users N] [--seed N]
 *
 * The protocol with the measuring program is that of bench/load. Anything unexpected ends the
 * program with a message and 1.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 1000,
	PORTS_MAX = 16,
	LINE = 72, /* of a message, with CRLF */
	PATIENCE_MS = 60000
};

/* The replies that a connection waits for. */
enum phase {
	GREETING,
	HELLO,
	ENVELOPE,
	TEXT,
};

static const char *const expected[][3] = {
        [GREETING] = {"220"},
        [HELLO] = {"250"},
        [ENVELOPE] = {"250", "250", "354"},
        [TEXT] = {"250"},
};

struct client {
	int fd;
	enum phase phase;
	unsigned replies; /* of this phase that have come */
	size_t size;      /* of the input */
	char input[4096];
};

static struct {
	int ports[PORTS_MAX], port_count, connections;
	uint64_t count, warm_count, size, users;
	const char *domain;
} options = {.connections = 1, .count = 1, .warm_count = 1, .size = 4096, .users = 1};

static struct client clients[CONNECTIONS_MAX];
static uint64_t begun, done, wanted;
static char *message;
static size_t message_size;
static int poller;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void make_message(void)
{
	static const char head[] = "Subject: a message of the bench\r\n\r\n";
	size_t lines = options.size / LINE + 1;
	message = malloc(sizeof head + lines * LINE + 3);
	if (!message)
		err(1, NULL);
	char *at = stpcpy(message, head);
	for (size_t i = 0; i < lines && (size_t)(at - message) + LINE <= options.size; i++) {
		memset(at, 'a' + (int)(i % 26), LINE - 2);
		at = stpcpy(at + LINE - 2, "\r\n");
	}
	at = stpcpy(at, ".\r\n");
	message_size = (size_t)(at - message);
}

static void send_all(struct client *client, const char *data, size_t size)
{
	/* Bytes that do not fit in the socket's buffer wait here for the server. */
	while (size) {
		ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
		if (sent < 0)
			err(1, "send");
		data += sent;
		size -= (size_t)sent;
	}
}

static void begin_message(struct client *client)
{
	char text[512];
	client->phase = ENVELOPE;
	if (begun == wanted)
		return;
	begun++;
	int size = snprintf(text, sizeof text,
	        "MAIL FROM:<a@b.example>\r\nRCPT TO:<user%lu@%s>\r\nDATA\r\n",
	        (unsigned long)((uint64_t)random() % options.users), options.domain);
	send_all(client, text, (size_t)size);
}

static void enter(struct client *client, enum phase phase)
{
	client->replies = 0;
	if (phase == HELLO) {
		client->phase = HELLO;
		send_all(client, "EHLO a.example\r\n", 16);
	} else if (phase == TEXT) {
		client->phase = TEXT;
		send_all(client, message, message_size);
	} else {
		begin_message(client);
	}
}

static void take_line(struct client *client, const char *line, size_t size)
{
	const char *const *texts = expected[client->phase];
	if (size < 4 || strncmp(line, texts[client->replies], 3) != 0)
		errx(1, "not %s: %.*s", texts[client->replies], (int)size, line);
	if (line[3] == '-')
		return;
	client->replies++;
	if (client->replies < 3 && texts[client->replies])
		return;
	if (client->phase == TEXT)
		done++;
	enter(client, client->phase == TEXT ? ENVELOPE : client->phase + 1);
}

static void receive(struct client *client)
{
	ssize_t got = recv(
	        client->fd, client->input + client->size, sizeof client->input - client->size, 0);
	if (got <= 0)
		errx(1, "closed by the server");
	client->size += (size_t)got;
	size_t start = 0;
	for (char *end; (end = memchr(client->input + start, '\n', client->size - start));) {
		size_t size = (size_t)(end - client->input) - start;
		take_line(client, client->input + start, size);
		start += size + 1;
	}
	client->size -= start;
	memmove(client->input, client->input + start, client->size);
	if (client->size == sizeof client->input)
		errx(1, "a line without an end");
}

static void connect_to(struct client *client, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	int on = 1;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		err(1, "socket");
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(client->fd, (struct sockaddr *)&address, sizeof address))
		err(1, "connect to port %d", port);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event))
		err(1, "epoll");
}

static double run(uint64_t count)
{
	double began = now();
	begun = done = 0;
	wanted = count;
	for (int i = 0; i < options.connections; i++)
		if (clients[i].phase == ENVELOPE)
			begin_message(&clients[i]);
	while (done < wanted) {
		struct epoll_event events[64];
		int found = epoll_wait(poller, events, 64, PATIENCE_MS);
		if (found <= 0)
			errx(1, "nothing came for %d s", PATIENCE_MS / 1000);
		for (int i = 0; i < found; i++)
			receive(events[i].data.ptr);
	}
	return now() - began;
}

static void parse_ports(char *text)
{
	for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
		if (options.port_count == PORTS_MAX)
			errx(2, "more than %d ports", PORTS_MAX);
		options.ports[options.port_count++] = atoi(at);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"connections", 1, NULL, 'c'},
	        {"count", 1, NULL, 'n'}, {"warm-count", 1, NULL, 'w'}, {"size", 1, NULL, 's'},
	        {"users", 1, NULL, 'u'}, {"seed", 1, NULL, 'r'}, {NULL, 0, NULL, 0}};
	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		uint64_t value = optarg ? strtoull(optarg, NULL, 10) : 0;
		switch (option) {
		case 'c':
			options.connections = (int)value;
			break;
		case 'n':
			options.count = value;
			break;
		case 'w':
			options.warm_count = value;
			break;
		case 's':
			options.size = value;
			break;
		case 'u':
			options.users = value;
			break;
		case 'r':
			srandom((unsigned)value);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 3 || strcmp(argv[optind], "smtp") != 0 || options.connections < 1 ||
	        options.connections > CONNECTIONS_MAX || options.users < 1)
		errx(2, "usage: messages smtp PORT[,PORT…] DOMAIN [--connections N] …");
	parse_ports(argv[optind + 1]);
	options.domain = argv[optind + 2];
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_message();
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		err(1, "epoll");
	for (int i = 0; i < options.connections; i++)
		connect_to(&clients[i], options.ports[i % options.port_count]);
	run(options.warm_count);
	puts("ready");
	while (getchar() != '\n')
		if (feof(stdin) || ferror(stdin))
			return 0;
	double seconds = run(options.count);
	printf("{\"replies\": %ju, \"seconds\": %.6f}\n", (uintmax_t)options.count, seconds);
	while (getchar() != EOF)
		;
	return 0;
}
