/* SPDX-License-Identifier: Apache-2.0
 * status.c - the table of command_status: 3.4 section 5.1.3, 5.0 section 4.7.6.
 *
 * The classes are what senders have learnt, not what the standard says (it says nothing): what is
 * wrong with the recipient, what with the message, what with the account.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "status.h"
#include <stddef.h>

#define ROW(name, text, error_class, retry)                                                        \
    {                                                                                              \
        SMPP_##name, "ESME_" #name, text, error_class, retry                                       \
    }
#define CONTENT(name, text)   ROW(name, text, WF_CLASS_PERMANENT_CONTENT, SMPP_RETRY_NEVER)
#define RECIPIENT(name, text) ROW(name, text, WF_CLASS_PERMANENT_RECIPIENT, SMPP_RETRY_NEVER)
#define ACCOUNT(name, text)   ROW(name, text, WF_CLASS_PERMANENT_ACCOUNT, SMPP_RETRY_NEVER)
#define BIND(name, text)      ROW(name, text, WF_CLASS_PERMANENT_ACCOUNT, SMPP_RETRY_RECONNECT)
#define AGAIN(name, text)     ROW(name, text, WF_CLASS_TRANSIENT, SMPP_RETRY_AGAIN)
#define LIMITED(name, text)   ROW(name, text, WF_CLASS_TRANSIENT, SMPP_RETRY_LIMITED)
#define THROTTLE(name, text)  ROW(name, text, WF_CLASS_THROTTLE, SMPP_RETRY_AGAIN)

/* Sorted by number. */
static const struct smpp_status_info status_rows[] = {
    { SMPP_OK, "ESME_ROK", "no error", (enum wf_class)0, (enum smpp_retry)0 },
    CONTENT(RINVMSGLEN, "message length is invalid"),
    CONTENT(RINVCMDLEN, "command length is invalid"),
    CONTENT(RINVCMDID, "invalid command id"),
    BIND(RINVBNDSTS, "wrong bind state for this command"),
    BIND(RALYBND, "already in bound state"),
    CONTENT(RINVPRTFLG, "invalid priority flag"),
    CONTENT(RINVREGDLVFLG, "invalid registered delivery flag"),
    AGAIN(RSYSERR, "system error"),
    CONTENT(RINVSRCADR, "invalid source address"),
    RECIPIENT(RINVDSTADR, "invalid destination address"),
    CONTENT(RINVMSGID, "message id is invalid"),
    BIND(RBINDFAIL, "bind failed"),
    BIND(RINVPASWD, "invalid password"),
    BIND(RINVSYSID, "invalid system id"),
    CONTENT(RCANCELFAIL, "cancel_sm failed"),
    CONTENT(RREPLACEFAIL, "replace_sm failed"),
    THROTTLE(RMSGQFUL, "message queue is full"),
    CONTENT(RINVSERTYP, "invalid service type"),
    CONTENT(RINVNUMDESTS, "invalid number of destinations"),
    RECIPIENT(RINVDLNAME, "invalid name of a distribution list"),
    CONTENT(RINVDESTFLAG, "destination flag is invalid"),
    CONTENT(RINVSUBREP, "submit with replace is not possible"),
    CONTENT(RINVESMCLASS, "invalid esm_class"),
    RECIPIENT(RCNTSUBDL, "cannot submit to the distribution list"),
    LIMITED(RSUBMITFAIL, "submit failed"),
    CONTENT(RINVSRCTON, "invalid type of number of the source"),
    CONTENT(RINVSRCNPI, "invalid numbering plan of the source"),
    RECIPIENT(RINVDSTTON, "invalid type of number of the destination"),
    RECIPIENT(RINVDSTNPI, "invalid numbering plan of the destination"),
    BIND(RINVSYSTYP, "invalid system type"),
    CONTENT(RINVREPFLAG, "invalid replace_if_present flag"),
    CONTENT(RINVNUMMSGS, "invalid number of messages"),
    THROTTLE(RTHROTTLED, "more messages than are allowed"),
    CONTENT(RINVSCHED, "invalid scheduled delivery time"),
    CONTENT(RINVEXPIRY, "invalid validity period"),
    CONTENT(RINVDFTMSGID, "predefined message is invalid or not found"),
    AGAIN(RX_T_APPN, "receiver has a temporary error"),
    RECIPIENT(RX_P_APPN, "receiver has a permanent error"),
    CONTENT(RX_R_APPN, "receiver rejects the message"),
    CONTENT(RQUERYFAIL, "query_sm failed"),
    CONTENT(RINVTLVSTREAM, "optional part of the body is broken"),
    CONTENT(RTLVNOTALLWD, "parameter is not allowed"),
    CONTENT(RINVTLVLEN, "parameter has an invalid length"),
    CONTENT(RMISSINGTLV, "parameter is missing"),
    CONTENT(RINVTLVVAL, "parameter has an invalid value"),
    LIMITED(RDELIVERYFAILURE, "delivery failed"),
    LIMITED(RUNKNOWNERR, "unknown error"),
    ACCOUNT(RSERTYPUNAUTH, "not authorised for this service type"),
    ACCOUNT(RPROHIBITED, "prohibited from this operation"),
    ACCOUNT(RSERTYPUNAVAIL, "service type is not available"),
    ACCOUNT(RSERTYPDENIED, "service type is denied"),
    CONTENT(RINVDCS, "invalid data coding"),
    CONTENT(RINVSRCADDRSUBUNIT, "source address subunit is invalid"),
    RECIPIENT(RINVDSTADDRSUBUNIT, "destination address subunit is invalid"),
    CONTENT(RINVBCASTFREQINT, "broadcast frequency interval is invalid"),
    CONTENT(RINVBCASTALIAS_NAME, "broadcast alias name is invalid"),
    CONTENT(RINVBCASTAREAFMT, "broadcast area format is invalid"),
    CONTENT(RINVNUMBCAST_AREAS, "number of broadcast areas is invalid"),
    CONTENT(RINVBCASTCNTTYPE, "broadcast content type is invalid"),
    CONTENT(RINVBCASTMSGCLASS, "broadcast message class is invalid"),
    LIMITED(RBCASTFAIL, "broadcast failed"),
    CONTENT(RBCASTQUERYFAIL, "query of a broadcast failed"),
    CONTENT(RBCASTCANCELFAIL, "cancel of a broadcast failed"),
    CONTENT(RINVBCAST_REP, "number of repeated broadcasts is invalid"),
    CONTENT(RINVBCASTSRVGRP, "broadcast service group is invalid"),
    CONTENT(RINVBCASTCHANIND, "broadcast channel indicator is invalid"),
};

/* Numbers that no standard names: the SMSC's own (0x400 to 0x4ff) and reserved ones. The same
 * message may do later, or may be at fault; a few tries tell. */
static const struct smpp_status_info nameless = { 0, "", "status of the SMSC's own",
                                                  WF_CLASS_TRANSIENT, SMPP_RETRY_LIMITED };

const struct smpp_status_info *smpp_status_of(uint32_t status)
{
    size_t from = 0, to = sizeof status_rows / sizeof *status_rows;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (status_rows[middle].status == status)
            return &status_rows[middle];
        if (status_rows[middle].status < status)
            from = middle + 1;
        else
            to = middle;
    }
    return &nameless;
}
