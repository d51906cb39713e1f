/*
 * queue, queue retry, queue delete, users. The files of the queue are read by the work pool, which
 * composes the text of the reply meanwhile. An action is a command to the queue, as `weir queue`
 * gives it; the main loop, which serves the queue, carries it out while the pool waits.
 *
 * Invariant: a request and its text are the pool's until its work is done.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/users.h>

#include "admin_mail.h"
#include "config.h"
#include "mail_relay.h"

enum {
	ADMIN_QUEUE_WAIT_MS = 5000, /* for an action to be carried out */
	ADMIN_QUEUE_MESSAGES_MAX = 2000,
	ADMIN_QUEUE_RECIPIENTS_MAX = 20, /* of one message that are shown */
	ADMIN_USERS_MAX = 5000,
};

/* -- work on the queue ------------------------------------------------------------------------- */

struct admin_queue_work {
	struct weir_work work;
	struct admin_request *request;
	char *path;
	enum weir_queue_command command;
	const char *id; /* in the request; NULL: all */
	int64_t now_s;
	size_t messages;
	uint64_t bytes;
	int error;
};

/* Ends the request if there is no queue, or no memory. */
static struct admin_queue_work *admin_queue_begin(
        const struct admin_mail *commands, struct admin_request *request)
{
	const struct config *config = *commands->config;
	const char *path = config ? config->mail.relay.queue : NULL;
	if (!mail_relay_queue(*commands->relay) || !path) {
		admin_error(request, "there is no mail queue: the configuration has no 'relay'");
		return NULL;
	}
	struct admin_queue_work *work = calloc(1, sizeof *work);
	if (!work || !(work->path = strdup(path))) {
		free(work);
		admin_error(request, "there is no memory");
		return NULL;
	}
	work->request = request;
	work->now_s = weir_loop_wall_s(commands->loop);
	return work;
}

static void admin_queue_free(struct admin_queue_work *work)
{
	free(work->path);
	free(work);
}

static void admin_queue_submit(const struct admin_mail *commands, struct admin_queue_work *work,
        void (*run)(struct weir_work *work), void (*done)(struct weir_work *work))
{
	int error = weir_work_submit_to(commands->loop, WEIR_LANE_GENERAL, &work->work, run, done);
	if (error == 0)
		return;
	admin_error(work->request, "the work pool is busy: %s", weir_error_text(error));
	admin_queue_free(work);
}

/* -- listing ----------------------------------------------------------------------------------- */

static void admin_queue_show_recipients(
        struct admin_request *request, const struct weir_queued *queued)
{
	size_t shown = 0;
	for (size_t i = 0; i < queued->count; i++) {
		const struct weir_queued_recipient *recipient = &queued->recipients[i];
		if (recipient->state == WEIR_QUEUED_DONE)
			continue;
		if (shown++ == ADMIN_QUEUE_RECIPIENTS_MAX) {
			admin_print(request, "    and more");
			return;
		}
		admin_print(request, "    %.*s%s%s%s", (int)recipient->address.size,
		        recipient->address.data,
		        recipient->state == WEIR_QUEUED_WAITING ? "" : "  (to be reported)",
		        recipient->status[0] ? "  " : "", recipient->status);
	}
}

static void admin_queue_show(void *context, const char *id, const struct weir_queued *queued)
{
	struct admin_queue_work *work = context;
	if (!work->messages++)
		admin_print(work->request, "%-16s  %10s  %10s  %5s  %10s  %s", "ID", "AGE", "BYTES",
		        "TRIES", "NEXT", "SENDER, RECIPIENTS");
	if (work->messages > ADMIN_QUEUE_MESSAGES_MAX)
		return;
	if (!queued) {
		admin_print(work->request, "%-16s  cannot be read", id);
		return;
	}
	int64_t wait_s = queued->next_s - work->now_s;
	work->bytes += queued->size;
	admin_print(work->request,
	        "%-16s  %8" PRId64 " s  %10" PRIu64 "  %5u  %8" PRId64 " s  <%.*s>", id,
	        work->now_s - queued->arrived_s, queued->size, queued->tries,
	        wait_s > 0 ? wait_s : 0, (int)queued->envelope.sender.size,
	        queued->envelope.sender.data ? queued->envelope.sender.data : "");
	admin_queue_show_recipients(work->request, queued);
}

static void admin_queue_run_list(struct weir_work *base)
{
	struct admin_queue_work *work = (struct admin_queue_work *)base;
	work->error = weir_mail_queue_each(work->path, admin_queue_show, work);
}

static void admin_queue_list_done(struct weir_work *base)
{
	struct admin_queue_work *work = (struct admin_queue_work *)base;
	struct admin_request *request = work->request;
	if (work->error < 0) {
		admin_error(request, "%s: %s", work->path, weir_error_text(work->error));
	} else {
		if (work->messages > ADMIN_QUEUE_MESSAGES_MAX)
			admin_print(request, "and %zu more, which are not shown",
			        work->messages - ADMIN_QUEUE_MESSAGES_MAX);
		admin_print(
		        request, "%zu message%s", work->messages, work->messages == 1 ? "" : "s");
		admin_ok(request);
	}
	admin_queue_free(work);
}

static void admin_queue_list(void *context, struct admin_request *request)
{
	const struct admin_mail *commands = context;
	struct admin_queue_work *work = admin_queue_begin(commands, request);
	if (work)
		admin_queue_submit(commands, work, admin_queue_run_list, admin_queue_list_done);
}

/* -- actions ----------------------------------------------------------------------------------- */

static void admin_queue_run_command(struct weir_work *base)
{
	struct admin_queue_work *work = (struct admin_queue_work *)base;
	work->error =
	        weir_mail_queue_command(work->path, work->command, work->id, ADMIN_QUEUE_WAIT_MS);
}

static void admin_queue_command_done(struct weir_work *base)
{
	struct admin_queue_work *work = (struct admin_queue_work *)base;
	struct admin_request *request = work->request;
	if (work->error == 0)
		admin_ok(request);
	else if (work->error == -ENOENT || work->error == -EINVAL)
		admin_error(request, "there is no message '%.64s'", work->id ? work->id : "");
	else if (work->error == -ETIMEDOUT)
		admin_error(request, "the command is queued, and has not been carried out yet");
	else
		admin_error(request, "%s", weir_error_text(work->error));
	admin_queue_free(work);
}

static void admin_queue_act(
        const struct admin_mail *commands, struct admin_request *request, bool retry)
{
	bool all = strcmp(request->arguments[0], "all") == 0;
	if (all && !retry) {
		admin_error(request, "'queue delete' needs the ID of one message");
		return;
	}
	struct admin_queue_work *work = admin_queue_begin(commands, request);
	if (!work)
		return;
	work->id = all ? NULL : request->arguments[0];
	work->command = all ? WEIR_QUEUE_RETRY_ALL : retry ? WEIR_QUEUE_RETRY : WEIR_QUEUE_DELETE;
	admin_queue_submit(commands, work, admin_queue_run_command, admin_queue_command_done);
}

static void admin_queue_retry(void *context, struct admin_request *request)
{
	admin_queue_act(context, request, true);
}

static void admin_queue_delete(void *context, struct admin_request *request)
{
	admin_queue_act(context, request, false);
}

/* -- users ------------------------------------------------------------------------------------- */

/* Lists users by the file that has them. A file that two parts use is listed for each. */
static void admin_users_print(struct admin_request *request, const char *part, const char *path,
        const struct weir_users *users, size_t *shown)
{
	struct weir_span name;
	bool locked;
	if (!users)
		return;
	for (size_t i = 0; weir_users_name(users, i, &name, &locked); i++, (*shown)++) {
		if (*shown >= ADMIN_USERS_MAX)
			continue;
		admin_print(request, "%-30.*s  %-8s  %-6s  %s", (int)name.size, name.data, part,
		        locked ? "locked" : "", path ? path : "");
	}
}

static void admin_users(void *context, struct admin_request *request)
{
	const struct admin_mail *commands = context;
	const struct config *config = *commands->config;
	size_t count = 0;
	if (!config) {
		admin_error(request, "the daemon is starting");
		return;
	}
	admin_print(request, "%-30s  %-8s  %-6s  %s", "USER", "PART", "STATE", "FILE");
	admin_users_print(request, "mail", config->mail.users_path, config->mail.users, &count);
	admin_users_print(request, "ftp", config->ftp.users_path, config->ftp.users, &count);
	admin_users_print(request, "admin", config->admin_users_path, config->admin.users, &count);
	for (size_t i = 0; i < config->sites.count; i++)
		for (size_t j = 0; j < config->sites.items[i].auth.count; j++) {
			const struct config_auth *auth = &config->sites.items[i].auth.items[j];
			admin_users_print(request, "http", auth->users_path, auth->users, &count);
		}
	if (count > ADMIN_USERS_MAX)
		admin_print(request, "and %zu more, which are not shown", count - ADMIN_USERS_MAX);
	admin_print(request, "%zu user%s", count, count == 1 ? "" : "s");
	admin_ok(request);
}

void admin_mail_init(struct admin_mail *commands, struct mail_relay *const *relay,
        struct config *const *config, struct weir_loop *loop)
{
	static const struct admin_command list[] = {
	        {"queue", "", "lists the messages that wait to be forwarded", 0, 0,
	                admin_queue_list},
	        {"queue retry", "ID|all", "makes a message due now, or all of them", 1, 1,
	                admin_queue_retry},
	        {"queue delete", "ID", "deletes a message", 1, 1, admin_queue_delete},
	        {"users", "", "lists the users who may log in, by the part that they log in to", 0,
	                0, admin_users},
	        {0},
	};
	*commands = (struct admin_mail){
	        .table = {.commands = list}, .relay = relay, .config = config, .loop = loop};
	commands->table.context = commands;
}
