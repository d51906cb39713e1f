/* The service of FTP: a directory, for the users of a file and for anonymous ones. */
#ifndef DAEMON_SERVICE_FTP_H
#define DAEMON_SERVICE_FTP_H

#include "service.h"

extern const struct service_type service_ftp;

#endif
