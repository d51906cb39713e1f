/*
 * The main thread of a server process, where serve.c is not enough: it takes the configuration,
 * files and listeners from the master (see master.h), gives up all other rights before threads
 * start, and then follows the master's messages.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/log.h>

#include "admin_command.h"
#include "cli.h"
#include "confine.h"
#include "link.h"
#include "recent_lines.h"
#include "say.h"
#include "say_log.h"
#include "serve.h"
#include "serve_state.h"
#include "sources.h"
#include "store.h"
#include "worker.h"

enum {
	LOOK_MS = 1000,
	RETIRE_MS = 1000,
};

struct config *serve_process_load(struct daemon *daemon)
{
	sources_replay(link_table());
	struct config *config = config_load(daemon->options, daemon->config);
	sources_end();
	/* This process has become the user already. */
	if (config)
		config->user = NULL;
	return config;
}

int serve_process_confine(const struct config *config, unsigned *ret_workers)
{
	/* The master has opened a socket for each of as many workers. */
	const char *text = link_value(GRANT_WORKERS, "");
	int count = text ? atoi(text) : 0;
	int lines = link_open(GRANT_LINES, "");
	if (lines >= 0)
		recent_lines_follow(lines);
	*ret_workers = count < 1 || count > CONFIG_WORKERS_MAX ? 1 : (unsigned)count;
	return confine_apply(config);
}

/* -- the master -------------------------------------------------------------------------------- */

static int serve_process_reload(struct daemon *daemon, int table)
{
	const char *path = daemon->options->config_path;
	if (daemon->stop_signals) {
		close(table);
		return -ESHUTDOWN;
	}
	int error = link_offer(table);
	struct config *config = error == 0 ? serve_process_load(daemon) : NULL;
	/* Another process could do it: with other rights, or another database. */
	if (config && (!confine_covers(config) || !store_same(config, daemon->config))) {
		config_release(config);
		link_settle(false);
		return -EXDEV;
	}
	if (error == 0)
		error = config ? serve_use_config(daemon, config) : -EINVAL;
	link_settle(error == 0);
	if (error == 0 && link_value(GRANT_CERTIFICATES, ""))
		say_at(WEIR_LOG_INFO, "the new certificates are in use");
	else if (error == 0)
		say_at(WEIR_LOG_INFO, "reloaded%s%s", path ? " " : "", path ? path : "");
	else
		say("not reloaded: the previous configuration stays in effect");
	return error;
}

static void serve_process_answer(struct daemon *daemon, int result)
{
	struct admin_request *request = daemon->asked;
	daemon->asked = NULL;
	if (request && result == 0)
		admin_ok(request);
	else if (request)
		admin_error(request,
		        "the previous state stays in effect; the log of the daemon, or its standard "
		        "error, says why, and so does 'weir check'");
}

static void serve_process_on_lost(struct daemon *daemon)
{
	link_lose_control();
	weir_watch_close(daemon->loop, &daemon->control);
	daemon->failed = true;
	if (daemon->stop_signals == 0)
		serve_stop(daemon);
}

static void serve_process_on_retired(struct weir_timer *timer)
{
	struct daemon *daemon = WEIR_CONTAINER(timer, struct daemon, retire);
	if (daemon->stop_signals == 0)
		serve_stop(daemon);
}

/*
 * Another process has the listeners. Connections that were accepted a moment ago would count as
 * idle, so they get some time to begin.
 */
static void serve_process_retire(struct daemon *daemon)
{
	static const struct config_admin nowhere;
	admin_listen(daemon->admin, NULL, NULL);
	admin_http_listen(daemon->admin_http, &nowhere);
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_retire(daemon->workers[i]);
	weir_timer_stop(&daemon->look); /* the successor has the directories */
	weir_timer_start(daemon->loop, &daemon->retire, RETIRE_MS, serve_process_on_retired);
}

static void serve_process_follow(struct daemon *daemon, const struct handover *message)
{
	switch ((enum handover_kind)message->kind) {
	case HANDOVER_REOPEN:
		serve_reopen_logs(daemon);
		break;
	case HANDOVER_DRAIN:
		if (daemon->stop_signals == 0 && message->index)
			serve_process_retire(daemon);
		else if (daemon->stop_signals == 0)
			serve_stop(daemon);
		break;
	case HANDOVER_STOP:
		while (daemon->stop_signals < 2)
			serve_stop(daemon);
		break;
	case HANDOVER_ALIVE:
		link_send(HANDOVER_ALIVE, 0);
		break;
	case HANDOVER_LOG_LEVEL:
		weir_log_set_level((enum weir_log_level)message->index);
		break;
	case HANDOVER_ANSWER:
		serve_process_answer(daemon, message->result);
		break;
	default:
		break;
	}
}

static void serve_process_on_control(struct weir_watch *watch, unsigned events)
{
	struct daemon *daemon = WEIR_CONTAINER(watch, struct daemon, control);
	struct handover message;
	int fd = -1;
	(void)events;
	int error = handover_receive(watch->fd, &message, &fd);
	if (error == -EAGAIN)
		return;
	if (error < 0)
		serve_process_on_lost(daemon);
	else if (message.kind == HANDOVER_RELOAD)
		link_send(HANDOVER_RELOADED, fd < 0 ? -EPROTO : serve_process_reload(daemon, fd));
	else
		serve_process_follow(daemon, &message);
	if (error == 0 && message.kind != HANDOVER_RELOAD && fd >= 0)
		close(fd);
}

void serve_process_ask(
        struct daemon *daemon, struct admin_request *request, enum handover_kind kind)
{
	if (daemon->stop_signals) {
		admin_error(request, "the daemon is draining already");
	} else if (daemon->asked) {
		admin_error(request, "another reload, drain or upgrade is under way");
	} else {
		daemon->asked = request;
		link_send(kind, 0);
	}
}

/* -- life -------------------------------------------------------------------------------------- */

int serve_process_start(struct daemon *daemon)
{
	return weir_watch_start(daemon->loop, &daemon->control, link_control(), WEIR_READABLE,
	        serve_process_on_control);
}

static void serve_process_look(struct weir_timer *timer)
{
	struct daemon *daemon = WEIR_CONTAINER(timer, struct daemon, look);
	if (daemon->stop_signals)
		return;
	if (confine_is_stale())
		link_send(HANDOVER_ASK_RENEW, 0);
	weir_timer_start(daemon->loop, timer, LOOK_MS, serve_process_look);
}

void serve_process_report_ready(struct daemon *daemon)
{
	/* First, so that a signal that follows the banner finds the master ready. */
	link_send(HANDOVER_READY, 0);
	/* The banner is for those who start the daemon, not for its later server processes. */
	if (link_value(GRANT_BANNER, ""))
		banner_print(daemon->config, &daemon->endpoints, daemon->worker_count);
	say_log_started();
	weir_timer_start(daemon->loop, &daemon->look, LOOK_MS, serve_process_look);
}

void serve_process_finish(struct daemon *daemon)
{
	serve_process_answer(daemon, 0);
	weir_timer_stop(&daemon->look);
	weir_timer_stop(&daemon->retire);
	if (daemon->control.fd >= 0)
		weir_watch_close(daemon->loop, &daemon->control);
	confine_end();
}
