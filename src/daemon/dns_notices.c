/* Which zones were told of last is in the configuration that was served then, which is held. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dns_server.h>
#include <weir/error.h>
#include <weir/log.h>

#include "dns_log.h"
#include "dns_notices.h"
#include "say.h"

struct dns_notices {
	struct weir_loop *loop;
	struct weir_dns_notifier *notifier;
	struct config *config; /* held; NULL at first */
	struct weir_log *log;  /* or NULL */
};

static void note(void *context, const struct weir_dns_event *event)
{
	struct dns_notices *notices = context;
	dns_log(notices->log, notices->loop, "dns", event);
}

int dns_notices_create(struct weir_loop *loop, struct dns_notices **ret)
{
	struct dns_notices *notices = calloc(1, sizeof *notices);
	int error = notices ? 0 : -ENOMEM;
	if (error == 0) {
		notices->loop = loop;
		error = weir_dns_notifier_create(loop, note, notices, &notices->notifier);
	}
	if (error < 0) {
		say("out of memory");
		free(notices);
		return error;
	}
	*ret = notices;
	return 0;
}

static bool same_log(const struct config *a, const struct config *b)
{
	const char *one = a ? a->logs[LOG_DNS] : NULL, *other = b->logs[LOG_DNS];
	return one == other || (one && other && strcmp(one, other) == 0);
}

/* The old log goes on if the new one cannot be opened. */
static void open_log(struct dns_notices *notices, const char *path)
{
	struct weir_log *log = NULL;
	int error = path ? weir_log_create(notices->loop, path, &log) : 0;
	if (error < 0) {
		say("cannot write the log %s: %s", path, weir_error_text(error));
		return;
	}
	weir_log_destroy(notices->log);
	notices->log = log;
}

/* Nobody is told of a zone that is new here but was there before. */
static int tell(struct dns_notices *notices, const struct weir_dns_zones *before,
        const struct weir_dns_zones *now)
{
	struct weir_dns_zones *none = NULL;
	int error = before ? 0 : weir_dns_zones_create(NULL, 0, &none);
	if (error == 0)
		weir_dns_notifier_tell(notices->notifier, before ? before : none, now);
	weir_dns_zones_release(none);
	return error;
}

void dns_notices_update(struct dns_notices *notices, struct config *config)
{
	const struct config *before = notices->config;
	if (!same_log(before, config))
		open_log(notices, config->logs[LOG_DNS]);
	int error = config->dns.set
	                    ? tell(notices, before ? before->dns.set : NULL, config->dns.set)
	                    : 0;
	if (error < 0)
		say("cannot tell of changed zones: %s", weir_error_text(error));
	config_release(notices->config);
	notices->config = config_hold(config);
}

void dns_notices_reopen_log(struct dns_notices *notices)
{
	int error = notices->log ? weir_log_reopen(notices->log) : 0;
	if (error < 0)
		say("cannot open the log %s anew: %s; the old file is written further",
		        notices->config->logs[LOG_DNS], weir_error_text(error));
}

void dns_notices_destroy(struct dns_notices *notices)
{
	if (!notices)
		return;
	weir_dns_notifier_destroy(notices->notifier);
	weir_log_destroy(notices->log);
	config_release(notices->config);
	free(notices);
}
