/*
 * A proxy in front of a server whose connections break: once, after so many bytes in one direction.
 * It runs on a thread of its own.
 */
#ifndef WEIR_TEST_SEVERED_H
#define WEIR_TEST_SEVERED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "migrated.h"

enum severed_direction {
	SEVERED_UP, /* to the server */
	SEVERED_DOWN,
};

struct severed {
	pthread_t thread;
	int listener;
	int port;
	char url[128]; /* of the proxy */
	int server_port;
	pthread_mutex_t lock; /* held while bytes pass or a connection is cut */
	atomic_bool ending;
	atomic_long left[2];  /* bytes that pass in a direction before the break; -1: no break */
	atomic_uint breaks;   /* that have happened */
	atomic_uint pairs;    /* connections that pass through it */
	atomic_bool refusing; /* new connections are closed at once, and those that are there */
};

/* In front of the server of migrated.h. */
extern struct severed severed;

/* The fixture of cmocka_run_group_tests: the server, and the proxy. */
int severed_setup(void **state);
int severed_teardown(void **state);

/* The next break is after `bytes`. */
void severed_break_after(enum severed_direction direction, long bytes);

/*
 * No break comes any more. Returns whether one has come since severed_break_after. The loop is
 * turned until its pool has noticed that: it has as many connections then as pass through here.
 */
bool severed_calm(struct weir_database *database, struct weir_loop *loop);

#endif
