/* TYPE, STRU, MODE, REST, ALLO (RFC 959 4.1.2, 4.1.3, RFC 3659 5): how a transfer is to be. */
#include "verbs.h"

static bool ftp_verb_parameter_is(struct weir_span span, const char *text)
{
	return weir_span_equal_nocase(span, weir_span_of(text));
}

void ftp_type(struct ftp_session *session, const char *argument)
{
	struct weir_span type = weir_span_trim(weir_span_of(argument));
	if (ftp_verb_parameter_is(type, "A") || ftp_verb_parameter_is(type, "A N")) {
		session->ascii = true;
		FTP_SAY(session, "200 Text.");
	} else if (ftp_verb_parameter_is(type, "I") || ftp_verb_parameter_is(type, "L 8") ||
	           ftp_verb_parameter_is(type, "L8")) {
		session->ascii = false;
		FTP_SAY(session, "200 Bytes.");
	} else {
		FTP_SAY(session, "504 It is A or I.");
	}
}

void ftp_stru(struct ftp_session *session, const char *argument)
{
	if (ftp_verb_parameter_is(weir_span_trim(weir_span_of(argument)), "F"))
		FTP_SAY(session, "200 Files.");
	else
		FTP_SAY(session, "504 It is F.");
}

void ftp_mode(struct ftp_session *session, const char *argument)
{
	if (ftp_verb_parameter_is(weir_span_trim(weir_span_of(argument)), "S"))
		FTP_SAY(session, "200 A stream.");
	else
		FTP_SAY(session, "504 It is S.");
}

void ftp_rest(struct ftp_session *session, const char *argument)
{
	uint64_t offset;
	if (weir_span_number(weir_span_trim(weir_span_of(argument)), 10, &offset) < 0 ||
	        offset > INT64_MAX) {
		FTP_SAY(session, "501 That is no offset.");
		return;
	}
	session->restart = offset;
	FTP_FORMAT(session, "350 From %llu on.", (unsigned long long)offset);
}

void ftp_allo(struct ftp_session *session, const char *argument)
{
	(void)argument;
	FTP_SAY(session, "202 Not needed.");
}
