/* A smart host: it sends the replies of the test, and records its input. */
#ifndef WEIR_TEST_HOST_H
#define WEIR_TEST_HOST_H

#include <stdbool.h>

#include <weir/loop.h>
#include <weir/server.h>

struct host {
	struct weir_server *server;
	struct weir_loop *loop;
	const char *greeting; /* NULL: "220 host\r\n" */
	const char *ehlo;     /* NULL: with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN */
	const char *mail;     /* NULL: "250 OK\r\n", as for those below */
	const char *rcpt;
	const char *rcpt_bad;  /* to addresses that begin with "bad" */
	const char *rcpt_late; /* to addresses that begin with "late" */
	const char *data;      /* NULL: "354 Go\r\n" */
	const char *message;   /* NULL: "250 2.0.0 Taken\r\n"; "": it closes the connection */
	const char *starttls;  /* NULL: "502 No\r\n" */
	struct weir_tls *tls;
	struct weir_users *users; /* for AUTH */
	bool drip;                /* send one byte at a time */

	unsigned connections; /* so far */
	unsigned open;
	unsigned messages;
	char said[64 * 1024];     /* the client's lines, without messages, with \n */
	char content[256 * 1024]; /* of the last message, without doubled dots */
	size_t content_size;
};

/* Listens on a free port; zeroes the struct before. */
void host_start(struct host *host, struct weir_loop *loop);
/* Listens with TLS from the first byte. */
void host_start_tls(struct host *host, struct weir_loop *loop, struct weir_tls *tls);
void host_stop(struct host *host);

#endif
