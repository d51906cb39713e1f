/*
 * TYPE, STRU, MODE, REST, ALLO, and PORT, EPRT, PASV, EPSV (RFC 959 4.1.2, RFC 2428): the
 * parameters of the next transfer.
 */
#include <errno.h>

#include <weir/error.h>

#include "data_connection.h"
#include "listing.h"
#include "session.h"
#include "verbs.h"

/* -- representation --------------------------------------------------------------------------- */

static bool ftp_verb_parameter_is(struct weir_span span, const char *text)
{
	return weir_span_equal_nocase(span, weir_span_of(text));
}

void ftp_type(struct ftp_session *session, const char *argument)
{
	struct weir_span type = weir_span_trim(weir_span_of(argument));
	if (ftp_verb_parameter_is(type, "A") || ftp_verb_parameter_is(type, "A N")) {
		session->ascii = true;
		FTP_REPLY(session, "200 Type is ASCII.");
	} else if (ftp_verb_parameter_is(type, "I") || ftp_verb_parameter_is(type, "L 8") ||
	           ftp_verb_parameter_is(type, "L8")) {
		session->ascii = false;
		FTP_REPLY(session, "200 Type is image.");
	} else {
		FTP_REPLY(session, "504 TYPE takes A, I or L 8.");
	}
}

void ftp_stru(struct ftp_session *session, const char *argument)
{
	if (ftp_verb_parameter_is(weir_span_trim(weir_span_of(argument)), "F"))
		FTP_REPLY(session, "200 Structure is file.");
	else
		FTP_REPLY(session, "504 STRU takes F.");
}

void ftp_mode(struct ftp_session *session, const char *argument)
{
	if (ftp_verb_parameter_is(weir_span_trim(weir_span_of(argument)), "S"))
		FTP_REPLY(session, "200 Mode is stream.");
	else
		FTP_REPLY(session, "504 MODE takes S.");
}

void ftp_rest(struct ftp_session *session, const char *argument)
{
	uint64_t offset;
	if (weir_span_number(weir_span_trim(weir_span_of(argument)), 10, &offset) < 0 ||
	        offset > INT64_MAX) {
		FTP_REPLY(session, "501 Invalid offset.");
		return;
	}
	session->restart = offset;
	FTP_REPLY_FORMAT(session, "350 Restarting at %llu.", (unsigned long long)offset);
}

void ftp_allo(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "202 ALLO is not needed.");
}

/* -- data connection -------------------------------------------------------------------------- */

/* Replies with an error after EPSV ALL. */
static bool ftp_verb_parameter_refused(struct ftp_session *session)
{
	if (session->extended_only)
		FTP_REPLY(session, "503 Only EPSV is allowed after EPSV ALL.");
	return session->extended_only;
}

static struct weir_address ftp_verb_parameter_peer_of(const struct ftp_session *session)
{
	return ftp_unmapped(weir_channel_peer(session->channel));
}

/* -- active ------------------------------------------------------------------------------------ */

static void ftp_verb_parameter_use(struct ftp_session *session, const struct weir_address *target)
{
	int error = ftp_data_target(session, target);
	if (error == -EACCES)
		FTP_REPLY(session,
		        "501 The address must be the client's own, and the port at least 1024.");
	else if (error < 0)
		ftp_reply_text(session, ftp_error_text(error));
	else
		FTP_REPLY(session, "200 Data address set.");
}

void ftp_port(struct ftp_session *session, const char *argument)
{
	struct weir_address target;
	if (ftp_verb_parameter_refused(session))
		return;
	if (ftp_port_parse(weir_span_of(argument), &target) < 0)
		FTP_REPLY(session, "501 PORT takes h1,h2,h3,h4,p1,p2.");
	else
		ftp_verb_parameter_use(session, &target);
}

void ftp_eprt(struct ftp_session *session, const char *argument)
{
	struct weir_address target, peer = ftp_verb_parameter_peer_of(session);
	if (ftp_verb_parameter_refused(session))
		return;
	int error = ftp_eprt_parse(weir_span_of(argument), &target);
	if (error == 0 && target.any.sa_family != peer.any.sa_family)
		error = -EAFNOSUPPORT;
	if (error == -EAFNOSUPPORT)
		FTP_REPLY_FORMAT(session, "522 Network protocol not supported, use (%d).",
		        peer.any.sa_family == AF_INET ? 1 : 2);
	else if (error < 0)
		FTP_REPLY(session, "501 EPRT takes |protocol|address|port|.");
	else
		ftp_verb_parameter_use(session, &target);
}

/* -- passive ----------------------------------------------------------------------------------- */

/* Begins to listen. Returns false after a reply with the error. */
static bool ftp_verb_parameter_listen_for_peer(
        struct ftp_session *session, struct weir_address *ret)
{
	int error = ftp_data_listen(session, ret);
	if (error == -EADDRINUSE)
		FTP_REPLY(session, "425 No passive port is free; try again later.");
	else if (error < 0)
		FTP_REPLY(session, "425 Cannot open data connection.");
	return error == 0;
}

void ftp_pasv(struct ftp_session *session, const char *argument)
{
	const struct weir_address *announced = &session->server->rules.announced;
	struct weir_address address, peer = ftp_verb_parameter_peer_of(session);
	char text[WEIR_FTP_PORT_TEXT_MAX];
	(void)argument;
	if (ftp_verb_parameter_refused(session))
		return;
	if (peer.any.sa_family != AF_INET) {
		FTP_REPLY(session, "425 PASV is for IPv4 only; use EPSV.");
		return;
	}
	if (!ftp_verb_parameter_listen_for_peer(session, &address))
		return;
	if (announced->any.sa_family == AF_INET)
		address.v4.sin_addr = announced->v4.sin_addr;
	ftp_port_format(&address, text);
	FTP_REPLY_FORMAT(session, "227 Entering Passive Mode (%s).", text);
}

void ftp_epsv(struct ftp_session *session, const char *argument)
{
	struct weir_address address, peer = ftp_verb_parameter_peer_of(session);
	struct weir_span asked = weir_span_trim(weir_span_of(argument));
	uint64_t own = peer.any.sa_family == AF_INET ? 1 : 2, number = own;
	if (weir_span_equal_nocase(asked, WEIR_SPAN("ALL"))) {
		session->extended_only = true;
		FTP_REPLY(session, "200 Only EPSV is allowed from now on.");
		return;
	}
	if (asked.size && weir_span_number(asked, 10, &number) < 0)
		FTP_REPLY(session, "501 EPSV takes 1, 2 or ALL.");
	else if (number != own)
		FTP_REPLY_FORMAT(
		        session, "522 Network protocol not supported, use (%d).", (int)own);
	else if (ftp_verb_parameter_listen_for_peer(session, &address))
		FTP_REPLY_FORMAT(session, "229 Entering Extended Passive Mode (|||%u|).",
		        weir_address_port(&address));
}

/* -- features ---------------------------------------------------------------------------------- */

/*
 * FEAT, OPTS (RFC 2389), LANG (RFC 2640), HOST (RFC 7151), CLNT, HELP, SYST, NOOP: features of
 * the server.
 */

void ftp_feat(struct ftp_session *session, const char *argument)
{
	char facts[FTP_FACTS_TEXT_MAX];
	(void)argument;
	ftp_facts_format(session->facts, true, facts);
	FTP_REPLY_FORMAT(session,
	        "211-Features:\r\n%s CLNT\r\n EPRT\r\n EPSV\r\n HOST\r\n LANG EN*\r\n MDTM\r\n "
	        "MFMT\r\n MLST %s\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End.",
	        weir_server_tls(session->server->listener) ? " AUTH TLS\r\n PBSZ\r\n PROT\r\n" : "",
	        facts);
}

static void ftp_verb_feature_set_facts(struct ftp_session *session, struct weir_span names)
{
	char facts[FTP_FACTS_TEXT_MAX];
	session->facts = (uint8_t)ftp_facts_parse(weir_span_trim(names));
	ftp_facts_format(session->facts, false, facts);
	FTP_REPLY_FORMAT(session, "200 MLST OPTS%s%s", facts[0] ? " " : "", facts);
}

void ftp_opts(struct ftp_session *session, const char *argument)
{
	struct weir_span rest = weir_span_of(argument), name;
	weir_span_cut(&rest, ' ', &name);
	if (weir_span_equal_nocase(name, WEIR_SPAN("MLST"))) {
		ftp_verb_feature_set_facts(session, rest);
		return;
	}
	if (!weir_span_equal_nocase(name, WEIR_SPAN("UTF8"))) {
		FTP_REPLY(session, "501 OPTS takes UTF8 or MLST.");
		return;
	}
	rest = weir_span_trim(rest);
	if (!rest.size || weir_span_equal_nocase(rest, WEIR_SPAN("ON")))
		FTP_REPLY(session, "200 Pathnames are UTF-8.");
	else
		FTP_REPLY(session, "504 UTF-8 cannot be turned off.");
}

void ftp_lang(struct ftp_session *session, const char *argument)
{
	struct weir_span tag = weir_span_trim(weir_span_of(argument));
	bool english =
	        weir_span_equal_nocase(tag, WEIR_SPAN("EN")) ||
	        (tag.size > 3 && weir_span_equal_nocase(weir_span(tag.data, 3), WEIR_SPAN("EN-")));
	if (!tag.size || english)
		FTP_REPLY(session, "200 Language is English.");
	else
		FTP_REPLY(session, "504 Only English is supported.");
}

void ftp_clnt(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "200 Client noted.");
}

static bool ftp_verb_feature_serves(const struct weir_ftp_rules *rules, struct weir_span name)
{
	if (!rules->hosts)
		return true;
	for (const char *const *host = rules->hosts; *host; host++)
		if (weir_span_equal_nocase(name, weir_span_of(*host)))
			return true;
	return false;
}

void ftp_host(struct ftp_session *session, const char *argument)
{
	struct weir_span name = weir_span_trim(weir_span_of(argument));
	if (session->user || session->name)
		FTP_REPLY(session, "503 Send HOST before USER.");
	else if (!ftp_verb_feature_serves(&session->server->rules, name))
		FTP_REPLY(session, "504 Unknown host.");
	else
		FTP_REPLY(session, "220 Host accepted.");
}

void ftp_help(struct ftp_session *session, const char *argument)
{
	ftp_verb_help(session, argument);
}

void ftp_syst(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "215 UNIX Type: L8");
}

void ftp_noop(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "200 OK.");
}

void ftp_smnt(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_REPLY(session, "502 SMNT is not supported.");
}
