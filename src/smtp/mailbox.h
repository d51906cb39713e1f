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
	WEIR_SMTP_LOCAL_MAX = 255,  /* bytes, of a lenient parse */
	SMTP_LOCAL_STRICT_MAX = 64, /* … of a strict one (RFC 5321 4.5.3.1.1) */
	WEIR_SMTP_DOMAIN_MAX = 255, /* 4.5.3.1.2 */
	WEIR_SMTP_PATH_MAX = 256,   /* 4.5.3.1.3, with its <> */
	SMTP_ADDRESS_MAX = 318,     /* bytes of local@domain, of a lenient parse */
};

/* Spans of the text that was parsed. */
struct smtp_mailbox {
	struct weir_span address; /* local@domain as it was written; empty for <> */
	struct weir_span local;   /* as it was written, quotes and all */
	struct weir_span domain;  /* a name, or an address in []; empty for <> and <postmaster> */
	bool utf8;                /* something is not ASCII */
};

/*
 * Cuts a path from the front of *text. `<>` gives a mailbox without anything; `<postmaster>`, in any
 * case, one without domain. 0 or WEIR_E_SYNTAX; then *text is as it was. UTF-8 is always taken, and
 * told: who has not announced SMTPUTF8 must not use it.
 */
int smtp_path_parse(struct weir_span *text, struct smtp_mailbox *ret);

/*
 * The same for what real senders send, as Postfix takes it with strict_rfc821_envelopes = no: an
 * address without <>, or behind a name (`Alice <a@b>`), or with a comment behind it; spaces within
 * <>; dots anywhere in the local part, and more than 64 bytes of it; `_` in a domain, and a dot at
 * its end, which is left out. An address without a domain has none: any, not only <postmaster>.
 */
int smtp_path_parse_lenient(struct weir_span *text, struct smtp_mailbox *ret);

/* All of `text` as local@domain. 0 or WEIR_E_SYNTAX. */
int smtp_mailbox_parse(struct weir_span text, struct smtp_mailbox *ret);

/*
 * The local part without its quotes and backslashes, in `text` where it has any: what a mailbox is
 * looked up by.
 */
struct weir_span smtp_local_decode(struct weir_span local, char text[WEIR_SMTP_LOCAL_MAX]);

/* Sequences of UTF-8 (RFC 3629) and nothing else. */
bool smtp_is_utf8(struct weir_span text);

#endif
