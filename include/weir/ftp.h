/*
 * FTP (RFC 959, 1123, 2228, 2389, 2428, 2640, 3659, 4217, 7151) on the file tree that HTTP serves.
 *
 *   control  USER PASS CWD … ──▶ a table of verbs ──▶ replies, in order
 *   data     PASV, EPSV: a port that sessions of other peers share ┐
 *            PORT, EPRT: a connection of ours                      ┴─▶ one transfer ─▶ 226
 *
 * Commands are carried out one after the other. During a transfer, ABOR and STAT are answered at
 * once, and any other command waits for its end. 226 means that the data connection has been closed
 * and, of an upload, that the file is on the disk.
 *
 * Data connections are with the peer of the control connection only (RFC 2577). PORT to another
 * address, or to a port below 1024, is refused. A connection to a passive port is closed if no
 * session waits for its address.
 *
 * Commands end in LF, with or without a CR before it, as in other servers. Telnet commands are
 * removed, and telnet options refused. In a pathname CR is CR NUL (RFC 2640 3.1); any other NUL is
 * refused. No command can contain a name with an LF: LIST shows it with `?`, NLST and MLSD leave it
 * out.
 *
 * In LIST and NLST any component of a pathname may be a pattern: `*.txt`, or `[a-m]*` before a
 * slash. LIST shows where a symbolic link leads, and MLSD describes what it leads to, if that is
 * inside of the user's root.
 *
 * Names are bytes, and should be UTF-8. Names that begin with `.weir-` are never shown.
 */
#ifndef WEIR_FTP_H
#define WEIR_FTP_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/server.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_ftp_server;
struct weir_guard;
struct weir_tls;
struct weir_tree;
struct weir_users;

/* -- rights ------------------------------------------------------------------------------------ */

/*
 * The rights of a user. The users file (weir/users.h) has it behind the hash of the password:
 *
 *   alice:$y$j9T$…:home=/alice rights=rwdl rate=1000000
 *
 * - `home` is a directory of the tree, and the user's root: no link leads out of it. Default: the
 *   root of the tree.
 * - `rights` are the letters below. Default: all of them. Without any of `o`, `m` and `n`, `w`
 *   implies `m`, and `wd` implies `o` and `n`. So a user who may only write cannot change an
 *   existing file.
 * - `rate` is bytes a second of each transfer.
 *
 * An upload that breaks off leaves nothing if the user lacks `o`, so that the name stays free.
 */
enum weir_ftp_rights {
	WEIR_FTP_READ = 1,   /* r: RETR, SIZE, MDTM */
	WEIR_FTP_WRITE = 2,  /* w: STOR, STOU, APPE, of new names */
	WEIR_FTP_DELETE = 4, /* d: DELE, RMD */
	WEIR_FTP_LIST = 8,   /* l: LIST, NLST, MLSD, MLST, STAT of a path */
	/* o: STOR, APPE and RNTO to existing names, REST before STOR, MFMT, SITE CHMOD */
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
	/*
	 * The user's home, `path`, cannot be opened, with `error`; or 0: it can be again. Once a
	 * session and change, when a command looks the home up.
	 */
	WEIR_FTP_HOME,
};

/* Spans and pointers are valid during the call. */
struct weir_ftp_event {
	enum weir_ftp_event_kind kind;
	const struct weir_address *peer;
	uint64_t session; /* weir_channel_id of the control connection */
	const char *user; /* the name of the login, also of one that failed; "" before it */
	const char *verb; /* "RETR"; NULL for LOGIN and LOGOUT */
	const char *path; /* as the user sees it; NULL for LOGIN and LOGOUT. Of RNTO the new one */
	uint64_t bytes;   /* of a transfer: on the data connection */
	uint64_t time_ms; /* of a transfer */
	int error;        /* 0, or what it ended with */
	unsigned code;    /* of the reply */
	bool secure;      /* TLS on the control connection or, of a transfer, the data connection */
	bool resumed; /* The data connection has resumed the control connection's TLS session. */
};

/* -- servers ----------------------------------------------------------------------------------- */

/* The remains of an upload that breaks off. */
enum weir_ftp_uploads {
	/*
	 * The part that came, under its name, so that the client can resume it with REST. A STOR
	 * without REST shows nothing until it ends.
	 */
	WEIR_FTP_KEEP_PART,
	/* Nothing: the state before the upload. */
	WEIR_FTP_WHOLE,
};

/* Whether the TLS session of a data connection has to be that of the control connection. */
enum weir_ftp_reuse {
	WEIR_FTP_REUSE_PREFER, /* no; the log shows whether it was */
	/* yes, or 522: no other client at the peer's address can steal it */
	WEIR_FTP_REUSE_REQUIRE,
	WEIR_FTP_REUSE_OFF, /* no, and it is not compared */
};

/*
 * The ports on which data connections are awaited, for PASV and EPSV. All servers and loops that
 * are given the same range share it, and so do sessions of different peers: a connection belongs to
 * the session whose peer has its address. A connection of any other address is closed.
 *
 * Of one address at most one session waits on a port. A range needs as many ports as one address
 * may have sessions. If sessions of an address wait on all of them, the oldest wait gives way. It
 * must have lasted for WEIR_FTP_PASSIVE_YIELD_MS, and its transfer must not have begun.
 */
struct weir_ftp_ports;

/* The ports `first` to `last`. Returns 0; -EINVAL: there are none; or -ENOMEM. */
WEIR_API int weir_ftp_ports_create(uint16_t first, uint16_t last, struct weir_ftp_ports **ret);

/* Any thread. NULL may be released. */
WEIR_API struct weir_ftp_ports *weir_ftp_ports_hold(struct weir_ftp_ports *ports);
WEIR_API void weir_ftp_ports_release(struct weir_ftp_ports *ports);

/*
 * Rules can be changed while the server runs. Texts are copied. Begin with weir_ftp_rules_init, or
 * with weir_ftp_options_init.
 */
struct weir_ftp_rules {
	struct weir_users *users;   /* held by the server. NULL: anonymous logins only */
	bool anonymous;             /* "anonymous" and "ftp" need no password; true by default */
	bool anonymous_writes;      /* they may also write and make directories, if `writable` */
	bool anonymous_overwrites;  /* and then also overwrite existing files */
	const char *anonymous_home; /* NULL: the root of the tree */
	/* Users may write and delete, as far as they have the rights; false by default. */
	bool writable;
	bool hidden; /* names that begin with `.` are shown and served; false by default */
	enum weir_ftp_uploads uploads; /* WEIR_FTP_KEEP_PART */
	unsigned mode; /* permission bits of new files; 0: 0644 less the umask (weir/upload.h) */
	uint64_t upload_max; /* bytes; WEIR_FTP_UPLOAD_MAX */
	uint64_t rate;       /* bytes a second of each transfer; 0: no bound */

	/*
	 * For PASV and EPSV; held. NULL: any port that the system gives. weir_ftp_set ignores
	 * another object with the same range, so that sessions that wait go on sharing their ports.
	 */
	struct weir_ftp_ports *ports;
	/*
	 * The IPv4 address in 227, for a server behind NAT. Family 0: the one the peer connected
	 * to.
	 */
	struct weir_address announced;

	bool tls_required;         /* no login without TLS, and no data connection */
	enum weir_ftp_reuse reuse; /* WEIR_FTP_REUSE_PREFER */

	unsigned sessions_max;    /* WEIR_FTP_SESSIONS_MAX; then 421 */
	unsigned failures_max;    /* wrong passwords on a connection; WEIR_FTP_FAILURES_MAX */
	const char *welcome;      /* lines of the 220; "Weir FTP" */
	const char *const *hosts; /* up to NULL, for HOST (RFC 7151); NULL: any */
};

/* Sets every member to its default, or else to 0, false or NULL. */
WEIR_API void weir_ftp_rules_init(struct weir_ftp_rules *rules);

/* Logs an event, which is valid during the call. */
typedef void weir_ftp_log_fn(void *context, const struct weir_ftp_event *event);

/* Begin with weir_ftp_options_init. */
struct weir_ftp_options {
	/*
	 * `tls` is for data connections, too. AUTH TLS with `tls_upgrade`; else TLS from the first
	 * byte (port 990), if there is `tls`. Over its `peers`, a session gets a 421. Of the
	 * bounds, idle_ms is WEIR_FTP_IDLE_MS by default; progress_ms is for data connections, too.
	 */
	struct weir_listener listener;
	struct weir_tree *tree; /* taken over, also if creating fails */
	struct weir_ftp_rules rules;
	struct weir_guard *guard; /* against brute force (weir/sasl_guard.h); borrowed, or NULL */
	weir_ftp_log_fn *log;     /* may be NULL */
	void *context;            /* of `log` */
};

/*
 * Sets every member to its default: those of weir_listener_init and weir_ftp_rules_init, and the
 * bounds named above. The address and the tree have none.
 */
WEIR_API void weir_ftp_options_init(struct weir_ftp_options *options);

/*
 * Listens and serves. The tree is for this loop, attached or not. Returns 0; -ENOMEM; -EINVAL if an
 * option has a value that cannot work, for example because the struct was not initialised; or an
 * errno of listening.
 */
WEIR_API int weir_ftp_create(struct weir_loop *loop, const struct weir_ftp_options *options,
        struct weir_ftp_server **ret);

/*
 * Changes the rules and the tree (NULL: the same) for all commands and connections from now on.
 * Users stay logged in. Takes over the tree in any case. Returns 0; or -ENOMEM, or -EINVAL as
 * weir_ftp_create: nothing has changed.
 */
WEIR_API int weir_ftp_set(
        struct weir_ftp_server *server, const struct weir_ftp_rules *rules, struct weir_tree *tree);

/* For its address, to drain it, and to change its certificates. */
WEIR_API struct weir_server *weir_ftp_listener(struct weir_ftp_server *server);

/*
 * Ends all sessions and transfers. NULL is allowed. The loop must turn afterwards until it has no
 * work: data connections are closed in its next turn, and uploads end on the work pool.
 */
WEIR_API void weir_ftp_destroy(struct weir_ftp_server *server);

WEIR_C_END

#endif
