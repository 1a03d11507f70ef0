/* SPDX-License-Identifier: Apache-2.0
 * emit: writes the Lua text of an expression tree. Numbers are Lua floats, undefined is nil, null
 * is the runtime's `null`; Lua's own operators are used where metatables of the basic types give
 * them JavaScript's meaning (see ops.c), helper calls where they cannot. Any thread; memory from an
 * arena.
 */
#include "expr/emit_int.h"
#include <math.h>
#include <stdio.h>
#include "expr/expr_int.h"

void emit_fail(struct emit *e, uint32_t at, const char *format, ...)
{
    if (e->failed)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(e->error->text, sizeof e->error->text, format, args);
    va_end(args);
    e->error->offset = at;
    e->failed = true;
}

struct emit_value emit_any(wf_str text)
{
    return (struct emit_value){ .text = text, .kind = KIND_ANY };
}

static struct emit_value value_of(wf_str text, enum emit_kind kind, bool simple)
{
    return (struct emit_value){ .text = text, .kind = kind, .simple = simple };
}

#define TEXT(...) arena_printf(e->arena, __VA_ARGS__)

wf_str emit_local(struct emit *e, uint32_t at)
{
    if (++e->locals > EMIT_LOCALS_MAX)
        emit_fail(e, at, "the expression is too complex: split it over several fields");
    return TEXT("t%u", ++e->serial);
}

struct emit_value emit_simple(struct emit *e, struct emit_value v)
{
    if (v.simple)
        return v;
    wf_str name = emit_local(e, 0);
    strbuf_addf(e->out, "local %s=%s\n", name.ptr, v.text.ptr);
    return value_of(name, v.kind, true);
}

wf_str emit_quote(struct emit *e, wf_str s)
{
    char *out = arena_alloc(e->arena, s.len * 4 + 3), *to = out;
    *to++ = '"';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 32 || c == '"' || c == '\\' || c == 127)
            to += sprintf(to, "\\%03u", c);
        else
            *to++ = (char)c;
    }
    *to++ = '"';
    *to = '\0';
    return (wf_str){ out, (size_t)(to - out) };
}

static struct emit_value emit_number(struct emit *e, double d)
{
    if (d != d)
        return value_of(STR("(0/0)"), KIND_FLOAT, true);
    if (isinf(d))
        return value_of(d < 0 ? STR("(-1/0)") : STR("(1/0)"), KIND_FLOAT, true);
    wf_str text = TEXT("%.17g", d);
    if (strspn(text.ptr, "-0123456789") == text.len)
        text = TEXT("%s.0", text.ptr);
    return value_of(d < 0 ? TEXT("(%s)", text.ptr) : text, KIND_FLOAT, true);
}

/* The condition that a value is true for JavaScript. */
static wf_str truth_of(struct emit *e, struct emit_value v)
{
    if (v.kind == KIND_BOOL)
        return v.text;
    v = emit_simple(e, v);
    const char *t = v.text.ptr;
    if (v.kind == KIND_STRING)
        return TEXT("(%s~=\"\")", t);
    if (v.kind == KIND_FLOAT)
        return TEXT("(%s~=0 and %s==%s)", t, t, t);
    return TEXT("(%s~=nil and %s~=false and %s~=0 and %s~=\"\" and %s~=null and %s==%s)", t, t, t,
                t, t, t, t);
}

/* Writes n's statements into a buffer of their own, so that they can be put inside an if. */
struct aside {
    struct strbuf buffer;
    struct strbuf *out;
    unsigned locals;
};

static void aside_begin(struct emit *e, struct aside *a)
{
    strbuf_init(&a->buffer, 1 << 20);
    a->out = e->out;
    a->locals = e->locals;
    e->out = &a->buffer;
}

static void aside_end(struct emit *e, struct aside *a)
{
    if (a->buffer.failed)
        emit_fail(e, 0, "the expression is too long");
    e->out = a->out;
}

static wf_str truth_of_logical(struct emit *e, const struct node *n)
{
    const char *word = n->op == TOKEN_AND ? "and" : "or";
    wf_str left = emit_truth(e, n->a);
    struct aside aside;
    aside_begin(e, &aside);
    wf_str right = emit_truth(e, n->b);
    aside_end(e, &aside);
    wf_str text;
    if (!aside.buffer.len) {
        text = TEXT("(%s %s %s)", left.ptr, word, right.ptr);
    } else {
        text = emit_local(e, n->at);
        strbuf_addf(e->out, "local %s=%s\nif %s%s then\n", text.ptr, left.ptr,
                    n->op == TOKEN_AND ? "" : "not ", text.ptr);
        strbuf_add(e->out, aside.buffer.ptr, aside.buffer.len);
        strbuf_addf(e->out, "%s=%s\nend\n", text.ptr, right.ptr);
        e->locals = aside.locals + 1;
    }
    strbuf_fini(&aside.buffer);
    return text;
}

wf_str emit_truth(struct emit *e, const struct node *n)
{
    if (n->type == NODE_UNARY && n->op == TOKEN_NOT)
        return TEXT("(not %s)", emit_truth(e, n->a).ptr);
    if (n->type == NODE_LOGICAL && n->op != TOKEN_NULLISH && e->depth < EMIT_DEPTH_MAX) {
        e->depth++;
        wf_str text = truth_of_logical(e, n);
        e->depth--;
        return text;
    }
    return truth_of(e, emit_expression(e, n));
}

/* --- operators -------------------------------------------------------------------------------- */

/* a + b + c ...: one helper call for the whole chain, so that long chains do not nest. */
static struct emit_value emit_add(struct emit *e, const struct node *n)
{
    const struct node *parts[EMIT_ARGS_MAX];
    unsigned count = 0;
    while (n->type == NODE_BINARY && n->op == TOKEN_ADD && count < EMIT_ARGS_MAX - 1) {
        parts[count++] = n->b;
        n = n->a;
    }
    parts[count++] = n;
    struct emit_value v = emit_expression(e, parts[--count]);
    if (count > 1 || v.kind != KIND_FLOAT) {
        bool string = v.kind == KIND_STRING;
        wf_str text = TEXT("add(%s", v.text.ptr);
        while (count) {
            struct emit_value right = emit_expression(e, parts[--count]);
            string = string || right.kind == KIND_STRING;
            text = TEXT("%s,%s", text.ptr, right.text.ptr);
        }
        return value_of(TEXT("%s)", text.ptr), string ? KIND_STRING : KIND_ANY, false);
    }
    struct emit_value right = emit_expression(e, parts[0]);
    if (right.kind == KIND_FLOAT)
        return value_of(TEXT("(%s+%s)", v.text.ptr, right.text.ptr), KIND_FLOAT, false);
    return value_of(TEXT("add(%s,%s)", v.text.ptr, right.text.ptr),
                    right.kind == KIND_STRING ? KIND_STRING : KIND_ANY, false);
}

static bool is_nullish_literal(const struct node *n)
{
    return n->type == NODE_NULL || n->type == NODE_UNDEFINED;
}

/* == and != with JavaScript's conversions. */
static struct emit_value emit_loose_equal(struct emit *e, const struct node *n)
{
    const char *not = n->op == TOKEN_NE ? "not " : "";
    if (is_nullish_literal(n->a) || is_nullish_literal(n->b)) {
        struct emit_value v =
            emit_simple(e, emit_expression(e, is_nullish_literal(n->b) ? n->a : n->b));
        return value_of(TEXT("(%s(%s==nil or %s==null))", not, v.text.ptr, v.text.ptr), KIND_BOOL,
                        false);
    }
    struct emit_value a = emit_expression(e, n->a), b = emit_expression(e, n->b);
    if (a.kind == b.kind && a.kind != KIND_ANY)
        return value_of(TEXT("(%s%s%s)", a.text.ptr, *not ? "~=" : "==", b.text.ptr), KIND_BOOL,
                        false);
    return value_of(TEXT("(%seq(%s,%s))", not, a.text.ptr, b.text.ptr), KIND_BOOL, false);
}

static struct emit_value emit_instanceof(struct emit *e, const struct node *n)
{
    static const char *const classes[] = { "Date", "Array", "Object", "Set", "RegExp", "DateTime" };
    struct emit_value a = emit_expression(e, n->a);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (n->b->type == NODE_NAME && !strcmp(n->b->text.ptr, classes[i]))
            return value_of(TEXT("instanceof(%s,\"%s\")", a.text.ptr, classes[i]), KIND_BOOL,
                            false);
    emit_fail(e, n->b->at, "instanceof knows Date, Array, Object, Set, RegExp and DateTime");
    return a;
}

static const struct {
    enum token_type op;
    const char *lua;    /* operator of Lua with metamethods behind it */
    const char *helper; /* function of the runtime */
    enum emit_kind kind;
} binary_ops[] = {
    { TOKEN_SUB, "-", "sub", KIND_ANY },        { TOKEN_MUL, "*", "mul", KIND_ANY },
    { TOKEN_DIV, "/", NULL, KIND_FLOAT },       { TOKEN_POWER, "^", NULL, KIND_FLOAT },
    { TOKEN_MOD, NULL, "mod", KIND_FLOAT },     { TOKEN_LT, "<", NULL, KIND_BOOL },
    { TOKEN_LE, "<=", NULL, KIND_BOOL },        { TOKEN_GT, ">", NULL, KIND_BOOL },
    { TOKEN_GE, ">=", NULL, KIND_BOOL },        { TOKEN_STRICT_EQ, "==", NULL, KIND_BOOL },
    { TOKEN_STRICT_NE, "~=", NULL, KIND_BOOL }, { TOKEN_BITAND, NULL, "band", KIND_FLOAT },
    { TOKEN_BITOR, NULL, "bor", KIND_FLOAT },   { TOKEN_XOR, NULL, "bxor", KIND_FLOAT },
    { TOKEN_SHL, NULL, "shl", KIND_FLOAT },     { TOKEN_SHR, NULL, "shr", KIND_FLOAT },
    { TOKEN_USHR, NULL, "ushr", KIND_FLOAT },   { TOKEN_IN, NULL, "has", KIND_BOOL },
};

static struct emit_value emit_binary(struct emit *e, const struct node *n)
{
    if (n->op == TOKEN_ADD)
        return emit_add(e, n);
    if (n->op == TOKEN_EQ || n->op == TOKEN_NE)
        return emit_loose_equal(e, n);
    if (n->op == TOKEN_INSTANCEOF)
        return emit_instanceof(e, n);
    struct emit_value a = emit_expression(e, n->a), b = emit_expression(e, n->b);
    size_t i = 0;
    while (binary_ops[i].op != n->op)
        i++;
    /* two integers beyond 2^53 could overflow: only the helper checks that */
    bool native = binary_ops[i].lua &&
                  (!binary_ops[i].helper || a.kind == KIND_FLOAT || b.kind == KIND_FLOAT);
    if (!native)
        return value_of(TEXT("%s(%s,%s)", binary_ops[i].helper, a.text.ptr, b.text.ptr),
                        binary_ops[i].kind, false);
    return value_of(TEXT("(%s%s%s)", a.text.ptr, binary_ops[i].lua, b.text.ptr),
                    binary_ops[i].helper ? KIND_FLOAT : binary_ops[i].kind, false);
}

static struct emit_value emit_unary(struct emit *e, const struct node *n)
{
    if (n->op == TOKEN_NOT)
        return value_of(emit_truth(e, n), KIND_BOOL, false);
    if (n->op == TOKEN_TYPEOF && n->a->type == NODE_ARROW)
        return value_of(STR("\"function\""), KIND_STRING, true);
    struct emit_value v = emit_expression(e, n->a);
    switch (n->op) {
    case TOKEN_SUB:
        if (n->a->type == NODE_NUMBER)
            return emit_number(e, -n->a->number);
        return value_of(TEXT("(-%s)", v.text.ptr), v.kind == KIND_FLOAT ? KIND_FLOAT : KIND_ANY,
                        false);
    case TOKEN_ADD:
        return v.kind == KIND_FLOAT ? v : emit_any(TEXT("num(%s)", v.text.ptr));
    case TOKEN_BITNOT:
        return value_of(TEXT("bnot(%s)", v.text.ptr), KIND_FLOAT, false);
    case TOKEN_TYPEOF:
        return value_of(TEXT("typeof(%s)", v.text.ptr), KIND_STRING, false);
    default: /* void */
        return value_of(STR("nil"), KIND_ANY, true);
    }
}

/* t = a; if <condition on t> then t = b end */
static struct emit_value emit_logical(struct emit *e, const struct node *n)
{
    struct emit_value a = emit_expression(e, n->a);
    wf_str t = emit_local(e, n->at);
    strbuf_addf(e->out, "local %s=%s\n", t.ptr, a.text.ptr);
    unsigned locals = e->locals;
    if (n->op == TOKEN_NULLISH)
        strbuf_addf(e->out, "if %s==nil or %s==null then\n", t.ptr, t.ptr);
    else
        strbuf_addf(e->out, "if %s%s then\n", n->op == TOKEN_AND ? "" : "not ",
                    truth_of(e, value_of(t, a.kind, true)).ptr);
    struct emit_value b = emit_expression(e, n->b);
    strbuf_addf(e->out, "%s=%s\nend\n", t.ptr, b.text.ptr);
    e->locals = locals;
    return value_of(t, a.kind == b.kind ? a.kind : KIND_ANY, true);
}

static struct emit_value emit_choice(struct emit *e, const struct node *test,
                                     const struct node *yes, const struct node *no)
{
    wf_str t = emit_local(e, test->at);
    strbuf_addf(e->out, "local %s\n", t.ptr);
    wf_str condition = emit_truth(e, test);
    unsigned locals = e->locals;
    strbuf_addf(e->out, "if %s then\n", condition.ptr);
    struct emit_value a = emit_expression(e, yes);
    strbuf_addf(e->out, "%s=%s\nelse\n", t.ptr, a.text.ptr);
    e->locals = locals;
    struct emit_value b = no ? emit_expression(e, no) : value_of(STR("nil"), KIND_ANY, true);
    strbuf_addf(e->out, "%s=%s\nend\n", t.ptr, b.text.ptr);
    e->locals = locals;
    return value_of(t, a.kind == b.kind ? a.kind : KIND_ANY, true);
}

/* --- literals --------------------------------------------------------------------------------- */

static struct emit_value emit_template(struct emit *e, const struct node *n)
{
    wf_str text = { 0 };
    unsigned count = 0;
    for (const struct node *part = n->a; part; part = part->next) {
        if (part->type == NODE_STRING && !part->text.len && n->a->next)
            continue;
        struct emit_value v = emit_expression(e, part);
        if (count && count % EMIT_ARGS_MAX == 0)
            text = TEXT("cat(%s)", text.ptr);
        text = count++ ? TEXT("%s,%s", text.ptr, v.text.ptr) : v.text;
    }
    return value_of(TEXT("cat(%s)", count ? text.ptr : "\"\""), KIND_STRING, false);
}

bool emit_has_spread(const struct node *list)
{
    for (; list; list = list->next)
        if (list->type == NODE_SPREAD)
            return true;
    return false;
}

/* An array of `first` (if any) and a list that may hold spreads. */
wf_str emit_list(struct emit *e, const struct node *list, wf_str first)
{
    wf_str whole = { 0 }, run = first;
    unsigned n = first.len > 0, runs = 0;
    for (; list || n; list = list ? list->next : NULL) {
        bool spread = list && list->type == NODE_SPREAD;
        if ((!list || spread) && n) {
            wf_str part = TEXT("arr({%s},%u)", run.ptr, n);
            whole = runs++ ? TEXT("%s,%s", whole.ptr, part.ptr) : part;
            n = 0;
        }
        if (!list)
            break;
        struct emit_value v = list->type == NODE_HOLE ? value_of(STR("nil"), KIND_ANY, true)
                                                      : emit_expression(e, spread ? list->a : list);
        if (spread) {
            wf_str part = TEXT("spread(%s)", v.text.ptr);
            whole = runs++ ? TEXT("%s,%s", whole.ptr, part.ptr) : part;
        } else {
            run = n++ ? TEXT("%s,%s", run.ptr, v.text.ptr) : v.text;
        }
        if (runs >= EMIT_ARGS_MAX) {
            whole = TEXT("join(%s)", whole.ptr);
            runs = 1;
        }
    }
    if (!runs)
        return STR("arr({},0)");
    return runs > 1 ? TEXT("join(%s)", whole.ptr) : whole;
}

static wf_str key_text(struct emit *e, const struct node *key)
{
    if (key->type == NODE_STRING)
        return emit_quote(e, key->text);
    return TEXT("key(%s)", emit_expression(e, key).text.ptr);
}

static bool has_plain_keys(const struct node *pairs)
{
    for (; pairs; pairs = pairs->next) {
        if (pairs->type == NODE_SPREAD || pairs->a->type != NODE_STRING)
            return false;
        for (const struct node *other = pairs->next; other; other = other->next)
            if (other->type == NODE_PAIR && other->a->type == NODE_STRING &&
                str_eq(other->a->text, pairs->a->text))
                return false;
    }
    return true;
}

/* Keys in order in the array part, values under their names. */
static struct emit_value emit_object(struct emit *e, const struct node *n)
{
    if (!has_plain_keys(n->a)) {
        wf_str t = emit_local(e, n->at);
        strbuf_addf(e->out, "local %s={}\n", t.ptr);
        for (const struct node *p = n->a; p && !e->failed; p = p->next) {
            if (p->type == NODE_SPREAD)
                strbuf_addf(e->out, "merge(%s,%s)\n", t.ptr, emit_expression(e, p->a).text.ptr);
            else {
                wf_str key = key_text(e, p->a);
                struct emit_value v = emit_expression(e, p->b);
                strbuf_addf(e->out, "put(%s,%s,%s)\n", t.ptr, key.ptr, v.text.ptr);
            }
        }
        return value_of(t, KIND_ANY, true);
    }
    struct strbuf keys, values;
    strbuf_init(&keys, 1 << 20);
    strbuf_init(&values, 1 << 20);
    for (const struct node *p = n->a; p && !e->failed; p = p->next) {
        wf_str key = emit_quote(e, p->a->text);
        struct emit_value v = emit_expression(e, p->b);
        strbuf_addf(&keys, "%s,", key.ptr);
        strbuf_addf(&values, "[%s]=%s,", key.ptr, v.text.ptr);
    }
    wf_str text = TEXT("({%s%s})", strbuf_str(&keys).ptr, strbuf_str(&values).ptr);
    if (keys.failed || values.failed)
        emit_fail(e, n->at, "the expression is too long");
    strbuf_fini(&keys);
    strbuf_fini(&values);
    return emit_any(text);
}

/* --- members and calls ------------------------------------------------------------------------ */

/* The object of a link; where the link is optional the rest of the chain runs only when it is
 * there. */
static struct emit_value emit_base(struct emit *e, const struct node *n)
{
    struct emit_value v = emit_expression(e, n->a);
    if (!n->optional)
        return v;
    v = emit_simple(e, v);
    strbuf_addf(e->out, "if %s~=nil and %s~=null then\n", v.text.ptr, v.text.ptr);
    e->open++;
    return v;
}

static struct emit_value emit_chain(struct emit *e, const struct node *n)
{
    wf_str t = emit_local(e, n->at);
    strbuf_addf(e->out, "local %s\n", t.ptr);
    unsigned open = e->open;
    e->open = 0;
    struct emit_value v = emit_expression(e, n->a);
    strbuf_addf(e->out, "%s=%s\n", t.ptr, v.text.ptr);
    while (e->open--)
        strbuf_adds(e->out, "end\n");
    e->open = open;
    return value_of(t, KIND_ANY, true);
}

static struct emit_value emit_member(struct emit *e, const struct node *n)
{
    struct emit_value special;
    if (emit_special(e, n, &special))
        return special;
    if (n->type == NODE_MEMBER && emit_is_namespace(e, n->a))
        return emit_global(e, n);
    struct emit_value object = emit_base(e, n);
    if (n->type == NODE_MEMBER)
        return emit_any(TEXT("(%s)[%s]", object.text.ptr, emit_quote(e, n->text).ptr));
    /* "1" may mean an element */
    bool digits = n->b->type == NODE_STRING && n->b->text.len && n->b->text.ptr[0] <= '9' &&
                  n->b->text.ptr[0] >= '0';
    if (n->b->type == NODE_STRING && !digits)
        return emit_any(TEXT("(%s)[%s]", object.text.ptr, emit_quote(e, n->b->text).ptr));
    struct emit_value index = emit_expression(e, n->b);
    return emit_any(TEXT("idx(%s,%s)", object.text.ptr, index.text.ptr));
}

wf_str emit_args(struct emit *e, const struct node *list)
{
    wf_str text = STR("");
    unsigned count = 0;
    for (; list; list = list->next) {
        struct emit_value v = emit_expression(e, list);
        text = TEXT("%s,%s", text.ptr, v.text.ptr);
        if (++count > 100)
            emit_fail(e, list->at, "a call with more than 100 arguments");
    }
    return text;
}

static struct emit_value emit_method(struct emit *e, const struct node *n)
{
    const struct node *member = n->a;
    const char *name = member->text.ptr;
    if (!runtime_has_method(name)) {
        const char *near = runtime_nearest_method(name);
        emit_fail(e, member->at, "there is no method '%.60s'%s%s%s", name,
                  near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
        return emit_any(STR("nil"));
    }
    struct emit_value object = emit_base(e, member);
    wf_str method = TEXT("M[%s]", emit_quote(e, member->text).ptr);
    e->throws = true;
    if (emit_has_spread(n->b))
        return emit_any(TEXT("apply(%s,%s)", method.ptr, emit_list(e, n->b, object.text).ptr));
    return emit_any(TEXT("%s(%s%s)", method.ptr, object.text.ptr, emit_args(e, n->b).ptr));
}

static struct emit_value emit_call_value(struct emit *e, const struct node *n, wf_str callee)
{
    if (emit_has_spread(n->b))
        return emit_any(TEXT("apply(%s,%s)", callee.ptr, emit_list(e, n->b, (wf_str){ 0 }).ptr));
    wf_str args = emit_args(e, n->b);
    return emit_any(TEXT("%s(%s)", callee.ptr, args.len ? args.ptr + 1 : ""));
}

static struct emit_value emit_call(struct emit *e, const struct node *n)
{
    struct emit_value special;
    const struct node *f = n->a;
    if (emit_special(e, n, &special))
        return special;
    if (f->type == NODE_NAME && !emit_find(e, f->text)) {
        if (!strcmp(f->text.ptr, "$if") && n->b && n->b->next && !emit_has_spread(n->b))
            return emit_choice(e, n->b, n->b->next, n->b->next->next);
        return emit_call_value(e, n, emit_global(e, f).text);
    }
    if (f->type == NODE_MEMBER && emit_is_namespace(e, f->a))
        return emit_call_value(e, n, emit_global(e, f).text);
    if (f->type == NODE_MEMBER)
        return emit_method(e, n);
    struct emit_value callee = emit_base(e, n);
    e->throws = true;
    if (emit_has_spread(n->b))
        return emit_any(
            TEXT("apply(%s,%s)", callee.text.ptr, emit_list(e, n->b, (wf_str){ 0 }).ptr));
    return emit_any(TEXT("invoke(%s%s)", callee.text.ptr, emit_args(e, n->b).ptr));
}

static struct emit_value emit_new(struct emit *e, const struct node *n)
{
    wf_str name = TEXT("new %s", n->a->text.ptr);
    if (!runtime_has_static(name.ptr)) {
        emit_fail(e, n->a->at, "new knows Date, Set, RegExp and Array, not '%.60s'",
                  n->a->text.ptr);
        return emit_any(STR("nil"));
    }
    return emit_call_value(e, n, TEXT("S[%s]", emit_quote(e, name).ptr));
}

/* Made once, when the chunk is loaded. */
static struct emit_value emit_regex(struct emit *e, const struct node *n)
{
    char why[200];
    if (regex_check(n->text, n->flags.ptr, why, sizeof why) != 0)
        emit_fail(e, n->at, "%s", why);
    e->constants =
        TEXT("%sX[%u]=regex(%s,%s)\n", e->constants.len ? e->constants.ptr : "local X={}\n",
             ++e->n_constants, emit_quote(e, n->text).ptr, emit_quote(e, n->flags).ptr);
    return emit_any(TEXT("X[%u]", e->n_constants));
}

static struct emit_value emit_node(struct emit *e, const struct node *n)
{
    struct emit_value special;
    switch (n->type) {
    case NODE_NUMBER:
        return emit_number(e, n->number);
    case NODE_STRING:
        return value_of(TEXT("(%s)", emit_quote(e, n->text).ptr), KIND_STRING, true);
    case NODE_NULL:
        return value_of(STR("null"), KIND_ANY, true);
    case NODE_TRUE:
        return value_of(STR("true"), KIND_BOOL, true);
    case NODE_FALSE:
        return value_of(STR("false"), KIND_BOOL, true);
    case NODE_TEMPLATE:
        return emit_template(e, n);
    case NODE_REGEX:
        return emit_regex(e, n);
    case NODE_ARRAY:
        return emit_any(emit_list(e, n->a, (wf_str){ 0 }));
    case NODE_OBJECT:
        return emit_object(e, n);
    case NODE_NAME:
        return emit_special(e, n, &special) ? special : emit_global(e, n);
    case NODE_MEMBER:
    case NODE_INDEX:
        return emit_member(e, n);
    case NODE_CALL:
        return emit_call(e, n);
    case NODE_NEW:
        return emit_new(e, n);
    case NODE_ARROW:
        return emit_arrow(e, n);
    case NODE_UNARY:
        return emit_unary(e, n);
    case NODE_BINARY:
        return emit_binary(e, n);
    case NODE_LOGICAL:
        return emit_logical(e, n);
    case NODE_COND:
        return emit_choice(e, n->a, n->b, n->c);
    case NODE_CHAIN:
        return emit_chain(e, n);
    case NODE_SPREAD:
        emit_fail(e, n->at, "'...' is not expected here");
        return emit_any(STR("nil"));
    default:
        return value_of(STR("nil"), KIND_ANY, true);
    }
}

struct emit_value emit_expression(struct emit *e, const struct node *n)
{
    if (e->failed)
        return emit_any(STR("nil"));
    if (++e->depth > EMIT_DEPTH_MAX)
        emit_fail(e, n->at, "the expression is nested too deeply");
    struct emit_value v = emit_node(e, n);
    e->depth--;
    return v;
}
