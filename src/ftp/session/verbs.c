/*
 * The table of verbs, and the checks that they share: the login, the rights, a required argument.
 * Leaves out what the verbs do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/sources.h>

#include "ftp_metrics.h"
#include "session.h"
#include "transfer.h"
#include "verbs.h"

enum ftp_verb_needs {
	OPEN = 1,     /* allowed without a login */
	ARGUMENT = 2, /* an argument is required */
	RENAMING = 4, /* must follow RNFR */
};

enum {
	PER_LINE = 8,
	READ = WEIR_FTP_READ,
	WRITE = WEIR_FTP_WRITE,
	DELETE = WEIR_FTP_DELETE,
	LIST = WEIR_FTP_LIST,
	OVER = WEIR_FTP_OVERWRITE,
	MKDIR = WEIR_FTP_MKDIR,
	RENAME = WEIR_FTP_RENAME,
};

struct ftp_verb_row {
	const char *name;
	void (*run)(struct ftp_session *session, const char *argument);
	unsigned needs;
	unsigned rights;
	const char *usage; /* the arguments */
};

/* clang-format off */
static const struct ftp_verb_row verbs[] = {
	{"ABOR", ftp_abor, 0,               0,              ""},
	{"ACCT", ftp_acct, OPEN,            0,              "account"},
	{"ALLO", ftp_allo, 0,               0,              "bytes"},
	{"APPE", ftp_appe, ARGUMENT,        WRITE,          "pathname"},
	{"AUTH", ftp_auth, OPEN | ARGUMENT, 0,              "TLS"},
	{"CCC",  ftp_ccc,  OPEN,            0,              "(refused)"},
	{"CDUP", ftp_cdup, 0,               0,              ""},
	{"CLNT", ftp_clnt, OPEN,            0,              "program"},
	{"CWD",  ftp_cwd,  0,               0,              "pathname"},
	{"DELE", ftp_dele, ARGUMENT,        DELETE,         "pathname"},
	{"EPRT", ftp_eprt, ARGUMENT,        0,              "|protocol|address|port|"},
	{"EPSV", ftp_epsv, 0,               0,              "[1 | 2 | ALL]"},
	{"FEAT", ftp_feat, OPEN,            0,              ""},
	{"HELP", ftp_help, OPEN,            0,              "[verb]"},
	{"HOST", ftp_host, OPEN | ARGUMENT, 0,              "name"},
	{"LANG", ftp_lang, OPEN,            0,              "[EN]"},
	{"LIST", ftp_list_all, 0,           LIST,           "[pathname]"},
	{"MDTM", ftp_mdtm, ARGUMENT,        READ,           "pathname"},
	{"MFMT", ftp_mfmt, ARGUMENT,        OVER,           "YYYYMMDDHHMMSS pathname"},
	{"MKD",  ftp_mkd,  ARGUMENT,        MKDIR,          "pathname"},
	{"MLSD", ftp_mlsd, 0,               LIST,           "[pathname]"},
	{"MLST", ftp_mlst, 0,               LIST,           "[pathname]"},
	{"MODE", ftp_mode, ARGUMENT,        0,              "S"},
	{"NLST", ftp_nlst, 0,               LIST,           "[pathname]"},
	{"NOOP", ftp_noop, OPEN,            0,              ""},
	{"OPTS", ftp_opts, OPEN | ARGUMENT, 0,              "UTF8 ON | MLST facts"},
	{"PASS", ftp_pass, OPEN,            0,              "password"},
	{"PASV", ftp_pasv, 0,               0,              ""},
	{"PBSZ", ftp_pbsz, OPEN | ARGUMENT, 0,              "0"},
	{"PORT", ftp_port, ARGUMENT,        0,              "h1,h2,h3,h4,p1,p2"},
	{"PROT", ftp_prot, OPEN | ARGUMENT, 0,              "C | P"},
	{"PWD",  ftp_pwd,  0,               0,              ""},
	{"QUIT", ftp_quit, OPEN,            0,              ""},
	{"REIN", ftp_rein, OPEN,            0,              ""},
	{"REST", ftp_rest, ARGUMENT,        0,              "offset"},
	{"RETR", ftp_retr, ARGUMENT,        READ,           "pathname"},
	{"RMD",  ftp_rmd,  ARGUMENT,        DELETE,         "pathname"},
	{"RNFR", ftp_rnfr, ARGUMENT,        RENAME,         "pathname"},
	{"RNTO", ftp_rnto, ARGUMENT | RENAMING, RENAME,     "pathname"},
	{"SITE", ftp_site, ARGUMENT,        0,              "CHMOD mode pathname | HELP"},
	{"SIZE", ftp_size, ARGUMENT,        READ,           "pathname"},
	{"SMNT", ftp_smnt, 0,               0,              "(refused)"},
	{"STAT", ftp_stat, OPEN,            0,              "[pathname]"},
	{"STOR", ftp_stor, ARGUMENT,        WRITE,          "pathname"},
	{"STOU", ftp_stou, 0,               WRITE,          "[pathname]"},
	{"STRU", ftp_stru, ARGUMENT,        0,              "F"},
	{"SYST", ftp_syst, OPEN,            0,              ""},
	{"TYPE", ftp_type, ARGUMENT,        0,              "A | I"},
	{"USER", ftp_user, OPEN | ARGUMENT, 0,              "name"},
	/* Names of RFC 775, which RFC 1123 4.1.3.1 asks for. */
	{"XCUP", ftp_cdup, 0,               0,              ""},
	{"XCWD", ftp_cwd,  0,               0,              "pathname"},
	{"XMKD", ftp_mkd,  ARGUMENT,        MKDIR,          "pathname"},
	{"XPWD", ftp_pwd,  0,               0,              ""},
	{"XRMD", ftp_rmd,  ARGUMENT,        DELETE,         "pathname"},
};
/* clang-format on */

enum {
	VERB_COUNT = sizeof verbs / sizeof verbs[0]
};

_Static_assert(VERB_COUNT + 1 == FTP_METRICS_VERBS, "ftp_metrics.c has a name for each verb");

static int ftp_verbs_compare(const void *name, const void *verb)
{
	return strcmp(name, ((const struct ftp_verb_row *)verb)->name);
}

static const struct ftp_verb_row *ftp_verbs_find(const char *name)
{
	return bsearch(name, verbs, VERB_COUNT, sizeof verbs[0], ftp_verbs_compare);
}

/* Returns NULL, or the reply of a command that is refused. */
static const char *ftp_verbs_refusal(
        const struct ftp_session *session, const struct ftp_verb_row *verb, const char *argument)
{
	if (!verb)
		return "500 Unknown command.";
	if (!(verb->needs & OPEN) && !session->user)
		return "530 Log in with USER and PASS.";
	if ((verb->needs & ARGUMENT) && !argument[0])
		return "501 Argument missing.";
	if ((verb->rights & ~ftp_session_rights(session)) != 0)
		return "550 Permission denied.";
	if ((verb->needs & RENAMING) && !session->rename_from)
		return "503 Send RNFR first.";
	return NULL;
}

void ftp_verb_run(struct ftp_session *session, const char *line)
{
	struct ftp_command command = ftp_command_parse(line);
	const struct ftp_verb_row *verb = ftp_verbs_find(command.verb);
	const char *refused = ftp_verbs_refusal(session, verb, command.argument);
	/* RNTO must be the next command. */
	char *rename_from = session->rename_from;
	if (!verb || !(verb->needs & RENAMING)) {
		session->rename_from = NULL;
		free(rename_from);
	}
	weir_metric_add(
	        &session->server->cells->commands[verb ? verb - verbs : VERB_COUNT][!refused], 1);
	if (!verb || (refused && strncmp(refused, "501", 3) == 0))
		ftp_report_malformed(
		        session, verb ? "argument missing" : "unknown command", weir_span_of(line));
	if (refused)
		ftp_reply_text(session, refused);
	else
		verb->run(session, command.argument);
}

bool ftp_verb_during(const struct ftp_session *session, const char *line)
{
	struct ftp_command command = ftp_command_parse(line);
	const struct ftp_transfer *transfer = session->transfer;
	if (!ftp_transfer_is_abortable(transfer))
		return false;
	if (strcmp(command.verb, "STAT") == 0)
		return !command.argument[0] && ftp_deferred_is_empty(transfer->deferred);
	return strcmp(command.verb, "ABOR") == 0;
}

void ftp_verb_help(struct ftp_session *session, const char *name)
{
	struct weir_buffer text = {0};
	int error = 0;
	if (name[0]) {
		struct ftp_command command = ftp_command_parse(name);
		const struct ftp_verb_row *verb = ftp_verbs_find(command.verb);
		if (verb)
			FTP_REPLY_FORMAT(session, "214 %s %s", verb->name, verb->usage);
		else
			FTP_REPLY(session, "502 Unknown command.");
		return;
	}
	for (size_t i = 0; i < VERB_COUNT && error == 0; i++)
		error = weir_buffer_format(&text, SIZE_MAX, "%s%-5s",
		        i % PER_LINE ? " "
		        : i          ? "\r\n "
		                     : " ",
		        verbs[i].name);
	if (error < 0)
		weir_channel_push(session->channel, NULL);
	else
		FTP_REPLY_FORMAT(session, "214-Commands:\r\n%.*s\r\n214 End of help.",
		        (int)text.size, text.data);
	weir_buffer_finish(&text);
}
