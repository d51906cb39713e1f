/* FTP: serves the tree of a directory to the users of a file and to anybody. */
#ifndef DAEMON_SERVICE_FTP_H
#define DAEMON_SERVICE_FTP_H

#include "service.h"

extern const struct service_type service_ftp;

#endif
