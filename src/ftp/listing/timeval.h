/* Times of RFC 3659 2.3: YYYYMMDDHHMMSS with an optional fraction, in UTC. */
#ifndef WEIR_FTP_TIMEVAL_H
#define WEIR_FTP_TIMEVAL_H

#include <time.h>

#include <weir/span.h>

#define WEIR_FTP_TIME_TEXT_MAX 24

/* Returns 0 or WEIR_E_SYNTAX. Digits beyond nanoseconds are cut off. */
int ftp_time_parse(struct weir_span text, struct timespec *ret);

/*
 * Writes a time without a fraction. A year of other than four digits becomes the nearest one that
 * has four.
 */
void ftp_time_format(time_t time, char text[WEIR_FTP_TIME_TEXT_MAX]);

#endif
