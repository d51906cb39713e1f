/* PORT, EPRT, PASV, EPSV (RFC 959 4.1.2, RFC 2428): where the data connection comes from. */
#include <errno.h>

#include <weir/error.h>

#include "data_connection.h"
#include "port.h"
#include "verbs.h"

/* Says it, if only EPSV may be used. */
static bool ftp_verb_port_refused(struct ftp_session *session)
{
	if (session->extended_only)
		FTP_SAY(session, "503 After EPSV ALL it is EPSV alone.");
	return session->extended_only;
}

static struct weir_address ftp_verb_port_peer_of(const struct ftp_session *session)
{
	return ftp_unmapped(weir_channel_peer(session->channel));
}

/* -- active ------------------------------------------------------------------------------------ */

static void ftp_verb_port_use(struct ftp_session *session, const struct weir_address *target)
{
	int error = ftp_data_target(session, target);
	if (error == -EACCES)
		FTP_SAY(session, "501 Only your own address, and ports from 1024 on.");
	else if (error < 0)
		ftp_say(session, ftp_error_text(error));
	else
		FTP_SAY(session, "200 Understood.");
}

void ftp_port(struct ftp_session *session, const char *argument)
{
	struct weir_address target;
	if (ftp_verb_port_refused(session))
		return;
	if (ftp_port_parse(weir_span_of(argument), &target) < 0)
		FTP_SAY(session, "501 It is six numbers: h1,h2,h3,h4,p1,p2.");
	else
		ftp_verb_port_use(session, &target);
}

void ftp_eprt(struct ftp_session *session, const char *argument)
{
	struct weir_address target, peer = ftp_verb_port_peer_of(session);
	if (ftp_verb_port_refused(session))
		return;
	int error = ftp_eprt_parse(weir_span_of(argument), &target);
	if (error == 0 && target.any.sa_family != peer.any.sa_family)
		error = -EAFNOSUPPORT;
	if (error == -EAFNOSUPPORT)
		FTP_FORMAT(session, "522 The protocol has to be (%d).",
		        peer.any.sa_family == AF_INET ? 1 : 2);
	else if (error < 0)
		FTP_SAY(session, "501 It is |protocol|address|port|.");
	else
		ftp_verb_port_use(session, &target);
}

/* -- passive ----------------------------------------------------------------------------------- */

/* False, and it was said: there is none. */
static bool ftp_verb_port_listen_for_peer(struct ftp_session *session, struct weir_address *ret)
{
	int error = ftp_data_listen(session, ret);
	if (error == -EADDRINUSE)
		FTP_SAY(session, "425 No port is free, try again.");
	else if (error < 0)
		FTP_SAY(session, "425 There is no data connection to be had.");
	return error == 0;
}

void ftp_pasv(struct ftp_session *session, const char *argument)
{
	const struct weir_address *announced = &session->server->rules.announced;
	struct weir_address address, peer = ftp_verb_port_peer_of(session);
	char text[WEIR_FTP_PORT_TEXT_MAX];
	(void)argument;
	if (ftp_verb_port_refused(session))
		return;
	if (peer.any.sa_family != AF_INET) {
		FTP_SAY(session, "425 With IPv6 it is EPSV.");
		return;
	}
	if (!ftp_verb_port_listen_for_peer(session, &address))
		return;
	if (announced->any.sa_family == AF_INET)
		address.v4.sin_addr = announced->v4.sin_addr;
	ftp_port_format(&address, text);
	FTP_FORMAT(session, "227 Entering Passive Mode (%s).", text);
}

void ftp_epsv(struct ftp_session *session, const char *argument)
{
	struct weir_address address, peer = ftp_verb_port_peer_of(session);
	struct weir_span asked = weir_span_trim(weir_span_of(argument));
	uint64_t own = peer.any.sa_family == AF_INET ? 1 : 2, number = own;
	if (weir_span_equal_nocase(asked, WEIR_SPAN("ALL"))) {
		session->extended_only = true;
		FTP_SAY(session, "200 It is EPSV alone from now on.");
		return;
	}
	if (asked.size && weir_span_number(asked, 10, &number) < 0)
		FTP_SAY(session, "501 It is 1, 2 or ALL.");
	else if (number != own)
		FTP_FORMAT(session, "522 The protocol has to be (%d).", (int)own);
	else if (ftp_verb_port_listen_for_peer(session, &address))
		FTP_FORMAT(session, "229 Entering Extended Passive Mode (|||%u|).",
		        weir_address_port(&address));
}
