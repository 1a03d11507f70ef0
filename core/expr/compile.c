/* SPDX-License-Identifier: Apache-2.0
 * compile: a parameter text that begins with "=" becomes a constant, a look-up, a template of
 * look-ups or a Lua function.
 *
 * Text outside {{ }} is kept as it is; "\{{" is a literal "{{". A block is parsed, not searched for
 * its end, so "}}" inside strings and nested objects is no end. A single block that is the whole
 * text keeps its type; otherwise blocks become text: undefined and null as "", objects and arrays
 * as JSON.
 *
 * How errors of values behave (n8n swallows TypeErrors in production and goes on with undefined): a
 * property of undefined or null is undefined; a method called on undefined or null makes its whole
 * block undefined; an unknown method of a value that is there is an error.
 *
 * Where this JavaScript differs: nothing is assigned and no item is changed (push and the like work
 * on arrays the expression made); positions in strings count code points; members keep the order
 * they were written in, also names that are numbers; iterators (matchAll, entries ...) are arrays;
 * integers of JSON beyond 2^53 are handed on exactly; localeCompare and toLocaleString are English.
 *
 * Any thread. Memory: the unit's arena for what stays, an own arena for the tree.
 */
#include "expr/emit_int.h"
#include <lauxlib.h>
#include <stdio.h>
#include "expr/expr_int.h"

enum { PARTS_MAX = 2000, SOURCE_MAX = 256 << 10, CONST_DEPTH_MAX = 60 };

struct part {
    wf_str text;       /* of a text part */
    struct node *tree; /* of a block; NULL: text, or an empty block */
    bool block;
    wf_str source;
    struct expr_lookup look; /* when root is set */
};

struct compile {
    struct emit emit;
    struct lexer lex;
    wf_str source;
    struct part *parts;
    uint32_t n, size;
};

static struct part *add_part(struct compile *c)
{
    if (c->n == c->size) {
        struct part *old = c->parts;
        c->size = c->size ? c->size * 2 : 8;
        c->parts = ARENA_ARRAY(c->emit.arena, struct part, c->size);
        if (c->n)
            memcpy(c->parts, old, sizeof *old * c->n);
    }
    if (c->n >= PARTS_MAX)
        emit_fail(&c->emit, c->lex.pos, "a text with more than %d blocks", PARTS_MAX);
    return &c->parts[c->n++];
}

/* The text from `at` to the next block; "\{{" gives "{{". Returns where the block starts. */
static uint32_t split_text(struct compile *c, uint32_t at)
{
    const char *s = c->source.ptr;
    uint32_t len = (uint32_t)c->source.len;
    char *out = arena_alloc(c->emit.arena, len - at + 1), *to = out;
    while (at < len && !(s[at] == '{' && at + 1 < len && s[at + 1] == '{')) {
        if (s[at] == '\\' && len - at > 2 && s[at + 1] == '{' && s[at + 2] == '{') {
            *to++ = '{';
            *to++ = '{';
            at += 3;
        } else {
            *to++ = s[at++];
        }
    }
    *to = '\0';
    if (to > out)
        *add_part(c) = (struct part){ .text = { out, (size_t)(to - out) } };
    return at;
}

/* A block at "{{"; returns the offset behind its "}}". */
static uint32_t split_block(struct compile *c, uint32_t at)
{
    struct lexer *lex = &c->lex;
    uint32_t start = at + 2;
    lex->pos = start;
    struct lexer before = *lex;
    lex_next(lex);
    struct node *tree = NULL;
    bool empty = !lex->failed && lex->token.type == TOKEN_RBRACE;
    if (!empty) {
        *lex = before;
        tree = parse_expression(lex);
    }
    uint32_t end = lex->token.at;
    if (!lex->failed && (lex->token.type != TOKEN_RBRACE || end + 1 >= c->source.len ||
                         c->source.ptr[end + 1] != '}')) {
        if (lex->token.type == TOKEN_END)
            lex_fail(lex, at, "the block that starts here is not closed with }}");
        else
            lex_fail(lex, end, "'%s' is not expected here",
                     lex->token.type == TOKEN_NAME     ? lex->token.text.ptr
                     : lex->token.type == TOKEN_NUMBER ? "a number"
                     : lex->token.type == TOKEN_STRING ? "a text"
                                                       : token_text(lex->token.type));
    }
    if (lex->failed) {
        c->emit.failed = true;
        return end;
    }
    while (start < end && strchr(" \t\r\n", c->source.ptr[start]))
        start++;
    uint32_t stop = end;
    while (stop > start && strchr(" \t\r\n", c->source.ptr[stop - 1]))
        stop--;
    *add_part(c) = (struct part){ .block = true,
                                  .tree = tree,
                                  .source = { c->source.ptr + start, stop - start } };
    return end + 2;
}

static void split(struct compile *c)
{
    uint32_t at = 1;
    while (at < c->source.len && !c->emit.failed) {
        at = split_text(c, at);
        if (at < c->source.len && !c->emit.failed)
            at = split_block(c, at);
    }
}

/* --- constants -------------------------------------------------------------------------------- */

static bool const_of(struct arena *a, const struct node *n, struct json *out, unsigned depth);

static bool const_list(struct arena *a, const struct node *n, struct json *out, unsigned depth)
{
    size_t count = 0;
    for (const struct node *p = n->a; p; p = p->next, count++)
        if (p->type == NODE_SPREAD || p->type == NODE_HOLE || p->type == NODE_UNDEFINED)
            return false;
    if (n->type == NODE_ARRAY) {
        struct json *elements;
        *out = json_array(a, count, &elements);
        for (const struct node *p = n->a; p; p = p->next)
            if (!const_of(a, p, elements++, depth + 1))
                return false;
        return true;
    }
    struct json_member *members;
    *out = json_object(a, count, &members);
    for (const struct node *p = n->a; p; p = p->next, members++) {
        if (p->a->type != NODE_STRING || p->b->type == NODE_UNDEFINED)
            return false;
        for (const struct node *other = p->next; other; other = other->next)
            if (other->a && other->a->type == NODE_STRING && str_eq(other->a->text, p->a->text))
                return false;
        members->key = json_of_str(a, p->a->text.ptr, p->a->text.len);
        if (!const_of(a, p->b, &members->value, depth + 1))
            return false;
    }
    return true;
}

static bool const_of(struct arena *a, const struct node *n, struct json *out, unsigned depth)
{
    if (depth > CONST_DEPTH_MAX)
        return false;
    switch (n->type) {
    case NODE_NUMBER:
        *out = json_of_double(n->number);
        return true;
    case NODE_UNARY:
        if (n->op != TOKEN_SUB || n->a->type != NODE_NUMBER)
            return false;
        *out = json_of_double(-n->a->number);
        return true;
    case NODE_STRING:
        *out = json_of_str(a, n->text.ptr, n->text.len);
        return true;
    case NODE_TEMPLATE:
        if (n->a->next)
            return false;
        *out = json_of_str(a, n->a->text.ptr, n->a->text.len);
        return true;
    case NODE_NULL:
        *out = (struct json){ .type = JSON_NULL };
        return true;
    case NODE_UNDEFINED:
        *out = (struct json){ .type = JSON_MISSING };
        return true;
    case NODE_TRUE:
    case NODE_FALSE:
        *out = json_of_bool(n->type == NODE_TRUE);
        return true;
    case NODE_ARRAY:
    case NODE_OBJECT:
        return const_list(a, n, out, depth);
    default:
        return false;
    }
}

/* --- the kinds -------------------------------------------------------------------------------- */

static bool is_single_block(const struct compile *c) { return c->n == 1 && c->parts[0].block; }

static struct expr *make(struct compile *c, enum expr_kind kind)
{
    struct expr *x = ARENA_NEW(c->emit.unit->arena, struct expr);
    x->kind = kind;
    x->source = arena_str(c->emit.unit->arena, c->source.ptr, c->source.len);
    return x;
}

static struct json text_value(struct compile *c, wf_str s)
{
    return json_of_str(c->emit.unit->arena, s.ptr, s.len);
}

/* A part as text that is known now; false when it is not. */
static bool const_text(struct compile *c, const struct part *part, wf_str *text)
{
    struct json v;
    *text = part->text;
    if (!part->tree)
        return true;
    if (!const_of(c->emit.arena, part->tree, &v, 0))
        return false;
    *text = lookup_text(c->emit.arena, &v);
    return true;
}

static struct expr *make_const(struct compile *c)
{
    struct json v = { .type = JSON_MISSING };
    if (is_single_block(c) && c->parts[0].tree) {
        if (!const_of(c->emit.unit->arena, c->parts[0].tree, &v, 0))
            return NULL;
    } else {
        wf_str whole = STR("");
        for (uint32_t i = 0; i < c->n; i++) {
            wf_str text;
            if (!const_text(c, &c->parts[i], &text))
                return NULL;
            whole =
                i ? arena_printf(c->emit.arena, "%.*s%.*s", STR_ARG(whole), STR_ARG(text)) : text;
        }
        v = text_value(c, whole);
    }
    struct expr *x = make(c, EXPR_CONST);
    x->value = v;
    return x;
}

/* Finds the look-ups; false when a block is something else. */
static bool find_lookups(struct compile *c)
{
    bool all = true;
    for (uint32_t i = 0; i < c->n && !c->emit.failed; i++) {
        struct part *part = &c->parts[i];
        wf_str text;
        if (!part->tree || const_text(c, part, &text))
            continue;
        /* statements of a try that fails are thrown away */
        struct strbuf nowhere;
        strbuf_init(&nowhere, 1 << 20);
        c->emit.out = &nowhere;
        c->emit.locals = 0;
        bool any = c->emit.unit->reads_any_node;
        if (!emit_lookup(&c->emit, part->tree, part->source, &part->look)) {
            part->look.root = 0;
            all = false;
        }
        c->emit.unit->reads_any_node = any;
        strbuf_fini(&nowhere);
    }
    return all && !c->emit.failed;
}

static struct expr *make_template(struct compile *c)
{
    if (!find_lookups(c))
        return NULL;
    struct arena *a = c->emit.unit->arena;
    if (is_single_block(c)) {
        struct expr *x = make(c, EXPR_PATH);
        x->look = ARENA_NEW(a, struct expr_lookup);
        *x->look = c->parts[0].look;
        return x;
    }
    struct expr *x = make(c, EXPR_TEMPLATE);
    x->parts = ARENA_ARRAY(a, struct expr_part, c->n);
    x->n_parts = c->n;
    for (uint32_t i = 0; i < c->n; i++) {
        wf_str text;
        if (c->parts[i].look.root) {
            x->parts[i].lookup = ARENA_NEW(a, struct expr_lookup);
            *x->parts[i].lookup = c->parts[i].look;
        } else {
            const_text(c, &c->parts[i], &text);
            x->parts[i].text = text_value(c, text);
        }
    }
    return x;
}

/* --- Lua -------------------------------------------------------------------------------------- */

#define PRELUDE                                                                                    \
    "local R,M,S,N=...\nlocal "                                                                    \
    "null,add,sub,mul,mod,eq,num,typeof,idx,arr,spread,join,cat,key,put,merge,"                    \
    "omit,rest,pack,regex,has,instanceof,invoke,apply,band,bor,bxor,shl,shr,ushr,bnot,text,try="   \
    "R.null,R.add,R.sub,R.mul,R.mod,R.eq,R.num,R.typeof,R.idx,R.arr,R.spread,R.join,R.cat,R.key,"  \
    "R.put,"                                                                                       \
    "R.merge,R.omit,R.rest,R.pack,R.regex,R.has,R.instanceof,R.invoke,R.apply,R.band,R.bor,R."     \
    "bxor,R.shl,"                                                                                  \
    "R.shr,R.ushr,R.bnot,R.text,R.try\n"

static void write_single(struct compile *c, struct strbuf *chunk)
{
    struct strbuf body;
    strbuf_init(&body, 1 << 20);
    c->emit.out = &body;
    c->emit.locals = 0;
    struct emit_value v = emit_expression(&c->emit, c->parts[0].tree);
    strbuf_addf(chunk, "%sreturn function(J)\n%sreturn %s\nend\n",
                c->emit.constants.len ? c->emit.constants.ptr : "", strbuf_str(&body).ptr,
                v.text.ptr);
    if (body.failed)
        emit_fail(&c->emit, 0, "the expression is too long");
    strbuf_fini(&body);
}

/* Each block is a function of its own, so that one that ends as undefined does not end the others.
 */
static void write_template(struct compile *c, struct strbuf *chunk)
{
    struct emit *e = &c->emit;
    wf_str list = STR("");
    unsigned count = 0;
    struct strbuf blocks;
    strbuf_init(&blocks, 4 << 20);
    for (uint32_t i = 0; i < c->n && !e->failed; i++) {
        wf_str item;
        if (!c->parts[i].tree) {
            item = emit_quote(e, c->parts[i].text);
        } else {
            struct strbuf body;
            strbuf_init(&body, 1 << 20);
            e->out = &body;
            e->locals = 0;
            e->throws = false;
            struct emit_value v = emit_expression(e, c->parts[i].tree);
            strbuf_addf(&blocks, "b[%u]=function(J)\n%sreturn %s\nend\n", i + 1,
                        strbuf_str(&body).ptr, v.text.ptr);
            if (body.failed)
                emit_fail(e, 0, "the expression is too long");
            strbuf_fini(&body);
            item = arena_printf(e->arena, e->throws ? "try(b[%u],J)" : "b[%u](J)", i + 1);
        }
        /* in parentheses: one value each */
        if (count && count % EMIT_ARGS_MAX == 0)
            list = arena_printf(e->arena, "text(%s)", list.ptr);
        list = arena_printf(e->arena, count++ ? "%s,(%s)" : "%s(%s)", list.ptr, item.ptr);
    }
    strbuf_addf(chunk, "%slocal b={}\n%sreturn function(J)\nreturn text(%s)\nend\n",
                e->constants.len ? e->constants.ptr : "", strbuf_str(&blocks).ptr, list.ptr);
    if (blocks.failed)
        emit_fail(e, 0, "the expression is too long");
    strbuf_fini(&blocks);
}

/* Lua has limits of its own (nesting, registers): they are met now and not when the plan is loaded.
 */
static void check_loads(struct compile *c, const struct strbuf *chunk)
{
    lua_State *L = luaL_newstate();
    if (!L)
        bug_out_of_memory(0);
    if (luaL_loadbufferx(L, chunk->ptr, chunk->len, "=expression", "t") != LUA_OK)
        emit_fail(&c->emit, 0, "the expression is too complex: %.150s", lua_tostring(L, -1));
    lua_close(L);
}

static uint32_t add_chunk(struct expr_unit *u, const char *source, const char *name)
{
    if (u->n == u->size) {
        uint32_t size = u->size ? u->size * 2 : 16;
        const char **chunks = ARENA_ARRAY(u->arena, const char *, size);
        const char **names = ARENA_ARRAY(u->arena, const char *, size);
        if (u->n) {
            memcpy(chunks, u->chunks, sizeof *chunks * u->n);
            memcpy(names, u->names, sizeof *names * u->n);
        }
        u->chunks = chunks;
        u->names = names;
        u->size = size;
    }
    u->chunks[u->n] = source;
    u->names[u->n] = name;
    return u->n++;
}

static struct expr *make_lua(struct compile *c, const char *where)
{
    struct strbuf chunk;
    strbuf_init(&chunk, 4 << 20);
    strbuf_adds(&chunk, PRELUDE);
    if (is_single_block(c))
        write_single(c, &chunk);
    else
        write_template(c, &chunk);
    if (chunk.failed)
        emit_fail(&c->emit, 0, "the expression is too long");
    if (!c->emit.failed)
        check_loads(c, &chunk);
    struct expr *x = NULL;
    if (!c->emit.failed) {
        struct arena *a = c->emit.unit->arena;
        x = make(c, EXPR_LUA);
        x->lua =
            add_chunk(c->emit.unit, arena_str(a, chunk.ptr, chunk.len).ptr, arena_strdup(a, where));
    }
    strbuf_fini(&chunk);
    return x;
}

static const struct expr *compile(struct compile *c, const char *where)
{
    split(c);
    if (c->emit.failed)
        return NULL;
    const struct expr *x = make_const(c);
    if (!x)
        x = make_template(c);
    if (!x && !c->emit.failed)
        x = make_lua(c, where);
    return x;
}

const struct expr *expr_compile(struct expr_unit *unit, wf_str source, const char *where,
                                struct expr_error *error)
{
    struct arena arena;
    arena_init(&arena, NULL, 0);
    *error = (struct expr_error){ 0 };
    struct compile c = {
        .source = source,
        .emit = { .unit = unit, .arena = &arena, .error = error },
        .lex = { .arena = &arena, .src = source.ptr, .len = (uint32_t)source.len, .error = error },
    };
    const struct expr *x = NULL;
    if (source.len > SOURCE_MAX)
        snprintf(error->text, sizeof error->text, "the text is longer than %d bytes", SOURCE_MAX);
    else if (!text_is_valid(source.ptr, source.len))
        snprintf(error->text, sizeof error->text, "the text is not UTF-8");
    else
        x = compile(&c, where);
    arena_fini(&arena);
    return x;
}
