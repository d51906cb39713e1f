/*
 * FEAT, OPTS (RFC 2389), LANG (RFC 2640), HOST (RFC 7151), CLNT, HELP, SYST, NOOP: features of
 * the server.
 */
#include "entry.h"
#include "reply.h"
#include "verbs.h"

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
