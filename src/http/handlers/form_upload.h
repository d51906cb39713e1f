/*
 * A form that is being received. Its files become uploads, which are committed when all of the form
 * has come.
 */
#ifndef WEIR_HTTP_FORM_UPLOAD_H
#define WEIR_HTTP_FORM_UPLOAD_H

#include <weir/upload.h>

#include "form_upload_parts.h"
#include "upload_handler.h"

/* Each has a file open up to the end of the form. */
#define FORM_FILES_MAX 100

struct form_file {
	struct form_upload *form;
	struct weir_upload *upload; /* NULL once it was committed */
	size_t name_size;
	char name[];
};

struct form_upload {
	struct http_upload *handler;
	struct weir_http_exchange *exchange;
	struct weir_lookup lookup;
	struct form_parts parts;
	struct form_file *files[FORM_FILES_MAX];
	unsigned count;
	unsigned committed;
	unsigned status; /* the status for the parser's error; 0: by its code */
	bool body_ended;
	struct form_file *awaited; /* not open yet, or its queue is full: nothing is parsed */
};

/* -- form_upload.c -- */
/* Aborts what was not committed, frees the form, replies. */
void http_form_fail(struct form_upload *form, unsigned status);
void http_form_free(struct form_upload *form);

/* -- form_upload_commit.c -- */
/* Commits the files in order, and replies. */
void http_form_commit(struct form_upload *form);

#endif
