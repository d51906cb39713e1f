/* A pool, and a server that the test plays: it reads up to a sync, and sends the bytes it likes. */
#ifndef WEIR_TEST_PLAYED_H
#define WEIR_TEST_PLAYED_H

#include "database.h"

extern struct weir_loop *loop;
extern struct weir_postgres *pool;
extern char url[128];

/* The replies to one SELECT without a prepared statement, and to the start of a connection. */
#define BYTES(literal) ((struct weir_span){literal, sizeof(literal) - 1})
#define PARSED                                                                                     \
	"1\0\0\0\4"                                                                                \
	"2\0\0\0\4"
#define COLUMN "T\0\0\0\32\0\1a\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"
#define VALUE "D\0\0\0\14\0\1\0\0\0\2ok"
#define SELECTED "C\0\0\0\15SELECT 1\0"
#define READY "Z\0\0\0\5I"
#define ROW PARSED COLUMN VALUE SELECTED
#define ANSWER ROW READY
#define WELCOME                                                                                    \
	"R\0\0\0\10\0\0\0\0"                                                                       \
	"K\0\0\0\14\0\0\0\7\0\0\0\11" READY
#define ERROR(severity, state) "E\0\0\0\43S" severity "\0V" severity "\0C" state "\0Mbecause\0\0"

enum {
	ACCEPT_TURNS = 3000,
};

/* The loop, and the address that the server listens at. */
int played_start_all(void **state);
int played_stop_all(void **state);

/* A pool of that server, without prepared statements. */
void start_pool(struct weir_postgres_options options);
void stop_pool(void);
#define POOL(...) start_pool(OPTIONS(weir_postgres_options, __VA_ARGS__))

/* Returns a descriptor, or -1. */
int played_try_accept(void);
/* The next connection; the clock runs fast, so that nobody waits for a pause to end. */
struct peer accept_any(void);
struct peer accept_started(void);
/* Reads until the sync has come; what it follows is the client's business. False: an end came. */
bool played_try_await_sync(struct peer *peer);
void await_sync(struct peer *peer);
/* Awaits a sync, and sends. */
void answer(struct peer *peer, struct weir_span bytes);
/* The call ends; the clock runs fast. */
void quick_await_end(struct heard *heard);
/* An idle connection, of which the kernel takes few bytes at a time. */
struct peer played_make_narrow_connection(void);

#endif
