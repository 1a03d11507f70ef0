/* SPDX-License-Identifier: Apache-2.0
 * sink_options.c - one table: a flag, where its value goes, what it is for.
 *
 * Thread: before the loop begins. May end the program.
 */
#include "sink.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_NUMBER = 1,
    KIND_FLAG,
    KIND_WORD,
    KIND_ADDRESS,
    KIND_ACCOUNT,
    KIND_RULE,
    KIND_PATH
};

struct option {
    const char *flag, *value, *help;
    enum kind kind;
    size_t at;
    const char *words; /* of KIND_WORD: "a|b|c" are 1, 2, 3 */
};

#define AT(member) offsetof(struct sink_options, member)

static const struct option options[] = {
    { "--listen", "HOST:PORT", "where to listen; port 0 takes a free one. 127.0.0.1:2775",
      KIND_ADDRESS, 0, NULL },
    { "--account", "ID:PASSWORD", "who may bind; again for more. None: everybody", KIND_ACCOUNT, 0,
      NULL },
    { "--failed", "PERCENT", "destinations whose receipt says UNDELIV: last two digits below it",
      KIND_NUMBER, AT(failed), NULL },
    { "--expired", "PERCENT", "... the next of them: EXPIRED", KIND_NUMBER, AT(expired), NULL },
    { "--rejected", "PERCENT", "... the next of them: REJECTD", KIND_NUMBER, AT(rejected), NULL },
    { "--on", "SUFFIX=ACTION",
      "destinations that end so: delivered, failed, expired, rejected, unknown, silent (no "
      "receipt), lose (no response), drop (the connection ends), refuse:STATUS; again for more",
      KIND_RULE, 0, NULL },
    { "--lose", "PERMILLE", "responses that are never sent, by chance", KIND_NUMBER, AT(lose),
      NULL },
    { "--rate", "N", "submit_sm a second; above it ESME_RTHROTTLED", KIND_NUMBER, AT(rate), NULL },
    { "--delay", "MS", "before each response", KIND_NUMBER, AT(delay_ms), NULL },
    { "--jitter", "MS", "more delay, by chance: responses come out of order", KIND_NUMBER,
      AT(jitter_ms), NULL },
    { "--receipt-delay", "MS", "before each receipt; 1000", KIND_NUMBER, AT(receipt_delay_ms),
      NULL },
    { "--receipt-jitter", "MS", "more delay, by chance", KIND_NUMBER, AT(receipt_jitter_ms), NULL },
    { "--no-receipts", NULL, "none at all", KIND_FLAG, AT(no_receipts), NULL },
    { "--early", NULL, "receipts before their responses", KIND_FLAG, AT(early), NULL },
    { "--form", "WORD", "of receipts: text, tlv or both; both", KIND_WORD, AT(form),
      "text|tlv|both" },
    { "--ids", "WORD",
      "how ids are written: decimal, hex, hex-decimal (hex in responses, decimal in receipts), "
      "decimal-hex; decimal",
      KIND_WORD, AT(ids), "decimal|hex|hex-decimal|decimal-hex" },
    { "--drop-after", "N", "a connection ends at its N-th submit_sm, unanswered", KIND_NUMBER,
      AT(drop_after), NULL },
    { "--congestion", "PERCENT", "congestion_state in each submit_sm_resp", KIND_NUMBER,
      AT(congestion), NULL },
    { "--seed", "N", "of chance; 1", KIND_NUMBER, AT(seed), NULL },
    { "--log", "FILE", "a line for each accepted message: ms, id, from, to, octets", KIND_PATH, 0,
      NULL },
};

static _Noreturn void fail(const char *flag, const char *why)
{
    fprintf(stderr, "smsc_sink: %s: %s\n", flag, why);
    exit(2);
}

static _Noreturn void help(void)
{
    printf("smsc_sink: an SMSC that takes messages as fast as they come, and fails as told.\n\n");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const struct option *o = &options[i];
        printf("  %s%s%-*s %s\n", o->flag, o->value ? " " : "",
               (int)(30 - strlen(o->flag) - (o->value ? 1 : 0)), o->value ? o->value : "", o->help);
    }
    printf("\nCounters are printed as one line of JSON on SIGUSR1 and at the end (SIGTERM, "
           "SIGINT).\n");
    exit(0);
}

static uint32_t number_of(const char *flag, const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 0);
    if (*end || end == text || value > UINT32_MAX || text[0] == '-')
        fail(flag, "a number is wanted");
    return (uint32_t)value;
}

/* Which of "a|b|c" it is, from 1; 0: none. */
static uint32_t word_of(const char *words, const char *text)
{
    uint32_t n = 1;
    size_t len = strlen(text);
    for (const char *p = words; p; n++) {
        const char *end = strchr(p, '|');
        if ((end ? (size_t)(end - p) : strlen(p)) == len && !memcmp(p, text, len))
            return n;
        p = end ? end + 1 : NULL;
    }
    return 0;
}

static void copy(const char *flag, char *to, size_t room, const char *from, size_t len)
{
    if (len >= room)
        fail(flag, "is too long");
    memcpy(to, from, len);
    to[len] = 0;
}

static void set_address(struct sink_options *o, const char *flag, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        fail(flag, "HOST:PORT is wanted");
    copy(flag, o->host, sizeof o->host, text, (size_t)(colon - text));
    o->port = number_of(flag, colon + 1);
    if (o->port > 65535)
        fail(flag, "there is no such port");
}

static void add_account(struct sink_options *o, const char *flag, const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || o->account_count == SINK_ACCOUNTS)
        fail(flag, colon ? "there are too many" : "ID:PASSWORD is wanted");
    uint32_t i = o->account_count++;
    copy(flag, o->accounts[i].system_id, 65, text, (size_t)(colon - text));
    copy(flag, o->accounts[i].password, 65, colon + 1, strlen(colon + 1));
}

static void add_rule(struct sink_options *o, const char *flag, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || o->rule_count == SINK_RULES)
        fail(flag, equals ? "there are too many" : "SUFFIX=ACTION is wanted");
    struct sink_rule *rule = &o->rules[o->rule_count++];
    copy(flag, rule->suffix, sizeof rule->suffix, text, (size_t)(equals - text));
    if (!strncmp(equals + 1, "refuse:", 7)) {
        rule->action = ACTION_REFUSE;
        rule->status = number_of(flag, equals + 8);
        return;
    }
    /* in the order of enum sink_action */
    rule->action =
        (uint8_t)word_of("delivered|failed|expired|rejected|unknown|silent|lose|drop", equals + 1);
    if (!rule->action)
        fail(flag, "there is no such action");
}

static void set(struct sink_options *o, const struct option *option, const char *value)
{
    uint32_t *number = (uint32_t *)(void *)((char *)o + option->at);
    switch (option->kind) {
    case KIND_NUMBER:
        *number = number_of(option->flag, value);
        break;
    case KIND_FLAG:
        *number = 1;
        break;
    case KIND_WORD:
        *number = word_of(option->words, value);
        if (!*number)
            fail(option->flag, option->words);
        break;
    case KIND_ADDRESS:
        set_address(o, option->flag, value);
        break;
    case KIND_ACCOUNT:
        add_account(o, option->flag, value);
        break;
    case KIND_RULE:
        add_rule(o, option->flag, value);
        break;
    case KIND_PATH:
        copy(option->flag, o->log, sizeof o->log, value, strlen(value));
        break;
    }
}

void sink_options_parse(struct sink_options *o, int argc, char **argv)
{
    *o = (struct sink_options){
        .host = "127.0.0.1", .port = 2775, .receipt_delay_ms = 1000, .form = 3, .ids = 1, .seed = 1
    };
    for (int i = 1; i < argc; i++) {
        const struct option *option = NULL;
        if (!strcmp(argv[i], "--help"))
            help();
        for (size_t k = 0; k < sizeof options / sizeof *options; k++)
            if (!strcmp(argv[i], options[k].flag))
                option = &options[k];
        if (!option)
            fail(argv[i], "is no flag; see --help");
        if (option->value && i + 1 == argc)
            fail(argv[i], "its value is missing");
        set(o, option, option->value ? argv[++i] : NULL);
    }
    if (o->failed + o->expired + o->rejected > 100)
        fail("--failed, --expired, --rejected", "are more than 100 percent together");
}
