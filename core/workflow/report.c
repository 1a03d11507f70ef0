/* SPDX-License-Identifier: Apache-2.0
 * The mistakes of one compilation: gathered as byte offsets, sorted by place, told as lines and
 * columns.
 *
 * Columns count code points, as editors do. The number of mistakes is capped, because a generated
 * file can have one per line and nobody reads the thousandth.
 *
 * Thread: the compilation's; printing: anywhere.
 */
#include "workflow/workflow_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { SNIPPET_BEFORE = 80, SNIPPET_AFTER = 60, TEXT_MAX = 1000 };

void issues_init(struct workflow_report *r)
{
    *r = (struct workflow_report){ 0 };
    arena_init(&r->arena, NULL, 0);
}

void workflow_report_fini(struct workflow_report *report)
{
    arena_fini(&report->arena);
    *report = (struct workflow_report){ 0 };
}

/* Until report_finish, `line` holds the byte offset and `column` the order in which they were
 * found. */
static struct workflow_issue *add(struct workflow_report *r)
{
    if ((r->n & (r->n - 1)) == 0) {
        struct workflow_issue *more =
            ARENA_ARRAY(&r->arena, struct workflow_issue, r->n ? 2 * r->n : 1);
        if (r->n)
            memcpy(more, r->issues, r->n * sizeof *more);
        r->issues = more;
    }
    return &r->issues[r->n++];
}

void issue_at(struct compile *c, uint32_t offset, bool warning, const char *format, ...)
{
    struct workflow_report *r = c->report;
    char text[TEXT_MAX];
    va_list args;
    warning |= c->soft;
    r->n_errors += !warning;
    if (c->too_many)
        return;
    c->too_many = r->n + 1 >= ISSUES_MAX;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct workflow_issue *issue = add(r);
    *issue = (struct workflow_issue){ .line = offset, .column = r->n, .warning = warning };
    issue->node = c->node ? arena_strdup(&r->arena, c->node) : NULL;
    issue->text =
        c->too_many ? "too many mistakes: the rest is not shown" : arena_strdup(&r->arena, text);
}

static int by_place(const void *a, const void *b)
{
    const struct workflow_issue *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

void issues_finish(struct workflow_report *r, wf_str text)
{
    uint32_t line = 1, column = 1, at = 0;
    if (r->n)
        qsort(r->issues, r->n, sizeof *r->issues, by_place);
    for (uint32_t i = 0; i < r->n; i++) {
        for (; at < r->issues[i].line && at < text.len; at++) {
            bool newline = text.ptr[at] == '\n';
            line += newline;
            /* Bytes 10xxxxxx go on with the character before. */
            bool starts = at + 1 == text.len || ((unsigned char)text.ptr[at + 1] & 0xc0) != 0x80;
            column = newline ? 1 : column + starts;
        }
        r->issues[i].line = line;
        r->issues[i].column = column;
    }
}

const char *issue_hint(struct compile *c, const char *name, const char *const *names, size_t n)
{
    /* Every short name is near to every other; and whoever sends thousands of wrong names must not
     * keep us busy with suggestions. */
    if (strlen(name) < 3 || c->too_many || c->compared > HINTS_MAX)
        return "";
    c->compared += n;
    const char *near = str_nearest(name, names, n);
    return near ? arena_printf(&c->scratch, "; did you mean '%s'?", near).ptr : "";
}

/* --- printing --------------------------------------------------------------------------------- */

static size_t character(const char *p, const char *end)
{
    size_t n = 1;
    while (p + n < end && ((unsigned char)p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Moves by up to n characters. */
static const char *forward(const char *p, const char *end, uint32_t n)
{
    for (; n && p < end; n--)
        p += character(p, end);
    return p;
}

static wf_str line_text(wf_str text, uint32_t line)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (--line && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
    }
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    if (newline)
        end = newline;
    if (end > p && end[-1] == '\r')
        end--;
    return (wf_str){ p, (size_t)(end - p) };
}

/* The source line, cut around the column when it is long, and a caret below. */
static void print_snippet(struct strbuf *b, wf_str text, const struct workflow_issue *issue)
{
    wf_str line = line_text(text, issue->line);
    const char *end = line.ptr + line.len;
    uint32_t column = issue->column - 1,
             skip = column > SNIPPET_BEFORE ? column - SNIPPET_BEFORE : 0;
    const char *from = forward(line.ptr, end, skip), *caret = forward(from, end, column - skip);
    const char *to = forward(caret, end, SNIPPET_AFTER);
    strbuf_addf(b, "    %s%.*s%s\n    %s", skip ? "..." : "", (int)(to - from), from,
                to < end ? "..." : "", skip ? "   " : "");
    for (const char *p = from; p < caret; p += character(p, caret))
        strbuf_addc(b, *p == '\t' ? '\t' : ' ');
    strbuf_adds(b, "^\n");
}

void workflow_report_print(struct strbuf *b, const struct workflow_report *report, const char *file,
                           wf_str text, bool snippet)
{
    for (uint32_t i = 0; i < report->n; i++) {
        const struct workflow_issue *issue = &report->issues[i];
        strbuf_addf(b, "%s:%u:%u: %s: ", file, issue->line, issue->column,
                    issue->warning ? "warning" : "error");
        if (issue->node)
            strbuf_addf(b, "node '%s': ", issue->node);
        strbuf_addf(b, "%s\n", issue->text);
        if (snippet)
            print_snippet(b, text, issue);
    }
}
