/*
 * The reverse proxy (RFC 9110 7): requests to our server that other servers answer.
 *
 *   client ──▶ exchange ──▶ [ at most 64 KB ] ──▶ call ──▶ upstream
 *          ◀── reply    ◀── [ at most 64 KB ] ◀──      ◀──
 *
 * An upstream is a server behind this one, and upstreams are a group of those that are
 * interchangeable. The handler passes a request to one of them by the HTTP client
 * (weir/http_client.h). The upstream's body is a producer of the reply, and the client's body one
 * of the upstream's request. So the slow side stops the fast one, in both directions, and nothing
 * is buffered beyond that: each byte is passed on as it comes.
 *
 * Heads are parsed and serialised anew. Fields of the connection are not passed on: those of RFC
 * 9110 7.6.1, and those that Connection names. The path is passed on as it was escaped, without
 * empty and dot segments.
 *
 * One rule decides whether a request is sent again, to another upstream if there is one:
 *
 *   No byte of the reply came, no byte of the request's body was sent, and either no byte of the
 *   request was sent or its method is idempotent (RFC 9110 9.2.2).
 *
 * A client may ask for another protocol (Upgrade, as for WebSocket) by a request without a body. If
 * the upstream agrees by a valid 101, both connections become a tunnel, which the end of either
 * side ends. HTTP/2 and TLS are not asked for.
 *
 * A reply of the proxy's own is 502 if no upstream has replied with a valid head, 504 if none did
 * in time, and 503 if all connections are in use or no server is known. An upstream that fails
 * within its body ends the client's connection, so that the client notices. A client that has
 * gone ends the upstream's request. With HTTP/1 a client whose input has ended may still read, and
 * gets its reply (RFC 9112 9.6), unless `abort_on_close`.
 *
 * Lines of the log have these fields more (weir_http_log_note): `upstream`, the one that was asked
 * last; `upstream_ms`, the time up to its head; `upstream_retries`, if any; `upstream_error`, the
 * reason of a failure.
 */
#ifndef WEIR_HTTP_PROXY_H
#define WEIR_HTTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/limits.h>
#include <weir/network.h>

WEIR_C_BEGIN

struct weir_http_upstreams;
struct weir_resolver;
struct weir_tls;

/* -- upstreams --------------------------------------------------------------------------------- */

/* How a group chooses the upstream of a request. */
enum weir_http_balance {
	/* Of two by chance, the one with fewer requests under way for its weight. */
	WEIR_HTTP_BALANCE_RANDOM,
	/* The one with the fewest requests under way for its weight. */
	WEIR_HTTP_BALANCE_LEAST,
	/* One after the other. */
	WEIR_HTTP_BALANCE_ROUND_ROBIN,
	/*
	 * Rendezvous hashing of the client's address, the path, the value of a cookie or that of a
	 * field: equal ones have the same upstream while it is up. When one goes down, only its
	 * requests move. A request without the cookie or field goes to one by chance.
	 */
	WEIR_HTTP_BALANCE_CLIENT,
	WEIR_HTTP_BALANCE_PATH,
	WEIR_HTTP_BALANCE_COOKIE,
	WEIR_HTTP_BALANCE_FIELD,
};

struct weir_http_upstream {
	/*
	 * http://host:port, https://host:port or unix:/path, without a path behind it; in a group
	 * with `fastcgi` fastcgi://host:port or unix:/path. Or http+srv://name, https+srv:// or
	 * fastcgi+srv://: the targets of SRV records (RFC 2782) of the name, as
	 * _http._tcp.example.org. They are looked up again when their TTL has passed, and have the
	 * weights of the records; a later priority is asked while all of the earlier ones are down.
	 */
	const char *url;
	/* Its share of the requests, 1 to WEIR_HTTP_PROXY_WEIGHT_MAX; not of an SRV name. */
	unsigned weight;
	bool backup; /* asked only while all others are down */
};

/*
 * Health checks: each upstream is asked again and again, whether there are requests or not. An
 * unhealthy one is down until it is healthy again. Upstreams are healthy at first.
 */
struct weir_http_check {
	uint32_t interval_ms; /* from one check to the next; 0, the default: no checks */
	uint32_t time_ms; /* for the connection, and for the head; WEIR_HTTP_PROXY_CHECK_TIME_MS */
	/* A GET of this path, "/…"; NULL, the default: a connection suffices, with its TLS. */
	const char *path;
	unsigned status; /* that the reply must have; 0, the default: any from 200 to 399 */
	unsigned rise;   /* good ones in a row until it is healthy; WEIR_HTTP_PROXY_CHECK_RISE */
	unsigned fall;   /* bad ones until it is unhealthy; WEIR_HTTP_PROXY_CHECK_FALL */
};

/*
 * The health of servers, for groups of the same servers on several loops: each server is checked by
 * one of them at a time, once in an interval, and all see the result. Any thread may make, hold and
 * release it; create returns NULL without memory.
 */
struct weir_http_health;
WEIR_API struct weir_http_health *weir_http_health_create(void);
WEIR_API struct weir_http_health *weir_http_health_hold(struct weir_http_health *health);
WEIR_API void weir_http_health_release(struct weir_http_health *health);

/*
 * An upstream has become healthy or unhealthy; `why` is the reason of the last check, or "". Called
 * on the loop that has made this check, and on no other one.
 */
typedef void weir_http_health_fn(
        void *context, const char *name, const char *url, bool healthy, const char *why);

/*
 * A FastCGI application has written to its error stream, while it handles the request whose ID in
 * the log this is. At most WEIR_FASTCGI_ERROR_TEXT_MAX bytes of each
 * request are reported, of any text and not by lines.
 */
typedef void weir_http_error_text_fn(
        void *context, const char *name, const char *url, uint64_t id, struct weir_span text);

/* Begin with weir_http_upstreams_options_init. All is copied. */
struct weir_http_upstreams_options {
	const char *name; /* for metrics; the URL of the first */
	const struct weir_http_upstream *upstreams;
	size_t count; /* 1 to WEIR_HTTP_PROXY_UPSTREAMS_MAX */
	/*
	 * The upstreams speak FastCGI (weir/http_fastcgi.h); false by default. With `fastcgi_keep`
	 * connections are kept, as in weir/http_client.h.
	 */
	bool fastcgi, fastcgi_keep;
	enum weir_http_balance balance;
	const char *key; /* the name of the cookie or field that `balance` uses, or NULL */
	/* For https; verifies the upstreams' names. Held. NULL: https is refused. */
	struct weir_tls *tls;
	/* Looks names up; must outlive the group. NULL: the group makes its own. */
	struct weir_resolver *resolver;
	unsigned connections_max; /* to one upstream; WEIR_HTTP_PROXY_CONNECTIONS_MAX */
	unsigned waiting_max;     /* requests that wait for one; WEIR_HTTP_PROXY_WAITING_MAX */
	uint32_t wait_ms;         /* for a connection; WEIR_HTTP_PROXY_WAIT_MS */
	/* See weir/http_client.h, with its defaults. */
	uint32_t connect_ms, head_ms, body_ms, idle_ms;
	uint32_t tunnel_ms;   /* without a byte through a tunnel; WEIR_HTTP_PROXY_TUNNEL_MS */
	unsigned retries_max; /* of one request; WEIR_HTTP_PROXY_RETRIES_MAX */
	/*
	 * An upstream is down after so many failures in a row, for `down_ms`. Then it is asked
	 * again, and one failure more suffices. While all are down, all are asked. 0: never down.
	 * WEIR_HTTP_PROXY_FAILURES_MAX and WEIR_HTTP_PROXY_DOWN_MS.
	 */
	unsigned failures_max;
	uint32_t down_ms;
	/* The weight of an upstream that comes back rises for so long; 0, the default: at once. */
	uint32_t slow_start_ms;
	struct weir_http_check check;
	/* Shared by groups with the same `check`. Held. NULL: the group's own. */
	struct weir_http_health *health;
	weir_http_health_fn *health_changed; /* may be NULL */
	weir_http_error_text_fn *error_text; /* may be NULL */
	void *context;                       /* of both */
	/*
	 * Bytes of a reply's body that are read ahead for a client that is slower, so that the
	 * upstream is free for other requests; 0, the default: none. All replies of the group have
	 * `buffers_max` bytes together; beyond, nothing is read ahead.
	 * WEIR_HTTP_PROXY_BUFFERS_MAX.
	 */
	size_t buffer_max;
	size_t buffers_max;
};

/* Sets every member to its default. The upstreams have none. */
WEIR_API void weir_http_upstreams_options_init(struct weir_http_upstreams_options *options);

/*
 * Makes a group with one reference. Any thread may make it; the loop of the first request uses it,
 * and all later calls are made there. Returns 0; WEIR_E_SYNTAX if a URL is malformed; -EINVAL if a
 * number is out of its range, a key is missing, or https is asked for without `tls`; or -ENOMEM.
 */
WEIR_API int weir_http_upstreams_create(
        const struct weir_http_upstreams_options *options, struct weir_http_upstreams **ret);

/*
 * Binds the group to the loop that will have its requests: its servers are counted from now on, and
 * are checked if there is an interval. Again, it does nothing. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_http_upstreams_start(
        struct weir_http_upstreams *upstreams, struct weir_loop *loop);

/*
 * Takes over what an earlier group of the same loop knows of upstreams with the same URL: failures,
 * and health where both have checks. It does nothing after the first request or the start of
 * checks.
 */
WEIR_API void weir_http_upstreams_inherit(
        struct weir_http_upstreams *upstreams, const struct weir_http_upstreams *from);

/*
 * Calls neither health_changed nor error_text from now on, since their context ends: requests under
 * way hold the group beyond the last reference of its owner.
 */
WEIR_API void weir_http_upstreams_detach(struct weir_http_upstreams *upstreams);

/*
 * Adds and releases a reference. After the last one, connections are closed in a turn of the loop.
 * NULL may be released.
 */
WEIR_API struct weir_http_upstreams *weir_http_upstreams_hold(
        struct weir_http_upstreams *upstreams);
WEIR_API void weir_http_upstreams_release(struct weir_http_upstreams *upstreams);

/* -- the handler ------------------------------------------------------------------------------- */

/* The fields that describe the client to an upstream. */
enum weir_http_forwarded {
	WEIR_HTTP_FORWARDED_X,    /* X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host */
	WEIR_HTTP_FORWARDED_RFC,  /* Forwarded (RFC 7239) */
	WEIR_HTTP_FORWARDED_BOTH, /* all of these */
	WEIR_HTTP_FORWARDED_OFF,  /* none */
};

/* Begin with weir_http_proxy_options_init. All is copied, and the upstreams are held. */
struct weir_http_proxy_options {
	struct weir_http_upstreams *upstreams;
	const char *prefix; /* the path and all below it, without '/' at its ends; "": all */
	bool strip;         /* upstreams get the path without `prefix`; false by default */
	/* The field Host: NULL, the default: the client's; "": the upstream's; or this one. */
	const char *host;
	/*
	 * A client's own fields of these names are removed, since anybody can send anything. Those
	 * of a client in a trusted network are continued.
	 */
	enum weir_http_forwarded forwarded;
	const struct weir_network *trusted;
	size_t trusted_count;
	/*
	 * Via: 1.1 weir-0123456789abcdef (RFC 9110 7.6.3); true by default. The pseudonym is made
	 * at random for each process and handler. A request that has it has come back: 508.
	 */
	bool via;
	/*
	 * Fields of the client whose names have other characters than letters, digits and `-` pass.
	 * False by default: many applications take `_` for `-`.
	 */
	bool underscores;
	bool request_id;   /* X-Request-ID, the id that the log has; true by default */
	uint64_t body_max; /* bytes of a request's body: 413; UINT64_MAX, the default: any */
	/*
	 * With HTTP/1, a client whose input ends before its reply has begun has gone, for work that
	 * is not worth doing for those that do not wait; false by default.
	 */
	bool abort_on_close;
	/*
	 * Replies of these media types are compressed on the fly for clients that accept it, unless
	 * they are coded already, or must not be transformed; false by default. Families are as
	 * "text/""*"; none are text, and formats that are not compressed themselves. Borrowed.
	 */
	bool compress;
	const char *const *compress_types;
	size_t compress_type_count;
	bool zstd;               /* as of weir_http_compression; true by default */
	unsigned compress_level; /* WEIR_COMPRESS_LEVEL_MIN by default */
};

/* Sets every member to its default. The upstreams have none. */
WEIR_API void weir_http_proxy_options_init(struct weir_http_proxy_options *options);

/* Returns NULL without memory, or for upstreams that are NULL or speak FastCGI. */
WEIR_API struct weir_http_handler *weir_http_proxy_create(
        const struct weir_http_proxy_options *options);

/* -- forward authentication -------------------------------------------------------------------- */

/*
 * Another server decides whether a request may pass. The handler is put in the chain in front of
 * those that it protects. For each request the server is asked by a GET with the fields of the
 * request, those of weir_http_proxy_create about the client, and X-Forwarded-Method and
 * X-Forwarded-Uri.
 *
 *   2xx      The request passes to the next handler. Its fields named in `fields` are those of this
 *            reply, for weir_http_proxy_create behind: the client's own are removed in any case.
 *   another  It is the reply to the client: status, fields, and a body of at most
 *            WEIR_HTTP_FORWARD_AUTH_BODY_MAX bytes.
 *   none     502, 503 or 504, as of a proxy. Nothing passes.
 *
 * A body of the request stays with the client meanwhile.
 */
/* Begin with weir_http_forward_auth_options_init. All is copied, and the upstreams are held. */
struct weir_http_forward_auth_options {
	struct weir_http_upstreams *upstreams;
	const char *prefix; /* the path and all below it, without '/' at its ends; "": all */
	const char *path;   /* that the server is asked for, "/…"; "/" */
	/*
	 * Names, of WEIR_HTTP_FORWARD_AUTH_NAME_MAX bytes at most; up to
	 * WEIR_HTTP_FORWARD_AUTH_FIELDS_MAX.
	 */
	const char *const *fields;
	size_t field_count;
	const struct weir_network *trusted; /* as of weir_http_proxy_options */
	size_t trusted_count;
};

/* Sets every member to its default. The upstreams have none. */
WEIR_API void weir_http_forward_auth_options_init(struct weir_http_forward_auth_options *options);

/*
 * Returns NULL without memory, for upstreams that are NULL or speak FastCGI, or if a path or name
 * is malformed.
 */
WEIR_API struct weir_http_handler *weir_http_forward_auth_create(
        const struct weir_http_forward_auth_options *options);

WEIR_C_END

#endif
