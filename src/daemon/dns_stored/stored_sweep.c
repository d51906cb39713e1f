/* The versions that stay are in memory, sorted, so that the pool needs nothing of the loop's. */
#include "stored_sweep.h"

#include <stdlib.h>
#include <string.h>

#include <weir/database_copy.h>

struct stored_sweep {
	struct weir_work work;
	void (*done)(void *context); /* NULL: it was abandoned */
	void *context;
	char *directory;
	size_t count;
	char versions[][WEIR_DATABASE_ID_SIZE]; /* that stay, sorted */
};

static int stored_sweep_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool stored_sweep_wants(void *context, const char *name)
{
	const struct stored_sweep *sweep = context;
	return bsearch(name + sizeof STORED_ZONE_FILE - 1, sweep->versions, sweep->count,
	        sizeof *sweep->versions, stored_sweep_compare);
}

static void stored_sweep_run(struct weir_work *work)
{
	struct stored_sweep *sweep = WEIR_CONTAINER(work, struct stored_sweep, work);
	weir_database_copies_sweep(sweep->directory, STORED_ZONE_FILE, stored_sweep_wants, sweep);
}

static void stored_sweep_free(struct stored_sweep *sweep)
{
	free(sweep->directory);
	free(sweep);
}

static void stored_sweep_done(struct weir_work *work)
{
	struct stored_sweep *sweep = WEIR_CONTAINER(work, struct stored_sweep, work);
	void (*done)(void *context) = sweep->done;
	void *context = sweep->context;
	stored_sweep_free(sweep);
	if (done)
		done(context);
}

struct stored_sweep *stored_sweep_start(struct weir_loop *loop, const char *directory,
        const struct stored_zone *zones, size_t count, void (*done)(void *context), void *context)
{
	struct stored_sweep *sweep = calloc(1, sizeof *sweep + 2 * count * sizeof *sweep->versions);
	if (!sweep || !(sweep->directory = strdup(directory))) {
		free(sweep);
		return NULL;
	}
	sweep->done = done;
	sweep->context = context;
	for (size_t i = 0; i < count; i++) {
		strcpy(sweep->versions[sweep->count++], zones[i].wanted);
		if (zones[i].have[0])
			strcpy(sweep->versions[sweep->count++], zones[i].have);
	}
	qsort(sweep->versions, sweep->count, sizeof *sweep->versions, stored_sweep_compare);
	if (weir_work_submit_to(
	            loop, WEIR_LANE_NAMES, &sweep->work, stored_sweep_run, stored_sweep_done) == 0)
		return sweep;
	stored_sweep_free(sweep);
	return NULL;
}

void stored_sweep_abandon(struct stored_sweep *sweep)
{
	sweep->done = NULL;
}
