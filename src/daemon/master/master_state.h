/* The state of the master, for the files of this folder. */
#ifndef DAEMON_MASTER_STATE_H
#define DAEMON_MASTER_STATE_H

#include <weir/loop.h>

#include "keys.h"
#include "listening.h"
#include "options.h"
#include "process.h"

/* A configuration that is tried: of the start, of a reload or of an upgrade. */
struct master_change {
	bool active;
	struct config *config;
	struct listening listening;
	struct keys *keys; /* or NULL */
};

/* The server process that has crashed, until another one has its table. */
struct master_restart {
	struct weir_timer timer;
	struct grants *table; /* or NULL */
	char *user;
	unsigned crashes; /* since a server process has last run for long */
};

struct master {
	const struct options *options;
	const char *const *arguments; /* of `weir serve`, without the verb */
	/* Of a server process, and of the one that obtains certificates. */
	void (*received)(void *context, struct process *process, const struct handover *message);
	struct weir_loop *loop;
	struct weir_signals signals;
	struct config *config; /* in effect; the files that it names are not loaded */
	struct listening listening;
	struct keys *keys; /* of the configuration in effect; or NULL */
	struct master_change change;
	struct process *server;   /* serves, or will; NULL between a crash and the restart */
	struct process *starting; /* replaces the server when it is ready; or NULL */
	struct process *old;      /* drains; or NULL */
	struct master_restart restart;
	struct process *issuer;       /* obtains certificates (issuer.c); or NULL */
	struct config *issuer_config; /* that it was started for; or NULL */
	struct weir_timer issuer_timer;
	unsigned issuer_ends; /* since it has last run for long */
	unsigned workers;
	uint32_t serial; /* of the last table */
	int program;     /* the executable file of this process */
	int lines;       /* a memory file, see recent_lines_share; -1: none */
	char path[4096]; /* of it, for an upgrade */
	pid_t probe_pid; /* of the trial of a new program; or 0 */
	struct weir_watch probe;
	struct weir_timer probe_timer;
	struct weir_timer watchdog; /* of the service manager */
	uint32_t watchdog_ms;       /* 0: it has none */
	int stop_signals;
	int code;                 /* to exit with */
	bool certificates;        /* the change is for new certificates alone */
	bool certificates_again;  /* others came while a change was tried */
	bool reload_again;        /* a signal came while a change was tried */
	bool reload_when_drained; /* a change needs another process, and there are two */
	bool upgrade_when_ready;  /* a signal came while the server process started */
	bool asked;               /* the server's console waits for the result of the change */
	bool was_ready;           /* a server process has been */
};

/* -- change.c -- */
/*
 * Reads the configuration, opens what it needs beside what is open, and makes the table. Returns
 * NULL if anything is wrong, which was reported; nothing has changed then. `previous` is the
 * configuration in effect in the server process that the table is for, or NULL for a process that
 * has none.
 */
struct grants *change_begin(struct master *master, const struct config *previous, bool banner);
/* Likewise for the configuration in effect: only the certificates that are obtained may differ. */
struct grants *change_repeat(struct master *master);
/* The configuration that was tried is in effect, or is dropped. */
void change_commit(struct master *master);
void change_forget(struct master *master);

/* Starts a process with a table, which belongs to it from now on. */
int change_start_process(
        struct master *master, const char *user, struct grants *table, struct process **ret);
/* Starts the process that takes over from the server; the table is the caller's on failure. */
int change_start_successor(struct master *master, struct grants *table);

/* -- reload.c -- */
/* Reads the configuration again, after the change that is under way. */
void reload_begin(struct master *master);
/* Has the server use the certificates that were obtained. */
void reload_certificates(struct master *master);
/* A directory was replaced by another of its name, to which the server has no right. */
void reload_renew(struct master *master);
/* The server process has replied to a reload. */
void reload_on_result(struct master *master, struct process *process, int result);
/* Ends what was tried, also a start. `result` is 0 or a negative errno, which was reported. */
void reload_end(struct master *master, int result);
/* Ends it with the configuration in effect. */
void reload_refuse(struct master *master);

/* -- upgrade.c -- */
void upgrade_begin(struct master *master);
/* Takes over its state. Returns 0, also if no successor could be started, or a negative errno. */
int upgrade_resume(struct master *master);

/* -- issuer.c -- */
/* Starts or ends the process that obtains certificates, as the configuration wants it. */
void issuer_update(struct master *master);
/* Has it end: it gives up what other front ends wait for. One that does not end is killed. */
void issuer_stop(struct master *master);
void issuer_kill(struct master *master);
/* Whether it was that process which has ended. */
bool issuer_ended(struct master *master, pid_t pid, int status);
/* Has it end beside the next master. */
void issuer_leave(struct master *master);
void issuer_finish(struct master *master);

/* -- restart.c -- */
/* Starts another process after the pause that is due. Takes the table of the one that has ended. */
void restart_schedule(struct master *master, struct process *process, int status);
void restart_finish(struct master *master);

#endif
