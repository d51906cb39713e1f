/*
 * The files of TLS that a configuration names, in the process that leaves them to another one (see
 * sources.h). One that is missing is reported there as the function that loads it would.
 */
#ifndef DAEMON_TLS_FILES_H
#define DAEMON_TLS_FILES_H

#include <stdbool.h>

#include <weir/tls.h>

struct config;
struct node;
struct reader;

/*
 * sources_leave for the certificates, and for the authorities of clients. Calls `report` for each
 * file that is missing, and stores its error, or 0.
 */
bool tls_files_leave(
        const struct config *config, weir_tls_report_fn *report, void *context, int *ret_error);

/*
 * Loads the files of a client of TLS, or leaves them. The section `node` names them by the keys
 * `ca`, `certificate` and `certificate-key`; mistakes are made problems there. After a mistake *ret
 * is NULL.
 */
void tls_files_load_client(struct reader *reader, const struct node *node,
        const struct weir_tls_client_options *options, struct weir_tls **ret);

#endif
