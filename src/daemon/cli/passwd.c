/*
 * weir passwd: its command line, and the hashing of a password: a hash by yescrypt, and a verifier
 * for SCRAM-SHA-256. The password itself is erased afterwards.
 */
#include <crypt.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sasl.h>

#include "help.h"
#include "options.h"
#include "passwd.h"
#include "passwd_ask.h"
#include "passwd_file.h"
#include "say.h"

struct passwd_request {
	const char *path;
	const char *user;
	bool delete;
	bool no_scram;
	bool help;
};

static int passwd_command_parse(int count, char **arguments, struct passwd_request *ret)
{
	static const struct option known[] = {
	        {"users", required_argument, NULL, 'u'},
	        {"delete", no_argument, NULL, 'd'},
	        {"no-scram", no_argument, NULL, 'n'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	int letter;
	optind = 1;
	opterr = 0;
	while ((letter = getopt_long(count, arguments, ":u:h", known, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return refuse_option(arguments[0], letter, arguments);
		ret->path = letter == 'u' ? optarg : ret->path;
		ret->delete |= letter == 'd';
		ret->no_scram |= letter == 'n';
		ret->help |= letter == 'h';
	}
	if (ret->help)
		return 0;
	if (!ret->path || !*ret->path)
		return usage_error("passwd", "the users file is missing: --users FILE");
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

static enum passwd_done passwd_command_change_password(
        const struct passwd_request *request, struct passwd_change *change)
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
		done = passwd_file_change(change);
	}
	free(hash);
	return done;
}

int passwd(int count, char **arguments)
{
	static const char *const said[] = {[PASSWD_ADDED] = "added",
	        [PASSWD_CHANGED] = "changed",
	        [PASSWD_REMOVED] = "removed"};
	struct passwd_request request = {.user = ""};
	int error = passwd_command_parse(count, arguments, &request);
	if (error)
		return error;
	if (request.help)
		return help_print_verb("passwd");
	struct passwd_change change = {.path = request.path, .name = weir_span_of(request.user)};
	enum passwd_done done = request.delete ? passwd_file_change(&change)
	                                       : passwd_command_change_password(&request, &change);
	if (done == PASSWD_FAILED)
		return EXIT_FAILED;
	say("%s: %s %s", request.path, request.user, said[done]);
	return EXIT_DONE;
}
