/*
 * The reverse proxy from the inside, for the files of this folder:
 *
 *   upstreams.c       a group of upstreams: its life, its client, which of them are down
 *   balance.c         which upstream a request goes to
 *   health.c          health checks
 *   health_state.c    their results, which loops share
 *   srv.c             upstreams that an SRV name stands for
 *   proxy_handler.c   the handler: which requests are passed on
 *   proxy.c           a request from its start to its end: attempts, failures
 *   proxy_reply.c     the reply of an upstream becomes the reply to the client
 *   proxy_body.c      bodies on their way, in both directions
 *   proxy_splice.c    bodies that go from socket to socket
 *   proxy_compress.c  replies that are compressed on the way
 *   proxy_fields.c    the fields that are passed on, and those that describe the client
 *   proxy_tunnel.c    two connections with another protocol
 *   forward_auth.c    another server decides whether a request may pass
 *   fastcgi.c         the handler of applications that speak FastCGI: which script is run
 *   fastcgi_params.c  the variables that describe the request and the client to them
 *   proxy_via.c       Via, and requests that come back
 *   proxy_metrics.c   what is counted
 *
 * A job is one request. Three parties use it: the exchange, up to the end of its reply; the call,
 * while there is one; and the bodies, which the connections own. It is freed when the exchange and
 * the call have ended; the bodies are detached then.
 */
#ifndef HTTP_PROXY_STATE_H
#define HTTP_PROXY_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/http_client.h>
#include <weir/http_proxy.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/metrics.h>

#include "helper.h"
#include "refcount.h"

/* -- metrics ----------------------------------------------------------------------------------- */

/* How a request has ended, as a label; see proxy_metrics.c. */
enum proxy_result {
	PROXY_RESULT_1XX,
	PROXY_RESULT_2XX,
	PROXY_RESULT_3XX,
	PROXY_RESULT_4XX,
	PROXY_RESULT_5XX,
	PROXY_RESULT_FAILED,    /* no upstream has replied: a status of our own */
	PROXY_RESULT_TRUNCATED, /* the upstream failed within its body */
	PROXY_RESULT_GONE,      /* the client left */
	PROXY_RESULT_LOOP,      /* it had passed this proxy before */
	PROXY_RESULTS,
};

/* How a server of forward authentication has decided, as a label. */
enum proxy_decision {
	PROXY_DECISION_ADMITTED,
	PROXY_DECISION_REFUSED,
	PROXY_DECISION_FAILED, /* there was no valid reply */
	PROXY_DECISION_GONE,   /* the client left */
	PROXY_DECISIONS,
};

struct proxy_cells {
	uint64_t requests[PROXY_RESULTS];
	uint64_t retries;
	uint64_t spliced; /* bytes */
	uint64_t under_way;
	uint64_t decisions[PROXY_DECISIONS];
	uint64_t checks[2]; /* good and bad ones */
	uint64_t unhealthy; /* upstreams */
	uint64_t down;      /* upstreams */
	uint64_t buffered;  /* bytes */
	uint64_t head_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

/* Returns NULL without memory, or if the loop has too many sets. */
struct proxy_cells *http_proxy_cells(struct weir_loop *loop, const char *name);

/* -- upstreams --------------------------------------------------------------------------------- */

struct http_upstream {
	char *url;  /* as configured, for the log */
	char *base; /* the start of the URLs of calls: http://host:port */
	char *host; /* the authority, for the field Host */
	char *unix_path;
	unsigned weight;
	unsigned rank;         /* those of a lower one are asked first; see balance.c */
	unsigned busy;         /* calls under way */
	unsigned failures;     /* in a row */
	int64_t down_until_ms; /* 0: it is up */
	int64_t up_since_ms;   /* for the slow start; 0: since the beginning */
	uint64_t hash;         /* of its URL */
	int64_t credit;        /* of the round robin */

	/* Health checks; see health.c. */
	struct weir_http_upstreams *group;
	struct weir_timer timer;      /* until the next check */
	struct weir_http_call *check; /* under way, or NULL */
	struct health_server *server; /* what all loops know of it; NULL: it is not checked */
	bool claimed;                 /* the check of all loops */
	bool unhealthy;

	/* Targets of an SRV name; see srv.c. */
	struct http_source *source; /* NULL: configured */
	bool listed;                /* in the last answer */
	bool gone;                  /* not any more: the slot is free once it is not busy */
};

/* An SRV name. */
struct http_source {
	struct weir_http_upstreams *group;
	char *name;
	const char *scheme; /* of the URLs of its targets */
	unsigned rank;      /* of its first priority */
	struct weir_resolving *resolving;
	struct weir_timer timer;
	bool known; /* it was looked up, perhaps in vain */
};

struct weir_http_upstreams {
	struct local_refcount references;
	struct weir_http_upstreams_options options; /* its texts are in `texts` */
	char *name, *key;
	struct weir_loop *loop;           /* NULL before the first request */
	struct weir_http_client *client;  /* likewise */
	struct weir_http_client *checker; /* of health checks; NULL: not started */
	char *check_path;
	struct weir_http_health *health; /* held */
	unsigned health_version;         /* that the upstreams have followed */
	size_t buffered;                 /* bytes that replies have waiting */
	struct proxy_cells *cells;       /* the loop's, or those below */
	struct proxy_cells uncounted;
	struct weir_task end; /* destroys the client outside of its callbacks */
	struct random_pool random;
	struct http_source *sources; /* SRV names */
	size_t source_count;
	struct weir_list waiting; /* jobs without an upstream, while a source is not known yet */
	unsigned waiting_count;
	struct weir_task woken; /* has them tried again */
	size_t count;           /* of the slots in use */
	size_t capacity;
	struct http_upstream upstreams[];
};

/* Makes the client, if this is the first request. Returns 0 or a negative errno. */
int http_upstreams_join(struct weir_http_upstreams *upstreams, struct weir_loop *loop);

/* The group is used on this loop from now on. */
void http_upstreams_set_loop(struct weir_http_upstreams *upstreams, struct weir_loop *loop);

/* Ends the health checks. */
void http_upstreams_stop_checks(struct weir_http_upstreams *upstreams);

/* Takes over what other loops have found out. */
void http_upstreams_follow_health(struct weir_http_upstreams *upstreams);

/* Begins those of one upstream, if the group has any, and ends them: it is healthy and up then. */
void http_upstream_start_check(struct http_upstream *upstream);
void http_upstream_stop_check(struct http_upstream *upstream);

/* Makes an upstream of the group. Returns 0 or an error of weir_http_upstreams_create. */
int http_upstream_init(struct http_upstream *upstream, struct weir_http_upstreams *group,
        const struct weir_http_upstream *from);
/* Frees what it has; all is zero then. Also after an init that has failed. */
void http_upstream_clear(struct http_upstream *upstream);
/* It is not down any more. */
void http_upstream_set_up(struct http_upstream *upstream);

/* -- SRV names --------------------------------------------------------------------------------- */

bool http_srv_is_url(const char *url);

/* Makes a source of a URL as http+srv://_http._tcp.example.org. Returns as http_upstream_init. */
int http_source_init(struct http_source *source, struct weir_http_upstreams *group,
        const struct weir_http_upstream *from);

/* Begins to look the names up. The client must have been made. */
void http_sources_start(struct weir_http_upstreams *group);
void http_sources_finish(struct weir_http_upstreams *group);

/* Takes over the targets that are known. */
void http_sources_inherit(
        struct weir_http_upstreams *group, const struct weir_http_upstreams *from);

/*
 * Has a job wait until the names have been looked up: http_proxy_try_again is called then. Returns
 * false if that is done, or if too many wait.
 */
bool http_sources_await(struct weir_http_upstreams *group, struct weir_list *waiting);
/* It waits no longer. Harmless if it does not. */
void http_sources_forget(struct weir_http_upstreams *group, struct weir_list *waiting);

/* Notes how an upstream has fared. */
void http_upstream_succeeded(struct weir_http_upstreams *upstreams, struct http_upstream *upstream);
void http_upstream_failed(struct weir_http_upstreams *upstreams, struct http_upstream *upstream);

/*
 * Chooses the upstream for a request; `tried` has a bit for each that has failed with it, and is
 * not chosen again while there is another one. NULL: there is none, before an SRV name is known.
 */
struct http_upstream *http_upstreams_choose(struct weir_http_upstreams *upstreams,
        const struct weir_http_exchange *exchange, uint64_t tried);

/* -- jobs -------------------------------------------------------------------------------------- */

enum {
	PROXY_VIA_SIZE = sizeof "1.1 weir-0123456789abcdef"
};

struct proxy {
	struct weir_http_handler handler;
	struct weir_http_proxy_options options; /* its texts are the handler's */
	char *prefix, *host;
	struct weir_network *trusted;
	char via[2][PROXY_VIA_SIZE]; /* of requests of HTTP/1.0 and later ones; "": none */
	char *application_root; /* of FastCGI: the directory of the scripts; NULL: there are none */
};

/* The script that a FastCGI application runs: SCRIPT_NAME, and behind it PATH_INFO. */
struct proxy_script {
	struct weir_buffer text; /* decoded; data is NULL for HTTP */
	size_t name_size;
};

/* Bytes on their way, which have come from one connection and are not lent to the other yet. */
struct proxy_flow {
	struct proxy_body *body;     /* the producer of the other connection; NULL: none now */
	struct weir_buffer waiting;  /* what has come */
	struct weir_buffer trailers; /* whole lines */
	bool done;                   /* all has come */
	bool failed;                 /* the rest will not come */
	bool paused;                 /* the connection that they come from */
	bool used;                   /* bytes of it were put */
	size_t counted;              /* of the group's `buffered` */
};

/*
 * A producer of what has come. Its memory is its own, since the connection that it belongs to may
 * close later than the job ends.
 */
struct proxy_body {
	struct weir_producer producer;
	struct proxy_job *job;   /* NULL: detached, and of no use any more */
	struct proxy_flow *flow; /* of the job: request or reply */
	int64_t size;            /* as announced; -1: unknown */
	struct weir_buffer lent; /* must not move */
	size_t lent_at;          /* of these, bytes put */
	struct pipe *pipe;       /* whose bytes were put last; NULL: none */
};

enum {
	PROXY_KEY_SIZE = 24, /* of Sec-WebSocket-Key */
};

struct proxy_job {
	struct proxy *proxy;                   /* valid while there is an exchange */
	struct weir_http_upstreams *upstreams; /* held */
	struct weir_http_exchange *exchange;   /* NULL: its reply has ended */
	struct weir_http_call *call;           /* NULL: none is under way */
	struct http_upstream *upstream;        /* of the last call */
	struct proxy_script script;            /* of FastCGI */
	struct proxy_flow request;             /* the client's body */
	struct proxy_flow reply;               /* the upstream's */
	int64_t begun_ms;                      /* when the last attempt began */
	uint64_t tried;                        /* a bit for each upstream that failed */
	unsigned attempts;
	unsigned retries;        /* those of the client counted, too */
	bool receiving;          /* the exchange's receiver has not ended */
	bool received;           /* weir_http_receive was called */
	bool replied;            /* with the upstream's head */
	bool reply_has_body;     /* then */
	bool fresh;              /* the next attempt is on a new connection */
	bool tunnel;             /* both connections have another protocol */
	size_t error_text;       /* bytes of FastCGI's error stream that were reported */
	bool half_closed;        /* the upstream has all that the client sends through it */
	struct weir_timer timer; /* of the tunnel */
	uint64_t passed;         /* bytes that came through it */
	uint64_t passed_before;  /* when the timer began */
	enum proxy_result result;
	struct weir_list waiting;     /* in the group's, until SRV names are known */
	char key[PROXY_KEY_SIZE + 1]; /* of a WebSocket that came by HTTP/2; "": none */
};

/* SRV names have been looked up: chooses an upstream for a job that waits. */
void http_proxy_try_again(struct proxy_job *job);

/*
 * Passes the request on. The script becomes the job's; NULL: the upstreams speak HTTP. Replies in
 * any case.
 */
void http_proxy_start(
        struct proxy *proxy, struct weir_http_exchange *exchange, struct proxy_script *script);

/* -- proxy_handler.c, for all handlers that pass requests on -- */
bool http_proxy_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange);
unsigned http_proxy_methods(const struct weir_http_handler *handler,
        const struct weir_http_exchange *exchange, enum weir_http_target target);

/* Copies the texts and holds the upstreams. Returns false without memory; finish in any case. */
bool http_proxy_init(struct proxy *proxy, const struct weir_http_proxy_options *options);
void http_proxy_finish(struct proxy *proxy);

/* -- proxy.c -- */
/* Frees the job, if neither exchange nor call use it any more. */
void http_proxy_free_if_unused(struct proxy_job *job);

/* Cancels the call, if there is one. */
void http_proxy_cancel_call(struct proxy_job *job);

/* Replies with an error of the proxy's own, and its reason in the log. The job is freed. */
void http_proxy_refuse(struct proxy_job *job, unsigned status, const char *why);

/* The status of a reply to a client whose request has failed with this error of a call. */
unsigned http_proxy_status_of(int error);

/* Adds the notes of an upstream's reply to the log. */
void http_proxy_log_upstream(struct proxy_job *job);

/* The client's connection, its body or its reply has ended. The job may be freed. */
void http_proxy_abandon(struct proxy_job *job);

/* -- proxy_reply.c -- */
/* Adds the fields of an upstream's reply. Returns 0 or an error of weir_http_add_field. */
int http_proxy_pass_fields(struct proxy_job *job, const struct weir_http_reply_head *head);

/* Callbacks of weir_http_call_events. The head and a piece may free the job. */
void http_proxy_on_interim(void *context, const struct weir_http_reply_head *head);
void http_proxy_on_head(void *context, const struct weir_http_reply_head *head);
void http_proxy_on_piece(void *context, struct weir_span bytes);
void http_proxy_on_trailer(void *context, const struct weir_http_field *field);
void http_proxy_on_error_text(void *context, struct weir_span bytes);

/* -- bodies ------------------------------------------------------------------------------------ */

/* Makes the producer of a flow. Returns NULL without memory. */
struct weir_producer *http_proxy_body_create(
        struct proxy_job *job, struct proxy_flow *flow, int64_t size);

/* Appends bytes, and pauses their connection if they are many. Returns 0 or -ENOMEM. */
int http_proxy_flow_add(struct proxy_job *job, struct proxy_flow *flow, struct weir_span bytes);

/* Appends a trailer field; it is dropped where there is no room, or if it must not pass. */
void http_proxy_flow_add_trailer(
        struct proxy_job *job, struct proxy_flow *flow, const struct weir_http_field *field);

/* All of it has come; or, with `failed`, the rest never will. */
void http_proxy_flow_end(struct proxy_flow *flow, bool failed);

/* The job is being freed: its producer fails. */
void http_proxy_flow_finish(struct proxy_job *job, struct proxy_flow *flow);

/* A weir_trailers_fn; the context is a struct proxy_body. */
size_t http_proxy_body_trailers(void *context, char *text, size_t room);

/* Receives the client's body, or its bytes of a tunnel; the context is the job. */
extern const struct weir_http_receiver http_proxy_receiver;

/* Receives no more of the client's body. */
void http_proxy_stop_receiving(struct proxy_job *job);

/* -- compression ------------------------------------------------------------------------------- */

/* Has the reply compressed if the client and the options want that. Before its fields are added. */
bool http_proxy_compress(struct proxy_job *job, const struct weir_http_reply_head *head);

/* Adds a field to a reply that is compressed. Returns as http_reply_add_field. */
int http_proxy_add_coded_field(struct proxy_job *job, const struct weir_http_field *field);

/* -- splicing ---------------------------------------------------------------------------------- */

/*
 * Nothing waits: puts what its connection has, without a copy. Returns how many bytes; 0 if nothing
 * has come, or has to be copied.
 */
size_t http_proxy_splice(struct proxy_body *body, struct weir_output *out);

/* Receives again what was spliced. */
void http_proxy_splice_end(struct proxy_job *job, struct proxy_flow *flow);

/* -- tunnels ----------------------------------------------------------------------------------- */

/* Copies the protocol that the client asks for. Returns NULL if there is none that may pass. */
const char *http_proxy_upgrade_of(
        const struct weir_http_exchange *exchange, char text[WEIR_HTTP_PROXY_PROTOCOL_MAX + 1]);

/*
 * Makes the key of a WebSocket for this attempt, if the client has none: over HTTP/2 it needs none
 * (RFC 8441 5). Returns 0 or a negative errno.
 */
int http_proxy_make_key(struct proxy_job *job);

/* The call's upgraded(). */
void http_proxy_on_upgraded(void *context, const struct weir_http_reply_head *head);

/*
 * Nothing further goes to the upstream: ends both connections when all has been passed on. A stream
 * of HTTP/2 whose client has ended its side goes on for a moment, since browsers do so with their
 * Close frame, and await the answer to it. The job may be freed.
 */
void http_proxy_end_tunnel_input(struct proxy_job *job, enum weir_close_reason why);

/* -- fields ------------------------------------------------------------------------------------ */

/* The fields that are not passed on, because Connection names them. */
struct proxy_options {
	struct weir_span names[WEIR_HTTP_PROXY_HOP_FIELDS_MAX];
	unsigned count;
};

/* Collects them. Returns 0, or WEIR_E_SYNTAX if they are too many. */
int http_proxy_find_options(
        const struct weir_http_field *fields, unsigned count, struct proxy_options *ret);

/* Returns whether the field is for the next server or client, and not for the connection. */
bool http_proxy_passes(const struct proxy_options *options, const struct weir_http_field *field);

/* Returns whether a client's field of this name passes; see `underscores`. */
bool http_proxy_passes_name(const struct proxy *proxy, struct weir_span name);

/* Returns whether a field of the trailer section passes, either way. */
bool http_proxy_passes_trailer(const struct proxy_job *job, const struct weir_http_field *field);

enum {
	PROXY_PARAMS_MAX = 20,       /* variables of FastCGI that are made here */
	PROXY_PARAMS_TEXT_MAX = 512, /* bytes of their addresses and numbers */
};

/*
 * The URL and the fields of the request as the upstream gets it. Fields point into the exchange's
 * request and into `text`; valid as long as both are. Returns 0; WEIR_E_LIMIT if the URL would be
 * too long; WEIR_E_SYNTAX if Host is, or Connection names too many fields; or -ENOMEM.
 */
struct proxy_request {
	struct weir_buffer url;  /* with a NUL */
	struct weir_buffer text; /* of the fields and variables that are made here */
	const char *host;        /* NULL: the URL's */
	char host_text[WEIR_HTTP_PROXY_HOST_MAX + 1];
	unsigned count;
	struct weir_http_field fields[WEIR_HTTP_FIELDS_MAX + WEIR_HTTP_FORWARD_AUTH_FIELDS_MAX + 8];
	unsigned param_count;
	struct weir_http_field params[PROXY_PARAMS_MAX];
};
int http_proxy_make_request(struct proxy_job *job, struct proxy_request *ret);
void http_proxy_request_finish(struct proxy_request *request);

/*
 * Adds the variables of FastCGI. The text must have room for http_proxy_params_size bytes: 0 for
 * HTTP. Returns 0 or -ENOMEM.
 */
int http_proxy_add_params(struct proxy_job *job, struct proxy_request *request);
size_t http_proxy_params_size(const struct proxy_job *job);

/*
 * Replaces the request's fields of that name, as an upstream gets them, by one; an empty value: by
 * none. `_` counts for `-`. Returns 0 or -ENOMEM.
 */
int http_proxy_grant(
        struct weir_http_exchange *exchange, struct weir_span name, struct weir_span value);

/* -- proxy_via.c -- */
/* Makes the values of Via. Returns false without a random number. */
bool http_proxy_make_via(struct proxy *proxy);
/* Returns the value for a request of this minor version. */
const char *http_proxy_via(const struct proxy *proxy, unsigned minor);
/* Returns whether the request has passed this proxy already: 508, for this reason. */
#define PROXY_LOOP_TEXT "the request has passed this proxy before"
bool http_proxy_loops(const struct proxy *proxy, const struct weir_http_request *request);

/* -- proxy_fields.c -- */
/* Returns whether the client takes trailer fields (TE). */
bool http_proxy_wants_trailers(const struct weir_http_request *request);

#endif
