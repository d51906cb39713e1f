/*
 * It reads the configuration out of the table of the master, and none of the files that are named
 * there but the secrets of `store`. Everything that it knows is on the disk, so it may be killed at
 * any time. When it is asked to end, it gives the lease up first, so that other front ends go on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <weir/database.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/loop.h>

#include "acme.h"
#include "acme_process.h"
#include "config_acme.h"
#include "confine.h"
#include "link.h"
#include "log_file.h"
#include "options.h"
#include "say.h"
#include "say_log.h"
#include "serve.h"
#include "sources.h"
#include "store.h"
#include "store_verb.h"

struct acme_process {
	struct weir_loop *loop;
	struct weir_signals signals;
	struct weir_watch control;
	struct config *config;
	struct weir_database *database; /* or NULL */
	struct acme *acme;
	bool stopping;
};

static void acme_process_on_stopped(void *context)
{
	struct acme_process *process = context;
	weir_loop_stop(process->loop);
}

/* A master that goes sends a signal, and closes the socket. */
static void acme_process_stop(struct acme_process *process)
{
	if (process->stopping)
		return;
	process->stopping = true;
	if (!process->acme || !acme_stop(process->acme, acme_process_on_stopped, process))
		weir_loop_stop(process->loop);
}

static void acme_process_on_signal(struct weir_signals *signals, int signal)
{
	struct acme_process *process = WEIR_CONTAINER(signals, struct acme_process, signals);
	if (signal == SIGTERM)
		acme_process_stop(process);
}

static void acme_process_on_changed(void *context)
{
	(void)context;
	link_send(HANDOVER_ASK_CERTIFICATES, 0);
}

static void acme_process_follow(struct acme_process *process, const struct handover *message)
{
	switch ((enum handover_kind)message->kind) {
	case HANDOVER_ANSWER:
		acme_use_ended(process->acme, message->result);
		break;
	case HANDOVER_REOPEN:
		say_log_reopen();
		break;
	case HANDOVER_LOG_LEVEL:
		weir_log_set_level((enum weir_log_level)message->index);
		break;
	default:
		break;
	}
}

static void acme_process_on_control(struct weir_watch *watch, unsigned events)
{
	struct acme_process *process = WEIR_CONTAINER(watch, struct acme_process, control);
	struct handover message;
	(void)events;
	int error = handover_receive(watch->fd, &message, NULL);
	if (error == 0) {
		acme_process_follow(process, &message);
	} else if (error != -EAGAIN) {
		link_lose_control();
		weir_watch_close(process->loop, watch);
		watch->fd = -1;
		acme_process_stop(process);
	}
}

/* Nothing is connected before the process is confined. */
static int acme_process_open_store(struct acme_process *process)
{
	struct config *config = process->config;
	if (!config_acme_is_shared(config))
		return 0;
	int error = store_verb_read_secrets(config, "store")
	                    ? store_open(config, &process->database)
	                    : -EINVAL;
	config->store.database = process->database;
	return error;
}

static int acme_process_start(struct acme_process *process)
{
	/* A terminal sends its signals to this process, too; the master handles them. */
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, 0};
	log_configure(process->config);
	int error = acme_process_open_store(process);
	if (error == 0)
		error = confine_apply_acme(process->config);
	if (error == 0)
		error = weir_signals_start(
		        process->loop, &process->signals, signals, acme_process_on_signal);
	if (error == 0)
		error = say_log_use(process->loop, process->config);
	if (error == 0)
		error = weir_watch_start(process->loop, &process->control, link_control(),
		        WEIR_READABLE, acme_process_on_control);
	if (error == 0)
		say_log_started();
	return error ? error
	             : acme_create(process->loop, process->config, acme_process_on_changed, process,
	                       &process->acme);
}

static int acme_process_run(const struct options *options)
{
	struct acme_process process = {.signals.watch.fd = -1, .control.fd = -1};
	sources_skim(link_table());
	process.config = config_load(options, NULL);
	sources_end();
	int error = process.config ? weir_loop_create(&process.loop) : -EINVAL;
	if (error == 0)
		error = acme_process_start(&process);
	if (error == 0)
		weir_loop_run(process.loop);
	acme_destroy(process.acme);
	if (process.control.fd >= 0)
		weir_watch_close(process.loop, &process.control);
	if (process.signals.watch.fd >= 0)
		weir_signals_stop(&process.signals);
	say_log_close();
	store_leave(process.database, process.loop);
	weir_database_release(process.database);
	if (process.loop)
		weir_loop_destroy(process.loop);
	config_release(process.config);
	return error < 0 ? EXIT_FAILED : EXIT_DONE;
}

int acme_process(int count, char **arguments)
{
	struct options options;
	int requests, control, table, parent;
	static char verb[] = "serve";
	if (count < 2 ||
	        sscanf(arguments[1], "%d,%d,%d,%d", &requests, &control, &table, &parent) != 4)
		return EXIT_USAGE;
	confine_begin(parent);
	say_with_time();
	say_never_wait();
	if (link_start(requests, control, table) < 0)
		return EXIT_FAILED;
	arguments[1] = verb;
	int code = options_parse_serve(count - 1, arguments + 1, &options);
	if (code == EXIT_DONE)
		code = acme_process_run(&options);
	link_end();
	return code;
}
