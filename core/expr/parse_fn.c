/* SPDX-License-Identifier: Apache-2.0
 * parse_fn: arrow functions: parameters, patterns, and the statements of block bodies: const, let,
 * if, return. Any thread.
 */
#include "expr/parse_int.h"

static struct node *parse_pattern(struct parser *p);
static struct node *parse_block(struct parser *p);

static struct node *parse_with_default(struct parser *p)
{
    uint32_t offset = p->lex->token.at;
    struct node *target = parse_pattern(p);
    if (!parser_take(p, TOKEN_ASSIGN))
        return target;
    return parser_node_ab(p, NODE_DEFAULT, offset, target, parse_assigned(p));
}

static struct node *parse_object_pattern(struct parser *p)
{
    struct node *n = parser_node(p, NODE_OBJECT, p->lex->token.at), **last = &n->a;
    parser_next(p);
    while (!parser_at(p, TOKEN_RBRACE) && !p->lex->failed) {
        uint32_t offset = p->lex->token.at;
        if (parser_take(p, TOKEN_ELLIPSIS)) {
            *last = parser_node_ab(p, NODE_SPREAD, offset, parse_pattern(p), NULL);
        } else {
            bool is_name = parser_at(p, TOKEN_NAME);
            struct node *key = parse_key(p), *target;
            if (parser_take(p, TOKEN_COLON)) {
                target = parse_with_default(p);
            } else {
                if (!is_name)
                    parser_unexpected(p);
                target = parser_node(p, NODE_NAME, offset);
                target->text = key->text;
                if (parser_take(p, TOKEN_ASSIGN))
                    target = parser_node_ab(p, NODE_DEFAULT, offset, target, parse_assigned(p));
            }
            *last = parser_node_ab(p, NODE_PAIR, offset, key, target);
        }
        last = &(*last)->next;
        if (!parser_take(p, TOKEN_COMMA))
            break;
    }
    parser_expect(p, TOKEN_RBRACE);
    return n;
}

static struct node *parse_pattern_list(struct parser *p, enum token_type close)
{
    struct node *first = NULL, **last = &first;
    while (!parser_at(p, close) && !p->lex->failed) {
        uint32_t offset = p->lex->token.at;
        if (close == TOKEN_RBRACKET && parser_at(p, TOKEN_COMMA))
            *last = parser_node(p, NODE_HOLE, offset);
        else if (parser_take(p, TOKEN_ELLIPSIS))
            *last = parser_node_ab(p, NODE_SPREAD, offset, parse_pattern(p), NULL);
        else
            *last = parse_with_default(p);
        last = &(*last)->next;
        if (!parser_take(p, TOKEN_COMMA))
            break;
    }
    parser_expect(p, close);
    return first;
}

/* A name, {a, b: c} or [a, b]. */
static struct node *parse_pattern(struct parser *p)
{
    struct node *n = parser_node(p, NODE_NAME, p->lex->token.at);
    if (p->depth > PARSE_DEPTH_MAX) {
        lex_fail(p->lex, n->at, "the expression is nested too deeply");
        return n;
    }
    p->depth++;
    if (parser_at(p, TOKEN_LBRACE)) {
        n = parse_object_pattern(p);
    } else if (parser_at(p, TOKEN_LBRACKET)) {
        parser_next(p);
        n->type = NODE_ARRAY;
        n->a = parse_pattern_list(p, TOKEN_RBRACKET);
    } else if (parser_at(p, TOKEN_NAME)) {
        n->text = p->lex->token.text;
        parser_next(p);
    } else {
        parser_unexpected(p);
    }
    p->depth--;
    return n;
}

struct node *parse_arrow_body(struct parser *p, struct node *arrow)
{
    parser_expect(p, TOKEN_ARROW);
    arrow->b = parser_at(p, TOKEN_LBRACE) ? parse_block(p) : parse_assigned(p);
    return arrow;
}

struct node *try_arrow(struct parser *p)
{
    struct lexer saved = *p->lex;
    struct expr_error error = *saved.error;
    unsigned depth = p->depth;
    struct node *arrow = parser_node(p, NODE_ARROW, saved.token.at);
    parser_next(p);
    arrow->a = parse_pattern_list(p, TOKEN_RPAREN);
    if (!p->lex->failed && parser_at(p, TOKEN_ARROW))
        return parse_arrow_body(p, arrow);
    *p->lex = saved;
    *saved.error = error;
    p->depth = depth;
    return NULL;
}

static struct node *parse_declare(struct parser *p, bool constant)
{
    struct node *first = NULL, **last = &first;
    parser_next(p);
    do {
        struct node *n = parser_node(p, NODE_DECLARE, p->lex->token.at);
        n->constant = constant;
        n->a = parse_pattern(p);
        if (parser_take(p, TOKEN_ASSIGN))
            n->b = parse_assigned(p);
        *last = n;
        last = &n->next;
    } while (parser_take(p, TOKEN_COMMA));
    return first;
}

static struct node *parse_statement(struct parser *p)
{
    struct node *n = parser_node(p, NODE_EVAL, p->lex->token.at);
    if (parser_at(p, TOKEN_LBRACE))
        return parse_block(p);
    if (parser_at_word(p, "const") || parser_at_word(p, "let") || parser_at_word(p, "var")) {
        n = parse_declare(p, parser_at_word(p, "const"));
    } else if (parser_at_word(p, "if")) {
        n->type = NODE_IF;
        parser_next(p);
        parser_expect(p, TOKEN_LPAREN);
        n->a = parse_assigned(p);
        parser_expect(p, TOKEN_RPAREN);
        n->b = parse_statement(p);
        if (parser_at_word(p, "else")) {
            parser_next(p);
            n->c = parse_statement(p);
        }
        return n;
    } else if (parser_at_word(p, "return")) {
        n->type = NODE_RETURN;
        parser_next(p);
        if (!parser_at(p, TOKEN_SEMICOLON) && !parser_at(p, TOKEN_RBRACE) && !p->lex->token.newline)
            n->a = parse_assigned(p);
    } else if (parser_at_word(p, "for") || parser_at_word(p, "while") ||
               parser_at_word(p, "switch") || parser_at_word(p, "try") ||
               parser_at_word(p, "throw") || parser_at_word(p, "function") ||
               parser_at_word(p, "do")) {
        lex_fail(p->lex, n->at,
                 "'%s' is not supported in expressions: use array methods, or a Lua step",
                 p->lex->token.text.ptr);
    } else {
        n->a = parse_assigned(p);
    }
    if (!parser_take(p, TOKEN_SEMICOLON) && !parser_at(p, TOKEN_RBRACE) && !p->lex->token.newline &&
        !p->lex->failed)
        parser_unexpected(p);
    return n;
}

static struct node *parse_block(struct parser *p)
{
    struct node *n = parser_node(p, NODE_BLOCK, p->lex->token.at), **last = &n->a;
    if (++p->depth > PARSE_DEPTH_MAX)
        lex_fail(p->lex, n->at, "the expression is nested too deeply");
    parser_expect(p, TOKEN_LBRACE);
    while (!parser_at(p, TOKEN_RBRACE) && !p->lex->failed) {
        if (parser_take(p, TOKEN_SEMICOLON))
            continue;
        *last = parse_statement(p);
        while (*last)
            last = &(*last)->next;
    }
    p->depth--;
    parser_expect(p, TOKEN_RBRACE);
    return n;
}
