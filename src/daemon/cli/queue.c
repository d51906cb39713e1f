/*
 * weir queue: its command line and its table. For a queue of files the library passes a request to
 * the process that uses the queue, if there is one. A queue in a database is asked itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/database_queue.h>
#include <weir/error.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/postgres.h>

#include "cli.h"
#include "config.h"
#include "helper.h"
#include "options.h"
#include "resources.h"
#include "say.h"
#include "store.h"
#include "store_verb.h"
#include "verb_actions.h"

enum {
	WAIT_MS = 10 * 1000, /* for the server to answer */
	TIME = 24
};

struct queue_request {
	const char *config; /* whose queue is meant, or NULL */
	const char *path;
	const char *directory;      /* the same directory, for the library */
	struct weir_postgres *pool; /* of a queue in a database */
	bool all;
	bool help;
	enum weir_queue_command command;
	bool list;
	char **ids;
	int id_count;
};

/* -- the command line -------------------------------------------------------------------------- */

static const struct queue_action {
	struct verb_action base;
	enum weir_queue_command command; /* of those that are no list */
	bool list;
} queue_actions[] = {
        {{"list", "", 0, 0}, WEIR_QUEUE_RETRY, true},
        {{"retry", " ID...` or `weir queue retry --all", 0, ACTION_WORDS_ANY}, WEIR_QUEUE_RETRY,
                false},
        {{"delete", " ID...", 1, ACTION_WORDS_ANY}, WEIR_QUEUE_DELETE, false},
        {{0}},
};

static int queue_command_parse_action(int count, char **words, struct queue_request *ret)
{
	static const struct verb_actions actions = {
	        "queue", &queue_actions[0].base, sizeof *queue_actions, false};
	const char *first[ACTION_WORDS_MAX];
	const struct verb_action *found;
	int status = verb_actions_find(&actions, count, words, &found, first);
	if (status)
		return status;
	const struct queue_action *action = WEIR_CONTAINER(found, const struct queue_action, base);
	bool retry = !action->list && action->command == WEIR_QUEUE_RETRY;
	ret->ids = words + 1;
	ret->id_count = count > 1 ? count - 1 : 0;
	ret->list = action->list;
	ret->command = retry && ret->all ? WEIR_QUEUE_RETRY_ALL : action->command;
	if (ret->all && !retry)
		return usage_error("queue", "--all is for retry, not for %s", found->name);
	if (retry && ret->all == (ret->id_count > 0))
		return usage_error("queue", "it is `weir queue retry%s`", found->usage);
	return 0;
}

static int queue_command_parse(int count, char **arguments, struct queue_request *ret)
{
	const struct action_option options[] = {{"queue", .value = &ret->path},
	        {"config", .value = &ret->config}, {"all", .given = &ret->all}, {0}};
	int status = verb_actions_options(count, arguments, options, &ret->help);
	if (status || ret->help)
		return status;
	if (ret->path && ret->config)
		return usage_error("queue", "--queue and -c exclude each other%s", "");
	if (ret->config ? !*ret->config : !ret->path || !*ret->path)
		return usage_error("queue",
		        "the queue is missing: --queue DIR, or -c FILE for that of a "
		        "configuration%s",
		        "");
	return queue_command_parse_action(count - optind, arguments + optind, ret);
}

/* -- the table --------------------------------------------------------------------------------- */

struct sum {
	unsigned messages;
	uint64_t bytes;
	int64_t now_s;
	bool ended; /* a list or a command of a database, with this error */
	int error;
};

static void queue_command_format_time(int64_t seconds, char ret[TIME])
{
	struct tm tm;
	time_t time = (time_t)seconds;
	if (!localtime_r(&time, &tm) || !strftime(ret, TIME, "%Y-%m-%d %H:%M", &tm))
		snprintf(ret, TIME, "?");
}

/* Writes the time until then: "now", "50 s", "4 min", "3 h". */
static void queue_command_format_wait(int64_t seconds, char ret[TIME])
{
	if (seconds <= 0)
		snprintf(ret, TIME, "now");
	else if (seconds < 100)
		snprintf(ret, TIME, "%" PRId64 " s", seconds);
	else if (seconds < 100 * 60)
		snprintf(ret, TIME, "%" PRId64 " min", (seconds + 30) / 60);
	else
		snprintf(ret, TIME, "%" PRId64 " h", (seconds + 1800) / 3600);
}

static void queue_command_show_recipient(const struct weir_queued_recipient *recipient)
{
	printf("    ");
	text_print(recipient->address);
	if (recipient->state != WEIR_QUEUED_WAITING)
		printf("  (to be reported)");
	if (recipient->status[0]) {
		printf("\n        ");
		text_print(weir_span_of(recipient->status));
	}
	putchar('\n');
}

static void queue_command_show(void *context, const char *id, const struct weir_queued *queued)
{
	struct sum *sum = context;
	char arrived[TIME], wait[TIME];
	if (!sum->messages++)
		printf("%-*s  %-16s  %9s  %5s  %6s  %s\n", (int)strlen(id), "ID", "ARRIVED",
		        "BYTES", "TRIES", "NEXT", "SENDER, RECIPIENTS");
	if (!queued) {
		printf("%s  cannot be read\n", id);
		return;
	}
	sum->bytes += queued->size;
	queue_command_format_time(queued->arrived_s, arrived);
	queue_command_format_wait(queued->next_s - sum->now_s, wait);
	printf("%s  %-16s  %9" PRIu64 "  %5u  %6s  <", id, arrived, queued->size, queued->tries,
	        wait);
	text_print(queued->envelope.sender);
	printf(">\n");
	for (size_t i = 0; i < queued->count; i++)
		if (queued->recipients[i].state != WEIR_QUEUED_DONE)
			queue_command_show_recipient(&queued->recipients[i]);
}

static const char *queue_command_error_text(const struct queue_request *request, int error)
{
	const char *why = request->pool ? weir_postgres_failure(request->pool) : NULL;
	if (why)
		return why; /* it names the host */
	if (request->directory)
		return weir_error_text(error);
	switch (error) {
	case -EACCES:
		return "the user lacks rights in the database; `weir store check` lists the tables";
	case -EIO:
		return "the database refuses the statement; `weir store check` finds the reason";
	default:
		return store_error_text(error);
	}
}

static void queue_command_report_error(const struct queue_request *request, int error)
{
	const char *path = request->path;
	if (error == WEIR_E_SYNTAX)
		say("%s is not a mail queue: give the directory of 'queue' in 'relay', or -c FILE "
		    "for a queue in a database",
		        path);
	else
		say("%s: %s", request->directory ? path : "the queue",
		        queue_command_error_text(request, error));
}

static int queue_command_print_sum(const struct sum *sum)
{
	if (!sum->messages)
		printf("The queue is empty.\n");
	else
		printf("%u message%s, %" PRIu64 " bytes\n", sum->messages,
		        sum->messages == 1 ? "" : "s", sum->bytes);
	return fflush(stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int queue_command_list(const struct queue_request *request)
{
	struct sum sum = {.now_s = time(NULL)};
	int error = weir_mail_queue_each(request->directory, queue_command_show, &sum);
	if (error < 0) {
		queue_command_report_error(request, error);
		return EXIT_FAILED;
	}
	return queue_command_print_sum(&sum);
}

/* -- asking ------------------------------------------------------------------------------------ */

static int queue_command_report_result(
        const struct queue_request *request, const char *id, int error)
{
	if (error == 0)
		return EXIT_DONE;
	if (!id)
		queue_command_report_error(request, error);
	else if (error == -EINVAL)
		say("%s is not the name of a message: %s, as list prints them", id,
		        request->directory ? "16 hexadecimal digits" : "a UUID");
	else if (error == -ENOENT)
		say("%s: there is no message %s", request->path, id);
	else if (error == -ETIMEDOUT && request->directory)
		say("%s: the server was asked, and has not answered yet", id);
	else
		say("%s: %s", id, queue_command_error_text(request, error));
	return EXIT_FAILED;
}

static int queue_command_ask(const struct queue_request *request, const char *id)
{
	return queue_command_report_result(request, id,
	        weir_mail_queue_command(request->directory, request->command, id, WAIT_MS));
}

/* -- in a database ----------------------------------------------------------------------------- */

static void queue_database_on_done(void *context, int error)
{
	struct sum *sum = context;
	sum->ended = true;
	sum->error = error;
}

/* Waits for the end of what has returned `error`. */
static int queue_database_await(struct weir_loop *loop, struct sum *sum, int error)
{
	while (error == 0 && !sum->ended)
		error = weir_loop_turn(loop, -1);
	sum->ended = false;
	return error ? error : sum->error;
}

static int queue_database_list(
        const struct queue_request *request, struct weir_mail_queue *queue, struct weir_loop *loop)
{
	struct sum sum = {.now_s = time(NULL)};
	int error = queue_database_await(loop, &sum,
	        weir_mail_queue_list(
	                queue, loop, queue_command_show, queue_database_on_done, &sum));
	if (error == 0)
		return queue_command_print_sum(&sum);
	queue_command_report_error(request, error);
	return EXIT_FAILED;
}

static int queue_database_ask(const struct queue_request *request, struct weir_mail_queue *queue,
        struct weir_loop *loop, const char *id)
{
	struct sum sum = {0};
	return queue_command_report_result(request, id,
	        queue_database_await(loop, &sum,
	                weir_mail_queue_ask(
	                        queue, loop, request->command, id, queue_database_on_done, &sum)));
}

static int queue_database_act(
        const struct queue_request *request, struct weir_mail_queue *queue, struct weir_loop *loop)
{
	int result = EXIT_DONE;
	if (request->list)
		return queue_database_list(request, queue, loop);
	if (request->all)
		return queue_database_ask(request, queue, loop, NULL);
	for (int i = 0; i < request->id_count; i++)
		if (queue_database_ask(request, queue, loop, request->ids[i]) != EXIT_DONE)
			result = EXIT_FAILED;
	return result;
}

static int queue_database_run(const struct queue_request *asked, struct config *config)
{
	struct queue_request request = *asked;
	struct weir_database_queue_options options;
	struct weir_mail_queue *queue = NULL;
	struct store_verb verb;
	int result = EXIT_FAILED;
	weir_database_queue_options_init(&options);
	int error = store_verb_begin(&verb, config);
	if (error == 0 && (error = weir_database_queue_open(verb.database, &options, &queue)) < 0)
		say("the queue: %s", weir_error_text(error));
	if (error == 0)
		error = weir_database_pool(verb.database, verb.loop, &request.pool);
	if (error == 0)
		result = queue_database_act(&request, queue, verb.loop);
	weir_mail_queue_close(queue);
	store_verb_finish(&verb);
	return result;
}

/* -- as whom ----------------------------------------------------------------------------------- */

/*
 * Becomes the user for good. Only that user's files can be read and overwritten then, wherever
 * links in the queue lead, and the daemon can read new files.
 */
static int queue_command_become(uid_t uid, gid_t gid)
{
	if (uid == 0) /* as which it runs; a container may forbid it to set its groups */
		return 0;
	const struct passwd *entry = getpwuid(uid);
	errno = 0;
	if (entry ? initgroups(entry->pw_name, gid) : setgroups(0, NULL))
		return errno ? -errno : -EPERM;
	if (setgid(gid) < 0 || setuid(uid) < 0)
		return -errno;
	return setuid(0) == 0 ? -EPERM : 0;
}

/*
 * Root becomes the owner of the queue's directory, and enters the directory, so that later changes
 * of its path do not matter. Sets the path of the request for the library.
 */
static int queue_command_enter(struct queue_request *request)
{
	struct stat status;
	if (geteuid() != 0)
		return 0;
	int fd = root_path_open(request->path, O_PATH | O_DIRECTORY, 0);
	int error = fd < 0 ? fd : fstat(fd, &status) < 0 || fchdir(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (error < 0)
		say("%s: %s", request->path, weir_error_text(error));
	else if ((error = queue_command_become(status.st_uid, status.st_gid)) < 0)
		say("%s: cannot become its owner, the user %u: %s", request->path,
		        (unsigned)status.st_uid, weir_error_text(error));
	else
		request->directory = ".";
	return error;
}

static int queue_command_run(struct queue_request *request)
{
	int result = EXIT_DONE;
	request->directory = request->path;
	if (queue_command_enter(request) < 0)
		return EXIT_FAILED;
	int error = weir_mail_queue_probe(request->directory);
	if (error < 0) {
		queue_command_report_error(request, error);
		return EXIT_FAILED;
	}
	if (request->list)
		return queue_command_list(request);
	if (request->all)
		return queue_command_ask(request, NULL);
	for (int i = 0; i < request->id_count; i++)
		if (queue_command_ask(request, request->ids[i]) != EXIT_DONE)
			result = EXIT_FAILED;
	return result;
}

/* The queue of a configuration: in its database, or in the directory that it names. */
static int queue_command_run_of(struct queue_request *request, struct config *config)
{
	if (store_has(config, STORE_QUEUE)) {
		request->path = "the database";
		return queue_database_run(request, config);
	}
	request->path = config->mail.relay.queue;
	if (request->path)
		return queue_command_run(request);
	say("%s: there is no queue: 'mail' has no 'relay'", request->config);
	return EXIT_FAILED;
}

int queue(int count, char **arguments)
{
	struct queue_request request = {0};
	int result = queue_command_parse(count, arguments, &request);
	if (result)
		return result;
	if (request.help)
		return help_print_verb("queue");
	if (!request.config)
		return queue_command_run(&request);
	struct config *config = store_verb_read(request.config);
	result = config ? queue_command_run_of(&request, config) : EXIT_FAILED;
	config_release(config);
	return result;
}
