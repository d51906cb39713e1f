/* A front end with a queue, in files or in a database; each step turns its loop until its end. */
#ifndef WEIR_TEST_FRONT_H
#define WEIR_TEST_FRONT_H

#include "migrated.h"

#include <weir/database_queue.h>
#include <weir/mail_queue.h>

#include "clock.h"

struct front {
	struct weir_loop *loop;
	struct weir_database *database; /* NULL: files */
	struct weir_mail_queue *queue;
};

/* Opens a queue of files in an empty directory, or in the database that the options are for. */
void front_open_files(struct front *front, const char *directory);
void front_open(struct front *front, struct weir_database *database,
        const struct weir_database_queue_options *options);
void front_close(struct front *front);

/*
 * While this is set, waits for time alone pass at once: the clock runs fast in a turn in which no
 * server has anything to do. A server, and a connection to it, have all their time.
 */
extern bool front_skips_pauses;

/* Turns once, for a millisecond at most. */
void front_turn(struct front *front);

/* Turns until it is true; it must become so. */
#define FRONT_TURN(front, condition)                                                               \
	do {                                                                                       \
		for (int turn_ = 0; turn_ < 60000 && !(condition); turn_++)                        \
			front_turn(front);                                                         \
		assert_true(condition);                                                            \
	} while (0)

/* -- putting ----------------------------------------------------------------------------------- */

struct front_put {
	struct weir_mail_delivery *delivery;
	int done;
	int error;
	int ready;
	int failed;
};

/* A message of `size` bytes and so many recipients. Each returns 0 or the error. */
int front_begin(
        struct front *front, struct front_put *put, const char *sender, unsigned recipients);
int front_write(struct front *front, struct front_put *put, size_t size);
void front_commit(struct front *front, struct front_put *put); /* does not wait for the end */
int front_put(struct front *front, const char *sender, unsigned recipients, size_t size);

/* The byte at an offset of each message. */
char front_byte(size_t offset);

/* -- claiming ---------------------------------------------------------------------------------- */

/* The message that is due; NULL with the error, -ENOENT if none is. */
struct weir_queued *front_claim(struct front *front, int *ret_error);
/* Claims one that must be there. */
struct weir_queued *front_must_claim(struct front *front);
/* All recipients get the state; it is due again in so many seconds. Returns the error. */
int front_requeue(
        struct front *front, struct weir_queued *queued, enum weir_queued_state state, int in_s);

/* -- looking ----------------------------------------------------------------------------------- */

struct front_list {
	size_t count;
	size_t unreadable;
	char ids[64][WEIR_QUEUE_ID_SIZE]; /* the first ones */
	char first[512];                  /* of the first one: sender, size, recipients */
};

void front_look(struct front *front, struct front_list *ret);
int front_ask(struct front *front, enum weir_queue_command command, const char *id);

#endif
