/* USER, PASS, ACCT, REIN, QUIT (RFC 959 4.1.1): who it is, and that he goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sasl.h>

#include "job.h"
#include "verbs.h"

static bool ftp_verb_access_is_anonymous(const struct weir_ftp_rules *rules, const char *name)
{
	struct weir_span span = weir_span_of(name);
	return !rules->no_anonymous && (weir_span_equal_nocase(span, WEIR_SPAN("anonymous")) ||
	                                       weir_span_equal_nocase(span, WEIR_SPAN("ftp")));
}

/* -- USER -------------------------------------------------------------------------------------- */

static void ftp_verb_access_log_out(struct ftp_session *session)
{
	free(session->user);
	free(session->name);
	free(session->directory);
	session->user = NULL;
	session->name = session->directory = NULL;
}

void ftp_user(struct ftp_session *session, const char *argument)
{
	const struct weir_ftp_rules *rules = &session->server->rules;
	ftp_verb_access_log_out(session);
	if (rules->tls_required && !weir_channel_secure(session->channel)) {
		FTP_SAY(session, "530 Not without TLS: AUTH TLS comes first.");
		return;
	}
	if (strlen(argument) > WEIR_USER_NAME_MAX) {
		FTP_SAY(session, "501 The name is too long.");
		return;
	}
	session->name = ftp_copy(argument);
	if (!session->name)
		FTP_SAY(session, "451 Out of memory.");
	else if (ftp_verb_access_is_anonymous(rules, argument))
		FTP_SAY(session, "331 Any password will do.");
	else
		FTP_SAY(session, "331 The password, please.");
}

/* -- PASS -------------------------------------------------------------------------------------- */

struct ftp_login {
	struct ftp_job job;
	struct weir_login login;
	struct ftp_user *user;
};

static void ftp_verb_access_cancel_login(struct ftp_job *job)
{
	struct ftp_login *login = (struct ftp_login *)job;
	weir_login_cancel(&login->login);
	free(login->user);
}

static void ftp_verb_access_welcome(struct ftp_session *session, struct ftp_user *user)
{
	session->user = user;
	session->failures = 0;
	ftp_log_login(session, user->text, 0, 230);
	if (user->anonymous)
		FTP_SAY(session, "230 Welcome.");
	else
		FTP_FORMAT(session, "230 Welcome, %s.", user->text);
}

/* Too many wrong ones end the connection. */
static void ftp_verb_access_refuse(struct ftp_session *session)
{
	bool last = ++session->failures >= session->server->rules.failures_max;
	ftp_log_login(session, session->name ? session->name : "", -EACCES, last ? 421 : 530);
	free(session->name);
	session->name = NULL;
	if (!last) {
		FTP_SAY(session, "530 Wrong name or password.");
		return;
	}
	FTP_SAY(session, "421 Wrong name or password, once too often.");
	weir_channel_close(session->channel);
}

/* As late as the peer's address has deserved by wrong ones. */
static void ftp_verb_access_on_checked(struct weir_login *checked, int error)
{
	struct ftp_login *login = WEIR_CONTAINER(checked, struct ftp_login, login);
	struct ftp_session *session = login->job.session;
	if (error == 0) {
		ftp_verb_access_welcome(session, login->user);
		login->user = NULL;
	} else if (error == -EACCES) {
		ftp_verb_access_refuse(session);
	} else {
		FTP_SAY(session, "451 The password cannot be checked now, try again.");
	}
	free(login->user);
	ftp_job_end(&login->job);
}

static void ftp_verb_access_check(struct ftp_session *session, const char *password)
{
	struct weir_ftp_server *server = session->server;
	struct weir_sasl_options options = {
	        .users = server->rules.users,
	        .guard = server->guard,
	        .peer = *weir_channel_peer(session->channel),
	        .secure = weir_channel_secure(session->channel),
	};
	struct ftp_login *login =
	        ftp_job_begin(session, sizeof *login, ftp_verb_access_cancel_login);
	if (!login)
		return;
	if (!options.users) {
		ftp_verb_access_on_checked(&login->login, -EACCES);
		return;
	}
	login->user = ftp_user_find(&server->rules, session->name);
	if (login->user)
		weir_login_check(&login->login, server->loop, &options, weir_span_of(session->name),
		        weir_span_of(password), ftp_verb_access_on_checked);
	else
		ftp_verb_access_on_checked(&login->login, -ENOMEM);
}

void ftp_pass(struct ftp_session *session, const char *argument)
{
	const struct weir_ftp_rules *rules = &session->server->rules;
	if (session->user) {
		FTP_SAY(session, "230 You are logged in.");
		return;
	}
	if (!session->name) {
		FTP_SAY(session, "503 USER comes first.");
		return;
	}
	if (!ftp_verb_access_is_anonymous(rules, session->name)) {
		ftp_verb_access_check(session, argument);
		return;
	}
	struct ftp_user *user = ftp_user_anonymous(rules, session->name);
	if (user)
		ftp_verb_access_welcome(session, user);
	else
		FTP_SAY(session, "451 Out of memory.");
}

/* -- the others -------------------------------------------------------------------------------- */

void ftp_acct(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_SAY(session, "202 There are no accounts here.");
}

void ftp_rein(struct ftp_session *session, const char *argument)
{
	(void)argument;
	ftp_session_reset(session);
	FTP_SAY(session, "220 As at the beginning.");
}

void ftp_quit(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_SAY(session, "221 Goodbye.");
	weir_channel_close(session->channel);
}
