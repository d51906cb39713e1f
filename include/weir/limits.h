/*
 * Every bound of the library, by name, with its default. What a server may set for itself is marked
 * "(set)" and stands in the options of weir/server.h or weir/http.h; the rest is fixed at build
 * time.
 */
#ifndef WEIR_LIMITS_H
#define WEIR_LIMITS_H

/* -- loop -- */
#define WEIR_EVENTS_PER_WAIT 256 /* descriptors heard of in one wait */
#define WEIR_INPUT_BUDGET                                                                          \
	(2 * 1024 * 1024) /* bytes that transformers read in a turn, whatever comes out */
#define WEIR_INPUT_SLICE (64 * 1024) /* of these, for a channel that waits for its turn */
#define WEIR_WORK_THREADS 4          /* threads of a lane of blocking work, all loops together */
#define WEIR_WORK_QUEUE_MAX 4096     /* work waiting in a lane */

/* -- input -- */
#define WEIR_RECEIVE_SIZE (64 * 1024) /* one read a turn takes this much */
#define WEIR_RECEIVE_STREAMED_SIZE                                                                 \
	(256 * 1024) /* … of what is streamed: the loop's receive buffer */
#define WEIR_DIVERT_GATHER                                                                         \
	(512 * 1024)              /* what is taken past the channel is gathered to so much, … */
#define WEIR_DIVERT_GATHER_MS 100 /* … or for so long */
#define WEIR_EVICT_LOOKS                                                                           \
	64 /* channels looked at for one that gives way, where all places are taken */
#define WEIR_EVICT_IDLE_MS 250 /* so long a channel must have been idle to give way */
#define WEIR_EVICT_SILENT_MS                                                                       \
	25 /* a channel that has been sent nothing, so that its client speaks first */
#define WEIR_EVICT_AGAIN_MS 50 /* when none does, until the next look */
#define WEIR_EVICT_STALLED_MS                                                                      \
	1000                   /* without a byte, after which one in the middle of a request does */
#define WEIR_DELIMITER_MAX 256 /* bytes of a delimiter */
#define WEIR_REQUEST_MAX (64 * 1024) /* bytes of one whole request (set by the protocol) */
#define WEIR_BODY_RATE_MIN                                                                         \
	4000 /* bytes a second that streamed input must keep up, after WEIR_REQUEST_MS */

/* -- output -- */
#define WEIR_REPLIES_MAX 128 /* replies open or unsent in a channel; reading stops there (set) */
#define WEIR_REPLIES_RECYCLED                                                                      \
	256 /* of replies that have gone, the memory a loop keeps for others */
#define WEIR_OUTPUT_ROOM (72 * 1024)    /* bytes asked of the producers for one send */
#define WEIR_OUTPUT_PIECES 128          /* pieces in one send */
#define WEIR_FILE_EXTENT (1024 * 1024)  /* bytes of a file sent by one call */
#define WEIR_WRITE_BUDGET (1024 * 1024) /* bytes sent on one channel in a turn */
#define WEIR_UNSENT_LOW                                                                            \
	(16 * 1024) /* unsent bytes the kernel may hold of a new or stalled reader */
#define WEIR_UNSENT_HIGH (128 * 1024) /* … of a reader that has shown to be taking them */
#define WEIR_UNSENT_FILE                                                                           \
	(1024 * 1024) /* … of such a reader and a large file: pages that are cached anyway */
#define WEIR_UNSENT_PROVEN (256 * 1024)  /* bytes taken that show it */
#define WEIR_TRAILERS_MAX 1024           /* bytes of the trailer fields of a chunked reply */
#define WEIR_EMPTY_ASKS_MAX 16           /* asks in a row that a producer may answer with nothing */
#define WEIR_ARENA_RETAINED (512 * 1024) /* scratch that a loop keeps from turn to turn */

/* -- server -- */
#define WEIR_CHANNELS_MAX 16384     /* channels of one server and loop (set) */
#define WEIR_PERMITS_RESERVED 16    /* permits that a server does not share (set) */
#define WEIR_BACKLOG 1024           /* connections the kernel queues for accept */
#define WEIR_ACCEPTS_PER_TURN 64    /* so that new clients do not starve old ones */
#define WEIR_ACCEPT_PAUSE_MS 100    /* after EMFILE and its like */
#define WEIR_IDLE_MS (60 * 1000)    /* nothing asked, nothing answered (set) */
#define WEIR_REQUEST_MS (30 * 1000) /* from the first byte of a request to its last (set) */
#define WEIR_PROGRESS_MS                                                                           \
	(60 * 1000) /* no byte taken by the peer, none came that was asked for (set) */
#define WEIR_DRAIN_MS (30 * 1000) /* from the wish to stop to the end of what is in flight (set) */
#define WEIR_LINGER_MS (2 * 1000) /* after an error reply, reading and dropping what still comes */
#define WEIR_CONNECT_MS (30 * 1000)   /* an outgoing connection */
#define WEIR_PEER_CONNECTIONS_MAX 100 /* connections of one address, of those that count (set) */
#define WEIR_HTTP_PEER_CONNECTIONS_MAX 20000 /* … of HTTP (set) */
#define WEIR_PEERS_MAX (64 * 1024) /* addresses connected at a time, of those that count (set) */

/* -- TLS -- */
#define WEIR_TLS_HANDSHAKE_MS (10 * 1000) /* from its beginning to its end */
#define WEIR_TLS_HANDSHAKES_MAX                                                                    \
	1024 /* begun and not complete, of one server and loop; beyond, the oldest gives way */
#define WEIR_TLS_HANDSHAKES_PER_TURN 8 /* steps of handshakes, so that they do not starve others */
#define WEIR_TLS_RECORD_SMALL                                                                      \
	1370 /* bytes in a record that fits a segment: it can be read as soon as that has come */
#define WEIR_TLS_RECORD_LARGE (16 * 1024)
#define WEIR_TLS_SMALL_BYTES (16 * 1024) /* sent in small records, before large ones … */
#define WEIR_TLS_SMALL_AGAIN_MS 1000     /* … and again after a pause of this length */
#define WEIR_TLS_ROOM (64 * 1024) /* bytes asked of the producers for one send: whole records */
#define WEIR_TLS_PENDING_MAX                                                                       \
	(64 * 1024) /* ciphertext kept for a peer that makes us talk and does not read */
#define WEIR_TLS_CERTIFICATES_MAX 1024 /* of one server */
#define WEIR_TLS_OCSP_MAX (64 * 1024)  /* bytes of an OCSP response */
#define WEIR_TLS_TICKET_KEYS 3         /* kept: one gives out tickets, the others are still taken */
#define WEIR_TLS_TICKET_ROTATE_S (4 * 60 * 60) /* a key gives out tickets for this long */

/* -- HTTP -- */
#define WEIR_HTTP_HEAD_MAX (32 * 1024) /* bytes of a request head: 431 */
#define WEIR_HTTP_FAULT_MAX 64         /* bytes of a malformed request that the log shows */
#define WEIR_HTTP_TARGET_MAX 8000      /* bytes of a request-target: 414 */
#define WEIR_HTTP_FIELDS_MAX 100       /* fields in a head: 431 */
#define WEIR_HTTP_EMPTY_LINES_MAX 2    /* empty lines before a request line (RFC 9112 2.2) */
#define WEIR_HTTP_CHUNK_LINE_MAX                                                                   \
	256 /* bytes of a chunk's size and extensions: a way to send what does not count */
#define WEIR_HTTP_RANGES_MAX 16 /* ranges of a request; with more, Range is ignored */
#define WEIR_HTTP_RANGE_OVERLAPS_MAX                                                               \
	2 /* overlaps among them: only who wants to keep the server busy has more */
#define WEIR_HTTP_BASIC_MAX 512                /* bytes of a user's name and password, decoded */
#define WEIR_HTTP_SCRATCH 192                  /* bytes of an exchange for its handler's own */
#define WEIR_HTTP_REPLY_FIELDS_MAX (16 * 1024) /* bytes of the fields of a reply */
#define WEIR_HTTP_DISCARD_MAX                                                                      \
	(256 * 1024) /* bytes of a body that nobody wanted, read to keep the connection */
#define WEIR_HTTP_TRAILER_MAX 4096   /* bytes of one trailer field of a request */
#define WEIR_HTTP_TRAILERS_IN_MAX 32 /* trailer fields of a request */
#define WEIR_HTTP_GLOB_SIZE                                                                        \
	(40 * 1024) /* pieces in which composed replies leave: what a stalled reader costs */
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
#define WEIR_HTTP_EXCHANGES_KEPT 256           /* exchanges a loop keeps for reuse */

/* -- FTP -- */
#define WEIR_FTP_LINE_MAX 4096        /* bytes of a command, its CRLF not counted: 500 */
#define WEIR_FTP_IDLE_MS (300 * 1000) /* no command and no transfer: 421 (set) */
#define WEIR_FTP_DATA_WAIT_MS                                                                      \
	(60 * 1000) /* from a transfer's command, or PORT, to the data connection */
#define WEIR_FTP_PASSIVE_WAIT_MS (15 * 1000) /* of these, from PASV to the transfer's command */
#define WEIR_FTP_PASSIVE_YIELD_MS 2000 /* after that a passive port gives way when none is free */
#define WEIR_FTP_SESSIONS_MAX 8192     /* sessions of one server and loop: 421 (set) */
#define WEIR_FTP_FAILURES_MAX 6        /* wrong passwords on one connection: 421 (set) */
#define WEIR_FTP_PORTS_TRIED 256 /* passive ports looked at before it is said that none is free */
#define WEIR_FTP_UPLOAD_MAX (1024LL * 1024 * 1024 * 1024) /* bytes of an uploaded file: 552 (set) */
#define WEIR_FTP_NAMES_TRIED 16                           /* names that STOU tries */
#define WEIR_FTP_TELNET_ANSWERS_MAX 16                    /* telnet options refused in one line */

/* -- store -- */
#define WEIR_LOG_QUEUE_MAX                                                                         \
	(1024 * 1024) /* bytes of log lines that wait for the disk; beyond, lines are dropped and counted */
#define WEIR_PATH_MAX 4096         /* bytes of a path in a tree, its NUL counted */
#define WEIR_TREE_ENTRIES_MAX 1024 /* paths a tree remembers, a descriptor each (set) */
#define WEIR_TREE_CONTENT_MAX                                                                      \
	(16 * 1024 * 1024) /* bytes of small files a tree keeps in memory (set) */
#define WEIR_TREE_CONTENT_FILE_MAX (32 * 1024) /* the largest of these (set) */
#define WEIR_TREE_REVALIDATE_MS                                                                    \
	1000 /* how long a path is believed without being walked again (set) */
#define WEIR_TREE_REST_MS                                                                          \
	1000 /* a file that was not looked up for so long is closed, and opened again when it is */
#define WEIR_TREE_SETTLE_MS                                                                        \
	50 /* changed less than this ago: another change may not show in the times */
#define WEIR_DIRECTORY_BATCH (32 * 1024)   /* bytes of names read from a directory at once */
#define WEIR_DIRECTORY_STEP 4096           /* names looked at in one piece of work */
#define WEIR_DIRECTORY_LEVELS_MAX 16       /* components of a pattern */
#define WEIR_DIRECTORY_PATTERN_MAX 1000000 /* names that a pattern of several components looks at */
#define WEIR_LINK_TEXT_MAX 511             /* bytes of a symbolic link that a listing shows */
#define WEIR_DIRECTORY_SORT_MAX 2000       /* entries of a directory that can be sorted (set) */
#define WEIR_UPLOAD_QUEUE (1024 * 1024)    /* bytes of an upload that wait for the disk */
#define WEIR_UPLOAD_BATCH (512 * 1024)     /* … of these, so many are written at once */
#define WEIR_UPLOAD_GATHER_MS 100          /* … or what has come in this time */
#define WEIR_UPLOAD_SPLICE_MAX                                                                     \
	(4 * 1024 * 1024) /* bytes taken from a socket in one piece of work */
/*
 * Room that an upload of known size has on the disk ahead of what was written: as much as was
 * written, and within these.
 */
#define WEIR_UPLOAD_RESERVE_MIN (256 * 1024)
#define WEIR_UPLOAD_RESERVE_MAX (16 * 1024 * 1024)
#define WEIR_UPLOAD_STALE_S (24 * 60 * 60)     /* a leftover temporary of this age is removed */
#define WEIR_USERS_MAX 100000                  /* users of one file */
#define WEIR_USERS_FILE_MAX (32 * 1024 * 1024) /* bytes of it */
#define WEIR_USER_NAME_MAX 255                 /* bytes of a user's name */
#define WEIR_PASSWORD_MAX 511                  /* bytes of a password; crypt(3) takes no more */
#define WEIR_CHECKS_MAX 64         /* passwords being checked or waiting for it, in the process */
#define WEIR_CHECKS_NETWORK_MAX 16 /* of these, of one client's network */
#define WEIR_CRYPTS_MAX (WEIR_WORK_THREADS / 2) /* of these, at once on the work pool */
#define WEIR_VERIFIED_MAX 64                    /* right passwords a snapshot remembers */
#define WEIR_VERIFIED_MS (60 * 1000)            /* … for this long */

/* -- mailboxes -- */
#define WEIR_MAIL_MESSAGE_MAX (64LL * 1024 * 1024) /* bytes of a message (set) */
#define WEIR_MAILDROP_MAX 1000000                  /* messages of a mailbox seen in one session */
#define WEIR_MAIL_UID_MAX 70                       /* characters of a UIDL (RFC 1939 7) */
#define WEIR_MAIL_BUFFER (256 * 1024)              /* bytes of a message that wait for the disk */
#define WEIR_MAIL_BATCH_MAX 64 /* messages that share the syncs of their directories */
#define WEIR_MAIL_LANES (WEIR_WORK_THREADS / 2) /* such batches at once, of a store and loop */
#define WEIR_MAIL_COMMITS_MAX 1024       /* messages that wait to be synced, of a store and loop */
#define WEIR_MAIL_RECIPIENTS_MAX 1000    /* of one message */
#define WEIR_MAIL_STALE_S (36 * 60 * 60) /* a file in tmp/ of this age is removed */
#define WEIR_MAIL_RECOUNT_S (10 * 60)    /* for this long is believed how full a mailbox is */
#define WEIR_MAIL_SMALL (32 * 1024)      /* a message up to this size is read whole to be sent */
#define WEIR_MAILBOXES_KEPT 1024         /* mailboxes of which is remembered how full they are */

/* -- mail queue -- */
#define WEIR_QUEUE_MESSAGES_MAX 100000            /* messages in a queue (set) */
#define WEIR_QUEUE_STATUS_MAX 511                 /* bytes kept of what the next hop said */
#define WEIR_QUEUE_ENVELOPE_MAX (4 * 1024 * 1024) /* bytes of an envelope's file */
#define WEIR_QUEUE_STATES_MAX 1000                /* messages whose state the disk would not take */
#define WEIR_QUEUE_BUFFER (1024 * 1024)           /* bytes of a message that wait for the disk */

/* -- SMTP, as a client -- */
#define WEIR_SMTP_REPLY_MAX 1023                       /* bytes kept of a reply */
#define WEIR_SMTP_REPLY_LINES_MAX 10000                /* lines of one */
#define WEIR_SMTP_CLIENT_LINE_MAX (64 * 1024)          /* bytes of a line of it */
#define WEIR_SMTP_HELO_MAX 255                         /* bytes of our name */
#define WEIR_SMTP_CLIENT_REPLY_MS (5 * 60 * 1000)      /* a reply to come (RFC 5321 4.5.3.2) */
#define WEIR_SMTP_CLIENT_DATA_MS (2 * 60 * 1000)       /* … that of DATA */
#define WEIR_SMTP_CLIENT_BLOCK_MS (3 * 60 * 1000)      /* … a part of a message to be taken */
#define WEIR_SMTP_CLIENT_MESSAGE_MS (10 * 60 * 1000)   /* … that of a message */
#define WEIR_SMTP_CLIENT_QUIT_MS (10 * 1000)           /* … that of QUIT: nothing hangs on it */
#define WEIR_SMTP_CLIENT_IDLE_MS (24 * 60 * 60 * 1000) /* never met: the relay quits before */
#define WEIR_SMTP_MIME_DEPTH_MAX 100   /* parts within parts of a message that is encoded */
#define WEIR_SMTP_MIME_EDITS_MAX 10000 /* changes of it: at most three a part */

/* -- relay -- */
#define WEIR_RELAY_CONNECTIONS_MAX 4          /* to the smart host (set) */
#define WEIR_RELAY_MESSAGES_MAX 100           /* over one of these */
#define WEIR_RELAY_IDLE_MS (5 * 1000)         /* one without a message is kept for this */
#define WEIR_RELAY_DOWN_S 60                  /* a host that cannot be had is left alone */
#define WEIR_RELAY_ADDRESSES_S 60             /* addresses of a name are believed */
#define WEIR_RELAY_RETRY_FIRST_S (5 * 60)     /* until the second try; then doubled (set) */
#define WEIR_RELAY_RETRY_MOST_S (4 * 60 * 60) /* … up to this (set) */
#define WEIR_RELAY_WARN_S (4 * 60 * 60)       /* then the sender hears of the delay (set) */
#define WEIR_RELAY_LIFE_S (5 * 24 * 60 * 60)  /* then it is given up (set) */
#define WEIR_DSN_ORIGINAL_MAX (64 * 1024)     /* bytes of an original in a report */

/* -- SASL -- */
#define WEIR_SASL_LINE_MAX 2048             /* characters of a line, its CRLF not counted */
#define WEIR_SASL_NONCE_MAX 512             /* bytes of SCRAM's nonce, both halves */
#define WEIR_SCRAM_SALT_MAX 64              /* bytes of its salt */
#define WEIR_SCRAM_ITERATIONS_MIN 4096      /* of PBKDF2: fewer are refused (RFC 7677 4) */
#define WEIR_SCRAM_ITERATIONS 65536         /* … for a new password */
#define WEIR_SCRAM_ITERATIONS_MAX (1 << 20) /* … more would let a server keep a client busy */
#define WEIR_GUARD_THRESHOLD_MAX 100        /* wrong passwords that may cost nothing (set) */
#define WEIR_GUARD_KNOWN_MAX 4096           /* users whose logins from a network are remembered */
#define WEIR_GUARD_KNOWN_MS INT64_C(2592000000) /* … for this long: 30 days */
#define WEIR_GUARD_ADDRESSES_MAX 4096           /* addresses whose wrong passwords are counted */
#define WEIR_GUARD_FIRST_MS 1000        /* the answer to the first one waits so long (set) */
#define WEIR_GUARD_MOST_MS (30 * 1000)  /* … after doubling, none longer than this (set) */
#define WEIR_GUARD_DECAY_MS (60 * 1000) /* … and after each such time one is forgotten (set) */

/* -- POP3 -- */
#define WEIR_POP3_LINE_MAX 600             /* bytes of a command: room for any password */
#define WEIR_POP3_IDLE_MS (10 * 60 * 1000) /* RFC 1939 3 asks for no less (set) */
#define WEIR_POP3_LOGIN_MS (2 * 60 * 1000) /* from the connection to the login (set) */
#define WEIR_POP3_FAILURES_MAX 3           /* logins that may fail on a connection (set) */
#define WEIR_POP3_MISTAKES_MAX 20          /* commands that are none, before the login */

/* -- mail: where it goes -- */
#define WEIR_ALIASES_MAX 100000                  /* aliases of one file */
#define WEIR_ALIASES_FILE_MAX (32 * 1024 * 1024) /* bytes of it */
#define WEIR_ALIAS_DEPTH_MAX 8                   /* aliases that stand for aliases */
#define WEIR_ALIAS_TARGETS_MAX 1000              /* places that mail for one address goes to */

/* -- SMTP -- */
#define WEIR_SMTP_LINE_MAX 2048               /* bytes of a command and its CRLF */
#define WEIR_SMTP_AUTH_LINE_MAX 12288         /* … of AUTH and its lines (RFC 4954 4) */
#define WEIR_SMTP_SIZE_MAX (32 * 1024 * 1024) /* bytes of a message (set) */
#define WEIR_SMTP_RECIPIENTS_MAX 1000         /* recipients of a message (set) */
#define WEIR_SMTP_MESSAGES_MAX 1000           /* messages of a connection (set) */
#define WEIR_SMTP_ERRORS_MAX 20               /* errors of a connection since its last message */
#define WEIR_SMTP_AUTH_FAILURE_COST 5         /* … a wrong password counts as so many */
#define WEIR_SMTP_RECEIVED_MAX 100            /* Received fields of a message: more are a loop */
#define WEIR_SMTP_IDLE_MS (300 * 1000)        /* between commands, between pieces of data (set) */
#define WEIR_SMTP_COMMITS_MAX 4 /* messages of a connection on their way to the disk at a time */
#define WEIR_SMTP_TRANSACTIONS_KEPT 64 /* of messages that are done, memory kept for others */

/* -- DNS -- */
#define WEIR_DNS_UDP_SIZE 1232      /* bytes of a reply by UDP, if the client takes so many (set) */
#define WEIR_DNS_UDP_QUERY_MAX 4096 /* bytes of a query by UDP */
#define WEIR_DATAGRAMS_BATCH 32     /* datagrams received, and sent, by one call */
#define WEIR_DATAGRAMS_PER_TURN 256 /* … of one socket in a turn */
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
#define WEIR_DNS_MISTAKES_MAX 100             /* mistakes of a zone that are told */
#define WEIR_DNS_NSEC3_ITERATIONS_MAX 500     /* of a zone; validators give up earlier (RFC 9276) */
#define WEIR_DNS_RRL_BUCKETS (1 << 16) /* clients and answers whose rate is known, of a loop */
#define WEIR_DNS_RRL_SLIP 2     /* every so many-th reply over the rate is sent truncated (set) */
#define WEIR_DNS_NOTIFY_TRIES 5 /* … of NOTIFY */
#define WEIR_DNS_NOTIFY_MS 2000 /* before the second of them; then twice as long each time */
#define WEIR_DNS_KEYS_MAX 256   /* keys of TSIG */
#define WEIR_DNS_HISTORY_STEPS_MAX 64                 /* changes of a zone that IXFR can tell */
#define WEIR_DNS_HISTORY_BYTES_MAX (16 * 1024 * 1024) /* … and bytes of them */
#define WEIR_DNS_FETCHES_MAX 16 /* zones received at a time, of one owner (set) */
#define WEIR_DNS_CHECKS_MAX 64  /* … SOA records asked for by UDP at a time */
#define WEIR_DNS_CHECK_TRIES 3  /* … by UDP; then by TCP */
#define WEIR_DNS_CHECK_MS 1500  /* before the second of them; then twice as long each time */
#define WEIR_DNS_FETCH_BYTES_MAX (1ull << 30)  /* bytes of a zone that is received (set) */
#define WEIR_DNS_FETCH_BUFFER (1024 * 1024)    /* … received and not looked at yet */
#define WEIR_DNS_FETCH_CONNECT_MS 5000         /* until the connection to a primary stands */
#define WEIR_DNS_FETCH_IDLE_MS (30 * 1000)     /* a primary that sends nothing */
#define WEIR_DNS_FETCH_MS (2 * 60 * 60 * 1000) /* … a whole transfer */
#define WEIR_DNS_SECONDARIES_MAX 100000        /* zones of one owner that come from elsewhere */
#define WEIR_DNS_PRIMARIES_MAX 16              /* addresses that a zone comes from */
#define WEIR_DNS_REFRESH_MIN_S 60              /* bounds of what a SOA record asks for (set) */
#define WEIR_DNS_REFRESH_MAX_S (7 * 24 * 60 * 60)
#define WEIR_DNS_RETRY_MIN_S 15
#define WEIR_DNS_RETRY_MAX_S (24 * 60 * 60)
#define WEIR_DNS_FIRST_RETRY_MAX_S (60 * 60) /* … for a zone that has not come yet */
#define WEIR_DNS_NOTIFIED_MS 1000 /* between two checks of a zone, however often NOTIFY comes */
#define WEIR_DNS_PADDING 468      /* replies by TLS are as long as a multiple of this (RFC 8467) */

/* -- DNS lookups -- */
#define WEIR_DNS_CACHE_BYTES (64 * 1024 * 1024) /* of a cache, for all its loops (set) */
#define WEIR_DNS_CACHE_MIN (64 * 1024)          /* … it is never smaller */
#define WEIR_DNS_TTL_MAX_S (24 * 60 * 60)       /* longer ones are cut to this (set) */
#define WEIR_DNS_NEGATIVE_TTL_MAX_S (60 * 60)   /* … of what there is not (set) */
#define WEIR_DNS_FAILURE_S 5                    /* a failure is remembered (RFC 9520 3.2) */
#define WEIR_DNS_STALE_S (24 * 60 * 60)         /* an expired answer is kept (set) */
#define WEIR_DNS_STALE_TTL_S 30                 /* TTL of an expired answer (RFC 8767 4) */
#define WEIR_DNS_STALE_WAIT_MS 1800             /* then it is given to who waits (RFC 8767 5) */
#define WEIR_DNS_STALE_RETRY_S 30  /* … and not asked for again in this time (RFC 8767 5) */
#define WEIR_DNS_PREFETCH_PART 10  /* asked for again in the last of so many parts of its TTL … */
#define WEIR_DNS_PREFETCH_USES 2   /* … if it was used so often */
#define WEIR_DNS_LOOKUPS_MAX 16384 /* who wait for them (set) */
#define WEIR_DNS_CLIENT_PART 4     /* … of one network: this part of WEIR_DNS_ASKS_MAX, a 4th */

/* -- DNS: asking others -- */
#define WEIR_DNS_UPSTREAMS_MAX 8   /* servers that are asked */
#define WEIR_DNS_ASKS_MAX 1024     /* questions under way, of a set of upstreams (set) */
#define WEIR_DNS_ASK_MS 5000       /* a question, all its tries together (set) */
#define WEIR_DNS_TRIES_MAX 6       /* queries for one question that waited in vain */
#define WEIR_DNS_WAIT_FIRST_MS 400 /* … the wait for a server that is not known yet */
#define WEIR_DNS_WAIT_LEAST_MS 100 /* … for any; twice as long in each round */
#define WEIR_DNS_WAIT_MOST_MS 3000
#define WEIR_DNS_TCP_WAIT_MS 3000        /* … by TCP, connecting counted */
#define WEIR_DNS_FORGED_MAX 4            /* replies that are none, before a question goes by TCP */
#define WEIR_DNS_FAILURES_MAX 3          /* in a row, before a server is set aside */
#define WEIR_DNS_BACKOFF_FIRST_MS 1000   /* for this long, then for twice as long … */
#define WEIR_DNS_BACKOFF_MAX_MS 60000    /* … and never longer */
#define WEIR_DNS_PROBE_MS 30000          /* how often it is looked whether another is faster */
#define WEIR_DNS_WORKAROUND_MS 3600000   /* how long it is believed that a server lacks something */
#define WEIR_DNS_UPSTREAM_IDLE_MS 5000   /* a connection to one, kept for further questions */
#define WEIR_DNS_UPSTREAM_REPLY_MAX 4096 /* bytes of a datagram; what is larger goes by TCP */

/* -- resolver -- */
#define WEIR_RESOLVINGS_MAX 4096   /* names being looked up, of a resolver */
#define WEIR_RESOLVED_MAX 64       /* records of one result */
#define WEIR_RESOLVER_LOOK_MS 3000 /* how long /etc/resolv.conf and /etc/hosts are believed */
#define WEIR_HOSTS_FILE_MAX (16 * 1024 * 1024) /* bytes read of /etc/hosts */
#define WEIR_RESOLV_CONF_MAX (64 * 1024)       /* … of /etc/resolv.conf */
#define WEIR_RESOLV_SEARCH_MAX 6               /* domains that are searched */

#endif
