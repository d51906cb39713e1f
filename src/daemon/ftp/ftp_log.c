/* Writes the lines of the FTP log, by event. */
#include <weir/error.h>

#include "ftp_log.h"
#include "log_line.h"

static const char *const names[] = {
        [WEIR_FTP_LOGIN] = "login",
        [WEIR_FTP_LOGOUT] = "logout",
        [WEIR_FTP_SENT] = "sent",
        [WEIR_FTP_RECEIVED] = "received",
        [WEIR_FTP_LISTED] = "listed",
        [WEIR_FTP_CHANGED] = "changed",
        [WEIR_FTP_HOME] = "home",
};

static bool ftp_log_is_transfer(const struct weir_ftp_event *event)
{
	return event->kind == WEIR_FTP_SENT || event->kind == WEIR_FTP_RECEIVED ||
	       event->kind == WEIR_FTP_LISTED;
}

void ftp_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_ftp_event *event)
{
	struct log_line line;
	if (!log)
		return;
	bool denied = event->kind == WEIR_FTP_LOGIN && event->error;
	log_line_begin(&line, log, loop, name, denied ? "denied" : names[event->kind]);
	log_line_add_peer(&line, event->peer, event->secure);
	log_line_add_known(&line, "user", weir_span_of(event->user));
	if (event->verb)
		log_line_add(&line, " verb=%s", event->verb);
	if (event->path)
		log_line_add_known(&line, "path", weir_span_of(event->path));
	if (ftp_log_is_transfer(event))
		log_line_add(&line, " bytes=%llu ms=%llu", (unsigned long long)event->bytes,
		        (unsigned long long)event->time_ms);
	if (event->code)
		log_line_add(&line, " code=%u", event->code);
	if (event->error)
		log_line_add_known(&line, "error", weir_span_of(weir_error_text(event->error)));
	log_line_end(&line);
}
