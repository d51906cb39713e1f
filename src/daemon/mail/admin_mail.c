/*
 * queue, queue retry, queue delete, users. The queue lists its messages from the work pool, or from
 * the loop, and composes the text of the reply meanwhile. An action is a command to the queue, as
 * `weir queue` gives it.
 *
 * Invariant: a request and its text are the queue's until it has called back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/users.h>

#include "admin_mail.h"
#include "config.h"
#include "mail_relay.h"

enum {
	ADMIN_QUEUE_MESSAGES_MAX = 2000,
	ADMIN_QUEUE_RECIPIENTS_MAX = 20, /* of one message that are shown */
	ADMIN_USERS_MAX = 5000,
};

/* -- questions to the queue -------------------------------------------------------------------- */

struct admin_queue_call {
	struct admin_request *request;
	const char *id; /* in the request; NULL: all */
	int64_t now_s;
	size_t messages;
};

/* Ends the request if there is no queue, or no memory. */
static struct admin_queue_call *admin_queue_begin(
        const struct admin_mail *commands, struct admin_request *request)
{
	if (!mail_relay_queue(*commands->relay)) {
		admin_error(request, "there is no mail queue: the configuration has no 'relay'");
		return NULL;
	}
	struct admin_queue_call *call = calloc(1, sizeof *call);
	if (!call) {
		admin_error(request, "there is no memory");
		return NULL;
	}
	call->request = request;
	call->now_s = weir_loop_wall_s(commands->loop);
	return call;
}

/* The queue has not begun: `error` is the reason, or 0. */
static void admin_queue_refused(struct admin_queue_call *call, int error)
{
	if (error == 0)
		return;
	if (error == -EINVAL)
		admin_error(call->request, "there is no message '%.64s'", call->id ? call->id : "");
	else
		admin_error(call->request, "the queue is busy: %s", weir_error_text(error));
	free(call);
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
	struct admin_queue_call *call = context;
	int width = (int)strlen(id);
	if (!call->messages++)
		admin_print(call->request, "%-*s  %10s  %10s  %5s  %10s  %s", width, "ID", "AGE",
		        "BYTES", "TRIES", "NEXT", "SENDER, RECIPIENTS");
	if (call->messages > ADMIN_QUEUE_MESSAGES_MAX)
		return;
	if (!queued) {
		admin_print(call->request, "%s  cannot be read", id);
		return;
	}
	int64_t wait_s = queued->next_s - call->now_s;
	admin_print(call->request, "%s  %8" PRId64 " s  %10" PRIu64 "  %5u  %8" PRId64 " s  <%.*s>",
	        id, call->now_s - queued->arrived_s, queued->size, queued->tries,
	        wait_s > 0 ? wait_s : 0, (int)queued->envelope.sender.size,
	        queued->envelope.sender.data ? queued->envelope.sender.data : "");
	admin_queue_show_recipients(call->request, queued);
}

static void admin_queue_on_listed(void *context, int error)
{
	struct admin_queue_call *call = context;
	struct admin_request *request = call->request;
	if (error < 0) {
		admin_error(request, "the queue cannot be read: %s", weir_error_text(error));
	} else {
		if (call->messages > ADMIN_QUEUE_MESSAGES_MAX)
			admin_print(request, "and %zu more, which are not shown",
			        call->messages - ADMIN_QUEUE_MESSAGES_MAX);
		admin_print(
		        request, "%zu message%s", call->messages, call->messages == 1 ? "" : "s");
		admin_ok(request);
	}
	free(call);
}

static void admin_queue_list(void *context, struct admin_request *request)
{
	const struct admin_mail *commands = context;
	struct admin_queue_call *call = admin_queue_begin(commands, request);
	if (call)
		admin_queue_refused(call,
		        weir_mail_queue_list(mail_relay_queue(*commands->relay), commands->loop,
		                admin_queue_show, admin_queue_on_listed, call));
}

/* -- actions ----------------------------------------------------------------------------------- */

static void admin_queue_on_done(void *context, int error)
{
	struct admin_queue_call *call = context;
	struct admin_request *request = call->request;
	if (error == 0)
		admin_ok(request);
	else if (error == -ENOENT || error == -EINVAL)
		admin_error(request, "there is no message '%.64s'", call->id ? call->id : "");
	else if (error == -ETIMEDOUT)
		admin_error(request, "the command is queued, and has not been carried out yet");
	else
		admin_error(request, "%s", weir_error_text(error));
	free(call);
}

static void admin_queue_act(
        const struct admin_mail *commands, struct admin_request *request, bool retry)
{
	bool all = strcmp(request->arguments[0], "all") == 0;
	if (all && !retry) {
		admin_error(request, "'queue delete' needs the ID of one message");
		return;
	}
	struct admin_queue_call *call = admin_queue_begin(commands, request);
	if (!call)
		return;
	call->id = all ? NULL : request->arguments[0];
	enum weir_queue_command command = all     ? WEIR_QUEUE_RETRY_ALL
	                                  : retry ? WEIR_QUEUE_RETRY
	                                          : WEIR_QUEUE_DELETE;
	admin_queue_refused(
	        call, weir_mail_queue_ask(mail_relay_queue(*commands->relay), commands->loop,
	                      command, call->id, admin_queue_on_done, call));
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

struct admin_users_listing {
	struct admin_request *request;
	size_t count;
};

/* Lists users by the file that has them. A file that two parts use is listed for each. */
static void admin_users_print(struct admin_users_listing *listing, const char *part,
        const char *path, const struct weir_users *users)
{
	struct weir_span name;
	bool locked;
	if (!users)
		return;
	for (size_t i = 0; weir_users_name(users, i, &name, &locked); i++) {
		if (listing->count++ >= ADMIN_USERS_MAX)
			continue;
		admin_print(listing->request, "%-30.*s  %-8s  %-6s  %s", (int)name.size, name.data,
		        part, locked ? "locked" : "", path ? path : "");
	}
}

/* Of a site or of a rule. */
static void admin_users_on_auth(void *context, const char *path, struct weir_users **users)
{
	admin_users_print(context, "http", path, *users);
}

static void admin_users(void *context, struct admin_request *request)
{
	const struct admin_mail *commands = context;
	const struct config *config = *commands->config;
	struct admin_users_listing listing = {.request = request};
	if (!config) {
		admin_error(request, "the daemon is starting");
		return;
	}
	admin_print(request, "%-30s  %-8s  %-6s  %s", "USER", "PART", "STATE", "FILE");
	admin_users_print(&listing, "mail", config->mail.users_path, config->mail.users);
	admin_users_print(&listing, "ftp", config->ftp.users_path, config->ftp.users);
	admin_users_print(&listing, "admin", config->admin_users_path, config->admin.users);
	config_each_auth(config, admin_users_on_auth, &listing);
	if (listing.count > ADMIN_USERS_MAX)
		admin_print(request, "and %zu more, which are not shown",
		        listing.count - ADMIN_USERS_MAX);
	admin_print(request, "%zu user%s", listing.count, listing.count == 1 ? "" : "s");
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
