/*
 * The other end of a connection: a client that turns the server's loop while it waits, so that a
 * test is one thread and its order is fixed. It does not use cmocka; any failure aborts.
 */
#ifndef WEIR_TEST_PEER_H
#define WEIR_TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/server.h>

struct peer {
	int fd;
	struct weir_loop *loop;
	struct weir_buffer got;
	bool eof;
	int error; /* errno that ended it, as ECONNRESET */
};

/* 127.0.0.1, any port. */
struct weir_address local_address(void);

/* Connects; `buffer` bytes of receive buffer, or 0. */
struct peer peer_connect(struct weir_loop *loop, const struct weir_address *address, int buffer);

/*
 * Sends all of it, turning the loop where it must, until the server reads no more for a while.
 * Returns the number of bytes sent.
 */
size_t peer_send_bytes(struct peer *peer, const void *data, size_t size);
void peer_send(struct peer *peer, const char *text);

/* No more will be sent. */
void peer_finish(struct peer *peer);

/*
 * Reads until there are `size` bytes. Returns false if the input ended, or nothing came for a long
 * time.
 */
bool peer_read(struct peer *peer, size_t size);

/*
 * Reads what has come, after a wait if that is nothing. Returns false if the input ended, or if
 * nothing came for a long time.
 */
bool peer_read_more(struct peer *peer);

/* Reads up to the end of the input. Returns false if the end did not come. */
bool peer_read_end(struct peer *peer);

/* Turns the loop, reading nothing: `turns` times that do not wait. */
void peer_turn(struct peer *peer, int turns);

/* Whether exactly this text has come so far. If it has, it is removed. */
bool peer_got(struct peer *peer, const char *text);

void peer_close(struct peer *peer);
/* Ends with a reset. */
void peer_reset(struct peer *peer);

/* Turns until `condition` is true, for some seconds at most. The value is the condition. */
#define TURN_UNTIL(loop, condition)                                                                \
	({                                                                                         \
		bool met_ = false;                                                                 \
		for (int turn_ = 0; !(met_ = (condition)) && turn_ < 30000; turn_++)               \
			weir_loop_turn(loop, 1);                                                   \
		met_;                                                                              \
	})

/* Bytes the process has allocated and not freed. */
size_t memory_in_use(void);

#endif
