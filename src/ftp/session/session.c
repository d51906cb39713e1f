/*
 * A session carries out the lines of the control connection one after the other.
 *
 * Invariants: the connection is not read while a job is under way or a line is held. A line is
 * held only during a transfer. Jobs and transfers end with their session.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <weir/error.h>
#include <weir/metrics.h>

#include "data_connection.h"
#include "ftp_metrics.h"
#include "listing.h"
#include "session.h"
#include "transfer.h"
#include "verbs.h"

static struct ftp_session *ftp_session_session_of(const struct weir_channel *channel)
{
	return weir_channel_session(channel);
}

/* -- log -------------------------------------------------------------------------------------- */

static void ftp_log_event(struct ftp_session *session, struct weir_ftp_event *event)
{
	struct weir_ftp_server *server = session->server;
	ftp_metrics_count(server->cells, event);
	if (!server->log)
		return;
	event->peer = weir_channel_peer(session->channel);
	event->session = weir_channel_id(session->channel);
	if (!event->user)
		event->user = session->user ? session->user->text : "";
	event->secure = weir_channel_secure(session->channel);
	server->log(server->context, event);
}

void ftp_log_login(struct ftp_session *session, const char *name, int error, unsigned code)
{
	struct weir_ftp_event event = {
	        .kind = WEIR_FTP_LOGIN, .user = name, .error = error, .code = code};
	ftp_log_event(session, &event);
}

static void ftp_log_logout(struct ftp_session *session, int error)
{
	struct weir_ftp_event event = {.kind = WEIR_FTP_LOGOUT, .error = error};
	ftp_log_event(session, &event);
}

void ftp_log_change(
        struct ftp_session *session, const char *verb, const char *path, int error, unsigned code)
{
	struct weir_ftp_event event = {
	        .kind = WEIR_FTP_CHANGED, .verb = verb, .path = path, .error = error, .code = code};
	ftp_log_event(session, &event);
}

void ftp_log_home(struct ftp_session *session, int error)
{
	bool lost = error < 0;
	struct weir_ftp_event event = {.kind = WEIR_FTP_HOME, .error = error};
	if (!session->user || !session->user->home[0] || lost == session->home_lost)
		return;
	session->home_lost = lost;
	event.path = session->user->home;
	ftp_log_event(session, &event);
}

/* -- going on ---------------------------------------------------------------------------------- */

static void ftp_session_run_held(struct ftp_session *session)
{
	struct ftp_line *line = session->held;
	session->held = NULL;
	ftp_verb_run(session, line->bytes);
	free(line);
}

void ftp_session_go_on(struct ftp_session *session)
{
	if (session->held && !session->job && !session->transfer)
		ftp_session_run_held(session); /* This function may be called again by it. */
	if (session->job || session->held)
		weir_channel_pause(session->channel);
	else
		weir_channel_resume(session->channel);
	if (session->ended && !session->job && !session->held && !session->transfer)
		weir_channel_close(session->channel);
}

static void ftp_session_hold(struct ftp_session *session, const char *line)
{
	size_t size = strlen(line);
	struct ftp_line *held = malloc(sizeof *held + size + 1);
	if (!held) {
		weir_channel_abort(session->channel, -ENOMEM);
		return;
	}
	held->size = size;
	memcpy(held->bytes, line, size + 1);
	session->held = held;
	ftp_session_go_on(session);
}

void ftp_report_malformed(
        const struct ftp_session *session, const char *why, struct weir_span input)
{
	weir_server_report_malformed(session->server->listener, weir_channel_peer(session->channel),
	        weir_channel_id(session->channel), why, input);
}

static void ftp_session_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	struct ftp_telnet_answer answer;
	char line[WEIR_FTP_LINE_MAX + 2];
	ssize_t size = ftp_telnet_strip(request, line, &answer);
	if (answer.size)
		weir_channel_push_copy(channel, weir_span(answer.bytes, answer.size));
	if (size < 0) {
		ftp_report_malformed(session, "NUL in a command", weir_span(NULL, 0));
		FTP_REPLY(session, "501 Command contains a NUL.");
	} else if (session->transfer && !ftp_verb_during(session, line)) {
		ftp_session_hold(session, line);
	} else {
		ftp_verb_run(session, line);
	}
}

static void ftp_session_on_overflow(struct weir_channel *channel, int error)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	(void)error;
	ftp_report_malformed(session, "line too long", weir_span(NULL, 0));
	FTP_REPLY(session, "500 Command line too long.");
}

/* -- beginning and end ------------------------------------------------------------------------- */

static void ftp_session_restart(struct ftp_session *session)
{
	ftp_data_drop(session);
	free(session->user);
	free(session->name);
	free(session->directory);
	free(session->rename_from);
	session->user = NULL;
	session->name = session->directory = session->rename_from = NULL;
	session->restart = 0;
}

void ftp_session_reset(struct ftp_session *session)
{
	ftp_session_restart(session);
	session->facts = FTP_FACTS_ALL;
	session->ascii = true;
	session->pbsz_received = false;
	session->protect = session->server->implicit;
	session->extended_only = false;
	session->home_lost = false;
}

/* Counts the session. Returns 0, or an error if there are too many. */
static int ftp_session_count(struct ftp_session *session)
{
	struct weir_ftp_server *server = session->server;
	if (server->sessions >= server->rules.sessions_max)
		return WEIR_E_LIMIT;
	if (weir_channel_over_quota(session->channel))
		return WEIR_E_LIMIT;
	server->sessions++;
	session->counted = true;
	return 0;
}

static int ftp_session_on_open(struct weir_channel *channel)
{
	int on = 1;
	struct ftp_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->channel = channel;
	session->server = weir_channel_context(channel);
	weir_channel_set_session(channel, session);
	ftp_session_reset(session);
	/* The urgent byte of telnet's synch, which precedes ABOR, must stay in the stream. */
	setsockopt(weir_channel_ref(channel).fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
	weir_channel_await(channel, weir_until(WEIR_SPAN("\n")));
	if (ftp_session_count(session) < 0) {
		weir_metric_add(&weir_loop_counters(session->server->loop)->limits_hit, 1);
		FTP_REPLY(session, "421 Too many sessions; try again later.");
		weir_channel_close(channel);
		return 0;
	}
	weir_channel_push_copy(channel, weir_span_of(session->server->banner));
	return 0;
}

/* RFC 959 4.1.1, QUIT: an unexpected close has the effect of ABOR and a logout. */
static void ftp_session_on_eof(struct weir_channel *channel)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	session->ended = true;
	if (session->transfer)
		ftp_transfer_abort(session->transfer);
	else
		ftp_session_go_on(session);
}

static void ftp_session_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	(void)dropped;
	ftp_session_reset(session);
}

static void ftp_session_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	if (which == WEIR_TIMEOUT_PROGRESS)
		return;
	FTP_REPLY(ftp_session_session_of(channel), "421 Idle timeout.");
	weir_channel_close(channel);
}

static void ftp_session_on_draining(struct weir_channel *channel)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	/* A reply is still to come. That of a transfer is in the queue already. */
	if (session->job || session->held)
		return;
	FTP_REPLY(session, "421 Server is shutting down.");
	weir_channel_close(channel);
}

static void ftp_session_on_close(struct weir_channel *channel, int error)
{
	struct ftp_session *session = ftp_session_session_of(channel);
	if (!session)
		return;
	struct weir_ftp_server *server = session->server;
	if (session->transfer)
		ftp_transfer_orphan(session->transfer);
	ftp_job_drop(session->job);
	if (session->counted) {
		ftp_log_logout(session, error);
		server->sessions--;
	}
	ftp_session_restart(session);
	free(session->held);
	free(session);
}

unsigned ftp_session_rights(const struct ftp_session *session)
{
	unsigned rights = session->user ? session->user->rights : 0;
	if (!session->server->rules.writable)
		rights &= WEIR_FTP_READ | WEIR_FTP_LIST;
	return rights;
}

const struct weir_protocol ftp_protocol = {
        .name = "ftp",
        .open = ftp_session_on_open,
        .request = ftp_session_on_request,
        .overflow = ftp_session_on_overflow,
        .eof = ftp_session_on_eof,
        .secured = ftp_session_on_secured,
        .timeout = ftp_session_on_timeout,
        .draining = ftp_session_on_draining,
        .close = ftp_session_on_close,
};

/* -- telnet, and the parts of a line ----------------------------------------------------------- */

/*
 * Lines of the control connection (RFC 959 5.3) are those of telnet (RFC 854). A byte 255, IAC,
 * begins a telnet command; two of them are one byte of text. Options are refused, as RFC 1123
 * 4.1.2.12 asks. Interrupt and synch, which may precede ABOR, are ignored.
 *
 * Leaves out where a line ends, and the verbs.
 */

enum telnet {
	TELNET_SE = 240,
	TELNET_SB = 250,
	TELNET_WILL = 251,
	TELNET_WONT = 252,
	TELNET_DO = 253,
	TELNET_DONT = 254,
	TELNET_IAC = 255
};

static void ftp_control_line_refuse(
        struct ftp_telnet_answer *answer, unsigned char verb, unsigned char option)
{
	unsigned char refusal = verb == TELNET_WILL ? TELNET_DONT : TELNET_WONT;
	if (verb != TELNET_WILL && verb != TELNET_DO)
		return;
	if (answer->size + 3 > sizeof answer->bytes)
		return;
	answer->bytes[answer->size++] = TELNET_IAC;
	answer->bytes[answer->size++] = refusal;
	answer->bytes[answer->size++] = option;
}

/* Returns the size of a subnegotiation after IAC SB, including IAC SE. */
static size_t ftp_control_line_subnegotiation(const unsigned char *at, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if (at[i] == TELNET_IAC && at[i + 1] == TELNET_SE)
			return i + 2;
	return size;
}

/*
 * Returns the size of a telnet command, which begins with IAC. Returns 0 for a byte 255 of text,
 * from a client without telnet.
 */
static size_t ftp_control_line_telnet_command(
        const unsigned char *at, size_t size, struct ftp_telnet_answer *answer)
{
	if (size < 2)
		return size;
	if (at[1] < TELNET_SE || at[1] == TELNET_IAC)
		return 0;
	if (at[1] == TELNET_SB)
		return 2 + ftp_control_line_subnegotiation(at + 2, size - 2);
	if (at[1] < TELNET_WILL)
		return 2;
	if (size < 3)
		return size;
	ftp_control_line_refuse(answer, at[1], at[2]);
	return 3;
}

ssize_t ftp_telnet_strip(struct weir_span line, char *to, struct ftp_telnet_answer *answer)
{
	const unsigned char *bytes = (const unsigned char *)line.data;
	size_t put = 0;
	answer->size = 0;
	for (size_t i = 0; i < line.size; i++) {
		if (bytes[i] == TELNET_IAC) {
			size_t skip =
			        ftp_control_line_telnet_command(bytes + i, line.size - i, answer);
			if (skip) {
				i += skip - 1;
				continue;
			}
			if (bytes[i + 1] == TELNET_IAC)
				i++;
		}
		if (bytes[i] == 0 && i && bytes[i - 1] == '\r')
			continue;
		if (bytes[i] == 0)
			return WEIR_E_SYNTAX;
		to[put++] = (char)bytes[i];
	}
	if (put && to[put - 1] == '\r' && line.data[line.size - 1] == '\r')
		put--;
	/*
	 * Interrupt and synch may come as urgent bytes without IAC. No verb begins with such a
	 * byte.
	 */
	size_t begin = 0;
	while (begin < put && (unsigned char)to[begin] >= TELNET_SE)
		begin++;
	put -= begin;
	memmove(to, to + begin, put);
	to[put] = 0;
	return (ssize_t)put;
}

struct ftp_command ftp_command_parse(const char *line)
{
	struct ftp_command command = {.verb = ""};
	size_t size = strcspn(line, " ");
	command.argument = line[size] ? line + size + 1 : line + size;
	if (size >= sizeof command.verb)
		return command;
	for (size_t i = 0; i < size; i++) {
		bool small = line[i] >= 'a' && line[i] <= 'z';
		command.verb[i] = (char)(small ? line[i] - 'a' + 'A' : line[i]);
	}
	return command;
}
