/*
 * The section `ftp`: its keys, users and root, and its options on the command line. The users are
 * loaded with the configuration, so that `weir check` finds their mistakes, too.
 *
 * The options are --root, --users and --ftp-writable, each of which replaces a key of the file.
 * With --users the users of that file may read; with --ftp-writable they may write, too.
 */
#include <errno.h>
#include <string.h>

#include <weir/error.h>
#include <weir/ftp.h>
#include <weir/limits.h>

#include "config.h"
#include "options.h"
#include "say.h"
#include "service.h"
#include "service_ftp.h"
#include "service_mail.h"
#include "sources.h"
#include "store.h"
#include "table.h"
#include "types.h"

/* -- users and root ---------------------------------------------------------------------------- */

const char *config_ftp_root(const struct config *config)
{
	if (config->ftp.root)
		return config->ftp.root;
	return config->sites.count ? config->sites.items[0].root : NULL;
}

void config_ftp_warn(const struct config *config)
{
	const struct config_ftp *ftp = &config->ftp;
	unsigned ports = ftp->passive.last - ftp->passive.first + 1U;
	uint64_t sessions = ftp->sessions_per_address;
	if (ftp->passive.first && listeners_include(config, SERVICE_FTP) && ports < sessions)
		say_at(WEIR_LOG_WARNING,
		        "'passive-ports' has %u port%s, and 'sessions-per-address' lets one address use "
		        "%llu at a time: name more ports, or allow fewer sessions",
		        ports, ports == 1 ? "" : "s", (unsigned long long)sessions);
}

struct config_ftp_report {
	void (*report)(void *context, const char *path, unsigned line, const char *text);
	void *context;
	const char *path;
	bool any;
};

static void config_ftp_pass_on(void *context, unsigned line, const char *text)
{
	struct config_ftp_report *report = context;
	report->any = true;
	report->report(report->context, report->path, line, text);
}

int config_ftp_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context)
{
	struct config_ftp *ftp = &config->ftp;
	struct config_ftp_report to = {report, context, ftp->users_path, false};
	int error;
	if (!ftp->users_path || ftp->users)
		return 0;
	if (!sources_leave(ftp->users_path, &error))
		error = weir_users_load(ftp->users_path, config_ftp_pass_on, &to, &ftp->users);
	if (error < 0 && !to.any)
		config_ftp_pass_on(&to, 0, weir_error_text(error));
	return error;
}

/* -- keys -------------------------------------------------------------------------------------- */

static const char *const upload_words[] = {
        [WEIR_FTP_KEEP_PART] = "keep-part", [WEIR_FTP_WHOLE] = "whole", NULL};
static const char *const tls_words[] = {
        [CONFIG_FTP_TLS_OFFERED] = "offered", [CONFIG_FTP_TLS_REQUIRED] = "required", NULL};
static const char *const reuse_words[] = {
        [WEIR_FTP_REUSE_PREFER] = "prefer",
        [WEIR_FTP_REUSE_REQUIRE] = "require",
        [WEIR_FTP_REUSE_OFF] = "off",
        NULL,
};

#define KEYS_STRUCT config_ftp
static const struct key ftp_keys[] = {
#include "ftp_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* -- rules ------------------------------------------------------------------------------------- */

struct ftp_report {
	struct reader *reader;
	const struct node *node;
};

static void ftp_add_problem(void *context, const char *path, unsigned line, const char *text)
{
	const struct ftp_report *report = context;
	if (line)
		reader_problem_at(report->reader, report->node, "%s:%u: %s", path, line, text);
	else
		reader_problem_at(report->reader, report->node, "%s: %s", path, text);
}

static void ftp_check(struct reader *reader, struct node *node, void *target)
{
	(void)target;
	const struct node *users = node_find(node, "users");
	struct ftp_report report = {reader, users ? users : node};
	config_ftp_load(reader->config, ftp_add_problem, &report);
}

const struct section table_ftp = {
        .what = "ftp",
        .keys = ftp_keys,
        .size = sizeof(struct config_ftp),
        .check = ftp_check,
        .doc = "FTP, on the files that HTTP serves or on others.",
};

/* FTP serves the root of the first site if it has none of its own. */
void table_ftp_check(struct reader *reader, const struct node *top)
{
	const struct node *ftp = node_find(top, "ftp");
	if (ftp && !reader->config->ftp.anonymous && !node_find(ftp, "users") &&
	        !store_has(reader->config, STORE_USERS))
		reader_problem_at(reader, ftp,
		        "nobody could log in: name a file of 'users', or let 'anonymous' in");
	if (ftp && listeners_include(reader->config, SERVICE_FTP) &&
	        !config_ftp_root(reader->config))
		reader_problem_at(reader, ftp,
		        "'ftp' has no 'root', and there is no site whose root it could serve");
}

/* -- options of the command line --------------------------------------------------------------- */

static void load_ftp_report(void *context, const char *path, unsigned line, const char *text)
{
	(void)context;
	if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("%s: %s", path, text);
}

/* Replaces the users file of the configuration. */
static int load_ftp_choose_users(struct config *config, const char *path)
{
	struct config_ftp *ftp = &config->ftp;
	int error = config_absolute_path(config, path, &ftp->users_path);
	if (error < 0)
		return error;
	weir_users_release(ftp->users);
	/* Mail may have loaded the same file already. */
	const struct config_mail *mail = &config->mail;
	bool same = mail->users && strcmp(mail->users_path, ftp->users_path) == 0;
	ftp->users = same ? weir_users_hold(mail->users) : NULL;
	return config_ftp_load(config, load_ftp_report, NULL);
}

int load_ftp(struct config *config, const struct options *options)
{
	struct config_ftp *ftp = &config->ftp;
	int error = 0;
	if (!listeners_include(config, SERVICE_FTP)) {
		if (!options->ftp_writable)
			return 0;
		say("--ftp-writable needs an address for FTP: add "
		    "--ftp ADDRESS:PORT");
		return -EINVAL;
	}
	if (options->root)
		ftp->root = config->sites.items[0].root;
	if (options->users)
		error = load_ftp_choose_users(config, options->users);
	if (error < 0)
		return error;
	ftp->writable |= options->ftp_writable;
	if (ftp->writable && !ftp->users_path && !ftp->anonymous_writes) {
		say("--ftp-writable lets users write, and there are none: add --users FILE");
		return -EINVAL;
	}
	if (config_ftp_root(config))
		return 0;
	say("FTP needs a directory: add --root DIR");
	return -EINVAL;
}
