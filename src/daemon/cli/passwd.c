/*
 * `weir passwd`: its command line, the question for a password, and the hashing: a hash by
 * yescrypt, and a verifier for SCRAM-SHA-256. Invariants: the terminal echoes again after the
 * question, and also when a signal ends the process; the password is in no other memory than the
 * buffer of its caller, which is erased afterwards.
 */
#include <crypt.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/mail_store.h>
#include <weir/sasl.h>

#include "cli.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "service_mail.h"
#include "store_passwd.h"
#include "store_verb.h"
#include "verb_actions.h"

/* -- the question ------------------------------------------------------------------------------ */

enum line {
	LINE_READ,
	LINE_NONE,  /* the input ended, or failed */
	LINE_LONG,  /* longer than a password may be */
	LINE_SIGNAL /* interrupted */
};

static volatile sig_atomic_t caught;

static void passwd_ask_catch(int signal)
{
	caught = signal;
}

/*
 * Reads byte by byte, since the input behind the line may be for another program. `mask` lets
 * signals in while this waits, and only then, so that none is missed.
 */
static enum line passwd_ask_read_line(const sigset_t *mask, char ret[WEIR_PASSWORD_MAX + 1])
{
	size_t size = 0;
	bool longer = false, carriage_return = false;
	for (;;) {
		char c;
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		if (mask && ppoll(&input, 1, NULL, mask) < 0 && caught)
			return LINE_SIGNAL;
		ssize_t got = read(STDIN_FILENO, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || (got == 0 && !size))
			return LINE_NONE;
		if (got == 0 || c == '\n')
			break;
		/* A CR before the LF belongs to the line end. */
		bool held = carriage_return;
		carriage_return = c == '\r';
		longer |= size + held + !carriage_return > WEIR_PASSWORD_MAX;
		if (held && !longer)
			ret[size++] = '\r';
		if (!carriage_return && !longer)
			ret[size++] = c;
	}
	ret[size] = 0;
	return longer ? LINE_LONG : strlen(ret) == size ? LINE_READ : LINE_NONE;
}

static enum line passwd_ask_read_hidden(
        const char *prompt, const char *user, char ret[WEIR_PASSWORD_MAX + 1])
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	enum {
		SIGNALS = sizeof signals / sizeof signals[0]
	};
	struct sigaction action = {.sa_handler = passwd_ask_catch}, before[SIGNALS];
	struct termios shown, hidden;
	sigset_t all, mask;
	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return LINE_NONE;
	caught = 0;
	sigemptyset(&all);
	for (int i = 0; i < SIGNALS; i++)
		sigaddset(&all, signals[i]);
	sigprocmask(SIG_BLOCK, &all, &mask);
	for (int i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &action, &before[i]);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fprintf(stderr, prompt, user);
	enum line line = passwd_ask_read_line(&mask, ret);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	for (int i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (caught)
		raise(caught);
	return line;
}

static bool passwd_ask_usable(enum line line, const char *password)
{
	if (line == LINE_LONG)
		say("a password has %d bytes at most", WEIR_PASSWORD_MAX);
	else if (line != LINE_READ)
		say("no password was given");
	else if (!*password)
		say("an empty password lets everybody in; to remove a user: --delete");
	if (line != LINE_READ || !*password)
		return false;
	if (!text_has_control(weir_span_of(password)))
		return true;
	say("the password contains a control character");
	return false;
}

/*
 * Reads a password: from a terminal twice, without showing it; otherwise the first line of the
 * standard input. Returns false if there is none that can be used, which was reported. The caller
 * erases the password.
 */
static bool passwd_ask(const char *user, char ret_password[WEIR_PASSWORD_MAX + 1])
{
	char again[WEIR_PASSWORD_MAX + 1];
	if (!isatty(STDIN_FILENO))
		return passwd_ask_usable(passwd_ask_read_line(NULL, ret_password), ret_password);
	if (!passwd_ask_usable(passwd_ask_read_hidden("New password of %s: ", user, ret_password),
	            ret_password))
		return false;
	enum line line = passwd_ask_read_hidden("The same again: ", user, again);
	bool same = line == LINE_READ && strcmp(again, ret_password) == 0;
	explicit_bzero(again, sizeof again);
	if (!same)
		say("the passwords differ; nothing was changed");
	return same;
}

/* -- the command ------------------------------------------------------------------------------- */

struct passwd_request {
	const char *path;   /* of the users file, or NULL */
	const char *config; /* whose users are meant, or NULL */
	const char *user;
	unsigned actions; /* bits 1 << enum passwd_action, of the options */
	bool no_scram;
	bool help;
};

static int passwd_command_parse(int count, char **arguments, struct passwd_request *ret)
{
	bool delete = false, lock = false, unlock = false;
	const struct action_option options[] = {{"users", .value = &ret->path},
	        {"config", .value = &ret->config}, {"delete", .given = &delete},
	        {"lock", .given = &lock}, {"unlock", .given = &unlock},
	        {"no-scram", .given = &ret->no_scram}, {0}};
	int status = verb_actions_options(count, arguments, options, &ret->help);
	if (status || ret->help)
		return status;
	ret->actions = (unsigned)delete << PASSWD_DELETE | (unsigned)lock << PASSWD_LOCK |
	               (unsigned)unlock << PASSWD_UNLOCK;
	if (ret->path && ret->config)
		return usage_error("passwd", "--users and -c exclude each other");
	if (ret->config ? !*ret->config : !ret->path || !*ret->path)
		return usage_error("passwd",
		        "the users file is missing: --users FILE, or -c FILE for the users of a "
		        "configuration");
	if (ret->actions & (ret->actions - 1))
		return usage_error("passwd", "--delete, --lock and --unlock exclude each other");
	if (optind == count)
		return usage_error("passwd", "the name of the user is missing");
	ret->user = arguments[optind++];
	if (optind < count)
		return usage_error(
		        "passwd", "one user at a time, and '%s' is another", arguments[optind]);
	if (!*ret->user || *ret->user == '#' || strpbrk(ret->user, ":\n"))
		return usage_error("passwd", "'%s' cannot be the name of a user", ret->user);
	return 0;
}

/* Returns the hash, to be freed; NULL is a failure, which was reported. */
static char *passwd_command_make_hash(const char *password)
{
	char *hash = NULL;
	struct crypt_data *data = calloc(1, sizeof *data);
	char *setting = crypt_gensalt_ra("$y$", 0, NULL, 0);
	if (data && setting) {
		const char *made = crypt_r(password, setting, data);
		hash = made && made[0] != '*' ? strdup(made) : NULL;
	}
	if (!hash)
		say("cannot make a hash: %s", strerror(errno));
	if (data)
		explicit_bzero(data, sizeof *data);
	free(data);
	free(setting);
	return hash;
}

static bool passwd_command_make_scram(const char *password, char ret[WEIR_SCRAM_TEXT_MAX])
{
	struct weir_scram scram;
	int error = weir_scram_make(weir_span_of(password), &scram);
	if (error < 0)
		say("cannot make the verifier of SCRAM: %s", weir_error_text(error));
	else
		weir_scram_format(&scram, ret);
	return error == 0;
}

/* In the database, if `config` is not NULL. */
static enum passwd_done passwd_command_change(
        struct config *config, const struct passwd_change *change)
{
	return config ? store_passwd_change(config, change) : passwd_file_change(change);
}

static enum passwd_done passwd_command_change_password(
        const struct passwd_request *request, struct config *config, struct passwd_change *change)
{
	char password[WEIR_PASSWORD_MAX + 1], scram[WEIR_SCRAM_TEXT_MAX], *hash = NULL;
	enum passwd_done done = PASSWD_FAILED;
	bool good = passwd_ask(request->user, password);
	if (good)
		hash = passwd_command_make_hash(password);
	good = hash && (request->no_scram || passwd_command_make_scram(password, scram));
	explicit_bzero(password, sizeof password);
	if (good) {
		change->hash = hash;
		change->scram = request->no_scram ? NULL : scram;
		done = passwd_command_change(config, change);
	}
	free(hash);
	return done;
}

/* Finds the users of the configuration: sets the path; stores NULL unless the database has them. */
static bool passwd_command_find(
        const struct passwd_request *request, struct passwd_change *change, struct config **ret)
{
	*ret = NULL;
	if (!request->config)
		return true;
	struct config *config = store_verb_read(request->config);
	if (!config)
		return false;
	if (config_mail_is_stored(config)) {
		change->path = "the database";
		*ret = config;
		return true;
	}
	const char *path = config->mail.users_path;
	change->path = path ? strdup(path) : NULL;
	if (!change->path)
		say("%s: there are no users: 'mail' has no 'users', and there is no 'store'",
		        request->config);
	config_release(config);
	return change->path;
}

static int passwd_command_run(const struct passwd_request *request)
{
	static const char *const said[] = {[PASSWD_ADDED] = "added",
	        [PASSWD_CHANGED] = "changed",
	        [PASSWD_REMOVED] = "removed",
	        [PASSWD_LOCKED] = "locked",
	        [PASSWD_UNLOCKED] = "unlocked"};
	struct passwd_change change = {
	        .action = request->actions ? (enum passwd_action)__builtin_ctz(request->actions)
	                                   : PASSWD_SET,
	        .path = request->path,
	        .name = weir_span_of(request->user)};
	struct config *config;
	/* A user that is there already can be locked and removed. */
	if (change.action == PASSWD_SET && !weir_mail_user_good(change.name)) {
		say("'%s' cannot be the name of a user: it has 1 to %d bytes, no '/' and no "
		    "control character, and does not begin with '.'",
		        request->user, WEIR_USER_NAME_MAX);
		return EXIT_FAILED;
	}
	if (!passwd_command_find(request, &change, &config))
		return EXIT_FAILED;
	enum passwd_done done = change.action == PASSWD_SET
	                                ? passwd_command_change_password(request, config, &change)
	                                : passwd_command_change(config, &change);
	if (done != PASSWD_FAILED)
		say("%s: %s %s", change.path, request->user, said[done]);
	if (request->config && !config)
		free((char *)change.path);
	config_release(config);
	return done == PASSWD_FAILED ? EXIT_FAILED : EXIT_DONE;
}

int passwd(int count, char **arguments)
{
	struct passwd_request request = {.user = ""};
	int error = passwd_command_parse(count, arguments, &request);
	if (error)
		return error;
	return request.help ? help_print_verb("passwd") : passwd_command_run(&request);
}
