/*
 * A server process as the master sees it: its process id, the master's ends of the two pairs of
 * sockets, and the table of what it may have.
 *
 *   STARTING ── READY ──▶ SERVING ── drain ──▶ DRAINING ──▶ (its end)
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include <weir/loop.h>

#include "grants.h"
#include "handover.h"

enum process_phase {
	PROCESS_STARTING,
	PROCESS_SERVING,
	PROCESS_DRAINING, /* it gets no listener any more */
};

struct process {
	struct weir_loop *loop;
	pid_t pid;
	enum process_phase phase;
	struct weir_watch requests;
	struct weir_watch control;
	struct weir_timer limit; /* kills it */
	struct grants *table;    /* owned */
	struct grants *next;     /* while it reloads; owned, or NULL */
	char *user;              /* opens files and logs; NULL: the master's */
	int64_t started_ms;
	/* A control message; called on the loop. */
	void (*received)(void *context, struct process *process, const struct handover *message);
	void *context;
};

/* How a process is started. */
struct process_options {
	struct weir_loop *loop;
	int program;                  /* a descriptor of the executable file */
	const char *verb;             /* "@server", or another */
	const char *const *arguments; /* of `weir serve`, from its first option on, up to NULL */
	const char *user;             /* to become, or NULL */
	struct grants *table;         /* belongs to the process on success */
	void (*received)(void *context, struct process *process, const struct handover *message);
	void *context;
};

/* Forks and executes. Returns 0 or a negative errno, which was reported. */
int process_start(const struct process_options *options, struct process **ret);

/* Continues a process that another program has started. Returns 0 or a negative errno. */
int process_adopt(struct process *process, struct weir_loop *loop,
        void (*received)(void *context, struct process *process, const struct handover *message),
        void *context);

/* Sends a control message. A failure shows as the end of the process. */
void process_send(struct process *process, enum handover_kind kind, int result);

/* Has it log by the master's weir_log_level. */
void process_send_log_level(struct process *process);

/* Has it reload with this table, which belongs to it from now on. Returns 0 or a negative errno. */
int process_reload(struct process *process, struct grants *next);

/* Ends the reload: the next table, or the one before, is in effect. */
void process_settle(struct process *process, bool commit);

/*
 * Has it finish its requests, and kills it if it lasts longer than that. `succeeded`: another
 * process has its listeners.
 */
void process_drain(struct process *process, uint32_t limit_ms, bool succeeded);

/* Closes the sockets and frees everything. The process has ended. NULL is allowed. */
void process_destroy(struct process *process);

#endif
