/* SPDX-License-Identifier: Apache-2.0
 * parse: a Pratt parser of the JavaScript subset of expressions: everything that computes a value.
 * Statements exist in the block bodies of arrow functions only: const, let, if, return. What
 * changes a variable is refused with a sentence that says so. Any thread; depth is limited, so
 * hostile text cannot exhaust the C stack.
 */
#include "expr/parse_int.h"

enum { TOKENS_MAX = 200000 };

static struct node *parse_at(struct parser *p, unsigned power);

void parser_next(struct parser *p)
{
    if (++p->tokens > TOKENS_MAX)
        lex_fail(p->lex, p->lex->token.at, "the expression is too long");
    lex_next(p->lex);
}

bool parser_at(const struct parser *p, enum token_type type) { return p->lex->token.type == type; }

bool parser_at_word(const struct parser *p, const char *word)
{
    return parser_at(p, TOKEN_NAME) && !strcmp(p->lex->token.text.ptr, word);
}

bool parser_take(struct parser *p, enum token_type type)
{
    if (!parser_at(p, type))
        return false;
    parser_next(p);
    return true;
}

void parser_unexpected(struct parser *p)
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

void parser_expect(struct parser *p, enum token_type type)
{
    if (parser_take(p, type) || p->lex->failed)
        return;
    if (parser_at(p, TOKEN_END))
        lex_fail(p->lex, p->lex->token.at, "'%s' is missing at the end", token_text(type));
    else
        lex_fail(p->lex, p->lex->token.at, "'%s' is missing here", token_text(type));
}

struct node *parser_node(struct parser *p, enum node_type type, uint32_t offset)
{
    struct node *n = ARENA_NEW(p->lex->arena, struct node);
    n->type = type;
    n->at = offset;
    return n;
}

struct node *parser_node_ab(struct parser *p, enum node_type type, uint32_t offset, struct node *a,
                            struct node *b)
{
    struct node *n = parser_node(p, type, offset);
    n->a = a;
    n->b = b;
    return n;
}

static struct node *parse_spread(struct parser *p)
{
    uint32_t offset = p->lex->token.at;
    if (!parser_take(p, TOKEN_ELLIPSIS))
        return parse_assigned(p);
    return parser_node_ab(p, NODE_SPREAD, offset, parse_assigned(p), NULL);
}

/* A list up to `close`, which is taken. */
static struct node *parse_list(struct parser *p, enum token_type close)
{
    struct node *first = NULL, **last = &first;
    while (!parser_at(p, close) && !p->lex->failed) {
        if (close == TOKEN_RBRACKET && parser_at(p, TOKEN_COMMA))
            *last = parser_node(p, NODE_HOLE, p->lex->token.at);
        else
            *last = parse_spread(p);
        last = &(*last)->next;
        if (!parser_take(p, TOKEN_COMMA))
            break;
    }
    parser_expect(p, close);
    return first;
}

static struct node *parse_template(struct parser *p)
{
    struct lexer *lex = p->lex;
    struct node *n = parser_node(p, NODE_TEMPLATE, lex->token.at), **last = &n->a;
    for (bool more = true; more && !lex->failed;) {
        struct node *text = parser_node(p, NODE_STRING, lex->pos);
        more = lex_template(lex, &text->text);
        *last = text;
        last = &text->next;
        if (!more)
            break;
        parser_next(p);
        *last = parse_assigned(p);
        last = &(*last)->next;
        if (!lex->failed && !parser_at(p, TOKEN_RBRACE))
            lex_fail(lex, lex->token.at, "'}' is missing behind the expression in a template");
        /* the text goes on right behind the brace */
        if (!lex->failed)
            lex->pos = lex->token.at + 1;
    }
    parser_next(p);
    return n;
}

/* A property name: name, string, number or [computed]. */
struct node *parse_key(struct parser *p)
{
    const struct token t = p->lex->token;
    struct node *key = parser_node(p, NODE_STRING, t.at);
    key->text = t.text;
    if (t.type == TOKEN_NUMBER) {
        key->type = NODE_NUMBER;
        key->number = t.number;
    } else if (t.type == TOKEN_LBRACKET) {
        parser_next(p);
        key = parse_assigned(p);
        parser_expect(p, TOKEN_RBRACKET);
        return key;
    } else if (t.type != TOKEN_NAME && t.type != TOKEN_STRING) {
        parser_unexpected(p);
        return key;
    }
    parser_next(p);
    return key;
}

static struct node *parse_object(struct parser *p)
{
    struct node *n = parser_node(p, NODE_OBJECT, p->lex->token.at), **last = &n->a;
    parser_next(p);
    while (!parser_at(p, TOKEN_RBRACE) && !p->lex->failed) {
        uint32_t offset = p->lex->token.at;
        if (parser_at(p, TOKEN_ELLIPSIS)) {
            *last = parse_spread(p);
        } else {
            bool is_name = parser_at(p, TOKEN_NAME);
            struct node *key = parse_key(p), *value;
            if (parser_take(p, TOKEN_COLON)) {
                value = parse_assigned(p);
            } else {
                if (!is_name || parser_at(p, TOKEN_LPAREN))
                    parser_unexpected(p);
                value = parser_node(p, NODE_NAME, offset);
                value->text = key->text;
            }
            *last = parser_node_ab(p, NODE_PAIR, offset, key, value);
        }
        last = &(*last)->next;
        if (!parser_take(p, TOKEN_COMMA))
            break;
    }
    parser_expect(p, TOKEN_RBRACE);
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
        return parser_at_word(p, "in") || parser_at_word(p, "instanceof") ? 10 : 0;
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
    struct node *n = parser_node_ab(p, NODE_MEMBER, offset, object, NULL);
    if (!parser_at(p, TOKEN_NAME)) {
        parser_unexpected(p);
        n->text = STR("");
        return n;
    }
    n->text = p->lex->token.text;
    n->at = p->lex->token.at;
    parser_next(p);
    return n;
}

static struct node *parse_call(struct parser *p, struct node *callee, uint32_t offset)
{
    parser_next(p);
    return parser_node_ab(p, NODE_CALL, offset, callee, parse_list(p, TOKEN_RPAREN));
}

static struct node *parse_index(struct parser *p, struct node *object, uint32_t offset)
{
    parser_next(p);
    struct node *n = parser_node_ab(p, NODE_INDEX, offset, object, parse_assigned(p));
    parser_expect(p, TOKEN_RBRACKET);
    return n;
}

/* .name  ?.name  ?.[x]  ?.(x)  [x]  (x) */
static struct node *parse_postfix(struct parser *p, struct node *left, bool *chain)
{
    uint32_t offset = p->lex->token.at;
    bool optional = parser_at(p, TOKEN_CHAIN);
    struct node *n;
    if (parser_at(p, TOKEN_BACKTICK))
        return left;
    if (parser_at(p, TOKEN_DOT) || optional)
        parser_next(p);
    else
        return parser_at(p, TOKEN_LPAREN) ? parse_call(p, left, offset)
                                          : parse_index(p, left, offset);
    if (optional && parser_at(p, TOKEN_LPAREN))
        n = parse_call(p, left, offset);
    else if (optional && parser_at(p, TOKEN_LBRACKET))
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
    parser_next(p);
    struct node *n = parser_node_ab(p, NODE_UNARY, offset, parse_at(p, POWER_UNARY), NULL);
    n->op = op;
    return n;
}

static struct node *parse_new(struct parser *p)
{
    struct node *n = parser_node(p, NODE_NEW, p->lex->token.at);
    parser_next(p);
    n->a = parser_node(p, NODE_NAME, p->lex->token.at);
    n->a->text = p->lex->token.text;
    if (!parser_at(p, TOKEN_NAME)) {
        parser_unexpected(p);
        n->a->text = STR("");
        return n;
    }
    parser_next(p);
    if (parser_at(p, TOKEN_LPAREN)) {
        parser_next(p);
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
    struct node *n = parser_node(p, NODE_NAME, p->lex->token.at);
    n->text = p->lex->token.text;
    if (parser_at_word(p, "new"))
        return parse_new(p);
    if (parser_at_word(p, "typeof"))
        return parse_unary(p, TOKEN_TYPEOF);
    if (parser_at_word(p, "void"))
        return parse_unary(p, TOKEN_VOID);
    if (parser_at_word(p, "function") || parser_at_word(p, "async") || parser_at_word(p, "await") ||
        parser_at_word(p, "delete") || parser_at_word(p, "this") || parser_at_word(p, "class") ||
        parser_at_word(p, "yield")) {
        lex_fail(p->lex, n->at, "'%s' is not supported in expressions%s", n->text.ptr,
                 parser_at_word(p, "function") ? ": write an arrow function" : "");
        return n;
    }
    parser_next(p);
    if (parser_at(p, TOKEN_ARROW) && !p->lex->token.newline) {
        struct node *arrow = parser_node_ab(p, NODE_ARROW, n->at, n, NULL);
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
        return n ? n : parser_node(p, NODE_UNDEFINED, p->lex->token.at);
    parser_next(p);
    n = parse_assigned(p);
    /* a, b: values without effects, so the last one is the value */
    while (parser_take(p, TOKEN_COMMA))
        n = parse_assigned(p);
    parser_expect(p, TOKEN_RPAREN);
    if (n->type == NODE_ARROW)
        n->constant = true;    /* (x => x)(1): may be called at once */
    if (n->type == NODE_CHAIN) /* (a?.b).c: the chain ends at the parenthesis */
        n = parser_node_ab(p, NODE_CHAIN, n->at, n, NULL);
    return n;
}

static struct node *parse_prefix(struct parser *p)
{
    const struct token t = p->lex->token;
    struct node *n = parser_node(p, NODE_UNDEFINED, t.at);
    switch (t.type) {
    case TOKEN_NUMBER:
        n->type = NODE_NUMBER;
        n->number = t.number;
        parser_next(p);
        return n;
    case TOKEN_STRING:
        n->type = NODE_STRING;
        n->text = t.text;
        parser_next(p);
        return n;
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_BACKTICK:
        return parse_template(p);
    case TOKEN_DIV:
    case TOKEN_DIV_ASSIGN:
        n->type = NODE_REGEX;
        if (lex_regex(p->lex, &n->text, &n->flags))
            parser_next(p);
        return n;
    case TOKEN_LPAREN:
        return parse_parenthesis(p);
    case TOKEN_LBRACKET:
        parser_next(p);
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
        parser_unexpected(p);
        return n;
    }
}

static struct node *parse_infix(struct parser *p, struct node *left, unsigned power)
{
    const struct token t = p->lex->token;
    enum token_type op = t.type;
    if (op == TOKEN_NAME)
        op = parser_at_word(p, "in") ? TOKEN_IN : TOKEN_INSTANCEOF;
    parser_next(p);
    if (op == TOKEN_QUESTION) {
        struct node *n = parser_node_ab(p, NODE_COND, t.at, left, parse_assigned(p));
        parser_expect(p, TOKEN_COLON);
        n->c = parse_assigned(p);
        return n;
    }
    bool logical = op == TOKEN_AND || op == TOKEN_OR || op == TOKEN_NULLISH;
    /* ** binds to the right, everything else to the left */
    struct node *right = parse_at(p, op == TOKEN_POWER ? power - 1 : power);
    struct node *n = parser_node_ab(p, logical ? NODE_LOGICAL : NODE_BINARY, t.at, left, right);
    n->op = op;
    return n;
}

static struct node *parse_at(struct parser *p, unsigned power)
{
    if (++p->depth > PARSE_DEPTH_MAX)
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
            left = parser_node_ab(p, NODE_CHAIN, left->at, left, NULL);
        chain = false;
        left = parse_infix(p, left, mine);
    }
    if (chain)
        left = parser_node_ab(p, NODE_CHAIN, left->at, left, NULL);
    p->depth--;
    return left;
}

struct node *parse_assigned(struct parser *p)
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
    parser_next(&p);
    struct node *n = parse_assigned(&p);
    while (parser_take(&p, TOKEN_SEMICOLON))
        ;
    return n;
}
