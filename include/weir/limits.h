/*
 * Every bound of the library, with its default. Those marked "(set)" are options of a server, such
 * as those of weir/server.h or weir/http.h. The others are fixed at build time.
 */
#ifndef WEIR_LIMITS_H
#define WEIR_LIMITS_H

#include <weir/api.h>

WEIR_C_BEGIN

/* -- loop -- */
#define WEIR_EVENTS_PER_WAIT 256            /* descriptors that one wait reports */
#define WEIR_INPUT_BUDGET (2 * 1024 * 1024) /* bytes that transformers read in a turn */
#define WEIR_INPUT_SLICE (64 * 1024)        /* bytes of this budget for one waiting channel */
#define WEIR_WORK_THREADS 4      /* threads of a lane of blocking work, for all loops together */
#define WEIR_WORK_QUEUE_MAX 4096 /* work waiting in a lane */

/* -- input -- */
#define WEIR_RECEIVE_SIZE (64 * 1024) /* bytes of one read, one of which is made in a turn */
#define WEIR_RECEIVE_SMALL_SIZE                                                                    \
	(20 * 1024) /* the same for a body that is passed on; more than one record of TLS */
#define WEIR_RECEIVE_LEAST_SIZE                                                                    \
	(4 * 1024) /* the same while the receiver of the body takes less than comes */
#define WEIR_RECEIVE_STREAMED_SIZE                                                                 \
	(256 * 1024) /* bytes of one read of streamed input; the receive buffer of a loop */
#define WEIR_DIVERT_GATHER                                                                         \
	(512 * 1024) /* bytes of diverted input that are gathered before they are reported */
#define WEIR_DIVERT_GATHER_MS 100 /* time after which fewer bytes are reported */
#define WEIR_EVICT_LOOKS                                                                           \
	64 /* channels that are compared to find the one to close when there is no room */
#define WEIR_EVICT_IDLE_MS                                                                         \
	250 /* time for which a channel must have been idle to be closed for another */
#define WEIR_EVICT_AGAIN_MS 50 /* time to the next search, if no channel could be closed */
#define WEIR_EVICT_SILENT_MS                                                                       \
	25 /* a channel that has been sent nothing, so that its client speaks first */
#define WEIR_EVICT_STALLED_MS                                                                      \
	1000 /* time without a byte after which a channel within a request may be evicted */
#define WEIR_DELIMITER_MAX 256       /* bytes of a delimiter */
#define WEIR_REQUEST_MAX (64 * 1024) /* bytes of one whole request (set by the protocol) */
#define WEIR_BODY_RATE_MIN                                                                         \
	4000 /* bytes a second that streamed input must keep up after WEIR_REQUEST_MS */

#define WEIR_MALFORMED_SHOWN 64 /* bytes of malformed input that are reported */

/* -- metrics -- */
#define WEIR_METRIC_SETS_MAX 4096 /* sets of one loop; further ones are counted as "other" */
#define WEIR_METRIC_LABEL_MAX 255 /* bytes of the value of a label */

/* -- output -- */
#define WEIR_REPLIES_MAX 128 /* replies open or unsent in a channel; reading stops there (set) */
#define WEIR_REPLIES_RECYCLED 256          /* replies whose memory a loop retains for reuse */
#define WEIR_OUTPUT_ROOM (72 * 1024)       /* bytes that producers are asked for in one send */
#define WEIR_OUTPUT_PIECES 128             /* pieces in one send */
#define WEIR_FILE_EXTENT (2 * 1024 * 1024) /* bytes of a file sent by one call */
#define WEIR_PAGES_SEEN_MS 100      /* senders of one file look once for its pages in this time */
#define WEIR_PIPES_MAX 64           /* pipes of a loop, through which bodies are spliced */
#define WEIR_PIPES_IDLE_MAX 8       /* of these, the ones that are kept while not in use */
#define WEIR_PIPE_SIZE (256 * 1024) /* bytes of a pipe, where the system grants so many */
#define WEIR_WRITE_BUDGET (2 * 1024 * 1024) /* bytes sent on one channel in a turn */
#define WEIR_UNSENT_LOW                                                                            \
	(16 * 1024) /* unsent bytes that the kernel may hold of a new or stalled reader */
#define WEIR_UNSENT_HIGH                                                                           \
	(128 * 1024) /* unsent bytes that the kernel may hold of a reader that takes its replies */
#define WEIR_UNSENT_FILE (4 * 1024 * 1024) /* unsent bytes of such a reader and a large file */
#define WEIR_UNSENT_PROVEN                                                                         \
	(256 * 1024) /* bytes after which a reader counts as one that takes its replies */
#define WEIR_ZSTD_STREAMS_MAX 16 /* streams of zstd that a loop compresses at a time */
#define WEIR_TRAILERS_MAX 1024   /* bytes of the trailer fields of a chunked reply */
#define WEIR_EMPTY_ASKS_MAX 16   /* calls of more() in a row that may put nothing */
#define WEIR_ARENA_RETAINED                                                                        \
	(512 * 1024) /* bytes of scratch that a loop retains from turn to turn */

/* -- server -- */
#define WEIR_CHANNELS_MAX 16384  /* channels of one server and loop (set) */
#define WEIR_PERMITS_RESERVED 16 /* permits that a server does not share (set) */
#define WEIR_BACKLOG 1024        /* connections that the kernel queues for accept */
#define WEIR_ACCEPTS_PER_TURN                                                                      \
	64 /* connections accepted in a turn, so that open channels do not starve */
#define WEIR_ACCEPT_PAUSE_MS 100    /* pause of accepting after EMFILE and the like */
#define WEIR_IDLE_MS (60 * 1000)    /* time without a request and without a reply (set) */
#define WEIR_REQUEST_MS (30 * 1000) /* time from the first byte of a request to its last (set) */
#define WEIR_PROGRESS_MS                                                                           \
	(60 * 1000) /* time without progress: the peer takes or sends no byte that is due (set) */
#define WEIR_DRAIN_MS (30 * 1000) /* time in which a draining server may finish its replies (set) */
#define WEIR_DRAINS_PER_TURN                                                                       \
	256 /* channels that learn of a drain, or of its end, in a turn: others do not wait */
#define WEIR_LINGER_MS                                                                             \
	(2 * 1000) /* time for which input is read and dropped behind the last reply */
#define WEIR_CONNECT_MS (30 * 1000) /* time for an outgoing connection */
#define WEIR_PEER_CONNECTIONS_MAX                                                                  \
	100 /* connections of one address, in protocols that count them (set) */
#define WEIR_HTTP_PEER_CONNECTIONS_MAX 20000 /* connections of one address with HTTP (set) */
#define WEIR_PEERS_MAX                                                                             \
	(64 * 1024) /* addresses connected at a time, in protocols that count them (set) */

/* -- PROXY protocol -- */
#define WEIR_PROXY_HEADER_MS (5 * 1000) /* time for a header */
#define WEIR_PROXY_HEADER_MAX 4096      /* bytes of a header */

/* -- trusted forwarders -- */
#define WEIR_HTTP_FORWARDERS_MAX 16 /* addresses of a request that are looked at */

/* -- datagrams -- */
#define WEIR_DATAGRAM_MAX                                                                          \
	1472 /* bytes of a datagram received or sent: the UDP payload of an Ethernet frame (set) */
#define WEIR_DATAGRAMS_BATCH 32     /* datagrams received, and sent, by one call */
#define WEIR_DATAGRAMS_PER_TURN 256 /* datagrams of one socket in a turn */

/* -- TLS -- */
#define WEIR_TLS_HANDSHAKE_MS (10 * 1000) /* time for a handshake */
#define WEIR_TLS_HANDSHAKES_MAX                                                                    \
	1024 /* incomplete handshakes of one server and loop; beyond, the oldest one fails */
#define WEIR_TLS_HANDSHAKES_PER_TURN                                                               \
	8 /* steps of handshakes in a turn, so that other channels do not starve */
#define WEIR_TLS_RECORD_SMALL                                                                      \
	1370 /* bytes of a record that fits into one segment, and can be read when that has come */
#define WEIR_TLS_RECORD_LARGE (16 * 1024)
#define WEIR_TLS_SMALL_BYTES (16 * 1024) /* bytes sent in small records before large ones */
#define WEIR_TLS_SMALL_AGAIN_MS 1000     /* pause after which small records are sent again */
#define WEIR_TLS_ROOM                                                                              \
	(64 * 1024) /* bytes that producers are asked for in one send: whole records */
#define WEIR_TLS_PENDING_MAX (64 * 1024) /* bytes of ciphertext that wait for the kernel */
#define WEIR_TLS_CERTIFICATES_MAX 1024   /* of one server */
#define WEIR_TLS_OCSP_MAX (64 * 1024)    /* bytes of an OCSP response */
#define WEIR_TLS_NAME_MAX 253            /* bytes of a name that a client is to be shown proof of */
#define WEIR_TLS_PLACEHOLDER_NAMES_MAX 64 /* of a certificate that is made in memory */
#define WEIR_TLS_TICKET_KEYS 3       /* ticket keys: the newest encrypts, the others only decrypt */
#define WEIR_TLS_TICKET_LABEL_MAX 64 /* bytes of a label of ticket keys */
#define WEIR_TLS_TICKET_ROTATE_S (4 * 60 * 60) /* time for which a key encrypts tickets */

/* -- HTTP -- */
#define WEIR_HTTP_HEAD_MAX (32 * 1024) /* bytes of a request head: 431 */
#define WEIR_HTTP_FAULT_MAX 64         /* bytes of a malformed request that the log shows */
#define WEIR_HTTP_TARGET_MAX 8000      /* bytes of a request-target: 414 */
#define WEIR_HTTP_FIELDS_MAX 100       /* fields in a head: 431 */
#define WEIR_HTTP_EMPTY_LINES_MAX 2    /* empty lines before a request line (RFC 9112 2.2) */
#define WEIR_HTTP_CHUNK_LINE_MAX                                                                   \
	256 /* bytes of a chunk's size and extensions, which no other bound counts */
#define WEIR_HTTP_RANGES_MAX 16 /* ranges of a request; with more, Range is ignored */
#define WEIR_HTTP_RANGE_OVERLAPS_MAX                                                               \
	2                       /* overlapping ranges of a request; with more, Range is ignored */
#define WEIR_HTTP_BASIC_MAX 512 /* bytes of a user's name and password, decoded */
#define WEIR_HTTP_SCRATCH 192   /* bytes of an exchange for its handler */
#define WEIR_HTTP_REPLY_FIELDS_MAX (16 * 1024) /* bytes of the fields of a reply */
#define WEIR_HTTP_DISCARD_MAX                                                                      \
	(256 * 1024) /* bytes of an unread body that are read and dropped to keep the connection */
#define WEIR_HTTP_TRAILER_MAX 4096   /* bytes of one trailer field of a request */
#define WEIR_HTTP_TRAILERS_IN_MAX 32 /* trailer fields of a request */
#define WEIR_HTTP_GLOB_SIZE                                                                        \
	(40 * 1024) /* bytes in which composed replies leave: the memory of a stalled reader */
#define WEIR_HTTP_COMPRESSED_BYTES                                                                 \
	(16 * 1024 * 1024)                /* bytes of a cache of compressed files (set) */
#define WEIR_HTTP_COMPRESSED_ENTRIES 1024 /* compressed files in it (set) */
#define WEIR_HTTP_COMPRESSED_PART 8 /* a compressed file takes at most this part of it, an 8th */
#define WEIR_HTTP_COMPRESSED_IDLE_MS                                                               \
	(60 * 1000) /* one that nobody asks for is dropped after this */
#define WEIR_HTTP_COMPRESSED_FILL_MS                                                               \
	(10 * 1000) /* a reply that takes longer than this does not fill the cache */
#define WEIR_HTTP_UPLOAD_MAX (1024LL * 1024 * 1024) /* bytes of an uploaded body (set) */
#define WEIR_HTTP_FORM_FIELD_MAX (64 * 1024)   /* bytes of a field of an urlencoded form: 413 */
#define WEIR_HTTP_EVENTS_QUEUE_MAX (64 * 1024) /* bytes of events that wait for a slow client */
#define WEIR_HTTP_INTERIM_MAX (8 * 1024)       /* bytes of interim replies that wait to be sent */
#define WEIR_HTTP_LOG_NOTES_MAX 1024 /* bytes of what a handler adds to a line of the log */
#define WEIR_HTTP_TOKEN_MAX 8192     /* bytes of a signed token: 401 */
#define WEIR_HTTP_TOKEN_USER_MAX 256 /* bytes of the user that it names */
#define WEIR_HTTP_TOKEN_KEYS_MAX 16  /* public keys of tokens in a file */
#define WEIR_HTTP_TOKEN_KEYS_FILE_MAX (64 * 1024)
#define WEIR_HTTP_CAPTURES_MAX 9     /* wildcards of a pattern of a rule: $1 to $9 */
#define WEIR_HTTP_REWRITES_MAX 10    /* times that a request is rewritten: 500 */
#define WEIR_HTTP_HINTS_MAX 16       /* early hints of a rule */
#define WEIR_HTTP_RATE_KEY_MAX 256   /* bytes of a field that requests are counted by */
#define WEIR_HTTP_EXCHANGES_KEPT 256 /* exchanges whose memory a loop retains for reuse */

/* -- reverse proxy -- */
#define WEIR_HTTP_PROXY_UPSTREAMS_MAX 64    /* upstreams of a group */
#define WEIR_HTTP_PROXY_WEIGHT_MAX 1000     /* the largest weight of an upstream */
#define WEIR_HTTP_PROXY_CONNECTIONS_MAX 512 /* connections of a loop to an upstream (set) */
#define WEIR_HTTP_PROXY_WAITING_MAX 1024    /* requests that wait for a connection (set) */
#define WEIR_HTTP_PROXY_WAIT_MS (10 * 1000) /* for which they wait: 503 (set) */
#define WEIR_HTTP_PROXY_RETRIES_MAX 2       /* further attempts of a request (set) */
#define WEIR_HTTP_PROXY_FAILURES_MAX 3      /* in a row, then an upstream is down (set) */
#define WEIR_HTTP_PROXY_DOWN_MS (10 * 1000) /* for which it is not asked (set) */
#define WEIR_HTTP_PROXY_HOST_MAX 512        /* bytes of a Host that is passed on: 400 */
#define WEIR_HTTP_PROXY_METHOD_MAX 64       /* bytes of a method that is passed on: 400 */
#define WEIR_HTTP_PROXY_PROTOCOL_MAX                                                               \
	64 /* bytes of a protocol of Upgrade; else it is not passed on */
#define WEIR_HTTP_PROXY_TUNNEL_MS (60 * 60 * 1000) /* without a byte through a tunnel (set) */
#define WEIR_HTTP_PROXY_FLOW_PAUSE (4 * 1024)    /* bytes on their way at which a side is paused */
#define WEIR_HTTP_PROXY_FLOW_MAX (128 * 1024)    /* bytes on their way: more are a failure */
#define WEIR_HTTP_PROXY_CHECK_MS (5 * 1000)      /* from one health check to the next (set) */
#define WEIR_HTTP_PROXY_CHECK_TIME_MS (2 * 1000) /* for its connection, and its reply (set) */
#define WEIR_HTTP_PROXY_CHECK_RISE 2 /* good checks in a row, then an upstream is healthy (set) */
#define WEIR_HTTP_PROXY_CHECK_FALL 3 /* bad ones, then it is unhealthy (set) */
#define WEIR_HTTP_PROXY_BUFFERS_MAX                                                                \
	(64 * 1024 * 1024) /* bytes of all replies that are read ahead in a group (set) */
#define WEIR_HTTP_FORWARD_AUTH_FIELDS_MAX 16        /* fields that a server gives a request */
#define WEIR_HTTP_FORWARD_AUTH_NAME_MAX 32          /* bytes of the name of one */
#define WEIR_HTTP_FORWARD_AUTH_BODY_MAX (64 * 1024) /* bytes of its reply, if it refuses: 502 */
#define WEIR_HTTP_PROXY_COMPRESS_MIN 256 /* bytes of a reply that is compressed, if known */
#define WEIR_HTTP_PROXY_ETAG_MAX 256     /* bytes of its entity-tag; a longer one is left out */
#define WEIR_HTTP_PROXY_SPLICE_AFTER                                                               \
	(256 * 1024) /* bytes of a body that are copied before the rest is spliced */
#define WEIR_HTTP_PROXY_HOP_FIELDS_MAX 32 /* names in Connection: 400 or 502 */
#define WEIR_HTTP_PROXY_SRV_MS 5000       /* from one lookup of an SRV name to the next */
#define WEIR_HTTP_PROXY_SRV_NAME_MAX 253  /* bytes of it */
#define WEIR_FASTCGI_PORT 9000            /* of a URL without one */
#define WEIR_FASTCGI_ERROR_TEXT_MAX 4096  /* bytes of a request's error stream that are reported */

/* -- HTTP/2 -- */
#define WEIR_HTTP2_STREAMS_MAX 128 /* streams open at a time in a connection: REFUSED_STREAM */
#define WEIR_HTTP2_STREAM_WINDOW                                                                   \
	(128 * 1024) /* bytes of a request's body that the client may send ahead */
#define WEIR_HTTP2_CONNECTION_WINDOW                                                               \
	(512 * 1024)                   /* the same for all bodies of a connection together */
#define WEIR_HTTP2_CONTINUATIONS_MAX 8 /* CONTINUATION frames of a field block */
#define WEIR_HTTP2_DECODED_MAX                                                                     \
	(2 * 1024 * 1024) /* bytes of the fields of a block: over that, the connection ends */
#define WEIR_HTTP2_RESETS_BURST                                                                    \
	500 /* streams of a connection that may end before their reply at once, whoever ends them */
#define WEIR_HTTP2_RESETS_PER_S 30 /* further ones in each second; over that, the connection ends */
#define WEIR_HTTP2_OVERHEAD_MAX                                                                    \
	(1024 * 1024) /* an eighth of all bytes may exceed those of fields and bodies by this */
#define WEIR_HTTP2_CONTROL_HOLD                                                                    \
	(8 * 1024) /* bytes of frames that answer others, at which no further frame is read */
#define WEIR_HTTP2_CONTROL_MAX (64 * 1024) /* bytes of these frames at most */

/* -- WebSocket -- */
#define WEIR_WEBSOCKET_FRAME_MAX (16 * 1024 * 1024) /* bytes of a received frame: 1009 (set) */
#define WEIR_WEBSOCKET_MESSAGE_MAX (1024 * 1024)    /* bytes of a received message: 1009 (set) */
#define WEIR_WEBSOCKET_SEND_MAX (256 * 1024 * 1024) /* bytes of a message that is sent */
#define WEIR_WEBSOCKET_QUEUE_MAX (1024 * 1024)      /* bytes that wait for a client (set) */
#define WEIR_WEBSOCKET_PRODUCER_COST 1024           /* bytes that a producer counts there */
#define WEIR_WEBSOCKET_MESSAGE_COST 128             /* bytes that a smaller message counts there */
#define WEIR_WEBSOCKET_PONGS_MAX 16                 /* pongs that wait; the oldest goes */
#define WEIR_WEBSOCKET_PING_MS (30 * 1000)          /* without input, then a ping (set) */
#define WEIR_WEBSOCKET_PONG_MS (20 * 1000)          /* for the answer to it (set) */
#define WEIR_WEBSOCKET_CLOSE_MS (10 * 1000)         /* for the answer to a Close frame (set) */
#define WEIR_WEBSOCKET_PROTOCOLS_MAX 255            /* subprotocols of a server that are known */
#define WEIR_WEBSOCKET_DEFLATE_MIN 64               /* smaller messages are not compressed alone */
#define WEIR_WEBSOCKET_WINDOW_BITS 12               /* with context takeover (set) */
#define WEIR_WEBSOCKET_TAKEOVERS_MAX 1000           /* connections of a loop with it (set) */
#define WEIR_WEBSOCKET_RESETS_MAX 1024              /* final blocks of deflate in a message: 1007 */

/* -- HTTP client -- */
#define WEIR_HTTP_CLIENT_CONNECTIONS_MAX 256     /* connections of a client in all (set) */
#define WEIR_HTTP_CLIENT_ORIGIN_MAX 16           /* connections to one origin (set) */
#define WEIR_HTTP_CLIENT_WAITING_MAX 1024        /* calls that wait for a connection (set) */
#define WEIR_HTTP_CLIENT_ADDRESSES_MAX 8         /* addresses of a host that are tried */
#define WEIR_HTTP_CLIENT_NEXT_MS 250             /* until another address is tried, too */
#define WEIR_HTTP_CLIENT_REQUEST_MAX (64 * 1024) /* bytes of a request's head */
#define WEIR_HTTP_CLIENT_URL_MAX (8 * 1024)      /* bytes of a URL */
#define WEIR_HTTP_CLIENT_INTERIM_MAX 16          /* interim replies before the final one */
#define WEIR_HTTP_CLIENT_DISCARD_MAX (64 * 1024) /* bytes of a redirect's body that are read */
#define WEIR_HTTP_CLIENT_IDLE_MS (4 * 1000)      /* a kept connection is closed after (set) */
#define WEIR_HTTP_CLIENT_CONNECT_MS (10 * 1000)  /* time to connect to an address (set) */
#define WEIR_HTTP_CLIENT_HEAD_MS (60 * 1000)     /* without a byte taken or a head sent (set) */
#define WEIR_HTTP_CLIENT_WAIT_MS (60 * 1000)     /* for a connection of the pool (set) */
#define WEIR_HTTP_CLIENT_BODY_MS (60 * 1000)     /* without a byte of a reply's body (set) */
#define WEIR_HTTP_CLIENT_WINDOW                                                                    \
	(8 * 1024) /* bytes that a server may send ahead at first, with `small_pieces` */
#define WEIR_HTTP_CLIENT_WINDOW_TAKEN                                                              \
	(16 * 1024) /* the same, while the beginning of a body is taken as fast as it comes */
#define WEIR_HTTP_CLIENT_WINDOW_OPEN                                                               \
	(64 * 1024) /* bytes of a body that are taken before the kernel chooses */
#define WEIR_HTTP_CLIENT_CONTINUE_MS 1000 /* a body is sent without 100 after (set) */

/* -- FTP -- */
#define WEIR_FTP_LINE_MAX 4096        /* bytes of a command, its CRLF not counted: 500 */
#define WEIR_FTP_IDLE_MS (300 * 1000) /* no command and no transfer: 421 (set) */
#define WEIR_FTP_DATA_WAIT_MS                                                                      \
	(60 * 1000) /* time from a transfer's command, or PORT, to the data connection */
#define WEIR_FTP_PASSIVE_WAIT_MS (15 * 1000) /* time from PASV to the transfer's command */
#define WEIR_FTP_PASSIVE_YIELD_MS                                                                  \
	2000                       /* age at which a passive port is taken away if none is free */
#define WEIR_FTP_SESSIONS_MAX 8192 /* sessions of one server and loop: 421 (set) */
#define WEIR_FTP_FAILURES_MAX 6    /* wrong passwords on one connection: 421 (set) */
#define WEIR_FTP_PORTS_TRIED 256   /* passive ports that are tried */
#define WEIR_FTP_UPLOAD_MAX (1024LL * 1024 * 1024 * 1024) /* bytes of an uploaded file: 552 (set) */
#define WEIR_FTP_NAMES_TRIED 16                           /* names that STOU tries */
#define WEIR_FTP_TELNET_ANSWERS_MAX 16                    /* telnet options refused in one line */

/* -- store -- */
#define WEIR_LOG_QUEUE_MAX                                                                         \
	(1024 * 1024) /* bytes of log lines that wait for the disk; further lines are dropped */
#define WEIR_PATH_MAX 4096         /* bytes of a path in a tree, its NUL counted */
#define WEIR_TREE_ENTRIES_MAX 1024 /* paths a tree remembers, a descriptor each (set) */
#define WEIR_TREE_CONTENT_MAX                                                                      \
	(16 * 1024 * 1024) /* bytes of small files a tree keeps in memory (set) */
#define WEIR_TREE_CONTENT_FILE_MAX (32 * 1024) /* the largest of these (set) */
#define WEIR_TREE_REVALIDATE_MS 1000           /* time for which a path is not walked again (set) */
#define WEIR_TREE_REST_MS 1000 /* time without a lookup after which a file is closed */
#define WEIR_TREE_SETTLE_MS                                                                        \
	50 /* age of a change below which a further change may not show in the times of the file */
#define WEIR_DIRECTORY_BATCH (32 * 1024)   /* bytes of names read from a directory at once */
#define WEIR_DIRECTORY_SORT_MAX 2000       /* entries of a directory that can be sorted (set) */
#define WEIR_UPLOAD_QUEUE (1024 * 1024)    /* bytes of an upload that wait for the disk */
#define WEIR_UPLOAD_BATCH (512 * 1024)     /* bytes of an upload that are written at once */
#define WEIR_UPLOAD_GATHER_MS 100          /* time after which fewer bytes are written */
#define WEIR_DIRECTORY_STEP 4096           /* names looked at in one piece of work */
#define WEIR_DIRECTORY_LEVELS_MAX 16       /* components of a pattern */
#define WEIR_DIRECTORY_PATTERN_MAX 1000000 /* names that a pattern of several components looks at */
#define WEIR_LINK_TEXT_MAX 511             /* bytes of a symbolic link that a listing shows */
#define WEIR_UPLOAD_SPLICE_MAX                                                                     \
	(4 * 1024 * 1024) /* bytes taken from a socket in one piece of work */
/*
 * Disk space reserved ahead for an upload of known size: as much as is written already, within
 * these.
 */
#define WEIR_UPLOAD_RESERVE_MIN (256 * 1024)
#define WEIR_UPLOAD_RESERVE_MAX (16 * 1024 * 1024)
#define WEIR_UPLOAD_STALE_S (24 * 60 * 60)     /* a leftover temporary of this age is removed */
#define WEIR_USERS_MAX 100000                  /* users of one file */
#define WEIR_USERS_FILE_MAX (32 * 1024 * 1024) /* bytes of it */
#define WEIR_USER_NAME_MAX 255                 /* bytes of a user's name */
#define WEIR_PASSWORD_MAX 511                  /* bytes of a password; crypt(3) takes no more */
#define WEIR_CHECKS_MAX 64         /* passwords being checked or waiting for it, in the process */
#define WEIR_CHECKS_NETWORK_MAX 16 /* password checks of one client's network */
#define WEIR_CRYPTS_MAX (WEIR_WORK_THREADS / 2) /* of these, at once on the work pool */
#define WEIR_VERIFIED_MAX 64                    /* correct passwords that a snapshot remembers */
#define WEIR_VERIFIED_MS (60 * 1000)            /* time for which they are remembered */

/* -- mailboxes -- */
#define WEIR_MAIL_MESSAGE_MAX (64LL * 1024 * 1024) /* bytes of a message (set) */
#define WEIR_MAILDROP_MAX 1000000                  /* messages of a mailbox seen in one session */
#define WEIR_MAILDROP_LEASE_S 120                  /* lease of a mailbox in a database */
#define WEIR_MAIL_UID_MAX 70                       /* characters of a UIDL (RFC 1939 7) */
#define WEIR_MAIL_BUFFER (256 * 1024)              /* bytes of a message that wait for the disk */
#define WEIR_MAIL_BATCH_MAX 64 /* messages that share the syncs of their directories */
#define WEIR_MAIL_LANES (WEIR_WORK_THREADS / 2) /* such batches at once, of a store and loop */
#define WEIR_MAIL_COMMITS_MAX 1024       /* messages that wait to be synced, of a store and loop */
#define WEIR_MAIL_RECIPIENTS_MAX 1000    /* of one message */
#define WEIR_MAIL_STALE_S (36 * 60 * 60) /* a file in tmp/ of this age is removed */
#define WEIR_MAIL_RECOUNT_S                                                                        \
	(10 * 60)                   /* time for which the usage of a mailbox is not counted again */
#define WEIR_MAIL_SMALL (32 * 1024) /* a message up to this size is read whole to be sent */
#define WEIR_MAILBOXES_KEPT 1024    /* mailboxes whose usage is remembered */

/* -- mail queue -- */
#define WEIR_QUEUE_MESSAGES_MAX 100000 /* messages in a queue (set) */
#define WEIR_QUEUE_STATUS_MAX 511      /* bytes of the next hop's reply that are stored */
#define WEIR_QUEUE_ENVELOPE_MAX (4 * 1024 * 1024) /* bytes of an envelope's file */
#define WEIR_QUEUE_STATES_MAX 1000                /* messages whose state the disk would not take */
#define WEIR_QUEUE_LEASE_S (30 * 60)              /* time of a claim in a database (set) */
#define WEIR_QUEUE_POLL_S 10            /* longest time between two looks for messages (set) */
#define WEIR_QUEUE_LOOK_MS 30000        /* time between two looks at all that is due */
#define WEIR_QUEUE_COUNT_MS 4000        /* time between two counts of the messages, at least */
#define WEIR_QUEUE_COMMAND_MS 5000      /* time for a command to a queue to be run */
#define WEIR_QUEUE_BUFFER (1024 * 1024) /* bytes of a message that wait for the disk */

/* -- SMTP, as a client -- */
#define WEIR_SMTP_REPLY_MAX 1023                  /* bytes of a reply that are stored */
#define WEIR_SMTP_REPLY_LINES_MAX 10000           /* lines of a reply */
#define WEIR_SMTP_CLIENT_LINE_MAX (64 * 1024)     /* bytes of a line of a reply */
#define WEIR_SMTP_HELO_MAX 255                    /* bytes of our name */
#define WEIR_SMTP_CLIENT_REPLY_MS (5 * 60 * 1000) /* time for a reply (RFC 5321 4.5.3.2) */
#define WEIR_SMTP_CLIENT_DATA_MS (2 * 60 * 1000)  /* time for the reply to DATA */
#define WEIR_SMTP_CLIENT_BLOCK_MS                                                                  \
	(3 * 60 * 1000) /* time in which the server must take a part of a message */
#define WEIR_SMTP_CLIENT_MESSAGE_MS (10 * 60 * 1000) /* time for the reply to a message */
#define WEIR_SMTP_CLIENT_QUIT_MS                                                                   \
	(10 * 1000) /* time for the reply to QUIT, which nothing depends on */
#define WEIR_SMTP_CLIENT_IDLE_MS                                                                   \
	(24 * 60 * 60 * 1000)          /* not reached, since the relay sends QUIT earlier */
#define WEIR_SMTP_MIME_DEPTH_MAX 100   /* parts within parts of a message that is encoded */
#define WEIR_SMTP_MIME_EDITS_MAX 10000 /* changes of it: at most three a part */

/* -- relay -- */
#define WEIR_RELAY_CONNECTIONS_MAX 4  /* connections to the smart host (set) */
#define WEIR_RELAY_MESSAGES_MAX 100   /* messages over one connection */
#define WEIR_RELAY_IDLE_MS (5 * 1000) /* time for which a connection without a message stays open */
#define WEIR_RELAY_DOWN_S 60          /* time for which a host that is down is not tried */
#define WEIR_RELAY_ADDRESSES_S                                                                     \
	60 /* time for which the addresses of a name are not looked up again */
#define WEIR_RELAY_RETRY_FIRST_S (5 * 60) /* time to the second try; it doubles each time (set) */
#define WEIR_RELAY_RETRY_MOST_S (4 * 60 * 60) /* longest time between two tries (set) */
#define WEIR_RELAY_WARN_S (4 * 60 * 60) /* time after which the sender gets a delay report (set) */
#define WEIR_RELAY_LIFE_S (5 * 24 * 60 * 60) /* time after which a message is returned (set) */
#define WEIR_DSN_ORIGINAL_MAX (64 * 1024)    /* bytes of an original in a report */

/* -- SASL -- */
#define WEIR_SASL_LINE_MAX 2048        /* characters of a line, its CRLF not counted */
#define WEIR_SASL_NONCE_MAX 512        /* bytes of SCRAM's nonce, both halves */
#define WEIR_SCRAM_SALT_MAX 64         /* bytes of SCRAM's salt */
#define WEIR_SCRAM_ITERATIONS_MIN 4096 /* iterations of PBKDF2; fewer are refused (RFC 7677 4) */
#define WEIR_SCRAM_ITERATIONS 65536    /* iterations for a new password */
#define WEIR_SCRAM_ITERATIONS_MAX                                                                  \
	(1 << 20)                    /* more iterations would let a server keep a client busy */
#define WEIR_GUARD_THRESHOLD_MAX 100 /* wrong passwords without a delay, at most (set) */
#define WEIR_GUARD_KNOWN_MAX 4096    /* users whose logins from a network are remembered */
#define WEIR_GUARD_KNOWN_MS INT64_C(2592000000) /* time for which they are remembered: 30 days */
#define WEIR_GUARD_ADDRESSES_MAX 4096           /* addresses whose wrong passwords are counted */
#define WEIR_GUARD_FIRST_MS 1000        /* delay of the reply to the first wrong password (set) */
#define WEIR_GUARD_MOST_MS (30 * 1000)  /* longest delay, after doubling (set) */
#define WEIR_GUARD_DECAY_MS (60 * 1000) /* time after which one wrong password is forgotten (set) */

/* -- POP3 -- */
#define WEIR_POP3_LINE_MAX 600             /* bytes of a command: room for any password */
#define WEIR_POP3_IDLE_MS (10 * 60 * 1000) /* RFC 1939 3 asks for no less (set) */
#define WEIR_POP3_LOGIN_MS (2 * 60 * 1000) /* from the connection to the login (set) */
#define WEIR_POP3_FAILURES_MAX 3           /* logins that may fail on a connection (set) */
#define WEIR_POP3_MISTAKES_MAX 20          /* unknown commands before the login */

/* -- mail: where it goes -- */
#define WEIR_ALIASES_MAX 100000                  /* aliases of one file */
#define WEIR_ALIASES_FILE_MAX (32 * 1024 * 1024) /* bytes of it */
#define WEIR_ALIAS_DEPTH_MAX 8                   /* aliases that lead to further aliases */
#define WEIR_ALIAS_TARGETS_MAX 1000              /* destinations of mail for one address */

/* -- SMTP -- */
#define WEIR_SMTP_LINE_MAX 2048               /* bytes of a command and its CRLF */
#define WEIR_SMTP_AUTH_LINE_MAX 12288         /* bytes of AUTH and its lines (RFC 4954 4) */
#define WEIR_SMTP_SIZE_MAX (32 * 1024 * 1024) /* bytes of a message (set) */
#define WEIR_SMTP_RECIPIENTS_MAX 1000         /* recipients of a message (set) */
#define WEIR_SMTP_MESSAGES_MAX 1000           /* messages of a connection (set) */
#define WEIR_SMTP_ERRORS_MAX 20               /* errors of a connection since its last message */
#define WEIR_SMTP_AUTH_FAILURE_COST 5         /* errors that a wrong password counts as */
#define WEIR_SMTP_RECEIVED_MAX 100            /* Received fields of a message: more are a loop */
#define WEIR_SMTP_IDLE_MS (300 * 1000)        /* between commands, between pieces of data (set) */
#define WEIR_SMTP_COMMITS_MAX 4 /* messages of a connection that are being committed at a time */
#define WEIR_SMTP_TRANSACTIONS_KEPT 64 /* transactions whose memory is retained for reuse */

/* -- DNS -- */
#define WEIR_DNS_UDP_SIZE 1232      /* bytes of a reply by UDP, if the client takes so many (set) */
#define WEIR_DNS_UDP_QUERY_MAX 4096 /* bytes of a query by UDP */
#define WEIR_DNS_POINTERS_MAX 64    /* compression pointers of one name that is read */
#define WEIR_DNS_CHAIN_MAX 16       /* CNAME and DNAME records followed for one reply */
#define WEIR_DNS_IDLE_MS (10 * 1000) /* a connection without a query (set) */
#define WEIR_DNS_REPLIES_MAX 32      /* replies unsent on a connection; reading stops there (set) */
#define WEIR_DNS_TRANSFERS_MAX 16    /* zones being sent at a time, of one server and loop (set) */
#define WEIR_DNS_TRANSFER_MESSAGE (16 * 1024) /* bytes of one message of a transfer */
#define WEIR_DNS_ZONES_MAX 100000             /* zones of a set */
#define WEIR_DNS_ZONE_NAMES_MAX 50000000      /* names of a zone */
#define WEIR_DNS_ZONE_BYTES_MAX 4000000000    /* bytes of a zone, in memory */
#define WEIR_DNS_LINE_MAX (256 * 1024)        /* bytes of a record in a zone file, all its lines */
#define WEIR_DNS_INCLUDES_MAX 8               /* zone files that include each other */
#define WEIR_DNS_GENERATE_MAX (1 << 20)       /* records of one $GENERATE */
#define WEIR_DNS_MISTAKES_MAX 100             /* mistakes of a zone that are reported */
#define WEIR_DNS_NSEC3_ITERATIONS_MAX 500     /* of a zone; validators give up earlier (RFC 9276) */
#define WEIR_DNS_RRL_BUCKETS (1 << 16) /* clients and answers whose rate is known, of a loop */
#define WEIR_DNS_RRL_SLIP                                                                          \
	2 /* of the replies over the rate, each of this number is sent truncated (set) */
#define WEIR_DNS_NOTIFY_TRIES 5       /* tries of NOTIFY */
#define WEIR_DNS_NOTIFY_MS 2000       /* time to the second try of NOTIFY; it doubles each time */
#define WEIR_DNS_KEYS_MAX 256         /* keys of TSIG */
#define WEIR_DNS_HISTORY_STEPS_MAX 64 /* changes of a zone that IXFR can send */
#define WEIR_DNS_HISTORY_BYTES_MAX (16 * 1024 * 1024) /* bytes of these changes */
#define WEIR_DNS_FETCHES_MAX 16               /* zones received at a time, of one owner (set) */
#define WEIR_DNS_CHECKS_MAX 64                /* SOA queries by UDP at a time */
#define WEIR_DNS_CHECK_TRIES 3                /* tries of such a query; then it is sent by TCP */
#define WEIR_DNS_CHECK_MS 1500                /* time to the second try; it doubles each time */
#define WEIR_DNS_FETCH_BYTES_MAX (1ull << 30) /* bytes of a zone that is received (set) */
#define WEIR_DNS_FETCH_BUFFER (1024 * 1024)   /* bytes of it that are received and not parsed yet */
#define WEIR_DNS_FETCH_CONNECT_MS 5000        /* time for the connection to a primary */
#define WEIR_DNS_FETCH_IDLE_MS (30 * 1000)    /* time for which a primary may send nothing */
#define WEIR_DNS_FETCH_MS (2 * 60 * 60 * 1000) /* time for a whole transfer */
#define WEIR_DNS_SECONDARIES_MAX 100000        /* secondary zones of one owner */
#define WEIR_DNS_PRIMARIES_MAX 16              /* addresses of the primaries of a zone */
#define WEIR_DNS_REFRESH_MIN_S 60              /* bounds of the times of a SOA record (set) */
#define WEIR_DNS_REFRESH_MAX_S (7 * 24 * 60 * 60)
#define WEIR_DNS_RETRY_MIN_S 15
#define WEIR_DNS_RETRY_MAX_S (24 * 60 * 60)
#define WEIR_DNS_FIRST_RETRY_MAX_S (60 * 60) /* longest retry time of a zone without data */
#define WEIR_DNS_NOTIFIED_MS 1000 /* between two checks of a zone, however often NOTIFY comes */
#define WEIR_DNS_PADDING 468      /* replies by TLS are as long as a multiple of this (RFC 8467) */

/* -- DNS lookups -- */
#define WEIR_DNS_CACHE_BYTES (64 * 1024 * 1024) /* of a cache, for all its loops (set) */
#define WEIR_DNS_CACHE_MIN (64 * 1024)          /* least size of a cache */
#define WEIR_DNS_TTL_MAX_S (24 * 60 * 60)       /* longer TTLs are cut to this (set) */
#define WEIR_DNS_NEGATIVE_TTL_MAX_S                                                                \
	(60 * 60)            /* longer TTLs of negative answers are cut to this (set) */
#define WEIR_DNS_FAILURE_S 5 /* time for which a failure is cached (RFC 9520 3.2) */
#define WEIR_DNS_STALE_S                                                                           \
	(24 * 60 * 60)          /* time for which an expired answer stays in the cache (set) */
#define WEIR_DNS_STALE_TTL_S 30 /* TTL of an expired answer (RFC 8767 4) */
#define WEIR_DNS_STALE_WAIT_MS                                                                     \
	1800                      /* time after which clients get an expired answer (RFC 8767 5) */
#define WEIR_DNS_STALE_RETRY_S 30 /* time for which its question is not sent again (RFC 8767 5) */
#define WEIR_DNS_PREFETCH_PART                                                                     \
	10 /* an answer is fetched again in the last of so many parts of its TTL */
#define WEIR_DNS_PREFETCH_USES 2   /* uses that it must have had for that */
#define WEIR_DNS_LOOKUPS_MAX 16384 /* clients that wait for lookups (set) */
#define WEIR_DNS_CLIENT_PART 4 /* one network may have this part of WEIR_DNS_ASKS_MAX: a fourth */

/* -- DNS: asking others -- */
#define WEIR_DNS_UPSTREAMS_MAX 8   /* servers that are asked */
#define WEIR_DNS_ASKS_MAX 1024     /* questions under way, of a set of upstreams (set) */
#define WEIR_DNS_ASK_MS 5000       /* time for a question, all its tries together (set) */
#define WEIR_DNS_TRIES_MAX 6       /* queries for one question that get no reply */
#define WEIR_DNS_WAIT_FIRST_MS 400 /* time for a reply of a server whose speed is not known */
#define WEIR_DNS_WAIT_LEAST_MS                                                                     \
	100 /* least time for a reply of any server; it doubles in each round */
#define WEIR_DNS_WAIT_MOST_MS 3000
#define WEIR_DNS_TCP_WAIT_MS 3000 /* time for a reply by TCP, with the connection */
#define WEIR_DNS_FORGED_MAX 4     /* wrong replies after which a question is sent by TCP */
#define WEIR_DNS_FAILURES_MAX 3   /* failures in a row after which a server counts as down */
#define WEIR_DNS_BACKOFF_FIRST_MS                                                                  \
	1000 /* time for which a server that is down is not asked; it doubles each time */
#define WEIR_DNS_BACKOFF_MAX_MS 60000 /* longest such time */
#define WEIR_DNS_PROBE_MS 30000       /* time between two measurements of the other servers */
#define WEIR_DNS_WORKAROUND_MS                                                                     \
	3600000 /* time for which a missing feature of a server is remembered */
#define WEIR_DNS_UPSTREAM_IDLE_MS                                                                  \
	5000 /* time for which a connection to a server stays open for further questions */
#define WEIR_DNS_UPSTREAM_REPLY_MAX 4096 /* bytes of a datagram; larger replies come by TCP */

/* -- resolver -- */
#define WEIR_RESOLVINGS_MAX 4096 /* names being looked up, of a resolver */
#define WEIR_RESOLVED_MAX 64     /* records of one result */
#define WEIR_RESOLVER_LOOK_MS                                                                      \
	3000 /* time for which /etc/resolv.conf and /etc/hosts are not read again */
#define WEIR_HOSTS_FILE_MAX (16 * 1024 * 1024) /* bytes read of /etc/hosts */
#define WEIR_RESOLV_CONF_MAX (64 * 1024)       /* bytes read of /etc/resolv.conf */
#define WEIR_RESOLV_SEARCH_MAX 6               /* domains that are searched */

/* -- PostgreSQL -- */
#define WEIR_POSTGRES_HOSTS_MAX 8     /* hosts of a URL */
#define WEIR_POSTGRES_ADDRESSES_MAX 4 /* addresses of a host that are tried */
#define WEIR_POSTGRES_WHY_MAX 256     /* bytes of a reason, with its NUL */
#define WEIR_POSTGRES_STREAMS_MAX 4   /* streams at a time (set) */
#define WEIR_POSTGRES_BATCHES_MAX 2   /* batches at a time (set) */
#define WEIR_POSTGRES_GATHER_MS 50    /* time for which calls gather beside a batch under way */
#define WEIR_POSTGRES_RETURN_MS 2     /* time for the next of a batch's callers to call again */
#define WEIR_POSTGRES_RETURN_EVERY 16 /* of these batches one is waited after, if none called */
#define WEIR_POSTGRES_BATCH_MAX 128   /* calls of a batch (set) */
#define WEIR_POSTGRES_BATCH_BYTES                                                                  \
	(1024 * 1024) /* statements and values of a batch; one call alone may have more (set) */
#define WEIR_POSTGRES_WAITING_MAX 1024 /* calls that wait (set) */
#define WEIR_POSTGRES_WAITING_BYTES                                                                \
	(16 * 1024 * 1024) /* statements and values of calls that wait (set) */
#define WEIR_POSTGRES_CALL_BYTES (4 * 1024 * 1024) /* statements and values of one call */
#define WEIR_POSTGRES_CALL_STATEMENTS_MAX 16       /* statements of a call */
#define WEIR_POSTGRES_VALUES_MAX 1024              /* values of a statement */
#define WEIR_POSTGRES_STATEMENTS_MAX 256           /* prepared statements of a pool (set) */
#define WEIR_POSTGRES_CONNECT_MS 5000              /* time for an address, with TLS (set) */
#define WEIR_POSTGRES_WAIT_MS 10000   /* time for all waits and repetitions of a call (set) */
#define WEIR_POSTGRES_ANSWER_MS 10000 /* time without a result of a statement (set) */
#define WEIR_POSTGRES_IDLE_MS 60000   /* time after which an idle connection is closed (set) */
#define WEIR_POSTGRES_CANCEL_MS 2000  /* time for a statement to end after it was cancelled */
#define WEIR_POSTGRES_LATE_MS 60000   /* time for a commit that was not confirmed in time */
#define WEIR_POSTGRES_LATE_MAX 16     /* such commits of a pool: no batch begins beside them */
#define WEIR_POSTGRES_DRAIN_MS 100    /* time for a stream to end after its caller has gone */
#define WEIR_POSTGRES_BACKOFF_MS                                                                   \
	100 /* time without connections after a failure; it doubles each time */
#define WEIR_POSTGRES_BACKOFF_MAX_MS 5000 /* longest such time */
#define WEIR_POSTGRES_RETRIES_MAX 5       /* repetitions of a call alone after 40001 and 40P01 */
#define WEIR_POSTGRES_RETRY_MS 20         /* time before the first of these; it doubles each time */
#define WEIR_POSTGRES_BATCH_FAILURES_MAX                                                           \
	2                             /* batches of a call that may fail before it runs alone */
#define WEIR_POSTGRES_ROWS_BUDGET 256 /* results of a connection in a turn */
#define WEIR_POSTGRES_LARGE_ROW                                                                    \
	(1024 * 1024) /* bytes of a row after which the connection, with its buffer, is closed */
#define WEIR_POSTGRES_PRODUCE_SIZE (32 * 1024) /* bytes that a producer of rows formats ahead */

/* -- stores in a database -- */
#define WEIR_DATABASE_LOOPS_MAX 256          /* loops with a pool of their own */
#define WEIR_DATABASE_SECRET_MAX (64 * 1024) /* bytes of a secret, or of a private key */
#define WEIR_DATABASE_SHARED_SECRET 32       /* bytes of a secret that changes with time */
#define WEIR_DATABASE_SECRETS_MAX 4          /* such secrets: the next, the current, two before */
#define WEIR_DATABASE_SECRETS_RETRY_MS 10000 /* time until they are asked for again */
#define WEIR_DATABASE_ZONE_VERSIONS 16 /* versions of a zone that are there, with the current */
#define WEIR_DATABASE_ZONE_BYTES 1000000000 /* bytes of the text of a zone that is read */
#define WEIR_DATABASE_ZONE_VERSION_S (7 * 24 * 60 * 60) /* time for which old ones are there */
#define WEIR_DATABASE_CHUNK (64 * 1024)                 /* bytes of a chunk of a message */
#define WEIR_DATABASE_ACME_CHANGES_MAX 12               /* changes of a transaction */
#define WEIR_DATABASE_POLL_MS 2000 /* time between two looks at the version of a snapshot (set) */
#define WEIR_DATABASE_SNAPSHOT_BYTES 64000000 /* bytes of a text that is looked at on disk */
#define WEIR_DATABASE_COPY_HEAD 128           /* bytes of the first line of a copy on disk */
#define WEIR_DATABASE_COPY_CONFIRM_MS 60000   /* between two changes of the time of a copy */
#define WEIR_DATABASE_BUFFER                                                                       \
	(32 * 1024 * 1024) /* bytes of messages that wait, of a loop, before small chunks leave */
#define WEIR_DATABASE_BODY_STALE "1 day" /* a message that is still being written is removed */
#define WEIR_DATABASE_SWEEP_MS 60000     /* time between two sweeps of a store */
#define WEIR_DATABASE_REMOVE_MAX 1000    /* messages that are removed by one statement */
#define WEIR_DATABASE_SETTLE_MS 30000    /* time for which an unknown outcome is looked into */
#define WEIR_DATABASE_SWEEP 8            /* messages that are removed in one transaction */
#define WEIR_DATABASE_LOCK                                                                         \
	"250ms" /* time for which a migration waits for a table, and others for it */
#define WEIR_DATABASE_LOCK_PAUSE_MS 1000 /* time until it tries again */
#define WEIR_DATABASE_LOCK_TRIES 20      /* such tries of a statement */

WEIR_C_END

#endif
