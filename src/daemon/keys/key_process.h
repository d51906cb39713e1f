/*
 * The key process: it has the private keys of TLS, and signs handshakes for the server process,
 * whose memory does not have them. The master starts one for each configuration, and gives it
 * descriptors of the keys' files and its ends of the sockets. It has no files, no network, and few
 * system calls, and ends when the server has closed all sockets.
 *
 *   files of the configuration ── the master opens them ──▶ keys, `secret-key-file`
 *   rows of the database ──────── the server reads them ──▶ sealed texts, with each request
 *
 * Of the two that a sealed private key needs, the server has the row and the key process has the
 * `secret-key-file`: so only this process can unseal it. Here it stays in a cache (key_cache.h).
 */
#ifndef DAEMON_KEY_PROCESS_H
#define DAEMON_KEY_PROCESS_H

/*
 * The process, which the master executes. The argument behind the verb has the number of the
 * parent, the sockets and the files: "17:4,5,6,7:8,9"; a file that could not be opened is -1. The
 * last file is the `secret-key-file`; -1: there is none.
 */
int key_process(int count, char **arguments);

#endif
