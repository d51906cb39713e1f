/*
 * The parameters behind the path in MAIL and RCPT (RFC 5321 4.1.2): ` SIZE=1000 BODY=8BITMIME
 * SMTPUTF8`; and xtext (RFC 3461 4), the encoding of some of their values.
 */
#ifndef WEIR_SMTP_ESMTP_PARAMETER_H
#define WEIR_SMTP_ESMTP_PARAMETER_H

#include <stdbool.h>

#include <weir/span.h>

struct smtp_parameter {
	struct weir_span keyword;
	struct weir_span value; /* not empty if `has_value` */
	bool has_value;
};

/*
 * Cuts the next parameter, with the space before it, from *text. Returns 1 with *ret, 0 if there
 * are no more, or WEIR_E_SYNTAX. Spaces at the end of the line are no error.
 */
int smtp_parameter_next(struct weir_span *text, struct smtp_parameter *ret);

/*
 * Decodes xtext into `text`, which has room for `value.size` bytes. Returns the length, or
 * WEIR_E_SYNTAX. With `utf8`, bytes beyond ASCII may be unencoded (RFC 6533).
 */
long smtp_xtext_decode(struct weir_span value, bool utf8, char *text);

#endif
