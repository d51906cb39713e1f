/*
 * FTP (RFC 959, 1123, 2228, 2389, 2428, 2640, 3659, 4217, 7151) on the file tree that HTTP serves.
 *
 *   control  USER PASS CWD … ──▶ a table of verbs ──▶ replies, in order
 *   data     PASV, EPSV: a listener that lives for one connection  ┐
 *            PORT, EPRT: a connection of ours                      ┴─▶ one transfer ─▶ 226
 *
 * Commands are carried out one after the other; while a transfer runs, ABOR and STAT are answered at
 * once, and the next other command waits for its end. Data connections are with the control
 * connection's peer only: PORT to anybody else, or to a port below 1024, is refused (RFC 2577), and
 * whoever else connects to a passive port is turned away while the peer is still awaited. 226 says
 * that the data channel has been closed and, of an upload, that the file is on the disk.
 *
 * Commands end in LF, with or without a CR before it, as in other servers. Telnet's IAC sequences
 * are taken out, options refused. In a pathname CR is CR NUL (RFC 2640 3.1); any other NUL is
 * refused. A name with an LF cannot be said in a command: LIST shows it with `?`, NLST and MLSD
 * leave it out.
 *
 * Names are bytes; UTF-8 is what they should be. Nobody sees names that begin with `.weir-`.
 */
#ifndef WEIR_FTP_H
#define WEIR_FTP_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/server.h>
#include <weir/span.h>

struct weir_ftp_server;
struct weir_guard;
struct weir_tls;
struct weir_tree;
struct weir_users;

/* -- rights ------------------------------------------------------------------------------------ */

/*
 * What a user may do. In the users file (weir/users.h) they stand behind the password's hash:
 *
 *   alice:$y$j9T$…:home=/alice rights=rwdl rate=1000000
 *
 * `home` is a directory of the tree, which is `/` to the user, and out of which no link leads; without it
 * the tree's root. `rights`
 * are these letters; without it all of them. Where none of `o`, `m` and `n` is there, `w` gives `m`, and `w` with `d`
 * gives `o` and `n`: whoever only writes cannot change what is there. An upload of a user without `o` leaves nothing
 * behind when it breaks off, so that the name stays free. `rate` is bytes a second of each transfer.
 */
enum weir_ftp_rights {
	WEIR_FTP_READ = 1,   /* r: RETR, SIZE, MDTM */
	WEIR_FTP_WRITE = 2,  /* w: STOR, STOU, APPE, of names that are free */
	WEIR_FTP_DELETE = 4, /* d: DELE, RMD */
	WEIR_FTP_LIST = 8,   /* l: LIST, NLST, MLSD, MLST, STAT of a path */
	/* o: STOR, APPE and RNTO to names that are taken, REST before STOR, MFMT, SITE CHMOD */
	WEIR_FTP_OVERWRITE = 16,
	WEIR_FTP_MKDIR = 32,  /* m: MKD */
	WEIR_FTP_RENAME = 64, /* n: RNFR, RNTO */
};

/* -- the log ----------------------------------------------------------------------------------- */

enum weir_ftp_event_kind {
	WEIR_FTP_LOGIN,    /* error: 0, or -EACCES for a wrong name or password */
	WEIR_FTP_LOGOUT,   /* the connection has ended; error as in weir_protocol's close() */
	WEIR_FTP_SENT,     /* RETR */
	WEIR_FTP_RECEIVED, /* STOR, STOU, APPE */
	WEIR_FTP_LISTED,   /* LIST, NLST, MLSD */
	WEIR_FTP_CHANGED,  /* DELE, MKD, RMD, RNTO, MFMT, SITE CHMOD */
};

/* Spans and pointers are valid during the call. */
struct weir_ftp_event {
	enum weir_ftp_event_kind kind;
	const struct weir_address *peer;
	const char *user; /* "" before a login; who it was that could not log in */
	const char *verb; /* "RETR"; NULL for LOGIN and LOGOUT */
	const char *path; /* as the user sees it; NULL for LOGIN and LOGOUT. Of RNTO the new one */
	uint64_t bytes;   /* of a transfer: on the data connection */
	uint64_t time_ms; /* of a transfer */
	int error;        /* 0, or what it ended with */
	unsigned code;    /* of the reply */
	bool secure;      /* the control connection; of a transfer, the data connection */
	bool resumed;     /* … whose TLS session was looked at, and is the control connection's */
};

/* -- servers ----------------------------------------------------------------------------------- */

/* What an upload leaves behind that breaks off. */
enum weir_ftp_uploads {
	/*
	 * The part that came, under its name, so that REST can go on with it. Until it ends, a
	 * STOR without REST shows nothing of itself.
	 */
	WEIR_FTP_KEEP_PART,
	/* Nothing: what there was before is there again. */
	WEIR_FTP_WHOLE,
};

/* Whether the TLS session of a data connection has to be that of the control connection. */
enum weir_ftp_reuse {
	WEIR_FTP_REUSE_PREFER,  /* either will do; the log is told which it was */
	WEIR_FTP_REUSE_REQUIRE, /* else 522: nobody at the peer's address can steal it, either */
	WEIR_FTP_REUSE_OFF,     /* not looked at */
};

/* What may be changed while the server runs. All zero is allowed. Texts are copied. */
struct weir_ftp_rules {
	struct weir_users *users;   /* the server holds them itself. NULL: nobody but anonymous */
	bool no_anonymous;          /* "anonymous" and "ftp" are names like any other */
	bool anonymous_writes;      /* they may write and make directories, too, where `writable` */
	bool anonymous_overwrites;  /* … and write over what is there */
	const char *anonymous_home; /* NULL: the tree's root */
	bool writable;              /* false: nobody writes or deletes, whatever his rights */
	bool hidden;                /* names that begin with `.` are there; else they are not */
	enum weir_ftp_uploads uploads;
	unsigned mode; /* permission bits of new files; 0: 0644 less the umask (weir/upload.h) */
	uint64_t upload_max; /* bytes; WEIR_FTP_UPLOAD_MAX */
	uint64_t rate;       /* bytes a second of each transfer; 0: as fast as it goes */

	/*
	 * Passive ports, first to last; 0: whatever the system gives. Sessions of any number of
	 * loops and processes can share a range.
	 */
	uint16_t passive_first;
	uint16_t passive_last;
	/* What 227 announces, as when behind NAT: IPv4. Family 0: the address the peer connected to. */
	struct weir_address announced;

	bool tls_required; /* no login without TLS, and no data connection */
	enum weir_ftp_reuse reuse;

	unsigned sessions_max;    /* WEIR_FTP_SESSIONS_MAX; then 421 */
	unsigned failures_max;    /* wrong passwords on a connection; WEIR_FTP_FAILURES_MAX */
	const char *welcome;      /* lines of the 220; NULL: "Weir FTP" */
	const char *const *hosts; /* up to NULL, for HOST (RFC 7151); NULL: any */
};

struct weir_ftp_options {
	/*
	 * `tls` is for data connections, too. AUTH TLS with `tls_upgrade`; else TLS from the first
	 * byte (port 990), if there is `tls`. Over its `peers`, a session gets a 421. Of the
	 * bounds, idle_ms is WEIR_FTP_IDLE_MS by default; progress_ms is for data connections, too.
	 */
	struct weir_listener listener;
	struct weir_tree *tree; /* the server's now, also when creating fails */
	struct weir_ftp_rules rules;
	struct weir_guard *guard; /* against guessing (weir/sasl_guard.h); borrowed, or NULL */
	void (*log)(void *context, const struct weir_ftp_event *event); /* may be NULL */
	void *context;                                                  /* of `log` */
};

/*
 * Listens and serves. The tree is for this loop; it need not be attached. 0; -ENOMEM; -EINVAL:
 * a range of ports that is none; an errno of listening.
 */
WEIR_API int weir_ftp_create(struct weir_loop *loop, const struct weir_ftp_options *options,
        struct weir_ftp_server **ret);

/*
 * Other rules, and another tree (NULL: the same), from the next command or connection on; who is
 * logged in stays so. Takes the tree in any case. 0, -ENOMEM, -EINVAL: all is as it was.
 */
WEIR_API int weir_ftp_set(
        struct weir_ftp_server *server, const struct weir_ftp_rules *rules, struct weir_tree *tree);

/* For its address, to drain it, and to change its certificates. */
WEIR_API struct weir_server *weir_ftp_listener(struct weir_ftp_server *server);

/*
 * Ends all sessions and transfers; NULL is allowed. Data connections are closed in the loop's next
 * turn, and uploads end on the work pool: the loop should turn until it has no work.
 */
WEIR_API void weir_ftp_destroy(struct weir_ftp_server *server);

#endif
