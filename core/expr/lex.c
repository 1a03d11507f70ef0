/* SPDX-License-Identifier: Apache-2.0
 * lex: tokens of the JavaScript subset, read on demand because what "/" and "}" mean is the
 * parser's knowledge. Any thread; memory from the arena given; no I/O.
 */
#include "expr/syntax_int.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "expr/text_int.h"

static const struct {
    const char *text;
    uint8_t len;
    enum token_type type;
} ops[] = {
#define X(name, text) { text, sizeof(text) - 1, TOKEN_##name },
    TOKEN_OPS(X)
#undef X
};

const char *token_text(enum token_type type)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i].type == type)
            return ops[i].text;
    switch (type) {
    case TOKEN_IN:
        return "in";
    case TOKEN_INSTANCEOF:
        return "instanceof";
    case TOKEN_TYPEOF:
        return "typeof";
    case TOKEN_VOID:
        return "void";
    default:
        return "end of the expression";
    }
}

void lex_fail(struct lexer *lex, uint32_t at, const char *format, ...)
{
    if (!lex->failed) {
        va_list args;
        va_start(args, format);
        vsnprintf(lex->error->text, sizeof lex->error->text, format, args);
        va_end(args);
        lex->error->offset = at;
    }
    lex->failed = true;
    lex->token = (struct token){ .type = TOKEN_END, .at = at };
}

static int peek(const struct lexer *lex, uint32_t ahead)
{
    return lex->pos + ahead < lex->len ? (unsigned char)lex->src[lex->pos + ahead] : -1;
}

static bool is_name_start(int c) { return isalpha(c) || c == '_' || c == '$' || c >= 0x80; }

static bool is_name_part(int c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

/* White space and comments. */
static void skip_blank(struct lexer *lex)
{
    for (;;) {
        int c = peek(lex, 0);
        if (c == '\n') {
            lex->token.newline = true;
            lex->pos++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
            lex->pos++;
        } else if (c == 0xC2 && peek(lex, 1) == 0xA0) { /* no-break space, pasted often */
            lex->pos += 2;
        } else if (c == '/' && peek(lex, 1) == '/') {
            while (peek(lex, 0) != '\n' && peek(lex, 0) >= 0)
                lex->pos++;
        } else if (c == '/' && peek(lex, 1) == '*') {
            uint32_t at = lex->pos;
            lex->pos += 2;
            while (peek(lex, 0) >= 0 && !(peek(lex, 0) == '*' && peek(lex, 1) == '/'))
                lex->pos++;
            if (peek(lex, 0) < 0) {
                lex_fail(lex, at, "the comment that starts here is not closed with */");
                return;
            }
            lex->pos += 2;
        } else {
            return;
        }
    }
}

static int hex_digits(struct lexer *lex, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        int c = peek(lex, 0);
        if (c < 0 || !isxdigit(c))
            return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : (c | 32) - 'a' + 10);
        lex->pos++;
    }
    return value;
}

/* \uXXXX, \u{X}, with a second half of a surrogate pair. lex->pos is behind the "u". */
static int32_t unicode_escape(struct lexer *lex)
{
    if (peek(lex, 0) == '{') {
        int32_t value = 0;
        lex->pos++;
        int n = 0;
        for (; peek(lex, 0) >= 0 && isxdigit(peek(lex, 0)) && value <= 0x10FFFF; n++)
            value = value * 16 + hex_digits(lex, 1);
        if (!n || value > 0x10FFFF || peek(lex, 0) != '}')
            return -1;
        lex->pos++;
        return value;
    }
    int32_t high = hex_digits(lex, 4);
    if (high < 0xD800 || high > 0xDBFF || peek(lex, 0) != '\\' || peek(lex, 1) != 'u')
        return high;
    uint32_t back = lex->pos;
    lex->pos += 2;
    int32_t low = hex_digits(lex, 4);
    if (low >= 0xDC00 && low <= 0xDFFF)
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    lex->pos = back;
    return high;
}

/* Reads one escape behind the backslash; writes its UTF-8 to `to` and returns the end. */
static char *escape(struct lexer *lex, char *to)
{
    uint32_t at = lex->pos - 1;
    int c = peek(lex, 0);
    lex->pos++;
    switch (c) {
    case 'n':
        *to++ = '\n';
        return to;
    case 't':
        *to++ = '\t';
        return to;
    case 'r':
        *to++ = '\r';
        return to;
    case 'b':
        *to++ = '\b';
        return to;
    case 'f':
        *to++ = '\f';
        return to;
    case 'v':
        *to++ = '\v';
        return to;
    case '\r':
        if (peek(lex, 0) == '\n')
            lex->pos++;
        return to;
    case '\n':
        return to;
    case 'x':
    case 'u': {
        int32_t value = c == 'x' ? hex_digits(lex, 2) : unicode_escape(lex);
        if (value < 0)
            lex_fail(lex, at, "\\%c is not followed by the digits it needs", c);
        return value < 0 ? to : text_put_utf8(to, (uint32_t)value);
    }
    case '0':
        if (peek(lex, 0) < '0' || peek(lex, 0) > '9') {
            *to++ = '\0';
            return to;
        } /* fall through */
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
        lex_fail(lex, at, "octal escapes are not allowed: write \\x or \\u");
        return to;
    case -1:
        lex_fail(lex, at, "the string is not closed");
        return to;
    default:
        *to++ = (char)c;
        return to;
    }
}

static void read_string(struct lexer *lex, int quote)
{
    uint32_t at = lex->pos++;
    /* No escape is longer as UTF-8 than as written. */
    char *out = arena_alloc(lex->arena, lex->len - at + 8), *to = out;
    for (;;) {
        int c = peek(lex, 0);
        if (c < 0 || c == '\n') {
            lex_fail(lex, at, "the string that starts here is not closed with %c", quote);
            return;
        }
        lex->pos++;
        if (c == quote)
            break;
        if (c == '\\')
            to = escape(lex, to);
        else
            *to++ = (char)c;
        if (lex->failed)
            return;
    }
    *to = '\0';
    lex->token.type = TOKEN_STRING;
    lex->token.text = (wf_str){ out, (size_t)(to - out) };
}

bool lex_template(struct lexer *lex, wf_str *text)
{
    uint32_t at = lex->pos;
    char *out = arena_alloc(lex->arena, lex->len - at + 8), *to = out;
    bool more = false;
    for (;;) {
        int c = peek(lex, 0);
        if (c < 0) {
            lex_fail(lex, at ? at - 1 : 0, "the template that starts here is not closed with `");
            break;
        }
        lex->pos++;
        if (c == '`')
            break;
        if (c == '$' && peek(lex, 0) == '{') {
            lex->pos++;
            more = true;
            break;
        }
        if (c == '\\')
            to = escape(lex, to);
        else
            *to++ = (char)c;
        if (lex->failed)
            break;
    }
    *to = '\0';
    *text = (wf_str){ out, (size_t)(to - out) };
    return more && !lex->failed;
}

static double digits_of_base(struct lexer *lex, int base)
{
    double value = 0;
    int n = 0;
    for (;; n++) {
        int c = peek(lex, 0);
        if (c == '_' && n) {
            lex->pos++;
            continue;
        }
        int digit = c < 0 ? 99 : isdigit(c) ? c - '0' : isalpha(c) ? (c | 32) - 'a' + 10 : 99;
        if (digit >= base)
            break;
        value = value * base + digit;
        lex->pos++;
    }
    if (!n)
        lex_fail(lex, lex->token.at, "the number has no digits");
    return value;
}

static void read_decimal(struct lexer *lex)
{
    char text[128];
    size_t n = 0;
    bool dot = false, exponent = false;
    for (;; lex->pos++) {
        int c = peek(lex, 0);
        if (c == '_')
            continue;
        if (c == '.' && !dot && !exponent)
            dot = true;
        else if ((c == 'e' || c == 'E') && !exponent)
            exponent = true;
        else if ((c == '+' || c == '-') && n && (text[n - 1] | 32) == 'e')
            ;
        else if (c < '0' || c > '9')
            break;
        if (n + 1 < sizeof text)
            text[n++] = (char)c;
    }
    text[n] = '\0';
    char *end;
    lex->token.number = strtod(text, &end);
    if (*end)
        lex_fail(lex, lex->token.at, "'%s' is not a number", text);
}

static void read_number(struct lexer *lex)
{
    int base = 0;
    if (peek(lex, 0) == '0') {
        int c = peek(lex, 1) | 32;
        base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
    }
    lex->token.type = TOKEN_NUMBER;
    if (base) {
        lex->pos += 2;
        lex->token.number = digits_of_base(lex, base);
    } else {
        read_decimal(lex);
    }
    if (!lex->failed && is_name_part(peek(lex, 0)))
        lex_fail(lex, lex->token.at,
                 peek(lex, 0) == 'n' ? "BigInt literals are not supported"
                                     : "a number is followed by letters");
}

void lex_next(struct lexer *lex)
{
    if (lex->failed)
        return;
    lex->prev_end = lex->pos;
    lex->token = (struct token){ .type = TOKEN_END };
    skip_blank(lex);
    if (lex->failed)
        return;
    int c = peek(lex, 0);
    lex->token.at = lex->pos;
    if (c < 0)
        return;
    if (is_name_start(c)) {
        uint32_t at = lex->pos;
        while (is_name_part(peek(lex, 0)))
            lex->pos++;
        lex->token.type = TOKEN_NAME;
        lex->token.text = arena_str(lex->arena, lex->src + at, lex->pos - at);
        return;
    }
    if (isdigit(c) || (c == '.' && peek(lex, 1) >= '0' && peek(lex, 1) <= '9')) {
        read_number(lex);
        return;
    }
    if (c == '"' || c == '\'') {
        read_string(lex, c);
        return;
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (lex->len - lex->pos < ops[i].len ||
            memcmp(lex->src + lex->pos, ops[i].text, ops[i].len))
            continue;
        /* "a?.5:1" is a condition with a number */
        if (ops[i].type == TOKEN_CHAIN && peek(lex, 2) >= '0' && peek(lex, 2) <= '9')
            continue;
        lex->token.type = ops[i].type;
        lex->pos += ops[i].len;
        return;
    }
    lex_fail(lex, lex->pos, "'%c' is not expected here", c);
}

bool lex_regex(struct lexer *lex, wf_str *body, wf_str *flags)
{
    uint32_t at = lex->token.at;
    bool in_class = false;
    lex->pos = at + 1;
    for (;; lex->pos++) {
        int c = peek(lex, 0);
        if (c < 0 || c == '\n') {
            lex_fail(lex, at, "the regular expression that starts here is not closed with /");
            return false;
        }
        if (c == '\\')
            lex->pos++;
        else if (c == '[')
            in_class = true;
        else if (c == ']')
            in_class = false;
        else if (c == '/' && !in_class)
            break;
    }
    *body = arena_str(lex->arena, lex->src + at + 1, lex->pos - at - 1);
    uint32_t flags_at = ++lex->pos;
    while (is_name_part(peek(lex, 0)))
        lex->pos++;
    *flags = arena_str(lex->arena, lex->src + flags_at, lex->pos - flags_at);
    return true;
}
