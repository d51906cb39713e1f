/* The syntax of ESMTP parameters and of xtext. MAIL and RCPT interpret them. */
#include <weir/error.h>

#include "esmtp_parameter.h"

static bool smtp_esmtp_parameter_is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* esmtp-value: printable except "=", and bytes beyond ASCII (RFC 6531 3.3). */
static bool smtp_esmtp_parameter_is_value(unsigned char c)
{
	return c > ' ' && c != '=' && c != 0x7f;
}

int smtp_parameter_next(struct weir_span *text, struct smtp_parameter *ret)
{
	struct smtp_parameter found = {0};
	struct weir_span left = *text;
	size_t size = 0;
	if (weir_span_trim(left).size == 0)
		return 0;
	if (left.data[0] != ' ')
		return WEIR_E_SYNTAX;
	while (left.data[0] == ' ')
		left = weir_span_skip(left, 1);
	while (size < left.size && (smtp_esmtp_parameter_is_alnum((unsigned char)left.data[size]) ||
	                                   (size && left.data[size] == '-')))
		size++;
	found.keyword = weir_span(left.data, size);
	left = weir_span_skip(left, size);
	if (!size)
		return WEIR_E_SYNTAX;
	if (left.size && left.data[0] == '=') {
		left = weir_span_skip(left, 1);
		for (size = 0; size < left.size &&
		               smtp_esmtp_parameter_is_value((unsigned char)left.data[size]);)
			size++;
		found.has_value = true;
		found.value = weir_span(left.data, size);
		left = weir_span_skip(left, size);
		if (!size)
			return WEIR_E_SYNTAX;
	}
	if (left.size && left.data[0] != ' ')
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 1;
}

/* Returns the value of a digit, which must be upper case (RFC 3461 4); -1 if it is not one. */
static int smtp_esmtp_parameter_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long smtp_xtext_decode(struct weir_span value, bool utf8, char *text)
{
	long size = 0;
	for (size_t at = 0; at < value.size; at++) {
		unsigned char c = (unsigned char)value.data[at];
		if (c == '+') {
			if (value.size - at < 3)
				return WEIR_E_SYNTAX;
			int high = smtp_esmtp_parameter_hex(value.data[at + 1]),
			    low = smtp_esmtp_parameter_hex(value.data[at + 2]);
			if (high < 0 || low < 0)
				return WEIR_E_SYNTAX;
			c = (unsigned char)(high * 16 + low);
			at += 2;
		} else if (c <= ' ' || c == '=' || c == 0x7f || (c >= 0x80 && !utf8)) {
			return WEIR_E_SYNTAX;
		}
		text[size++] = (char)c;
	}
	return size;
}
