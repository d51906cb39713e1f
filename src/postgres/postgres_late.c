/*
 * Commits that the server does not confirm in time: it may wait for a synchronous standby. To
 * cancel one would end that wait alone, and the server would report a success: the data is lost if
 * the primary dies. So the calls end with an unknown outcome, while the server goes on. A commit
 * that waits is seen by nobody, except with early lock release. Its connection is closed as soon as
 * the server confirms it. It is cancelled much later, when no store looks for it any more, so that
 * neither its locks nor its session stay for ever. Such commits are few, since each has a session
 * of the server.
 */
#include <stdlib.h>

#include "postgres_state.h"

_Static_assert(WEIR_POSTGRES_LATE_MS > WEIR_DATABASE_SETTLE_MS, "a store would find it");

struct postgres_late {
	struct weir_list link; /* in pool->late */
	struct weir_postgres *pool;
	struct weir_timer timer;
	struct weir_watch watch;
	bool watched;
	PGconn *pg;
};

static void late_free(struct postgres_late *late)
{
	weir_timer_stop(&late->timer);
	if (late->watched)
		weir_watch_cancel(late->pool->loop, &late->watch);
	weir_list_remove(&late->link);
	late->pool->late_count--;
	postgres_schedule(late->pool);
	PQfinish(late->pg);
	free(late);
}

static void late_on_time(struct weir_timer *timer)
{
	struct postgres_late *late = WEIR_CONTAINER(timer, struct postgres_late, timer);
	postgres_cancel(late->pool->loop, late->pg);
	late_free(late);
}

/* Other messages than the answer are notices. */
static void late_on_event(struct weir_watch *watch, unsigned events)
{
	struct postgres_late *late = WEIR_CONTAINER(watch, struct postgres_late, watch);
	(void)events;
	if (!PQconsumeInput(late->pg) || !PQisBusy(late->pg))
		late_free(late);
}

void postgres_late_begin(struct postgres_connection *connection)
{
	struct postgres_late *late = calloc(1, sizeof *late);
	if (!late)
		return;
	postgres_connection_unwatch(connection);
	late->pool = connection->pool;
	late->pg = connection->pg;
	connection->pg = NULL;
	weir_list_append(&late->pool->late, &late->link);
	late->pool->late_count++;
	weir_timer_start(late->pool->loop, &late->timer, WEIR_POSTGRES_LATE_MS, late_on_time);
	late->watched = weir_watch_start(late->pool->loop, &late->watch, PQsocket(late->pg),
	                        WEIR_READABLE, late_on_event) == 0;
}

void postgres_late_end_all(struct weir_postgres *postgres)
{
	while (!weir_list_empty(&postgres->late))
		late_free(WEIR_CONTAINER(postgres->late.next, struct postgres_late, link));
}
