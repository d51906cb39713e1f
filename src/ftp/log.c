/* What the server's owner is told; see also transfer.c. */
#include "session.h"

static void ftp_log_tell(struct ftp_session *session, struct weir_ftp_event *event)
{
	struct weir_ftp_server *server = session->server;
	if (!server->log)
		return;
	event->peer = weir_channel_peer(session->channel);
	if (!event->user)
		event->user = session->user ? session->user->text : "";
	event->secure = weir_channel_secure(session->channel);
	server->log(server->context, event);
}

void ftp_log_login(struct ftp_session *session, const char *name, int error, unsigned code)
{
	struct weir_ftp_event event = {
	        .kind = WEIR_FTP_LOGIN, .user = name, .error = error, .code = code};
	ftp_log_tell(session, &event);
}

void ftp_log_logout(struct ftp_session *session, int error)
{
	struct weir_ftp_event event = {.kind = WEIR_FTP_LOGOUT, .error = error};
	ftp_log_tell(session, &event);
}

void ftp_log_change(
        struct ftp_session *session, const char *verb, const char *path, int error, unsigned code)
{
	struct weir_ftp_event event = {
	        .kind = WEIR_FTP_CHANGED, .verb = verb, .path = path, .error = error, .code = code};
	ftp_log_tell(session, &event);
}
