/* SPDX-License-Identifier: Apache-2.0
 * Mails. Thread: any.
 */
#include "mime.h"
#include "memory.h"
#include <catalyst/text.h>
#include <ctype.h>
#include <time.h>

enum { LINE_MAX_BYTES = 76, WORD_BYTES = 42 };

/* --- a text that grows ------------------------------------------------------------------------ */

struct mime_text {
    char *ptr;
    size_t len, size;
};

static void mime_put(struct mime_text *t, const char *bytes, size_t len)
{
    if (t->len + len + 1 > t->size) {
        t->size = (t->len + len + 1) * 2;
        t->ptr = realloc(t->ptr, t->size);
        if (!t->ptr)
            abort();
    }
    memcpy(t->ptr + t->len, bytes, len);
    t->len += len;
    t->ptr[t->len] = 0;
}

static void mime_puts(struct mime_text *t, const char *text) { mime_put(t, text, strlen(text)); }

static void mime_base64(struct mime_text *t, const char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i < 3 ? len - i : 3;
        uint32_t n = (uint32_t)(unsigned char)bytes[i] << 16;
        n |= left > 1 ? (uint32_t)(unsigned char)bytes[i + 1] << 8 : 0;
        n |= left > 2 ? (unsigned char)bytes[i + 2] : 0;
        const char four[4] = { digits[n >> 18], digits[n >> 12 & 63], digits[n >> 6 & 63],
                               digits[n & 63] };
        mime_put(t, four, left + 1);
        mime_put(t, "==", 3 - left);
    }
}

/* --- headers ---------------------------------------------------------------------------------- */

static int mime_is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x7f || (unsigned char)text[i] < ' ')
            return 0;
    return !memmem(text, len, "=?", 2);
}

/* Words of any language in base64, no character cut in two, each on a line of its own. */
static void mime_encoded(struct mime_text *t, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t take = wf_text_cut(text + at, len - at, WORD_BYTES);
        take = take ? take : len - at < WORD_BYTES ? len - at : WORD_BYTES;
        mime_puts(t, at ? "\r\n =?utf-8?B?" : "=?utf-8?B?");
        mime_base64(t, text + at, take);
        mime_puts(t, "?=");
        at += take;
    }
}

/* Plain words, lines broken at spaces. */
static void mime_folded(struct mime_text *t, const char *text, size_t len, size_t column)
{
    for (size_t at = 0; at < len;) {
        size_t word = 0;
        while (at + word < len && (word == 0 || text[at + word] != ' '))
            word++;
        if (at && column + word > LINE_MAX_BYTES && text[at] == ' ') {
            mime_puts(t, "\r\n");
            column = 0;
        }
        mime_put(t, text + at, word);
        column += word;
        at += word;
    }
}

/* Ends of line become spaces: a value is one header, whatever it holds. A word too long for a line
 * is encoded, too. */
static void mime_words(struct mime_text *t, const char *text, size_t column)
{
    char *copy = memory_text(text);
    size_t len = strlen(copy), longest = 0, run = 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)copy[i] < ' ' || copy[i] == 0x7f)
            copy[i] = ' ';
        run = copy[i] == ' ' ? 0 : run + 1;
        longest = run > longest ? run : longest;
    }
    while (len && copy[len - 1] == ' ')
        copy[--len] = 0;
    if (mime_is_plain(copy, len) && longest < 900)
        mime_folded(t, copy, len, column);
    else
        mime_encoded(t, copy, len);
    free(copy);
}

static void mime_header(struct mime_text *t, const char *name, const char *value)
{
    mime_puts(t, name);
    mime_puts(t, ": ");
    mime_words(t, value, strlen(name) + 2);
    mime_puts(t, "\r\n");
}

/* --- addresses -------------------------------------------------------------------------------- */

/* local@domain of ASCII letters; what a server takes on top of that is rare and asks for trouble.
 */
static int mime_address_is_valid(const char *a)
{
    const char *at = strrchr(a, '@');
    if (!at || at == a || !at[1] || strlen(a) > MIME_ADDRESS_MAX || at - a > 64)
        return 0;
    for (const char *p = a; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("<>()[],;:\\\"", *p) ||
            (*p == '@' && p != at))
            return 0;
    return at[1] != '.' && at[1] != '-';
}

/* Where one of a list ends; its angle brackets, NULL where there are none. */
static const char *mime_end(const char *p, const char **open, const char **shut)
{
    int is_quoted = 0;
    *open = *shut = NULL;
    for (; *p && (is_quoted || *p != ','); p++) {
        if (*p == '"')
            is_quoted = !is_quoted;
        if (*p == '<' && !is_quoted)
            *open = p;
        if (*p == '>' && !is_quoted)
            *shut = p;
    }
    if (!*open || *shut < *open)
        *open = *shut = NULL;
    return p;
}

static void mime_trim(const char **from, const char **until)
{
    while (*from < *until && **from == ' ')
        ++*from;
    while (*until > *from && (*until)[-1] == ' ')
        --*until;
}

/* One of a list: its name and address; returns where the next begins. */
static const char *mime_one(const char *p, char *name, size_t name_size, char *address)
{
    const char *open, *shut, *end = mime_end(p, &open, &shut);
    const char *from = open ? open + 1 : p, *until = open ? shut : end;
    size_t n = 0;
    mime_trim(&from, &until);
    size_t len = (size_t)(until - from) <= MIME_ADDRESS_MAX ? (size_t)(until - from) : 0;
    memcpy(address, from, len);
    address[len] = 0;
    from = p;
    until = open ? open : p;
    mime_trim(&from, &until);
    for (; from < until && n + 1 < name_size; from++)
        if (*from != '"' && *from != '\\')
            name[n++] = *from;
    name[n] = 0;
    return *end ? end + 1 : end;
}

int mime_addresses(const char *list, char to[][MIME_ADDRESS_MAX + 1], size_t *n)
{
    char name[400];
    *n = 0;
    for (const char *p = list; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return -1;
    while (*list) {
        if (*n == MIME_RECIPIENTS_MAX)
            return -1;
        list = mime_one(list, name, sizeof name, to[*n]);
        if (!mime_address_is_valid(to[*n]))
            return -1;
        ++*n;
    }
    return *n ? 0 : -1;
}

static void mime_address_header(struct mime_text *t, const char *field, const char *list)
{
    char name[400], address[MIME_ADDRESS_MAX + 1];
    int first = 1;
    mime_puts(t, field);
    mime_puts(t, ": ");
    while (*list) {
        list = mime_one(list, name, sizeof name, address);
        mime_puts(t, first ? "" : ",\r\n ");
        first = 0;
        if (*name && mime_is_plain(name, strlen(name))) {
            mime_puts(t, "\"");
            mime_words(t, name, LINE_MAX_BYTES / 2);
            mime_puts(t, "\" ");
        } else if (*name) {
            mime_words(t, name, 0);
            mime_puts(t, "\r\n ");
        }
        mime_puts(t, "<");
        mime_puts(t, address);
        mime_puts(t, ">");
    }
    mime_puts(t, "\r\n");
}

/* --- the whole -------------------------------------------------------------------------------- */

static const char *mime_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return "<br>\n";
    }
    return NULL;
}

char *mime_html(const char *text)
{
    struct mime_text t = { 0 };
    mime_puts(&t, "<p>");
    for (; *text; text++) {
        const char *as = mime_entity(*text);
        if (as)
            mime_puts(&t, as);
        else
            mime_put(&t, text, 1);
    }
    mime_puts(&t, "</p>\n");
    return t.ptr;
}

static void mime_id(struct mime_text *t, const char *name, const char *id, const char *domain)
{
    mime_puts(t, name);
    mime_puts(t, ": <");
    for (const char *p = id; *p && p - id < 200; p++) {
        char c = isalnum((unsigned char)*p) || strchr("-_.", *p) ? *p : '.';
        mime_put(t, &c, 1);
    }
    mime_puts(t, "@");
    mime_puts(t, domain);
    mime_puts(t, ">\r\n");
}

static void mime_part(struct mime_text *t, const char *boundary, const char *type, const char *body)
{
    size_t len = strlen(body), line = 57; /* 76 characters */
    mime_puts(t, "--");
    mime_puts(t, boundary);
    mime_puts(t, "\r\nContent-Type: ");
    mime_puts(t, type);
    mime_puts(t, "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    for (size_t at = 0; at < len; at += line) {
        mime_base64(t, body + at, len - at < line ? len - at : line);
        mime_puts(t, "\r\n");
    }
}

static void mime_date(struct mime_text *t, int64_t at_ms)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t s = (time_t)(at_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    char *text =
        memory_print("Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                     months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    mime_puts(t, text);
    free(text);
}

char *mime_build(const struct mime_mail *mail, size_t *len)
{
    struct mime_text t = { 0 };
    char name[400], from[MIME_ADDRESS_MAX + 1], boundary[40];
    char *html = *mail->html ? NULL : mime_html(mail->text);
    mime_one(mail->from, name, sizeof name, from);
    const char *domain = strrchr(from, '@') ? strrchr(from, '@') + 1 : "localhost";
    uint64_t hash = memory_hash(memory_hash_begin, mail->id, strlen(mail->id));
    snprintf(boundary, sizeof boundary, "=_%016llx", (unsigned long long)hash);
    mime_date(&t, mail->at_ms);
    mime_address_header(&t, "From", mail->from);
    mime_address_header(&t, "To", mail->to);
    if (*mail->reply_to)
        mime_address_header(&t, "Reply-To", mail->reply_to);
    mime_header(&t, "Subject", mail->subject);
    mime_id(&t, "Message-ID", mail->id, domain);
    if (*mail->thread) {
        mime_id(&t, "In-Reply-To", mail->thread, domain);
        mime_id(&t, "References", mail->thread, domain);
    }
    mime_puts(&t, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: multipart/alternative; boundary=\"");
    mime_puts(&t, boundary);
    mime_puts(&t, "\"\r\n\r\n");
    mime_part(&t, boundary, "text/plain", mail->text);
    mime_part(&t, boundary, "text/html", html ? html : mail->html);
    mime_puts(&t, "--");
    mime_puts(&t, boundary);
    mime_puts(&t, "--\r\n");
    free(html);
    *len = t.len;
    return t.ptr;
}
