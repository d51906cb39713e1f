/*
 * Patterns of names, for `LIST *.txt`. Of all the `*` only the last one met is ever gone back to,
 * so that no pattern takes more than pattern times name steps: the time of the C library's fnmatch
 * grows exponentially with the number of stars.
 */
#include <stddef.h>
#include <string.h>

#include "pathname.h"

/*
 * Whether `c` is in the set that begins at `set`, behind the bracket. *ret_end is behind the
 * closing one; NULL: there is none, and the bracket is a character like others.
 */
static bool ftp_wildcard_set(const char *set, unsigned char c, const char **ret_end)
{
	bool negated = *set == '!' || *set == '^';
	bool found = false;
	const char *at = set + negated;
	*ret_end = NULL;
	for (bool first = true; *at && (first || *at != ']'); first = false) {
		unsigned char low = (unsigned char)*at++, high = low;
		if (at[0] == '-' && at[1] && at[1] != ']') {
			high = (unsigned char)at[1];
			at += 2;
		}
		found |= low <= c && c <= high;
	}
	if (*at == ']')
		*ret_end = at + 1;
	return found != negated;
}

/* Whether one character of the pattern, not a star, fits `c`; *ret_next is behind it. */
static bool ftp_wildcard_fits(const char *pattern, char c, const char **ret_next)
{
	const char *end;
	*ret_next = pattern + 1;
	if (*pattern == '?')
		return true;
	if (*pattern == '[') {
		bool in = ftp_wildcard_set(pattern + 1, (unsigned char)c, &end);
		if (end) {
			*ret_next = end;
			return in;
		}
	}
	return *pattern == c;
}

bool ftp_wildcard(const char *pattern, const char *name)
{
	const char *star = NULL, *resume = NULL, *next;
	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = name;
		} else if (*pattern && ftp_wildcard_fits(pattern, *name, &next)) {
			pattern = next;
			name++;
		} else if (star) {
			pattern = star;
			name = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool ftp_is_wildcard(const char *text)
{
	return strpbrk(text, "*?[");
}
