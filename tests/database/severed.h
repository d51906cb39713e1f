/*
 * A proxy in front of a server whose connections break: once, after so many bytes in one direction.
 * It runs on a thread of its own.
 */
#ifndef WEIR_TEST_SEVERED_H
#define WEIR_TEST_SEVERED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/database.h>

enum severed_direction {
	SEVERED_UP, /* to the server */
	SEVERED_DOWN,
};

struct severed {
	pthread_t thread;
	int listener;
	int port;
	int server_port;
	pthread_mutex_t lock; /* held while bytes pass or a connection is cut */
	atomic_bool ending;
	atomic_long left[2];  /* bytes that pass in a direction before the break; -1: no break */
	atomic_uint breaks;   /* that have happened */
	atomic_uint pairs;    /* connections that pass through it */
	atomic_bool refusing; /* new connections are closed at once, and those that are there */
};

void severed_start(struct severed *severed, int server_port);
void severed_stop(struct severed *severed);

/* The next break is after `bytes`. */
void severed_break_after(struct severed *severed, enum severed_direction direction, long bytes);

/*
 * No break comes any more. Returns whether one has come since severed_break_after. The loop is
 * turned until its pool has noticed that: it has as many connections then as pass through here.
 */
bool severed_calm(struct severed *severed, struct weir_database *database, struct weir_loop *loop);

#endif
