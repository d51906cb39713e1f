/*
 * Paths and mailboxes (RFC 5321 4.1.2, with the UTF-8 of RFC 6531 3.3).
 *
 *   <@relay.example:"a b"@example.org>    a source route is accepted and left out
 *                   └─local┘ └─domain─┘
 */
#ifndef WEIR_SMTP_MAILBOX_H
#define WEIR_SMTP_MAILBOX_H

#include <stdbool.h>

#include <weir/span.h>

enum {
	WEIR_SMTP_LOCAL_MAX = 255,  /* bytes in the lenient grammar */
	SMTP_LOCAL_STRICT_MAX = 64, /* bytes in the strict one (RFC 5321 4.5.3.1.1) */
	WEIR_SMTP_DOMAIN_MAX = 255, /* 4.5.3.1.2 */
	WEIR_SMTP_PATH_MAX = 256,   /* 4.5.3.1.3, with its <> */
	SMTP_ADDRESS_MAX = 318,     /* bytes of local@domain in the lenient grammar */
	SMTP_REWRITTEN_MAX = 1024,  /* bytes of a path that has to be rewritten */
};

/* Spans of the text that was parsed. */
struct smtp_mailbox {
	struct weir_span address; /* local@domain as written; empty for <> */
	struct weir_span local;   /* as written, with quotes */
	struct weir_span domain;  /* a name, or an address in []; empty for <> and <postmaster> */
	bool utf8;                /* has bytes beyond ASCII */
};

/*
 * Cuts a path from the front of *text. `<>` gives an empty mailbox; `<postmaster>`, in upper or
 * lower case, one without a domain. Returns 0, or WEIR_E_SYNTAX; then *text is unchanged. UTF-8 is
 * always accepted and flagged: the caller refuses it if SMTPUTF8 was not given.
 */
int smtp_path_parse(struct weir_span *text, struct smtp_mailbox *ret);

/*
 * Cuts a path as real senders write it, and as Postfix accepts it with strict_rfc821_envelopes =
 * no:
 *   an address without <>, or behind a name (`Alice <a@b>`)
 *   comments anywhere, and blanks within <>
 *   a local part with dots anywhere, of more than 64 bytes
 *   a local part with quotes and backslashes as in RFC 822 (`a\@b@c`, `"a".b@c`)
 *   a domain with `_`, or with a dot at its end, which is left out
 *   any address without a domain, not only <postmaster>
 *
 * The spans may be of `rewritten`, where comments are left out and the local part is in the strict
 * grammar.
 */
int smtp_path_parse_lenient(
        struct weir_span *text, char rewritten[SMTP_REWRITTEN_MAX], struct smtp_mailbox *ret);

/* Parses all of `text` as local@domain. Returns 0 or WEIR_E_SYNTAX. */
int smtp_mailbox_parse(struct weir_span text, struct smtp_mailbox *ret);

/*
 * Returns the local part without quotes and backslashes, for looking up a mailbox; in `text` if it
 * has any.
 */
struct weir_span smtp_local_decode(struct weir_span local, char text[WEIR_SMTP_LOCAL_MAX]);

/* Whether the text is valid UTF-8 (RFC 3629). */
bool smtp_is_utf8(struct weir_span text);

#endif
