/* Zone files: the state of reading one, which records and directives share. */
#ifndef WEIR_DNS_ZONE_FILE_H
#define WEIR_DNS_ZONE_FILE_H

#include <stdio.h>

#include "zone_builder.h"
#include "zone_fields.h"

#define NO_TTL UINT32_MAX

/* The state for the whole zone. */
struct reading {
	struct dns_builder builder;
	weir_dns_report_fn *report;
	void *context;
	const char *path; /* of the file that was asked for */
	FILE *text;       /* instead of the file: such a zone has no $INCLUDE; or NULL */
	unsigned mistakes;
	bool includes; /* other files are named in it */
	bool saved;    /* written by us from a transfer: values are served as they came */
	int error;
	struct weir_dns_name previous; /* the owner of the record before; size 0: there is none */
	uint32_t ttl;                  /* $TTL */
	uint32_t last_ttl;             /* of the record before that had one (RFC 1035 5.1) */
	uint8_t rdata[UINT16_MAX];
};

/* A file being read; $INCLUDE stacks them. */
struct zone_file {
	struct reading *reading;
	const char *path;
	FILE *stream;
	unsigned depth;
	unsigned line;  /* read so far */
	unsigned began; /* the first of the record at hand */
	struct weir_dns_name origin;
	char *text; /* WEIR_DNS_LINE_MAX bytes */
	size_t size;
};

/*
 * Like weir_dns_zone_load, for a file that weir_dns_zone_write has written: values are not checked
 * again.
 */
int dns_zone_load_saved(const char *path, const struct weir_dns_name *apex,
        weir_dns_report_fn *report, void *context, struct weir_dns_zone **ret);

/* Reports a mistake in the current record or directive. */
void dns_file_complain(struct zone_file *file, const char *text);

/* Whether reading may go on: there was no error, and there are not too many mistakes. */
bool dns_file_may_go_on(const struct reading *reading);

/* Adds the record in the file's text. */
void dns_file_record(struct zone_file *file);

/*
 * Reads a whole file, or the text of the zone. Returns 0, or an errno of opening and reading.
 * Mistakes are reported.
 */
int dns_file_read(struct zone_file *file);

/* zone_directive.c: follows the directive in the file's text. */
void dns_file_follow(struct zone_file *file);

#endif
