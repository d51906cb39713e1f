/* The verbs: which there are, what each needs, and what carries it out. */
#ifndef WEIR_FTP_VERBS_H
#define WEIR_FTP_VERBS_H

#include "session.h"

/* Carries out a line: replies to it, now or later. */
void ftp_verb_run(struct ftp_session *session, const char *line);

/* Whether a line is answered while a transfer runs. */
bool ftp_verb_during(const struct ftp_session *session, const char *line);

/* The verbs' names for HELP, a multi-line reply's middle; and how one is used, or NULL. */
void ftp_verb_help(struct ftp_session *session, const char *verb);

/* -- what carries them out; the argument is "" where there is none ----------------------------- */

#define FTP_VERB(name) void ftp_##name(struct ftp_session *session, const char *argument)

/* verb_access.c */
FTP_VERB(user);
FTP_VERB(pass);
FTP_VERB(acct);
FTP_VERB(rein);
FTP_VERB(quit);
/* verb_secure.c */
FTP_VERB(auth);
FTP_VERB(pbsz);
FTP_VERB(prot);
FTP_VERB(ccc);
/* verb_port.c */
FTP_VERB(port);
FTP_VERB(eprt);
FTP_VERB(pasv);
FTP_VERB(epsv);
/* verb_parameter.c */
FTP_VERB(type);
FTP_VERB(stru);
FTP_VERB(mode);
FTP_VERB(rest);
FTP_VERB(allo);
/* verb_directory.c */
FTP_VERB(cwd);
FTP_VERB(cdup);
FTP_VERB(pwd);
FTP_VERB(mkd);
FTP_VERB(rmd);
/* verb_change.c */
FTP_VERB(dele);
FTP_VERB(rnfr);
FTP_VERB(rnto);
FTP_VERB(mfmt);
FTP_VERB(site);
/* verb_fact.c */
FTP_VERB(size);
FTP_VERB(mdtm);
FTP_VERB(mlst);
/* verb_feature.c */
FTP_VERB(feat);
FTP_VERB(opts);
FTP_VERB(lang);
FTP_VERB(clnt);
FTP_VERB(host);
FTP_VERB(help);
FTP_VERB(syst);
FTP_VERB(noop);
FTP_VERB(smnt);
/* verb_transfer.c */
FTP_VERB(retr);
FTP_VERB(stor);
FTP_VERB(stou);
FTP_VERB(appe);
FTP_VERB(abor);
/* verb_list.c */
FTP_VERB(list_all);
FTP_VERB(nlst);
FTP_VERB(mlsd);
FTP_VERB(stat);

#undef FTP_VERB

#endif
