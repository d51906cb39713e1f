/* Copies on disk of versions of zones that are gone; see dns_stored.h. */
#ifndef DAEMON_STORED_SWEEP_H
#define DAEMON_STORED_SWEEP_H

#include <stddef.h>

#include <weir/loop.h>

#include "stored_zone.h"

struct stored_sweep;

/*
 * Removes the copies of all versions that none of the zones wants or has, on the work pool. A file
 * that cannot be removed is removed later, or by the operator. Returns NULL, and calls nothing, if
 * it cannot begin.
 */
struct stored_sweep *stored_sweep_start(struct weir_loop *loop, const char *directory,
        const struct stored_zone *zones, size_t count, void (*done)(void *context), void *context);

/* `done` is not called any more. */
void stored_sweep_abandon(struct stored_sweep *sweep);

#endif
