/* SPDX-License-Identifier: Apache-2.0
 * emit_fn: arrow functions: parameters, patterns and the few statements of block bodies. A
 * JavaScript name becomes a numbered Lua local, so it never meets Lua's keywords.
 */
#include "expr/emit_int.h"

#define TEXT(...) arena_printf(e->arena, __VA_ARGS__)

static void emit_statements(struct emit *e, const struct node *list);

const struct emit_name *emit_find(const struct emit *e, wf_str js)
{
    for (const struct emit_name *n = e->names; n; n = n->next)
        if (str_eq(n->js, js))
            return n;
    return NULL;
}

static void declare(struct emit *e, wf_str js, wf_str lua)
{
    struct emit_name *name = ARENA_NEW(e->arena, struct emit_name);
    *name = (struct emit_name){ .next = e->names, .js = js, .lua = lua };
    e->names = name;
}

/* target = value for a name or a pattern; declares its names. */
static void bind(struct emit *e, const struct node *target, wf_str value)
{
    if (e->failed)
        return;
    if (target->type == NODE_DEFAULT) {
        wf_str t = emit_local(e, target->at);
        strbuf_addf(e->out, "local %s=%s\nif %s==nil then\n", t.ptr, value.ptr, t.ptr);
        unsigned locals = e->locals;
        struct emit_value fallback = emit_expression(e, target->b);
        strbuf_addf(e->out, "%s=%s\nend\n", t.ptr, fallback.text.ptr);
        e->locals = locals;
        bind(e, target->a, t);
        return;
    }
    wf_str t = emit_local(e, target->at);
    strbuf_addf(e->out, "local %s=%s\n", t.ptr, value.ptr);
    if (target->type == NODE_NAME) {
        declare(e, target->text, t);
        return;
    }
    unsigned i = 0;
    wf_str taken = STR("");
    for (const struct node *p = target->a; p && !e->failed; p = p->next, i++) {
        if (p->type == NODE_HOLE)
            continue;
        if (p->type == NODE_SPREAD && target->type == NODE_OBJECT) {
            bind(e, p->a, TEXT("omit(%s%s)", t.ptr, taken.ptr));
        } else if (p->type == NODE_SPREAD) {
            bind(e, p->a, TEXT("rest(%s,%u)", t.ptr, i));
        } else if (target->type == NODE_ARRAY) {
            bind(e, p, TEXT("idx(%s,%u)", t.ptr, i));
        } else {
            wf_str key = p->a->type == NODE_STRING
                             ? emit_quote(e, p->a->text)
                             : TEXT("key(%s)", emit_expression(e, p->a).text.ptr);
            taken = TEXT("%s,%s", taken.ptr, key.ptr);
            bind(e, p->b, TEXT("idx(%s,%s)", t.ptr, key.ptr));
        }
    }
}

static void emit_declare(struct emit *e, const struct node *n)
{
    if (!n->b) {
        bind(e, n->a, STR("nil"));
        return;
    }
    /* the name is not visible in its own value */
    bind(e, n->a, emit_expression(e, n->b).text);
}

static void emit_scope(struct emit *e, const struct node *list)
{
    struct emit_name *names = e->names;
    unsigned locals = e->locals;
    emit_statements(e, list);
    e->names = names;
    e->locals = locals;
}

static void emit_one_scope(struct emit *e, const struct node *n)
{
    struct node alone = *n;
    alone.next = NULL;
    emit_scope(e, n->type == NODE_BLOCK ? n->a : &alone);
}

static void emit_statement(struct emit *e, const struct node *n)
{
    switch (n->type) {
    case NODE_BLOCK:
        strbuf_adds(e->out, "do\n");
        emit_scope(e, n->a);
        strbuf_adds(e->out, "end\n");
        break;
    case NODE_DECLARE:
        emit_declare(e, n);
        break;
    case NODE_IF: {
        wf_str condition = emit_truth(e, n->a);
        strbuf_addf(e->out, "if %s then\n", condition.ptr);
        emit_one_scope(e, n->b);
        if (n->c) {
            strbuf_adds(e->out, "else\n");
            emit_one_scope(e, n->c);
        }
        strbuf_adds(e->out, "end\n");
        break;
    }
    case NODE_RETURN: {
        wf_str text = n->a ? emit_expression(e, n->a).text : STR("nil");
        /* in its own block, because what follows would be a syntax error */
        strbuf_addf(e->out, "do return %s end\n", text.ptr);
        break;
    }
    default: {
        wf_str text = emit_expression(e, n->a).text;
        strbuf_addf(e->out, "do local _=%s end\n", text.ptr);
        break;
    }
    }
}

static void emit_statements(struct emit *e, const struct node *list)
{
    for (; list && !e->failed; list = list->next)
        emit_statement(e, list);
}

struct emit_value emit_arrow(struct emit *e, const struct node *n)
{
    struct strbuf body, *out = e->out;
    struct emit_name *names = e->names;
    unsigned locals = e->locals, open = e->open;
    strbuf_init(&body, 1 << 20);
    e->out = &body;
    e->locals = e->open = 0;
    wf_str params = STR("");
    for (const struct node *p = n->a; p && !e->failed; p = p->next) {
        wf_str t = emit_local(e, p->at);
        const char *comma = params.len ? "," : "";
        if (p->type == NODE_SPREAD) {
            params = TEXT("%s%s...", params.ptr, comma);
            bind(e, p->a, STR("pack(...)"));
            break;
        }
        params = TEXT("%s%s%s", params.ptr, comma, t.ptr);
        if (p->type == NODE_NAME)
            declare(e, p->text, t);
        else
            bind(e, p, t);
    }
    if (n->b->type == NODE_BLOCK) {
        emit_statements(e, n->b->a);
    } else {
        wf_str text = emit_expression(e, n->b).text;
        strbuf_addf(&body, "return %s\n", text.ptr);
    }
    if (body.failed)
        emit_fail(e, n->at, "the expression is too long");
    wf_str text = TEXT("(function(%s)\n%send)", params.ptr, strbuf_str(&body).ptr);
    strbuf_fini(&body);
    e->out = out;
    e->names = names;
    e->locals = locals;
    e->open = open;
    return emit_any(text);
}
