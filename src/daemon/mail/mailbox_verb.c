/*
 * weir mailbox: lists the mailboxes in the database, and removes one whole.
 *
 * Invariant: the mailbox of a user whom the configuration has is not removed. Otherwise a mistyped
 * name would remove the mail of another user, and new mail would make the mailbox anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <weir/database_mail.h>
#include <weir/database_users.h>
#include <weir/error.h>
#include <weir/users.h>

#include "cli.h"
#include "config.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "service_mail.h"
#include "store.h"
#include "store_progress.h"
#include "store_verb.h"
#include "verb_actions.h"

struct mailbox_action;

struct mailbox_request {
	const char *config;
	const struct mailbox_action *action;
	const char *words[ACTION_WORDS_MAX]; /* the user */
	bool help;
};

struct mailbox_verb {
	struct store_verb verb;
	const struct mailbox_request *request;
	const struct config *config;
	uint64_t count; /* LIST: mailboxes */
	bool is_user;   /* REMOVE: the database has the user */
	int error;      /* REMOVE: of the removal, which is reported later */
	struct store_progress progress;
	struct weir_database_removal removal;
};

static void mailbox_verb_on_done(void *context, int error, const char *text)
{
	store_verb_done(&((struct mailbox_verb *)context)->verb, error, text);
}

/* -- listing ----------------------------------------------------------------------------------- */

static void mailbox_verb_print(void *context, const struct weir_database_mailbox *mailbox)
{
	struct mailbox_verb *verb = context;
	if (!verb->count++)
		printf("%-40s  %9s  %15s\n", "MAILBOX", "MESSAGES", "BYTES");
	text_print(mailbox->name);
	int space = mailbox->name.size < 40 ? 40 - (int)mailbox->name.size : 0;
	printf("%*s  %9" PRIu64 "  %15" PRIu64 "%s\n", space, "", mailbox->messages,
	        mailbox->octets, mailbox->leased ? "  in use" : "");
}

static bool mailbox_verb_list(struct mailbox_verb *verb)
{
	struct weir_database_call *call;
	bool good = store_verb_wait(
	        &verb->verb, weir_database_mailboxes_list(verb->verb.database, verb->verb.loop,
	                             mailbox_verb_print, mailbox_verb_on_done, verb, &call));
	if (good && verb->count == 0)
		say("there is no mailbox in the database");
	return good;
}

/* -- the user ---------------------------------------------------------------------------------- */

static void mailbox_verb_on_user(
        void *context, const struct weir_database_user *user, int error, const char *text)
{
	((struct mailbox_verb *)context)->is_user = user;
	mailbox_verb_on_done(context, error, text);
}

static void mailbox_verb_refuse(const struct mailbox_request *request)
{
	const char *user = request->words[0];
	say("%s is still a user: remove the user first, by `weir passwd -c %s %s --delete`", user,
	        request->config, user);
}

/* Whether the users file, if there is one, does not have the user; if it has, that was reported. */
static bool mailbox_verb_check_file(
        const struct mailbox_request *request, const struct config *config)
{
	const char *path = config->mail.users_path;
	struct weir_users *users;
	struct weir_span rest;
	if (!path)
		return true;
	int error = weir_users_load(path, NULL, NULL, &users);
	if (error < 0) {
		say("%s: %s", path, weir_error_text(error));
		return false;
	}
	bool is_user = weir_users_rest(users, weir_span_of(request->words[0]), &rest);
	weir_users_release(users);
	if (is_user)
		mailbox_verb_refuse(request);
	return !is_user;
}

/* Whether the database does not have the user, if it has the users of mail. */
static bool mailbox_verb_check_database(struct mailbox_verb *verb)
{
	if (!config_mail_is_stored(verb->config))
		return true;
	bool good = store_verb_wait(
	        &verb->verb, weir_database_user_find(verb->verb.database, verb->verb.loop,
	                             verb->request->words[0], mailbox_verb_on_user, verb));
	if (verb->is_user)
		mailbox_verb_refuse(verb->request);
	return good && !verb->is_user;
}

/* -- removing ---------------------------------------------------------------------------------- */

static void mailbox_verb_on_removal(void *context, const struct weir_database_removal *removal)
{
	struct mailbox_verb *verb = context;
	const struct weir_database_transfer_counts counts = {
	        .total = removal->messages + removal->left,
	        .done = removal->messages,
	        .moved = removal->messages,
	        .octets = removal->octets,
	};
	verb->removal = *removal;
	store_progress_note(&verb->progress, &counts);
}

static void mailbox_verb_on_removed(void *context, int error, const char *text)
{
	struct mailbox_verb *verb = context;
	const char *user = verb->request->words[0];
	store_progress_clear(&verb->progress);
	verb->verb.ended = true;
	verb->verb.failed = error;
	if (error == -ENOENT)
		say("there is no mailbox %s in the database", user);
	else if (error == -EBUSY)
		say("a session has the mailbox %s: repeat this when it has ended, or in %d "
		    "seconds if its front end has crashed",
		        user, WEIR_MAILDROP_LEASE_S);
	else
		mailbox_verb_on_done(verb, error, text);
}

static bool mailbox_verb_remove(struct mailbox_verb *verb)
{
	const char *user = verb->request->words[0];
	struct weir_database_call *call;
	if (!mailbox_verb_check_database(verb))
		return false;
	store_progress_begin(
	        &verb->progress, user, (struct store_unit){"message", "messages"}, "removed");
	if (!store_verb_wait(&verb->verb,
	            weir_database_mailbox_remove(verb->verb.database, verb->verb.loop, user,
	                    mailbox_verb_on_removal, mailbox_verb_on_removed, verb, &call)))
		return false;
	say("the mailbox %s is removed, with %" PRIu64 " message%s of %" PRIu64 " bytes", user,
	        verb->removal.messages, verb->removal.messages == 1 ? "" : "s",
	        verb->removal.octets);
	return true;
}

/* -- the command ------------------------------------------------------------------------------- */

struct mailbox_action {
	struct verb_action base;
	bool (*check)(const struct mailbox_request *request, const struct config *config);
	bool (*run)(struct mailbox_verb *verb);
};

static const struct mailbox_action mailbox_actions[] = {
        {{"list", "", 0, 0}, NULL, mailbox_verb_list},
        {{"remove", " USER", 1, 1}, mailbox_verb_check_file, mailbox_verb_remove},
        {{0}},
};

static int mailbox_verb_parse(int count, char **arguments, struct mailbox_request *ret)
{
	static const struct verb_actions actions = {
	        "mailbox", &mailbox_actions[0].base, sizeof *mailbox_actions, false};
	const struct action_option options[] = {{"config", .value = &ret->config}, {0}};
	const struct verb_action *action;
	int status = verb_actions_read(
	        &actions, options, count, arguments, &ret->help, &action, ret->words);
	if (status == 0 && !ret->help)
		ret->action = WEIR_CONTAINER(action, const struct mailbox_action, base);
	return status;
}

/* Whether the mailboxes are in the database; if not, that was reported with what to do instead. */
static bool mailbox_verb_is_stored(
        const struct mailbox_request *request, const struct config *config)
{
	const char *directory = config->mail.directory;
	if (!directory)
		return store_verb_has(config, request->config, STORE_MAILBOXES);
	say("%s: the mailboxes are Maildirs in %s: `du -s %s/*` lists them; to remove one, remove "
	    "its user by `weir passwd --delete` and reload the server, then remove "
	    "its directory",
	        request->config, directory, directory);
	return false;
}

static bool mailbox_verb_run(const struct mailbox_request *request, struct config *config)
{
	struct mailbox_verb verb = {.request = request, .config = config};
	const struct mailbox_action *action = request->action;
	if (!mailbox_verb_is_stored(request, config) ||
	        (action->check && !action->check(request, config)))
		return false;
	bool good = store_verb_begin(&verb.verb, config) == 0 && action->run(&verb);
	store_verb_finish(&verb.verb);
	return fflush(stdout) == 0 && good;
}

int mailbox_verb(int count, char **arguments)
{
	struct mailbox_request request = {.config = STORE_VERB_CONFIG};
	int error = mailbox_verb_parse(count, arguments, &request);
	if (error)
		return error;
	if (request.help)
		return help_print_verb("mailbox");
	struct config *config = store_verb_read(request.config);
	bool good = config && mailbox_verb_run(&request, config);
	config_release(config);
	return good ? EXIT_DONE : EXIT_FAILED;
}
