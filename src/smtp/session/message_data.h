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
#ifndef WEIR_SMTP_DATA_H
#define WEIR_SMTP_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/terminator.h>

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
