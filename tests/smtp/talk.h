/*
 * An SMTP server on a loop, two fake sinks behind it, and clients that read their lines from a
 * script:
 *
 *   C: MAIL FROM:<a@b>        send this, with CRLF
 *   S: 250 2.1.0              expect a line that begins with this
 *   C. text                   send this as it is, with the escapes \r \n \0 and \\
 *   S.                        expect the end of the connection
 */
#ifndef WEIR_TEST_TALK_H
#define WEIR_TEST_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <weir/error.h>
#include <weir/smtp.h>

#include "allocation.h"
#include "fake_sink.h"
#include "peer.h"

struct talk {
	struct weir_loop *loop;
	struct weir_smtp_server *server;
	struct weir_users *users;
	struct weir_mail_routes *routes;
	struct fake_sink local, relay;
	unsigned events[5]; /* by kind */
	char event_text[256];
	char event_id[32];
};

extern struct talk talk;

/* alice, bob and carol (password "secret") at example.org and example.net; some aliases. */
struct weir_smtp_options talk_options(void);

/* The greeting and EHLO, up to the last extension. */
#define HELLO_WITH(auth)                                                                           \
	"S: 220 mx.example.org ESMTP\n"                                                            \
	"C: EHLO client.example\n"                                                                 \
	"S: 250-mx.example.org\nS: 250-PIPELINING\nS: 250-SIZE \nS: 250-8BITMIME\n"                \
	"S: 250-BINARYMIME\nS: 250-CHUNKING\nS: 250-SMTPUTF8\nS: 250-DSN\n" auth                   \
	"S: 250-LIMITS MAILMAX=\nS: 250-VRFY\nS: 250-HELP\nS: 250 ENHANCEDSTATUSCODES\n"
#define HELLO HELLO_WITH("S: 250-AUTH PLAIN LOGIN\n")

/* AUTH PLAIN as alice. */
#define LOGIN "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 2.7.0\n"

/* Makes the loop, users and routes; then the server, when the test has set its options. */
int talk_set_up(void **state);
int talk_tear_down(void **state);
void talk_start(const struct weir_smtp_options *options);

/* The pace of the client's bytes. */
enum talk_pace {
	TALK_LINES,   /* a line at a time */
	TALK_BYTES,   /* a byte at a time */
	TALK_AT_ONCE, /* all lines up to the server's next */
};

/*
 * Runs the script on a new connection, and closes it. Fails the test if an expected line does not
 * come.
 */
void talk_script(enum talk_pace pace, const char *script);
/* Runs the script on an open connection. */
void talk_on(struct peer *peer, enum talk_pace pace, const char *script);
struct peer talk_connect(void);

/* Starts the server with all defaults. */
void talk_start_plain(void);

/* Returns the message behind Return-Path and Received, which must be there. */
const char *talk_message(struct fake_sink *sink);

/* Turns the loop until nothing has happened for some milliseconds. */
void talk_settle(void);

/* Runs the script at every pace. */
void talk_in_all_paces(const char *script);

#endif
