/* Times as RFC 3659 2.3 writes them: YYYYMMDDHHMMSS, and maybe a fraction, in UTC. */
#ifndef WEIR_FTP_TIMEVAL_H
#define WEIR_FTP_TIMEVAL_H

#include <time.h>

#include <weir/span.h>

#define WEIR_FTP_TIME_TEXT_MAX 24

/* 0 or WEIR_E_SYNTAX. A fraction beyond nanoseconds is cut off. */
int ftp_time_parse(struct weir_span text, struct timespec *ret);

/* Without a fraction. Years beyond four digits are those at the ends. */
void ftp_time_format(time_t time, char text[WEIR_FTP_TIME_TEXT_MAX]);

#endif
