/* A POP3 server in a test: its users, its store, and a line-by-line client. */
#ifndef WEIR_TEST_MAILBOX_H
#define WEIR_TEST_MAILBOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/mail_store.h>
#include <weir/pop3.h>
#include <weir/users.h>

#include "peer.h"

extern struct weir_loop *loop;
extern struct weir_pop3_server *server;
extern struct weir_mail_store *store;
extern struct weir_users *users;
extern struct weir_pop3_event last_event; /* its pointers are not valid */
extern char last_user[64];
extern unsigned logins, denials, logouts;

/* alice, bob and "j d", whose passwords are "right"; a server with a store in memory. */
int mailbox_setup(void **state);
/* Sets up alice, bob and "j d" with a store of Maildirs. */
int mailbox_setup_on_disk(void **state);
int mailbox_teardown(void **state);

/* Starts another server; address, store, users and log are filled in. */
void mailbox_serve(struct weir_pop3_options options);

/* Puts a message into the mailbox. */
void mailbox_deliver(const char *user, const void *data, size_t size);
void mailbox_deliver_text(const char *user, const char *text);

/* Connects, and reads the greeting. */
struct peer mailbox_connect(void);
/* Connects, and logs in as alice. */
struct peer mailbox_login(void);

/* Sends the text, and expects exactly this reply. */
#define SAY(peer, text, wanted)                                                                    \
	do {                                                                                       \
		peer_send(peer, text);                                                             \
		EXPECT(peer, wanted);                                                              \
	} while (0)

#define EXPECT(peer, wanted)                                                                       \
	do {                                                                                       \
		if (!peer_got(peer, wanted))                                                       \
			fail_msg("wanted \"%s\", got \"%.*s\"", wanted, (int)(peer)->got.size,     \
			        (peer)->got.data);                                                 \
	} while (0)

#define EXPECT_END(peer)                                                                           \
	do {                                                                                       \
		assert_true(peer_read_end(peer));                                                  \
		assert_int_equal((peer)->got.size, 0);                                             \
		peer_close(peer);                                                                  \
	} while (0)

#endif
