/*
 * The process that obtains certificates: it has the accounts and the keys, talks to authorities,
 * and writes to the directory of certificates. Servers have no right to that directory, except to
 * read proofs. The master starts one, while the configuration has names for it.
 *
 *   process ── ASK_CERTIFICATES ──▶ master     use what was installed
 *   process ◀── ANSWER(result) ──── master
 *   process ◀── REOPEN, LOG_LEVEL ── master
 *
 * SIGTERM ends it.
 */
#ifndef DAEMON_ACME_PROCESS_H
#define DAEMON_ACME_PROCESS_H

/* The process, which the master executes; `arguments` begin with its verb, as serve_process's. */
int acme_process(int count, char **arguments);

#endif
