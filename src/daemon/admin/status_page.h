/*
 * The status page of the admin listener, for browsers.
 *
 *   GET /         tables, which need no script
 *   GET /events   the same values as JSON, once a second: an event stream (weir/http_events.h)
 *   GET /page.js  and the other files in page/, which the build embeds (page/embed)
 *
 * Each page and each event needs a survey of the connections (survey.h); one survey is for all that
 * wait for it. Nothing is composed while nobody looks. A client that does not read has one event in
 * memory, and gets the next one when it has read that.
 *
 * Everything here is for the main thread.
 */
#ifndef DAEMON_STATUS_PAGE_H
#define DAEMON_STATUS_PAGE_H

struct admin_http_options;
struct status_page;
struct weir_http_handler;

enum {
	PAGE_STREAMS_MAX = 8, /* at a time; for another one the reply is 503 */
	PAGE_EVENT_MS = 1000, /* between two events */
	PAGE_SLOW_MAX = 20,   /* slow connections that are shown */
};

/* Copies the options. Returns 0 or -ENOMEM. */
int status_page_create(const struct admin_http_options *options, struct status_page **ret);

/* Makes a handler of the paths above. NULL without memory. */
struct weir_http_handler *status_page_handler(struct status_page *page);

/* Ends all streams, in order. Browsers open them again. */
void status_page_end_streams(struct status_page *page);

/*
 * Frees the page, once its servers were destroyed. Turns the loop while a survey is under way. NULL
 * is allowed.
 */
void status_page_destroy(struct status_page *page);

#endif
