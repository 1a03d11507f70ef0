/* SPDX-License-Identifier: Apache-2.0
 * What the SMPP codec costs: PDUs read and written, receipts, alphabets. One JSON line per figure:
 * the median, the least and the most of 7 rounds, in nanoseconds and in operations a second.
 *
 * "turn" reads a PDU and writes it again from the struct, which is what a gateway does with it.
 */
#include "gsm.h"
#include "pdu.h"
#include "receipt.h"
#include "segment.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7, TIMES = 200000, PDUS = 16 };

#define S(text) ((struct smpp_str){ .ptr = (text), .len = sizeof(text) - 1 })

static const char message[] = "Your code is 482913. Do not share it with anybody. It ends at 12:40";
static const char turkish[] = "Değerli müşterimiz, şifreniz 482913. Kimseyle paylaşmayınız, iğne";
static const char receipt_text[] =
    "id:1795435260123456 sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 "
    "stat:DELIVRD err:000 text:Your code is 482913.";

struct bench {
    uint8_t bytes[PDUS][512]; /* as they come from a stream, no two alike */
    int lens[PDUS];
    uint8_t out[512];
    uint64_t sink; /* so that no work is left out */
};

static void require(int holds)
{
    if (!holds) {
        fprintf(stderr, "smpp_bench: a PDU was not taken\n");
        exit(1);
    }
}

static void fill(struct bench *b, const struct smpp_pdu *pdu)
{
    struct smpp_pdu one = *pdu;
    char to[16];
    for (uint32_t i = 0; i < PDUS; i++) {
        one.sequence = i + 1;
        if (pdu->command == SMPP_SUBMIT_SM || pdu->command == SMPP_DELIVER_SM) {
            one.sm.to.addr.len = (uint32_t)snprintf(to, sizeof to, "4915112%05u", i * 4711);
            one.sm.to.addr.ptr = to;
            one.sm.text.len -= i % 4;
        }
        b->lens[i] = smpp_pdu_write(&one, b->bytes[i], sizeof b->bytes[i], NULL);
        require(b->lens[i] > 0);
        one.sm.text.len = pdu->sm.text.len;
    }
}

static void run_read(struct bench *b)
{
    struct smpp_pdu pdu;
    for (int i = 0; i < TIMES; i++) {
        unsigned k = (unsigned)i % PDUS;
        require(smpp_pdu_read(&pdu, b->bytes[k], (size_t)b->lens[k], NULL) == 0);
        b->sink += pdu.sequence;
    }
}

static void run_turn(struct bench *b)
{
    struct smpp_pdu pdu;
    for (int i = 0; i < TIMES; i++) {
        unsigned k = (unsigned)i % PDUS;
        require(smpp_pdu_read(&pdu, b->bytes[k], (size_t)b->lens[k], NULL) == 0);
        pdu.sequence += 7;
        require(smpp_pdu_write(&pdu, b->out, sizeof b->out, NULL) == b->lens[k]);
        b->sink += b->out[15];
    }
}

/* A submit_sm comes, its response goes. */
static void run_serve(struct bench *b)
{
    struct smpp_pdu pdu;
    for (int i = 0; i < TIMES; i++) {
        unsigned k = (unsigned)i % PDUS;
        require(smpp_pdu_read(&pdu, b->bytes[k], (size_t)b->lens[k], NULL) == 0);
        b->sink += smpp_reply_write(b->out, pdu.command | SMPP_RESP, 0, pdu.sequence,
                                    "1795435260123456", 16);
    }
}

static void run_receipt(struct bench *b)
{
    struct smpp_pdu pdu;
    struct receipt receipt;
    static const struct receipt_rules rules = { 0 };
    for (int i = 0; i < TIMES; i++) {
        unsigned k = (unsigned)i % PDUS;
        require(smpp_pdu_read(&pdu, b->bytes[k], (size_t)b->lens[k], NULL) == 0);
        require(receipt_read(&pdu, &rules, &receipt) == 1);
        b->sink += receipt.state;
    }
}

static void choose(struct bench *b, const char *text, size_t len, const struct gsm_rules *rules)
{
    struct gsm_choice choice;
    require(gsm_choose(text, len, rules, &choice) == 0);
    ssize_t n = gsm_encode(text, len, &choice.coding, b->out, sizeof b->out, NULL);
    require(n > 0);
    b->sink += (uint64_t)n;
}

static void run_choose(struct bench *b)
{
    static const struct gsm_rules rules = { .transliterate = 1 };
    for (int i = 0; i < TIMES; i++)
        choose(b, message, sizeof message - 1, &rules);
}

static void run_choose_ucs2(struct bench *b)
{
    static const struct gsm_rules rules = { 0 };
    for (int i = 0; i < TIMES; i++)
        choose(b, turkish, sizeof turkish - 1, &rules);
}

static void run_choose_national(struct bench *b)
{
    static const struct gsm_rules rules = { .single = 1u << GSM_TURKISH,
                                            .locking = 1u << GSM_TURKISH };
    for (int i = 0; i < TIMES; i++)
        choose(b, turkish, sizeof turkish - 1, &rules);
}

static void run_decode(struct bench *b)
{
    static const struct gsm_coding coding = { .alphabet = GSM_SEPTETS };
    for (int i = 0; i < TIMES; i++)
        b->sink += gsm_decode((const uint8_t *)message, sizeof message - 1, &coding, (char *)b->out,
                              sizeof b->out);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* of a core, whoever shares the machine */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct bench *b, const char *name, void (*run)(struct bench *))
{
    double ns[ROUNDS];
    run(b); /* warm */
    for (int i = 0; i < ROUNDS; i++) {
        double began = now_s();
        run(b);
        ns[i] = (now_s() - began) * 1e9 / TIMES;
    }
    qsort(ns, ROUNDS, sizeof *ns, by_size);
    printf("{\"bench\":\"smpp\",\"what\":\"%s\",\"ns\":%.1f,\"min_ns\":%.1f,\"max_ns\":%.1f,"
           "\"per_s\":%.0f}\n",
           name, ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1], 1e9 / ns[ROUNDS / 2]);
    fflush(stdout);
}

int main(void)
{
    static struct bench b;
    struct smpp_pdu submit = { .command = SMPP_SUBMIT_SM,
                               .sm = { .from = { .ton = 5, .addr = S("ACME") },
                                       .to = { .ton = 1, .npi = 1 },
                                       .registered = 1,
                                       .text = S(message) } };
    struct smpp_pdu resp = { .command = SMPP_SUBMIT_SM | SMPP_RESP,
                             .reply.id = S("1795435260123456") };
    uint8_t room[64];
    struct smpp_out tlvs = smpp_out_of(room, sizeof room);
    struct receipt receipt = { .id = S("1795435260123456"), .state = SMPP_STATE_DELIVERED };
    receipt_tlvs_write(&receipt, &tlvs);
    fill(&b, &submit);
    measure(&b, "submit_sm read", run_read);
    measure(&b, "submit_sm turn", run_turn);
    measure(&b, "submit_sm serve", run_serve);
    fill(&b, &resp);
    measure(&b, "submit_sm_resp read", run_read);
    measure(&b, "submit_sm_resp turn", run_turn);
    submit.command = SMPP_DELIVER_SM;
    submit.sm.esm_class = 4;
    submit.sm.text = S(receipt_text);
    submit.tlvs = smpp_tlvs_of(&tlvs);
    fill(&b, &submit);
    measure(&b, "deliver_sm turn", run_turn);
    measure(&b, "receipt", run_receipt);
    measure(&b, "choose and encode gsm7", run_choose);
    measure(&b, "choose and encode ucs2", run_choose_ucs2);
    measure(&b, "choose and encode national", run_choose_national);
    measure(&b, "decode gsm7", run_decode);
    return b.sink == 42;
}
