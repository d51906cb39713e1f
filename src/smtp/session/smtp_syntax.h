/*
 * Paths and mailboxes (RFC 5321 4.1.2, with the UTF-8 of RFC 6531 3.3).
 *
 *   <@relay.example:"a b"@example.org>    a source route is accepted and left out
 *                   └─local┘ └─domain─┘
 */
#ifndef WEIR_SMTP_SYNTAX_H
#define WEIR_SMTP_SYNTAX_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>
#include <weir/terminator.h>

/* -- paths and mailboxes ----------------------------------------------------------------------- */

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

/* -- parts of mailbox.c for mailbox_lenient.c -------------------------------------------------- */

/* Returns the size of the dot-string at the front; 0: there is none. Lenient: dots are atext. */
size_t smtp_dot_string(struct weir_span text, bool lenient);

/* Returns the size of the quoted-string at the front, with its quotes; 0: there is none. */
size_t smtp_quoted_string(struct weir_span text);

/* Skips `@a,@b:` at the front. Returns false if it is malformed. */
bool smtp_route_skip(struct weir_span *text, bool lenient);

/* Parses the mailbox at the front and moves *text behind it. Returns 0 or WEIR_E_SYNTAX. */
int smtp_mailbox_read(struct weir_span *text, bool lenient, struct smtp_mailbox *ret);

/* -- parameters -------------------------------------------------------------------------------- */

/*
 * The parameters behind the path in MAIL and RCPT (RFC 5321 4.1.2): ` SIZE=1000 BODY=8BITMIME
 * SMTPUTF8`; and xtext (RFC 3461 4), the encoding of some of their values.
 */

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

/* -- the header of a message ------------------------------------------------------------------- */

/*
 * The header of a message (RFC 5322 2.2) as it streams by: finds a few fields, drops some of them,
 * and finds the end, at the first empty line. Only the beginning of a field name is stored.
 */

struct smtp_header {
	bool drop_bcc;         /* drop fields of this name; set before the first byte */
	bool drop_return_path; /* drop fields of this name; set before the first byte */
	char name[12];         /* of the line's field, in lower case */
	char raw[12];          /* the same bytes as written */
	uint8_t size;          /* of the name so far */
	bool inside;           /* behind the name */
	bool drop;             /* the field, with its folded lines, is being dropped */
	bool cr; /* the last byte was a CR at the start of a line; it is not used yet */
	bool ended;
	bool broken_off; /* an incomplete line has been passed on */
	bool date;
	bool message_id;
	uint16_t received;
};

/*
 * Scans `bytes` and returns how many of them belong to the header. If that is not all, either the
 * rest begins with the empty line (`ended`), or it is one CR (`cr`), which may begin that line:
 * pass it again with the bytes that follow.
 *
 * `pass` gets the bytes to pass on. An incomplete name is passed on with the bytes that follow, or
 * by smtp_header_flush.
 */
size_t smtp_header_scan(struct smtp_header *header, struct weir_span bytes,
        void (*pass)(void *context, struct weir_span bytes), void *context);

/* The message has ended in its header: passes on an incomplete name. */
void smtp_header_flush(struct smtp_header *header,
        void (*pass)(void *context, struct weir_span bytes), void *context);

/* -- the bytes of a message -------------------------------------------------------------------- */

/*
 * The bytes of a message on the wire, as a terminator. DATA (RFC 5321 4.5.2) ends at CRLF.CRLF and
 * nowhere else, and its stuffed dots are removed. A BDAT chunk (RFC 3030) ends by its length.
 *
 *   piece() piece() request(DOT) piece() request(BARE) piece() request(END)
 *
 * request() is called for each cut, and `cut` has its kind. The cut has stripped the bytes to be
 * removed (the dot, a bare CR or LF), so that all others are passed on in place, after one scan.
 *
 * A CR without LF and an LF without CR never end a line or a message. A server that takes them for
 * line ends can be made to smuggle mail (CVE-2023-51764). They set `bare`, or with `normalise` they
 * are cut out, and the caller writes CRLF.
 */

enum smtp_cut {
	WEIR_SMTP_CUT_END,  /* the message, or the chunk, has ended */
	WEIR_SMTP_CUT_DOT,  /* a stuffed dot was removed */
	WEIR_SMTP_CUT_BARE, /* a bare CR or LF was removed: write CRLF */
};

/* The rest of a line end whose CR was the last byte of a chunk; to be written first. */
enum smtp_line_end {
	SMTP_LINE_END_NONE,
	SMTP_LINE_END_CR,   /* a CR; its LF follows */
	SMTP_LINE_END_CRLF, /* a CRLF; the CR was bare */
};

struct smtp_data {
	enum smtp_cut cut;
	uint64_t left; /* bytes of the chunk that have not come yet */
	enum smtp_line_end line_end;
	bool chunk;      /* BDAT: by length, without dots */
	bool binary;     /* BINARYMIME: nothing is scanned */
	bool normalise;  /* cut bare CRs and LFs out, instead of only setting `bare` */
	bool line_start; /* DATA: the next byte is at the start of a line */
	bool cr;         /* BDAT: the last chunk ended in a CR, which was removed */
	bool bare;       /* there was a bare CR or LF */
};

/* Begins a message. */
void smtp_data_init(struct smtp_data *data, bool chunk, bool binary, bool normalise);

/* Whether the cut was the end. A bare CR or LF that is the last byte of its chunk is both. */
static inline bool smtp_data_ended(const struct smtp_data *data)
{
	return data->cut == WEIR_SMTP_CUT_END || (data->chunk && data->left == 0);
}

/* Returns the terminator. `data` must live as long as it is set. */
struct weir_terminator smtp_data_terminator(struct smtp_data *data);

#endif
