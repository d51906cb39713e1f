/*
 * The load on a server of HTTPS at 127.0.0.1, on one thread. It is load.c with TLS 1.3, but
 * simpler: replies have a Content-Length, and each connection has one request pending. There are
 * four kinds:
 *
 *   requests    keeps connections busy; every reply has to be a 200 of as many bytes as the first
 *   handshakes  makes a new connection for each request, and resumes no session
 *   idle        makes a request on each connection, then holds them open
 *   stalled     makes a request on each connection, with a small receive buffer, and never reads
 *
 * All offer one cipher and one curve, so that all servers do the same work.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
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

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	INPUT_SIZE = 256 << 10,
	HEAD_MAX = 8 << 10,
	EVENTS_MAX = 256,
	PATIENCE_S = 20,
	STALLED_RCVBUF = 4096
};

struct connection {
	int fd;
	SSL *ssl;
	bool asked;   /* a request is pending */
	bool in_body; /* the head of the reply has come */
	uint64_t left;
	size_t head_size;
	char head[HEAD_MAX + 1];
};

static struct options {
	int port, connections;
	double seconds, warm_seconds;
	const char *path;
} options = {.connections = 1, .seconds = 1, .warm_seconds = 0.2};

static SSL_CTX *context;
static bool renewed; /* a connection is for one request */
static uint64_t replies, body_size;
static bool body_size_known;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	unsigned long code = ERR_get_error();
	errx(1, "%s: %s", what, code ? ERR_reason_error_string(code) : strerror(errno));
}

static void make_context(void)
{
	context = SSL_CTX_new(TLS_client_method());
	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
	        SSL_CTX_set1_groups_list(context, "X25519") != 1)
		fail("TLS");
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 1);
}

/* Connects; the handshake has not begun. */
static void open_connection(struct connection *connection, int rcvbuf)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)options.port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {.l_onoff = 1};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "connect to port %d", options.port);
	connection->fd = fd;
	connection->ssl = SSL_new(context);
	if (!connection->ssl || SSL_set_fd(connection->ssl, fd) != 1)
		fail("SSL_new");
	SSL_set_connect_state(connection->ssl);
	connection->asked = connection->in_body = false;
	connection->head_size = 0;
}

static void close_connection(struct connection *connection)
{
	SSL_free(connection->ssl);
	close(connection->fd);
}

/* --- requests and replies --------------------------------------------------------------------- */

static void ask(struct connection *connection)
{
	char text[4096];
	int size = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
	        options.path, options.port);
	if (SSL_write(connection->ssl, text, size) != size)
		fail("SSL_write");
	connection->asked = true;
	connection->in_body = false;
	connection->head_size = 0;
}

/* Returns true if the reply is complete. */
static bool take_body(struct connection *connection, size_t size)
{
	if (size > connection->left)
		errx(1, "more than was announced");
	connection->left -= size;
	if (connection->left)
		return false;
	replies++;
	connection->asked = false;
	return true;
}

static bool take(struct connection *connection, const char *data, size_t size)
{
	if (!connection->asked)
		errx(1, "a reply to no request");
	if (connection->in_body)
		return take_body(connection, size);
	memcpy(connection->head + connection->head_size, data, size);
	connection->head_size += size;
	connection->head[connection->head_size] = '\0';
	char *end = strstr(connection->head, "\r\n\r\n");
	if (!end && connection->head_size == HEAD_MAX)
		errx(1, "a head without an end");
	if (!end)
		return false;
	char *length = strcasestr(connection->head, "\r\nContent-Length:");
	if (strncmp(connection->head, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
		errx(1, "not a 200 with a length: %.*s", (int)strcspn(connection->head, "\r"),
		        connection->head);
	connection->left = strtoull(length + 17, NULL, 10);
	if (body_size_known && connection->left != body_size)
		errx(1, "a body of another size");
	body_size = connection->left;
	body_size_known = true;
	connection->in_body = true;
	size_t begun = connection->head_size - (size_t)(end + 4 - connection->head);
	return take_body(connection, begun);
}

/* Reads all there is. Returns true if a reply is complete. */
static bool receive(struct connection *connection)
{
	static char input[INPUT_SIZE];
	bool complete = false;
	for (;;) {
		/* The head, and the bytes that come with it, must fit into the head's buffer. */
		int room = connection->in_body ? INPUT_SIZE : HEAD_MAX - (int)connection->head_size;
		int got = SSL_read(connection->ssl, input, room);
		if (got > 0) {
			complete |= take(connection, input, (size_t)got);
			continue;
		}
		if (SSL_get_error(connection->ssl, got) != SSL_ERROR_WANT_READ)
			fail("SSL_read");
		return complete;
	}
}

/* --- kinds of load ---------------------------------------------------------------------------- */

static void watch(int poller, struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	fcntl(connection->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event))
		err(1, "epoll_ctl");
}

/* Continues the handshake, and sends a request when it is complete. */
static void shake_hands(struct connection *connection)
{
	int done = SSL_do_handshake(connection->ssl);
	if (done != 1 && SSL_get_error(connection->ssl, done) != SSL_ERROR_WANT_READ)
		fail("SSL_do_handshake");
	if (done != 1)
		return;
	if (SSL_session_reused(connection->ssl))
		errx(1, "a session was resumed");
	ask(connection);
}

static void begin(int poller, struct connection *connection)
{
	open_connection(connection, 0);
	watch(poller, connection);
	shake_hands(connection);
}

/* Makes the next request after a reply, on this connection or on another. */
static void go_on(int poller, struct connection *connection)
{
	if (!renewed) {
		ask(connection);
		return;
	}
	close_connection(connection);
	begin(poller, connection);
}

/* Runs until the time is over and all replies are in. It polls without a pause, as load.c does. */
static double run(int poller, struct connection *connections, double seconds)
{
	double began = now(), heard = began;
	int busy = options.connections;
	for (int i = 0; i < options.connections; i++) {
		if (!connections[i].ssl)
			begin(poller, &connections[i]);
		else
			go_on(poller, &connections[i]);
	}
	while (busy) {
		struct epoll_event events[EVENTS_MAX];
		int ready = epoll_wait(poller, events, EVENTS_MAX, 0);
		double time = now();
		if (ready > 0)
			heard = time;
		else if (time > heard + PATIENCE_S)
			errx(1, "no reply for %d s", PATIENCE_S);
		for (int i = 0; i < ready; i++) {
			struct connection *connection = events[i].data.ptr;
			if (!SSL_is_init_finished(connection->ssl))
				shake_hands(connection);
			else if (!receive(connection))
				continue;
			else if (time >= began + seconds)
				busy--;
			else
				go_on(poller, connection);
		}
	}
	return now() - began;
}

static void load_busy(void)
{
	static struct connection *connections; /* until the end of the process */
	int poller = epoll_create1(0);
	connections = calloc((size_t)options.connections, sizeof(*connections));
	if (!connections)
		err(1, NULL);
	run(poller, connections, options.warm_seconds);
	puts("ready");
	while (getchar() != '\n')
		if (feof(stdin) || ferror(stdin))
			exit(0);
	replies = 0;
	double seconds = run(poller, connections, options.seconds);
	printf("{\"replies\": %ju, \"seconds\": %.6f, \"body_size\": %ju}\n", (uintmax_t)replies,
	        seconds, (uintmax_t)body_size);
}

/* Connects one after the other, since only the number of connections matters. */
static void load_held(bool stalled)
{
	for (int i = 0; i < options.connections; i++) {
		static struct connection connection;
		open_connection(&connection, stalled ? STALLED_RCVBUF : 0);
		if (SSL_do_handshake(connection.ssl) != 1)
			fail("SSL_do_handshake");
		ask(&connection);
		while (!stalled && connection.asked) {
			char input[HEAD_MAX];
			int room = (int)(sizeof(input) - connection.head_size);
			int got = SSL_read(connection.ssl, input, room);
			if (got <= 0)
				fail("SSL_read");
			take(&connection, input, (size_t)got);
		}
		/* The connection stays open; its TLS state is not needed any more. */
	}
	puts("ready");
}

static void usage(void)
{
	errx(2, "usage: tls_load requests|handshakes|idle|stalled PORT PATH [--connections N]\n"
	        "  [--seconds S] [--warm S]");
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"connections", required_argument, NULL, 'c'},
	        {"seconds", required_argument, NULL, 's'}, {"warm", required_argument, NULL, 'w'},
	        {0}};
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'c':
			options.connections = atoi(optarg);
			break;
		case 's':
			options.seconds = atof(optarg);
			break;
		case 'w':
			options.warm_seconds = atof(optarg);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 3 || options.connections < 1)
		usage();
	options.port = atoi(argv[optind + 1]);
	options.path = argv[optind + 2];
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_context();
	const char *kind = argv[optind];
	renewed = strcmp(kind, "handshakes") == 0;
	if (renewed || strcmp(kind, "requests") == 0)
		load_busy();
	else if (strcmp(kind, "idle") == 0 || strcmp(kind, "stalled") == 0)
		load_held(*kind == 's');
	else
		usage();
	while (getchar() != EOF)
		;
	return 0;
}
