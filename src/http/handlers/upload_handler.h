/*
 * Uploads from the inside: one handler, one file for each way to change the tree.
 *
 *   upload.c              the handler: options, the choice of the method, refusals
 *   upload_condition.c    preconditions against the file that is there
 *   upload_put.c          PUT
 *   upload_delete.c       DELETE
 *   form_upload.c         POST of a form, with form_upload_parts.c as its parser
 */
#ifndef WEIR_HTTP_UPLOAD_INTERNAL_H
#define WEIR_HTTP_UPLOAD_INTERNAL_H

#include <sys/types.h>

#include <weir/http_upload.h>
#include <weir/tree.h>

struct stat;

struct http_upload {
	struct weir_http_handler handler;
	struct weir_tree *tree;
	bool attached; /* the tree, to the loop of the first exchange */
	uint64_t size_max;
	mode_t mode; /* of new files; 0: the store's default */
	bool put;
	bool remove;
	bool forms;
	struct weir_span prefix; /* in text */
	char text[];
};

/* Each replies, now or later. */
void http_upload_put(struct http_upload *upload, struct weir_http_exchange *exchange);
void http_upload_delete(struct http_upload *upload, struct weir_http_exchange *exchange);
void http_upload_form(struct http_upload *upload, struct weir_http_exchange *exchange);

/* The status for an error of the store that has to do with a path or a disk. */
unsigned http_upload_status(int error);

/* Replies with an error page; gives up the body, and names what is allowed for 405. */
void http_upload_refuse(struct weir_http_exchange *exchange, unsigned status);

/* -- preconditions ----------------------------------------------------------------------------- */

/* Embedded by who asks, all zero at first. */
struct upload_condition {
	struct weir_lookup lookup;
	struct weir_http_exchange *exchange;
	/* `status` is 0, or what to reply. `exists` for 0: a regular file is there now. */
	void (*done)(struct upload_condition *condition, unsigned status, bool exists);
};

/* The request depends on what is there: If-Match and its like. */
bool http_upload_is_conditional(const struct weir_http_request *request);

/*
 * For `check` of the store, with the exchange as context: 0 if the conditions hold, else -ECANCELED.
 * Any thread.
 */
int http_upload_holds(void *exchange, const struct stat *there);

/* Looks at the exchange's path, and calls `done` once, maybe before this returns. */
void http_upload_check(struct upload_condition *condition, struct weir_tree *tree,
        struct weir_http_exchange *exchange,
        void (*done)(struct upload_condition *condition, unsigned status, bool exists));

#endif
