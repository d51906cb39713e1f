/*
 * DNS by numbers (RFC 1035, and the registry of DNS parameters): what the other headers of DNS and
 * their users name. Only what is treated in a way of its own stands here; everything else is served
 * by its number (RFC 3597).
 */
#ifndef WEIR_DNS_H
#define WEIR_DNS_H

enum weir_dns_type {
	WEIR_DNS_A = 1,
	WEIR_DNS_NS = 2,
	WEIR_DNS_MD = 3,
	WEIR_DNS_MF = 4,
	WEIR_DNS_CNAME = 5,
	WEIR_DNS_SOA = 6,
	WEIR_DNS_MB = 7,
	WEIR_DNS_MG = 8,
	WEIR_DNS_MR = 9,
	WEIR_DNS_PTR = 12,
	WEIR_DNS_HINFO = 13,
	WEIR_DNS_MINFO = 14,
	WEIR_DNS_MX = 15,
	WEIR_DNS_TXT = 16,
	WEIR_DNS_RP = 17,
	WEIR_DNS_AFSDB = 18,
	WEIR_DNS_RT = 21,
	WEIR_DNS_PX = 26,
	WEIR_DNS_AAAA = 28,
	WEIR_DNS_SRV = 33,
	WEIR_DNS_NAPTR = 35,
	WEIR_DNS_KX = 36,
	WEIR_DNS_DNAME = 39,
	WEIR_DNS_OPT = 41,
	WEIR_DNS_DS = 43,
	WEIR_DNS_RRSIG = 46,
	WEIR_DNS_NSEC = 47,
	WEIR_DNS_DNSKEY = 48,
	WEIR_DNS_NSEC3 = 50,
	WEIR_DNS_NSEC3PARAM = 51,
	WEIR_DNS_TKEY = 249,
	WEIR_DNS_TSIG = 250,
	WEIR_DNS_IXFR = 251,
	WEIR_DNS_AXFR = 252,
	WEIR_DNS_MAILB = 253,
	WEIR_DNS_MAILA = 254,
	WEIR_DNS_ANY = 255,
};

enum weir_dns_class {
	WEIR_DNS_IN = 1,
	WEIR_DNS_CH = 3,
	WEIR_DNS_CLASS_NONE = 254,
	WEIR_DNS_CLASS_ANY = 255,
};

enum weir_dns_opcode {
	WEIR_DNS_QUERY = 0,
	WEIR_DNS_NOTIFY = 4,
	WEIR_DNS_UPDATE = 5,
};

/* Beyond 15, the upper bits travel in OPT, or the whole in TSIG. */
enum weir_dns_rcode {
	WEIR_DNS_NOERROR = 0,
	WEIR_DNS_FORMERR = 1,
	WEIR_DNS_SERVFAIL = 2,
	WEIR_DNS_NXDOMAIN = 3,
	WEIR_DNS_NOTIMP = 4,
	WEIR_DNS_REFUSED = 5,
	WEIR_DNS_YXDOMAIN = 6,
	WEIR_DNS_NOTAUTH = 9,
	WEIR_DNS_BADVERS = 16, /* in OPT (RFC 6891) */
	WEIR_DNS_BADSIG = 16,  /* in TSIG (RFC 8945), as the next three */
	WEIR_DNS_BADKEY = 17,
	WEIR_DNS_BADTIME = 18,
	WEIR_DNS_BADTRUNC = 22,
	WEIR_DNS_BADCOOKIE = 23,
};

/* Of the header's second word. */
enum weir_dns_flags {
	WEIR_DNS_QR = 0x8000,
	WEIR_DNS_OPCODE_MASK = 0x7800,
	WEIR_DNS_OPCODE_SHIFT = 11,
	WEIR_DNS_AA = 0x0400,
	WEIR_DNS_TC = 0x0200,
	WEIR_DNS_RD = 0x0100,
	WEIR_DNS_RA = 0x0080,
	WEIR_DNS_AD = 0x0020,
	WEIR_DNS_CD = 0x0010,
	WEIR_DNS_RCODE_MASK = 0x000f,
};

enum weir_dns_option {
	WEIR_DNS_OPTION_NSID = 3,     /* RFC 5001 */
	WEIR_DNS_OPTION_COOKIE = 10,  /* RFC 7873 */
	WEIR_DNS_OPTION_PADDING = 12, /* RFC 7830 */
	WEIR_DNS_OPTION_ERROR = 15,   /* RFC 8914 */
};

/* Extended errors (RFC 8914 4): what a server has to tell. */
enum weir_dns_extended_error {
	WEIR_DNS_EDE_OTHER = 0,
	WEIR_DNS_EDE_STALE = 3,
	WEIR_DNS_EDE_CACHED_ERROR = 13,
	WEIR_DNS_EDE_NOT_READY = 14,
	WEIR_DNS_EDE_PROHIBITED = 18,
	WEIR_DNS_EDE_STALE_NXDOMAIN = 19,
	WEIR_DNS_EDE_NOT_AUTHORITATIVE = 20,
	WEIR_DNS_EDE_NOT_SUPPORTED = 21,
	WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
	WEIR_DNS_EDE_INVALID_DATA = 24,
};

#endif
