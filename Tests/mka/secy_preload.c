// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
//
// Lets a stock wpa_supplicant run MKA on a kernel without MACsec: loaded before libnl, it answers what the macsec_linux
// driver asks for, and writes each command for the SecY as a JSON line to the file named by SECY_LOG.
// Keys are in that file: for tests only.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/genetlink.h>
#include <linux/if_macsec.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nl_sock;
struct nl_msg;
struct nl_cache;
struct nl_object;
struct rtnl_link;
extern struct nlmsghdr *nlmsg_hdr(struct nl_msg *);
extern struct rtnl_link *rtnl_link_alloc(void);
extern void rtnl_link_set_ifindex(struct rtnl_link *, int);
extern void rtnl_link_set_name(struct rtnl_link *, const char *);

#define FAMILY 0x3fff
static int awaits_answer;

static FILE *log_file(void) {
  static FILE *file;
  const char *path = getenv("SECY_LOG");
  if (!file && path) file = fopen(path, "a");
  return file ? file : stderr;
}

static void write_hex(const char *name, const unsigned char *bytes, int count) {
  fprintf(log_file(), ",\"%s\":\"", name);
  for (int i = 0; i < count; i++) fprintf(log_file(), "%02x", bytes[i]);
  fprintf(log_file(), "\"");
}

static void write_sa(const struct nlattr *attr, int left) {
  while (left >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= left) {
    const unsigned char *data = (const unsigned char *)attr + NLA_HDRLEN;
    int length = attr->nla_len - NLA_HDRLEN;
    switch (attr->nla_type & NLA_TYPE_MASK) {
      case MACSEC_SA_ATTR_AN: fprintf(log_file(), ",\"an\":\"%u\"", data[0]); break;
      case MACSEC_SA_ATTR_ACTIVE: fprintf(log_file(), ",\"active\":\"%u\"", data[0]); break;
      case MACSEC_SA_ATTR_KEY: write_hex("key", data, length); break;
      case MACSEC_SA_ATTR_KEYID: write_hex("keyid", data, length); break;
    }
    int step = NLA_ALIGN(attr->nla_len);
    attr = (const struct nlattr *)((const char *)attr + step);
    left -= step;
  }
}

static void write_rxsc(const struct nlattr *attr, int left) {
  while (left >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= left) {
    if ((attr->nla_type & NLA_TYPE_MASK) == MACSEC_RXSC_ATTR_SCI)
      write_hex("sci", (const unsigned char *)attr + NLA_HDRLEN, attr->nla_len - NLA_HDRLEN);
    int step = NLA_ALIGN(attr->nla_len);
    attr = (const struct nlattr *)((const char *)attr + step);
    left -= step;
  }
}

static const char *command_name(int command) {
  switch (command) {
    case MACSEC_CMD_ADD_RXSC: return "add_rxsc";
    case MACSEC_CMD_DEL_RXSC: return "del_rxsc";
    case MACSEC_CMD_UPD_RXSC: return "upd_rxsc";
    case MACSEC_CMD_ADD_TXSA: return "add_txsa";
    case MACSEC_CMD_DEL_TXSA: return "del_txsa";
    case MACSEC_CMD_UPD_TXSA: return "upd_txsa";
    case MACSEC_CMD_ADD_RXSA: return "add_rxsa";
    case MACSEC_CMD_DEL_RXSA: return "del_rxsa";
    case MACSEC_CMD_UPD_RXSA: return "upd_rxsa";
    default: return "get";
  }
}

int genl_ctrl_resolve(struct nl_sock *sk, const char *name) {
  int (*next)(struct nl_sock *, const char *) = dlsym(RTLD_NEXT, "genl_ctrl_resolve");
  return strcmp(name, "macsec") == 0 ? FAMILY : next(sk, name);
}

int rtnl_link_add(struct nl_sock *sk, struct rtnl_link *link, int flags) { return 0; }
int rtnl_link_change(struct nl_sock *sk, struct rtnl_link *a, struct rtnl_link *b, int flags) { return 0; }
int rtnl_link_delete(struct nl_sock *sk, const struct rtnl_link *link) { return 0; }

struct nl_object *nl_cache_find(struct nl_cache *cache, struct nl_object *filter) {
  struct rtnl_link *link = rtnl_link_alloc();
  rtnl_link_set_ifindex(link, 4242);
  rtnl_link_set_name(link, "macsec0");
  return (struct nl_object *)link;
}

int nl_send_auto_complete(struct nl_sock *sk, struct nl_msg *msg) {
  struct nlmsghdr *header = nlmsg_hdr(msg);
  if (header->nlmsg_type != FAMILY) {
    int (*next)(struct nl_sock *, struct nl_msg *) = dlsym(RTLD_NEXT, "nl_send_auto_complete");
    return next(sk, msg);
  }
  const struct genlmsghdr *generic = (const struct genlmsghdr *)((char *)header + NLMSG_HDRLEN);
  fprintf(log_file(), "{\"command\":\"%s\"", command_name(generic->cmd));
  const struct nlattr *attr = (const struct nlattr *)((const char *)generic + GENL_HDRLEN);
  int left = (int)header->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
  while (left >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= left) {
    const struct nlattr *inner = (const struct nlattr *)((const char *)attr + NLA_HDRLEN);
    switch (attr->nla_type & NLA_TYPE_MASK) {
      case MACSEC_ATTR_SA_CONFIG: write_sa(inner, attr->nla_len - NLA_HDRLEN); break;
      case MACSEC_ATTR_RXSC_CONFIG: write_rxsc(inner, attr->nla_len - NLA_HDRLEN); break;
    }
    int step = NLA_ALIGN(attr->nla_len);
    attr = (const struct nlattr *)((const char *)attr + step);
    left -= step;
  }
  fprintf(log_file(), "}\n");
  fflush(log_file());
  awaits_answer = 1;
  return (int)header->nlmsg_len;
}

int nl_recvmsgs_default(struct nl_sock *sk) {
  if (awaits_answer) {
    awaits_answer = 0;
    return 0;
  }
  int (*next)(struct nl_sock *) = dlsym(RTLD_NEXT, "nl_recvmsgs_default");
  return next(sk);
}
