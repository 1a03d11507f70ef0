/* SPDX-License-Identifier: Apache-2.0
 * status.h - command_status: its names, and what a sender does about each.
 *
 * A workflow branches on the error classes of catalyst/channel.h; a session needs to know one thing
 * more, whether the same message may be sent again and how often. Both stand in one table, so that
 * a status is classed once.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef SMPP_STATUS_H
#define SMPP_STATUS_H
#include <stdint.h>
#include <catalyst/channel.h>

enum smpp_status {
    SMPP_OK = 0x00,
    SMPP_RINVMSGLEN = 0x01,
    SMPP_RINVCMDLEN = 0x02,
    SMPP_RINVCMDID = 0x03,
    SMPP_RINVBNDSTS = 0x04,
    SMPP_RALYBND = 0x05,
    SMPP_RINVPRTFLG = 0x06,
    SMPP_RINVREGDLVFLG = 0x07,
    SMPP_RSYSERR = 0x08,
    SMPP_RINVSRCADR = 0x0a,
    SMPP_RINVDSTADR = 0x0b,
    SMPP_RINVMSGID = 0x0c,
    SMPP_RBINDFAIL = 0x0d,
    SMPP_RINVPASWD = 0x0e,
    SMPP_RINVSYSID = 0x0f,
    SMPP_RCANCELFAIL = 0x11,
    SMPP_RREPLACEFAIL = 0x13,
    SMPP_RMSGQFUL = 0x14,
    SMPP_RINVSERTYP = 0x15,
    SMPP_RINVNUMDESTS = 0x33,
    SMPP_RINVDLNAME = 0x34,
    SMPP_RINVDESTFLAG = 0x40,
    SMPP_RINVSUBREP = 0x42,
    SMPP_RINVESMCLASS = 0x43,
    SMPP_RCNTSUBDL = 0x44,
    SMPP_RSUBMITFAIL = 0x45,
    SMPP_RINVSRCTON = 0x48,
    SMPP_RINVSRCNPI = 0x49,
    SMPP_RINVDSTTON = 0x50,
    SMPP_RINVDSTNPI = 0x51,
    SMPP_RINVSYSTYP = 0x53,
    SMPP_RINVREPFLAG = 0x54,
    SMPP_RINVNUMMSGS = 0x55,
    SMPP_RTHROTTLED = 0x58,
    SMPP_RINVSCHED = 0x61,
    SMPP_RINVEXPIRY = 0x62,
    SMPP_RINVDFTMSGID = 0x63,
    SMPP_RX_T_APPN = 0x64,
    SMPP_RX_P_APPN = 0x65,
    SMPP_RX_R_APPN = 0x66,
    SMPP_RQUERYFAIL = 0x67,
    SMPP_RINVTLVSTREAM = 0xc0,
    SMPP_RTLVNOTALLWD = 0xc1,
    SMPP_RINVTLVLEN = 0xc2,
    SMPP_RMISSINGTLV = 0xc3,
    SMPP_RINVTLVVAL = 0xc4,
    SMPP_RDELIVERYFAILURE = 0xfe,
    SMPP_RUNKNOWNERR = 0xff,
    SMPP_RSERTYPUNAUTH = 0x100,
    SMPP_RPROHIBITED = 0x101,
    SMPP_RSERTYPUNAVAIL = 0x102,
    SMPP_RSERTYPDENIED = 0x103,
    SMPP_RINVDCS = 0x104,
    SMPP_RINVSRCADDRSUBUNIT = 0x105,
    SMPP_RINVDSTADDRSUBUNIT = 0x106,
    SMPP_RINVBCASTFREQINT = 0x107,
    SMPP_RINVBCASTALIAS_NAME = 0x108,
    SMPP_RINVBCASTAREAFMT = 0x109,
    SMPP_RINVNUMBCAST_AREAS = 0x10a,
    SMPP_RINVBCASTCNTTYPE = 0x10b,
    SMPP_RINVBCASTMSGCLASS = 0x10c,
    SMPP_RBCASTFAIL = 0x10d,
    SMPP_RBCASTQUERYFAIL = 0x10e,
    SMPP_RBCASTCANCELFAIL = 0x10f,
    SMPP_RINVBCAST_REP = 0x110,
    SMPP_RINVBCASTSRVGRP = 0x111,
    SMPP_RINVBCASTCHANIND = 0x112
};

enum smpp_retry {
    SMPP_RETRY_NEVER = 1, /* the same message would fail the same way */
    SMPP_RETRY_AGAIN,     /* later; back-pressure is no attempt of the message */
    SMPP_RETRY_LIMITED,   /* later, a few times: the fault may lie in the message */
    SMPP_RETRY_RECONNECT  /* the bind is at fault, not the message */
};

struct smpp_status_info {
    uint32_t status;
    const char *name;          /* "ESME_RTHROTTLED"; "" for one without a name */
    const char *text;          /* what it means, for people */
    enum wf_class error_class; /* 0 for ESME_ROK */
    enum smpp_retry retry;     /* 0 for ESME_ROK */
};

/* Never NULL: a status of no table (0x400 and up are the SMSC's own) is a limited retry. */
const struct smpp_status_info *smpp_status_of(uint32_t status);

/* 1 for those that ask to slow down: ESME_RTHROTTLED and ESME_RMSGQFUL. */
static inline int smpp_status_is_throttle(uint32_t status)
{
    return status == SMPP_RTHROTTLED || status == SMPP_RMSGQFUL;
}

#endif
