/* SPDX-License-Identifier: Apache-2.0
 * parse: a Pratt parser of the JavaScript subset of expressions: everything that computes a value.
 * Statements exist in the block bodies of arrow functions only: const, let, if, return. What
 * changes a variable is refused with a sentence that says so. Any thread; depth is limited, so
 * hostile text cannot exhaust the C stack.
 */
#include "expr/syntax_int.h"

enum { DEPTH_MAX = 64, TOKENS_MAX = 200000 };

struct parser {
    struct lexer *lex;
    unsigned depth;
    uint32_t tokens;
};

static struct node *parse_at(struct parser *p, unsigned power);
static struct node *parse_assigned(struct parser *p);
static struct node *parse_pattern(struct parser *p);
static struct node *parse_block(struct parser *p);

static void next(struct parser *p)
{
    if (++p->tokens > TOKENS_MAX)
        lex_fail(p->lex, p->lex->token.at, "the expression is too long");
    lex_next(p->lex);
}

static bool at(const struct parser *p, enum token_type type) { return p->lex->token.type == type; }

static bool at_word(const struct parser *p, const char *word)
{
    return at(p, TOKEN_NAME) && !strcmp(p->lex->token.text.ptr, word);
}

static bool take(struct parser *p, enum token_type type)
{
    if (!at(p, type))
        return false;
    next(p);
    return true;
}

static void unexpected(struct parser *p)
{
    const struct token *t = &p->lex->token;
    if (t->type == TOKEN_NAME || t->type == TOKEN_NUMBER || t->type == TOKEN_STRING)
        lex_fail(p->lex, t->at, "%s%.40s%s is not expected here",
                 t->type == TOKEN_NAME     ? "'"
                 : t->type == TOKEN_STRING ? "the text '"
                                           : "a number",
                 t->type == TOKEN_NUMBER ? "" : t->text.ptr, t->type == TOKEN_NUMBER ? "" : "'");
    else if (t->type == TOKEN_END)
        lex_fail(p->lex, t->at, "the expression ends too early");
    else
        lex_fail(p->lex, t->at, "'%s' is not expected here", token_text(t->type));
}

static void expect(struct parser *p, enum token_type type)
{
    if (take(p, type) || p->lex->failed)
        return;
    if (at(p, TOKEN_END))
        lex_fail(p->lex, p->lex->token.at, "'%s' is missing at the end", token_text(type));
    else
        lex_fail(p->lex, p->lex->token.at, "'%s' is missing here", token_text(type));
}

static struct node *node_new(struct parser *p, enum node_type type, uint32_t offset)
{
    struct node *n = ARENA_NEW(p->lex->arena, struct node);
    n->type = type;
    n->at = offset;
    return n;
}

static struct node *node_ab(struct parser *p, enum node_type type, uint32_t offset, struct node *a,
                            struct node *b)
{
    struct node *n = node_new(p, type, offset);
    n->a = a;
    n->b = b;
    return n;
}

static struct node *parse_spread(struct parser *p)
{
    uint32_t offset = p->lex->token.at;
    if (!take(p, TOKEN_ELLIPSIS))
        return parse_assigned(p);
    return node_ab(p, NODE_SPREAD, offset, parse_assigned(p), NULL);
}

/* A list up to `close`, which is taken. */
static struct node *parse_list(struct parser *p, enum token_type close)
{
    struct node *first = NULL, **last = &first;
    while (!at(p, close) && !p->lex->failed) {
        if (close == TOKEN_RBRACKET && at(p, TOKEN_COMMA))
            *last = node_new(p, NODE_HOLE, p->lex->token.at);
        else
            *last = parse_spread(p);
        last = &(*last)->next;
        if (!take(p, TOKEN_COMMA))
            break;
    }
    expect(p, close);
    return first;
}

static struct node *parse_template(struct parser *p)
{
    struct lexer *lex = p->lex;
    struct node *n = node_new(p, NODE_TEMPLATE, lex->token.at), **last = &n->a;
    for (bool more = true; more && !lex->failed;) {
        struct node *text = node_new(p, NODE_STRING, lex->pos);
        more = lex_template(lex, &text->text);
        *last = text;
        last = &text->next;
        if (!more)
            break;
        next(p);
        *last = parse_assigned(p);
        last = &(*last)->next;
        if (!lex->failed && !at(p, TOKEN_RBRACE))
            lex_fail(lex, lex->token.at, "'}' is missing behind the expression in a template");
        /* the text goes on right behind the brace */
        if (!lex->failed)
            lex->pos = lex->token.at + 1;
    }
    next(p);
    return n;
}

/* A property name: name, string, number or [computed]. */
static struct node *parse_key(struct parser *p)
{
    const struct token t = p->lex->token;
    struct node *key = node_new(p, NODE_STRING, t.at);
    key->text = t.text;
    if (t.type == TOKEN_NUMBER) {
        key->type = NODE_NUMBER;
        key->number = t.number;
    } else if (t.type == TOKEN_LBRACKET) {
        next(p);
        key = parse_assigned(p);
        expect(p, TOKEN_RBRACKET);
        return key;
    } else if (t.type != TOKEN_NAME && t.type != TOKEN_STRING) {
        unexpected(p);
        return key;
    }
    next(p);
    return key;
}

static struct node *parse_object(struct parser *p)
{
    struct node *n = node_new(p, NODE_OBJECT, p->lex->token.at), **last = &n->a;
    next(p);
    while (!at(p, TOKEN_RBRACE) && !p->lex->failed) {
        uint32_t offset = p->lex->token.at;
        if (at(p, TOKEN_ELLIPSIS)) {
            *last = parse_spread(p);
        } else {
            bool is_name = at(p, TOKEN_NAME);
            struct node *key = parse_key(p), *value;
            if (take(p, TOKEN_COLON)) {
                value = parse_assigned(p);
            } else {
                if (!is_name || at(p, TOKEN_LPAREN))
                    unexpected(p);
                value = node_new(p, NODE_NAME, offset);
                value->text = key->text;
            }
            *last = node_ab(p, NODE_PAIR, offset, key, value);
        }
        last = &(*last)->next;
        if (!take(p, TOKEN_COMMA))
            break;
    }
    expect(p, TOKEN_RBRACE);
    return n;
}

/* --- arrow functions -------------------------------------------------------------------------- */

static struct node *parse_with_default(struct parser *p)
{
    uint32_t offset = p->lex->token.at;
    struct node *target = parse_pattern(p);
    if (!take(p, TOKEN_ASSIGN))
        return target;
    return node_ab(p, NODE_DEFAULT, offset, target, parse_assigned(p));
}

static struct node *parse_object_pattern(struct parser *p)
{
    struct node *n = node_new(p, NODE_OBJECT, p->lex->token.at), **last = &n->a;
    next(p);
    while (!at(p, TOKEN_RBRACE) && !p->lex->failed) {
        uint32_t offset = p->lex->token.at;
        if (take(p, TOKEN_ELLIPSIS)) {
            *last = node_ab(p, NODE_SPREAD, offset, parse_pattern(p), NULL);
        } else {
            bool is_name = at(p, TOKEN_NAME);
            struct node *key = parse_key(p), *target;
            if (take(p, TOKEN_COLON)) {
                target = parse_with_default(p);
            } else {
                if (!is_name)
                    unexpected(p);
                target = node_new(p, NODE_NAME, offset);
                target->text = key->text;
                if (take(p, TOKEN_ASSIGN))
                    target = node_ab(p, NODE_DEFAULT, offset, target, parse_assigned(p));
            }
            *last = node_ab(p, NODE_PAIR, offset, key, target);
        }
        last = &(*last)->next;
        if (!take(p, TOKEN_COMMA))
            break;
    }
    expect(p, TOKEN_RBRACE);
    return n;
}

static struct node *parse_pattern_list(struct parser *p, enum token_type close)
{
    struct node *first = NULL, **last = &first;
    while (!at(p, close) && !p->lex->failed) {
        uint32_t offset = p->lex->token.at;
        if (close == TOKEN_RBRACKET && at(p, TOKEN_COMMA))
            *last = node_new(p, NODE_HOLE, offset);
        else if (take(p, TOKEN_ELLIPSIS))
            *last = node_ab(p, NODE_SPREAD, offset, parse_pattern(p), NULL);
        else
            *last = parse_with_default(p);
        last = &(*last)->next;
        if (!take(p, TOKEN_COMMA))
            break;
    }
    expect(p, close);
    return first;
}

/* A name, {a, b: c} or [a, b]. */
static struct node *parse_pattern(struct parser *p)
{
    struct node *n = node_new(p, NODE_NAME, p->lex->token.at);
    if (p->depth > DEPTH_MAX) {
        lex_fail(p->lex, n->at, "the expression is nested too deeply");
        return n;
    }
    p->depth++;
    if (at(p, TOKEN_LBRACE)) {
        n = parse_object_pattern(p);
    } else if (at(p, TOKEN_LBRACKET)) {
        next(p);
        n->type = NODE_ARRAY;
        n->a = parse_pattern_list(p, TOKEN_RBRACKET);
    } else if (at(p, TOKEN_NAME)) {
        n->text = p->lex->token.text;
        next(p);
    } else {
        unexpected(p);
    }
    p->depth--;
    return n;
}

static struct node *parse_arrow_body(struct parser *p, struct node *arrow)
{
    expect(p, TOKEN_ARROW);
    arrow->b = at(p, TOKEN_LBRACE) ? parse_block(p) : parse_assigned(p);
    return arrow;
}

/* At "(": an arrow function's parameters are tried first; NULL when this is something else. */
static struct node *try_arrow(struct parser *p)
{
    struct lexer saved = *p->lex;
    struct expr_error error = *saved.error;
    unsigned depth = p->depth;
    struct node *arrow = node_new(p, NODE_ARROW, saved.token.at);
    next(p);
    arrow->a = parse_pattern_list(p, TOKEN_RPAREN);
    if (!p->lex->failed && at(p, TOKEN_ARROW))
        return parse_arrow_body(p, arrow);
    *p->lex = saved;
    *saved.error = error;
    p->depth = depth;
    return NULL;
}

static struct node *parse_declare(struct parser *p, bool constant)
{
    struct node *first = NULL, **last = &first;
    next(p);
    do {
        struct node *n = node_new(p, NODE_DECLARE, p->lex->token.at);
        n->constant = constant;
        n->a = parse_pattern(p);
        if (take(p, TOKEN_ASSIGN))
            n->b = parse_assigned(p);
        *last = n;
        last = &n->next;
    } while (take(p, TOKEN_COMMA));
    return first;
}

static struct node *parse_statement(struct parser *p)
{
    struct node *n = node_new(p, NODE_EVAL, p->lex->token.at);
    if (at(p, TOKEN_LBRACE))
        return parse_block(p);
    if (at_word(p, "const") || at_word(p, "let") || at_word(p, "var")) {
        n = parse_declare(p, at_word(p, "const"));
    } else if (at_word(p, "if")) {
        n->type = NODE_IF;
        next(p);
        expect(p, TOKEN_LPAREN);
        n->a = parse_assigned(p);
        expect(p, TOKEN_RPAREN);
        n->b = parse_statement(p);
        if (at_word(p, "else")) {
            next(p);
            n->c = parse_statement(p);
        }
        return n;
    } else if (at_word(p, "return")) {
        n->type = NODE_RETURN;
        next(p);
        if (!at(p, TOKEN_SEMICOLON) && !at(p, TOKEN_RBRACE) && !p->lex->token.newline)
            n->a = parse_assigned(p);
    } else if (at_word(p, "for") || at_word(p, "while") || at_word(p, "switch") ||
               at_word(p, "try") || at_word(p, "throw") || at_word(p, "function") ||
               at_word(p, "do")) {
        lex_fail(p->lex, n->at,
                 "'%s' is not supported in expressions: use array methods, or a Lua step",
                 p->lex->token.text.ptr);
    } else {
        n->a = parse_assigned(p);
    }
    if (!take(p, TOKEN_SEMICOLON) && !at(p, TOKEN_RBRACE) && !p->lex->token.newline &&
        !p->lex->failed)
        unexpected(p);
    return n;
}

static struct node *parse_block(struct parser *p)
{
    struct node *n = node_new(p, NODE_BLOCK, p->lex->token.at), **last = &n->a;
    if (++p->depth > DEPTH_MAX)
        lex_fail(p->lex, n->at, "the expression is nested too deeply");
    expect(p, TOKEN_LBRACE);
    while (!at(p, TOKEN_RBRACE) && !p->lex->failed) {
        if (take(p, TOKEN_SEMICOLON))
            continue;
        *last = parse_statement(p);
        while (*last)
            last = &(*last)->next;
    }
    p->depth--;
    expect(p, TOKEN_RBRACE);
    return n;
}

/* --- expressions ------------------------------------------------------------------------------ */

enum { POWER_COND = 2, POWER_UNARY = 15, POWER_POSTFIX = 17 };

/* How tightly the operator at the current token binds; 0 when it is none. */
static unsigned power_of(struct parser *p)
{
    switch (p->lex->token.type) {
    case TOKEN_QUESTION:
        return POWER_COND;
    case TOKEN_NULLISH:
        return 3;
    case TOKEN_OR:
        return 4;
    case TOKEN_AND:
        return 5;
    case TOKEN_BITOR:
        return 6;
    case TOKEN_XOR:
        return 7;
    case TOKEN_BITAND:
        return 8;
    case TOKEN_EQ:
    case TOKEN_NE:
    case TOKEN_STRICT_EQ:
    case TOKEN_STRICT_NE:
        return 9;
    case TOKEN_LT:
    case TOKEN_LE:
    case TOKEN_GT:
    case TOKEN_GE:
        return 10;
    case TOKEN_NAME:
        return at_word(p, "in") || at_word(p, "instanceof") ? 10 : 0;
    case TOKEN_SHL:
    case TOKEN_SHR:
    case TOKEN_USHR:
        return 11;
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 12;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
        return 13;
    case TOKEN_POWER:
        return 14;
    case TOKEN_DOT:
    case TOKEN_CHAIN:
    case TOKEN_LBRACKET:
    case TOKEN_LPAREN:
        return POWER_POSTFIX;
    default:
        return 0;
    }
}

static struct node *parse_member_name(struct parser *p, struct node *object, uint32_t offset)
{
    struct node *n = node_ab(p, NODE_MEMBER, offset, object, NULL);
    if (!at(p, TOKEN_NAME)) {
        unexpected(p);
        n->text = STR("");
        return n;
    }
    n->text = p->lex->token.text;
    n->at = p->lex->token.at;
    next(p);
    return n;
}

static struct node *parse_call(struct parser *p, struct node *callee, uint32_t offset)
{
    next(p);
    return node_ab(p, NODE_CALL, offset, callee, parse_list(p, TOKEN_RPAREN));
}

static struct node *parse_index(struct parser *p, struct node *object, uint32_t offset)
{
    next(p);
    struct node *n = node_ab(p, NODE_INDEX, offset, object, parse_assigned(p));
    expect(p, TOKEN_RBRACKET);
    return n;
}

/* .name  ?.name  ?.[x]  ?.(x)  [x]  (x) */
static struct node *parse_postfix(struct parser *p, struct node *left, bool *chain)
{
    uint32_t offset = p->lex->token.at;
    bool optional = at(p, TOKEN_CHAIN);
    struct node *n;
    if (at(p, TOKEN_BACKTICK))
        return left;
    if (at(p, TOKEN_DOT) || optional)
        next(p);
    else
        return at(p, TOKEN_LPAREN) ? parse_call(p, left, offset) : parse_index(p, left, offset);
    if (optional && at(p, TOKEN_LPAREN))
        n = parse_call(p, left, offset);
    else if (optional && at(p, TOKEN_LBRACKET))
        n = parse_index(p, left, offset);
    else
        n = parse_member_name(p, left, offset);
    n->optional = optional;
    *chain = *chain || optional;
    return n;
}

static struct node *parse_unary(struct parser *p, enum token_type op)
{
    uint32_t offset = p->lex->token.at;
    next(p);
    struct node *n = node_ab(p, NODE_UNARY, offset, parse_at(p, POWER_UNARY), NULL);
    n->op = op;
    return n;
}

static struct node *parse_new(struct parser *p)
{
    struct node *n = node_new(p, NODE_NEW, p->lex->token.at);
    next(p);
    n->a = node_new(p, NODE_NAME, p->lex->token.at);
    n->a->text = p->lex->token.text;
    if (!at(p, TOKEN_NAME)) {
        unexpected(p);
        n->a->text = STR("");
        return n;
    }
    next(p);
    if (at(p, TOKEN_LPAREN)) {
        next(p);
        n->b = parse_list(p, TOKEN_RPAREN);
    }
    return n;
}

static const struct {
    const char *word;
    enum node_type type;
} literal_words[] = {
    { "null", NODE_NULL },
    { "undefined", NODE_UNDEFINED },
    { "true", NODE_TRUE },
    { "false", NODE_FALSE },
};

static struct node *parse_name(struct parser *p)
{
    struct node *n = node_new(p, NODE_NAME, p->lex->token.at);
    n->text = p->lex->token.text;
    if (at_word(p, "new"))
        return parse_new(p);
    if (at_word(p, "typeof"))
        return parse_unary(p, TOKEN_TYPEOF);
    if (at_word(p, "void"))
        return parse_unary(p, TOKEN_VOID);
    if (at_word(p, "function") || at_word(p, "async") || at_word(p, "await") ||
        at_word(p, "delete") || at_word(p, "this") || at_word(p, "class") || at_word(p, "yield")) {
        lex_fail(p->lex, n->at, "'%s' is not supported in expressions%s", n->text.ptr,
                 at_word(p, "function") ? ": write an arrow function" : "");
        return n;
    }
    next(p);
    if (at(p, TOKEN_ARROW) && !p->lex->token.newline) {
        struct node *arrow = node_ab(p, NODE_ARROW, n->at, n, NULL);
        return parse_arrow_body(p, arrow);
    }
    for (size_t i = 0; i < sizeof literal_words / sizeof *literal_words; i++)
        if (!strcmp(n->text.ptr, literal_words[i].word))
            n->type = literal_words[i].type;
    return n;
}

static struct node *parse_parenthesis(struct parser *p)
{
    struct node *n = try_arrow(p);
    if (n || p->lex->failed)
        return n ? n : node_new(p, NODE_UNDEFINED, p->lex->token.at);
    next(p);
    n = parse_assigned(p);
    /* a, b: values without effects, so the last one is the value */
    while (take(p, TOKEN_COMMA))
        n = parse_assigned(p);
    expect(p, TOKEN_RPAREN);
    if (n->type == NODE_ARROW)
        n->constant = true;    /* (x => x)(1): may be called at once */
    if (n->type == NODE_CHAIN) /* (a?.b).c: the chain ends at the parenthesis */
        n = node_ab(p, NODE_CHAIN, n->at, n, NULL);
    return n;
}

static struct node *parse_prefix(struct parser *p)
{
    const struct token t = p->lex->token;
    struct node *n = node_new(p, NODE_UNDEFINED, t.at);
    switch (t.type) {
    case TOKEN_NUMBER:
        n->type = NODE_NUMBER;
        n->number = t.number;
        next(p);
        return n;
    case TOKEN_STRING:
        n->type = NODE_STRING;
        n->text = t.text;
        next(p);
        return n;
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_BACKTICK:
        return parse_template(p);
    case TOKEN_DIV:
    case TOKEN_DIV_ASSIGN:
        n->type = NODE_REGEX;
        if (lex_regex(p->lex, &n->text, &n->flags))
            next(p);
        return n;
    case TOKEN_LPAREN:
        return parse_parenthesis(p);
    case TOKEN_LBRACKET:
        next(p);
        n->type = NODE_ARRAY;
        n->a = parse_list(p, TOKEN_RBRACKET);
        return n;
    case TOKEN_LBRACE:
        return parse_object(p);
    case TOKEN_NOT:
    case TOKEN_SUB:
    case TOKEN_ADD:
    case TOKEN_BITNOT:
        return parse_unary(p, t.type);
    case TOKEN_INCREMENT:
    case TOKEN_DECREMENT:
        lex_fail(p->lex, t.at, "'%s' changes a variable: expressions only compute",
                 token_text(t.type));
        return n;
    default:
        unexpected(p);
        return n;
    }
}

static struct node *parse_infix(struct parser *p, struct node *left, unsigned power)
{
    const struct token t = p->lex->token;
    enum token_type op = t.type;
    if (op == TOKEN_NAME)
        op = at_word(p, "in") ? TOKEN_IN : TOKEN_INSTANCEOF;
    next(p);
    if (op == TOKEN_QUESTION) {
        struct node *n = node_ab(p, NODE_COND, t.at, left, parse_assigned(p));
        expect(p, TOKEN_COLON);
        n->c = parse_assigned(p);
        return n;
    }
    bool logical = op == TOKEN_AND || op == TOKEN_OR || op == TOKEN_NULLISH;
    /* ** binds to the right, everything else to the left */
    struct node *right = parse_at(p, op == TOKEN_POWER ? power - 1 : power);
    struct node *n = node_ab(p, logical ? NODE_LOGICAL : NODE_BINARY, t.at, left, right);
    n->op = op;
    return n;
}

static struct node *parse_at(struct parser *p, unsigned power)
{
    if (++p->depth > DEPTH_MAX)
        lex_fail(p->lex, p->lex->token.at, "the expression is nested too deeply");
    struct node *left = parse_prefix(p);
    bool chain = false, arrow = left->type == NODE_ARROW && !left->constant;
    unsigned links = 0;
    while (!p->lex->failed && !arrow) {
        unsigned mine = power_of(p);
        if (!mine || mine <= power)
            break;
        /* each operator nests the tree one level deeper on the left */
        if (++links > 1000)
            lex_fail(p->lex, p->lex->token.at, "the expression is nested too deeply");
        if (mine == POWER_POSTFIX) {
            left = parse_postfix(p, left, &chain);
            continue;
        }
        if (chain)
            left = node_ab(p, NODE_CHAIN, left->at, left, NULL);
        chain = false;
        left = parse_infix(p, left, mine);
    }
    if (chain)
        left = node_ab(p, NODE_CHAIN, left->at, left, NULL);
    p->depth--;
    return left;
}

static struct node *parse_assigned(struct parser *p)
{
    struct node *n = parse_at(p, 1);
    enum token_type t = p->lex->token.type;
    switch (t) {
    case TOKEN_ASSIGN:
    case TOKEN_ADD_ASSIGN:
    case TOKEN_SUB_ASSIGN:
    case TOKEN_MUL_ASSIGN:
    case TOKEN_DIV_ASSIGN:
    case TOKEN_MOD_ASSIGN:
    case TOKEN_POWER_ASSIGN:
    case TOKEN_AND_ASSIGN:
    case TOKEN_OR_ASSIGN:
    case TOKEN_NULLISH_ASSIGN:
    case TOKEN_BITAND_ASSIGN:
    case TOKEN_BITOR_ASSIGN:
    case TOKEN_XOR_ASSIGN:
    case TOKEN_SHL_ASSIGN:
    case TOKEN_SHR_ASSIGN:
    case TOKEN_USHR_ASSIGN:
    case TOKEN_INCREMENT:
    case TOKEN_DECREMENT:
        lex_fail(p->lex, p->lex->token.at, "'%s' assigns: expressions only compute%s",
                 token_text(t), t == TOKEN_ASSIGN ? "; to compare, write == or ===" : "");
        break;
    default:
        break;
    }
    return n;
}

struct node *parse_expression(struct lexer *lex)
{
    struct parser p = { .lex = lex };
    next(&p);
    struct node *n = parse_assigned(&p);
    while (take(&p, TOKEN_SEMICOLON))
        ;
    return n;
}
