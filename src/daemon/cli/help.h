/* What --help prints. */
#ifndef DAEMON_HELP_H
#define DAEMON_HELP_H

extern const char help_program[];
extern const char help_serve[];
extern const char help_check[];
extern const char help_passwd[];
extern const char help_queue[];

#endif
