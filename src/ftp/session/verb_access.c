/*
 * USER, PASS, ACCT, REIN, QUIT (RFC 959 4.1.1) and AUTH, PBSZ, PROT, CCC (RFC 2228, RFC 4217):
 * logins, users, and TLS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/policy.h>
#include <weir/sasl.h>
#include <weir/tls.h>
#include <weir/users.h>

#include "session.h"
#include "listing.h"
#include "verbs.h"

static bool ftp_verb_access_is_anonymous(const struct weir_ftp_rules *rules, const char *name)
{
	struct weir_span span = weir_span_of(name);
	return rules->anonymous && (weir_span_equal_nocase(span, WEIR_SPAN("anonymous")) ||
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
		FTP_REPLY(session, "530 TLS is required; send AUTH TLS first.");
		return;
	}
	if (strlen(argument) > WEIR_USER_NAME_MAX) {
		FTP_REPLY(session, "501 Name too long.");
		return;
	}
	session->name = ftp_copy(argument);
	if (!session->name)
		FTP_REPLY(session, "451 Out of memory.");
	else if (ftp_verb_access_is_anonymous(rules, argument))
		FTP_REPLY(session, "331 Anonymous login; send any password.");
	else
		FTP_REPLY(session, "331 Password required.");
}

/* -- users ------------------------------------------------------------------------------------ */

enum {
	FINE_RIGHTS = WEIR_FTP_OVERWRITE | WEIR_FTP_MKDIR | WEIR_FTP_RENAME,
	WRITE_AND_DELETE = WEIR_FTP_WRITE | WEIR_FTP_DELETE,
	ALL_RIGHTS = WEIR_FTP_READ | WRITE_AND_DELETE | WEIR_FTP_LIST | FINE_RIGHTS
};

/* Returns a value from the users file, empty if there is none. */
static struct weir_span ftp_user_value_of(
        const struct weir_users *users, const char *name, struct weir_span key)
{
	struct weir_span value = {0};
	weir_users_value(users, weir_span_of(name), key, &value);
	return value;
}

static unsigned ftp_user_parse_rights(struct weir_span text)
{
	static const char letters[] = "rwdlomn";
	unsigned rights = 0;
	if (!text.size)
		return ALL_RIGHTS;
	for (size_t i = 0; i < text.size; i++) {
		const char *at = memchr(letters, text.data[i], sizeof letters - 1);
		if (at)
			rights |= 1U << (at - letters);
	}
	if (rights & FINE_RIGHTS)
		return rights;
	if (rights & WEIR_FTP_WRITE)
		rights |= WEIR_FTP_MKDIR;
	if ((rights & WRITE_AND_DELETE) == WRITE_AND_DELETE)
		rights |= FINE_RIGHTS;
	return rights;
}

static struct ftp_user *ftp_user_make(const char *name, struct weir_span home)
{
	char asked[WEIR_PATH_MAX], path[WEIR_PATH_MAX];
	size_t name_size = strlen(name) + 1;
	if (home.size >= sizeof asked)
		return NULL;
	if (home.size)
		memcpy(asked, home.data, home.size);
	asked[home.size] = 0;
	if (ftp_path_resolve("", asked, path) < 0)
		return NULL;
	if (!path[1])
		path[0] = 0; /* The root needs no prefix. */
	size_t path_size = strlen(path) + 1;
	struct ftp_user *user = calloc(1, sizeof *user + name_size + path_size);
	if (!user)
		return NULL;
	memcpy(user->text, name, name_size);
	user->home = memcpy(user->text + name_size, path, path_size);
	return user;
}

static struct ftp_user *ftp_user_find(const struct weir_ftp_rules *rules, const char *name)
{
	uint64_t rate;
	struct ftp_user *user =
	        ftp_user_make(name, ftp_user_value_of(rules->users, name, WEIR_SPAN("home")));
	if (!user)
		return NULL;
	user->rights =
	        ftp_user_parse_rights(ftp_user_value_of(rules->users, name, WEIR_SPAN("rights")));
	if (weir_span_number(ftp_user_value_of(rules->users, name, WEIR_SPAN("rate")), 10, &rate) ==
	        0)
		user->rate = rate;
	return user;
}

static struct ftp_user *ftp_user_anonymous(const struct weir_ftp_rules *rules, const char *name)
{
	const char *home = rules->anonymous_home ? rules->anonymous_home : "";
	struct ftp_user *user = ftp_user_make(name, weir_span_of(home));
	if (!user)
		return NULL;
	user->anonymous = true;
	user->rights = WEIR_FTP_READ | WEIR_FTP_LIST;
	if (rules->anonymous_writes)
		user->rights |= WEIR_FTP_WRITE | WEIR_FTP_MKDIR;
	if (rules->anonymous_writes && rules->anonymous_overwrites)
		user->rights |= WEIR_FTP_OVERWRITE;
	return user;
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
		FTP_REPLY(session, "230 Welcome.");
	else
		FTP_REPLY_FORMAT(session, "230 Welcome, %s.", user->text);
}

/* Too many wrong passwords end the connection. */
static void ftp_verb_access_refuse(struct ftp_session *session)
{
	bool last = ++session->failures >= session->server->rules.failures_max;
	ftp_log_login(session, session->name ? session->name : "", -EACCES, last ? 421 : 530);
	free(session->name);
	session->name = NULL;
	if (!last) {
		FTP_REPLY(session, "530 Wrong name or password.");
		return;
	}
	FTP_REPLY(session, "421 Too many wrong passwords.");
	weir_channel_close(session->channel);
}

/* Comes after the delay that earlier wrong passwords from the peer's network cause. */
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
		FTP_REPLY(session, "451 Password cannot be checked now; try again later.");
	}
	free(login->user);
	ftp_job_end(&login->job);
}

static void ftp_verb_access_check(struct ftp_session *session, const char *password)
{
	struct weir_ftp_server *server = session->server;
	struct weir_sasl_options options;
	weir_sasl_options_init(&options);
	options.users = server->rules.users;
	options.guard = server->guard;
	options.peer = *weir_channel_peer(session->channel);
	options.secure = weir_channel_secure(session->channel);
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
		FTP_REPLY(session, "230 Already logged in.");
		return;
	}
	if (!session->name) {
		FTP_REPLY(session, "503 Send USER first.");
		return;
	}
	if (weir_channel_count_request(session->channel)) {
		FTP_REPLY(session, "421 Too many logins from your address.");
		weir_channel_close(session->channel);
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
		FTP_REPLY(session, "451 Out of memory.");
}

/* -- the others -------------------------------------------------------------------------------- */

void ftp_acct(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "202 Accounts are not used.");
}

void ftp_rein(struct ftp_session *session, const char *argument)
{
	(void)argument;
	ftp_session_reset(session);
	FTP_REPLY(session, "220 Session reset.");
}

void ftp_quit(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "221 Goodbye.");
	weir_channel_close(session->channel);
}

/* -- TLS -------------------------------------------------------------------------------------- */

void ftp_auth(struct ftp_session *session, const char *argument)
{
	static const char *const names[] = {"TLS", "TLS-C", "SSL", "TLS-P"};
	struct weir_span asked = weir_span_trim(weir_span_of(argument));
	struct weir_tls *tls = weir_server_tls(session->server->listener);
	bool known = false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		known |= weir_span_equal_nocase(asked, weir_span_of(names[i]));
	if (!known) {
		FTP_REPLY(session, "504 Only AUTH TLS is supported.");
	} else if (weir_channel_secure(session->channel)) {
		FTP_REPLY(session, "503 TLS is already in use.");
	} else if (!tls) {
		FTP_REPLY(session, "431 Server has no certificate.");
	} else {
		FTP_REPLY(session, "234 Start the TLS handshake.");
		int error = weir_channel_start_tls(session->channel, tls, NULL);
		if (error < 0)
			weir_channel_abort(session->channel, error);
	}
}

void ftp_pbsz(struct ftp_session *session, const char *argument)
{
	uint64_t size;
	if (!weir_channel_secure(session->channel)) {
		FTP_REPLY(session, "503 Send AUTH TLS first.");
	} else if (weir_span_number(weir_span_trim(weir_span_of(argument)), 10, &size) < 0) {
		FTP_REPLY(session, "501 Invalid size.");
	} else {
		session->pbsz_received = true;
		FTP_REPLY(session, "200 PBSZ=0");
	}
}

/* Many clients send no PBSZ with implicit TLS. */
void ftp_prot(struct ftp_session *session, const char *argument)
{
	struct weir_span level = weir_span_trim(weir_span_of(argument));
	bool clear = weir_span_equal_nocase(level, WEIR_SPAN("C"));
	bool private = weir_span_equal_nocase(level, WEIR_SPAN("P"));
	bool other = weir_span_equal_nocase(level, WEIR_SPAN("S")) ||
	             weir_span_equal_nocase(level, WEIR_SPAN("E"));
	if (!weir_channel_secure(session->channel) ||
	        (!session->pbsz_received && !session->server->implicit)) {
		FTP_REPLY(session, "503 Send AUTH TLS and PBSZ first.");
	} else if (other) {
		FTP_REPLY(session, "536 This level does not exist with TLS.");
	} else if (!clear && !private) {
		FTP_REPLY(session, "504 PROT takes C or P.");
	} else if (clear && session->server->rules.tls_required) {
		FTP_REPLY(session, "534 Data connections must be protected.");
	} else {
		session->protect = private;
		ftp_reply_text(session, private ? "200 Data connections are protected."
		                                : "200 Data connections are in clear.");
	}
}

void ftp_ccc(struct ftp_session *session, const char *argument)
{
	(void)argument;
	if (weir_channel_secure(session->channel))
		FTP_REPLY(session, "534 TLS cannot be removed.");
	else
		FTP_REPLY(session, "533 TLS is not in use.");
}
