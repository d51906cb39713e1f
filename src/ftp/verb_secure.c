/* AUTH, PBSZ, PROT, CCC (RFC 2228, RFC 4217): TLS for the control connection and for data. */
#include <weir/tls.h>

#include "verbs.h"

void ftp_auth(struct ftp_session *session, const char *argument)
{
	static const char *const names[] = {"TLS", "TLS-C", "SSL", "TLS-P"};
	struct weir_span asked = weir_span_trim(weir_span_of(argument));
	struct weir_tls *tls = session->server->rules.tls;
	bool known = false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		known |= weir_span_equal_nocase(asked, weir_span_of(names[i]));
	if (!known) {
		FTP_SAY(session, "504 TLS is all there is.");
	} else if (weir_channel_secure(session->channel)) {
		FTP_SAY(session, "503 TLS is there already.");
	} else if (!tls) {
		FTP_SAY(session, "431 There is no certificate.");
	} else {
		FTP_SAY(session, "234 Begin.");
		int error = weir_channel_start_tls(session->channel, tls, NULL);
		if (error < 0)
			weir_channel_abort(session->channel, error);
	}
}

void ftp_pbsz(struct ftp_session *session, const char *argument)
{
	uint64_t size;
	if (!weir_channel_secure(session->channel)) {
		FTP_SAY(session, "503 AUTH TLS comes first.");
	} else if (weir_span_number(weir_span_trim(weir_span_of(argument)), 10, &size) < 0) {
		FTP_SAY(session, "501 That is no size.");
	} else {
		session->buffer_said = true;
		FTP_SAY(session, "200 PBSZ=0");
	}
}

/* Implicit TLS comes without PBSZ in many clients. */
void ftp_prot(struct ftp_session *session, const char *argument)
{
	struct weir_span level = weir_span_trim(weir_span_of(argument));
	bool clear = weir_span_equal_nocase(level, WEIR_SPAN("C"));
	bool private = weir_span_equal_nocase(level, WEIR_SPAN("P"));
	bool other = weir_span_equal_nocase(level, WEIR_SPAN("S")) ||
	             weir_span_equal_nocase(level, WEIR_SPAN("E"));
	if (!weir_channel_secure(session->channel) ||
	        (!session->buffer_said && !session->server->implicit)) {
		FTP_SAY(session, "503 AUTH TLS and PBSZ come first.");
	} else if (other) {
		FTP_SAY(session, "536 Not with TLS.");
	} else if (!clear && !private) {
		FTP_SAY(session, "504 It is C or P.");
	} else if (clear && session->server->rules.tls_required) {
		FTP_SAY(session, "534 Data has to be protected.");
	} else {
		session->protect = private;
		ftp_say(session, private ? "200 Data is protected." : "200 Data is clear.");
	}
}

void ftp_ccc(struct ftp_session *session, const char *argument)
{
	(void)argument;
	if (weir_channel_secure(session->channel))
		FTP_SAY(session, "534 What is secret stays so.");
	else
		FTP_SAY(session, "533 There is no TLS.");
}
