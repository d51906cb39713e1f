/*
 * Uploads from the inside: one handler, one file for each way to change the tree.
 *
 *   upload_handler.c      the handler: options, the choice of the method, preconditions, refusals,
 *                         DELETE
 *   upload_put.c          PUT
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
void http_upload_form(struct http_upload *upload, struct weir_http_exchange *exchange);

/* Returns the status for an error of the store. */
unsigned http_upload_status(int error);

/* Stops receiving, and replies with an error page; 405 has Allow. */
void http_upload_refuse(struct weir_http_exchange *exchange, unsigned status);

/* -- preconditions ----------------------------------------------------------------------------- */

/* Embedded by the caller, all zero at first. */
struct upload_condition {
	struct weir_lookup lookup;
	struct weir_http_exchange *exchange;
	/*
	 * `status` is 0 or that of the reply. With 0, `exists` is whether there is a regular file
	 * now.
	 */
	void (*done)(struct upload_condition *condition, unsigned status, bool exists);
};

/* Returns whether the request has preconditions, as If-Match. */
bool http_upload_is_conditional(const struct weir_http_request *request);

/*
 * The store's `check`, with the exchange as its context. Returns 0 if the conditions hold, else
 * -ECANCELED. On any thread.
 */
int http_upload_holds(void *exchange, const struct stat *there);

/* Looks the exchange's path up, and calls `done` once, maybe before it returns. */
void http_upload_check(struct upload_condition *condition, struct weir_tree *tree,
        struct weir_http_exchange *exchange,
        void (*done)(struct upload_condition *condition, unsigned status, bool exists));

#endif
