/*
 * The bytes of a message on the wire, as a terminator: of DATA (RFC 5321 4.5.2) up to CRLF.CRLF, and
 * nothing else, with the dots that were stuffed left out; of a BDAT chunk (RFC 3030) by its length.
 *
 *   piece() piece() request(DOT) piece() request(BARE) piece() request(END)
 *
 * Each cut is told by request(), and `cut` says what it was; what is left out (the dot, a bare CR or
 * LF) was stripped by the cut itself, so that all the rest is handed on in place, after one look.
 *
 * A CR without LF and an LF without CR never end anything, wherever they stand: who takes them for
 * line ends, and passes on what others do not, can be made to smuggle mail (CVE-2023-51764). They
 * are noted in `bare`; or with `normalise` cut out, to be written as CRLF.
 */
#ifndef WEIR_SMTP_DATA_H
#define WEIR_SMTP_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/terminator.h>

enum smtp_cut {
	WEIR_SMTP_CUT_END,  /* the message, or the chunk, has ended */
	WEIR_SMTP_CUT_DOT,  /* a stuffed dot was left out */
	WEIR_SMTP_CUT_BARE, /* write CRLF for what was left out here */
};

/* What became of a CR that ended a chunk: to be written before anything else is. */
enum smtp_owed {
	WEIR_SMTP_OWED_NOTHING,
	WEIR_SMTP_OWED_CR,   /* its LF follows */
	WEIR_SMTP_OWED_CRLF, /* it was a bare one */
};

struct smtp_data {
	enum smtp_cut cut;
	uint64_t left; /* bytes of the chunk that are still to come */
	enum smtp_owed owed;
	bool chunk;      /* BDAT: counted, and no dots */
	bool binary;     /* … of BODY=BINARYMIME: nothing in it is looked at */
	bool normalise;  /* cut bare ones out, instead of only noting them */
	bool line_start; /* DATA: the next byte begins a line */
	bool cr;         /* BDAT: the chunk before ended in a CR, which was left out */
	bool bare;       /* there was a bare CR or LF */
};

/* A message begins. */
void smtp_data_init(struct smtp_data *data, bool chunk, bool binary, bool normalise);

/* The cut was the end; a bare one that is the last byte of its chunk is both. */
static inline bool smtp_data_ended(const struct smtp_data *data)
{
	return data->cut == WEIR_SMTP_CUT_END || (data->chunk && data->left == 0);
}

/* `data` must live as long as the terminator is set. */
struct weir_terminator smtp_data_terminator(struct smtp_data *data);

#endif
