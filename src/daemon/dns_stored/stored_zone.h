/* A zone of the database, and its reading; see dns_stored.h. */
#ifndef DAEMON_STORED_ZONE_H
#define DAEMON_STORED_ZONE_H

#include <weir/buffer.h>
#include <weir/database_zones.h>
#include <weir/dns_zone.h>
#include <weir/loop.h>

enum {
	STORED_WHY_SIZE = 160
};

struct stored_zone {
	struct weir_dns_name name;
	char wanted[WEIR_DATABASE_ID_SIZE]; /* the current version */
	char have[WEIR_DATABASE_ID_SIZE];   /* of `zone`; empty: none */
	struct weir_dns_zone *zone;         /* or NULL */
	bool copy_tried;           /* the copy on disk of the wanted version was looked for */
	bool bad;                  /* the wanted version cannot be used: it is not read again */
	char why[STORED_WHY_SIZE]; /* if it is bad */
};

/* A copy of a version is the file DIRECTORY/zone-VERSION. */
#define STORED_ZONE_FILE "zone-"

/* Appends the record as a line of a zone file. Returns 0, WEIR_E_LIMIT or -ENOMEM. */
int stored_record_put(const struct weir_database_zone_record *record, struct weir_buffer *to);

/*
 * Reads one version, and makes a zone of it on the work pool. Nothing else may be done with a
 * reading before its end.
 */
struct stored_reading {
	struct weir_loop *loop;
	struct weir_database_call *call; /* or NULL */
	struct weir_work work;
	bool working; /* on the pool */
	bool abandoned;
	struct weir_dns_name name;
	char version[WEIR_DATABASE_ID_SIZE];
	char *copy; /* the path, or NULL */
	bool reads_copy;
	struct weir_buffer text;
	int error;
	int copy_error;               /* of reading or writing the copy */
	struct weir_dns_zone *before; /* held; or NULL */
	struct weir_dns_zone *zone;   /* the result */
	bool same_serial;             /* the serial is not later than that of `before` */
	char why[STORED_WHY_SIZE];
	/*
	 * The end. `error` is WEIR_E_SYNTAX if the version is bad, 0, or another error: it may be
	 * tried again. Of a copy `copy_error` counts first: 0 if it was read.
	 */
	void (*done)(void *context, struct stored_reading *reading);
	void *context;
};

/*
 * Reads the rows, and writes a copy if there is a directory for it; or with `reads_copy` reads the
 * copy alone. Returns 0 or a negative errno.
 */
int stored_reading_start(struct weir_database *database, struct weir_loop *loop,
        const struct stored_zone *zone, const char *directory, bool reads_copy,
        void (*done)(void *context, struct stored_reading *reading), void *context,
        struct stored_reading **ret);

/* In `done`, or to abandon it before. */
void stored_reading_free(struct stored_reading *reading);

#endif
