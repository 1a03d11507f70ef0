/* SPDX-License-Identifier: Apache-2.0
 * parse_int: what the two files of the parser share.
 */
#ifndef CATALYST_EXPR_PARSE_INT_H
#define CATALYST_EXPR_PARSE_INT_H
#include "expr/syntax_int.h"

enum { PARSE_DEPTH_MAX = 64 };

struct parser {
    struct lexer *lex;
    unsigned depth;
    uint32_t tokens;
};

void parser_next(struct parser *p);
bool parser_at(const struct parser *p, enum token_type type);
bool parser_at_word(const struct parser *p, const char *word);
bool parser_take(struct parser *p, enum token_type type); /* takes the token if it is this */
void parser_expect(struct parser *p, enum token_type type);
void parser_unexpected(struct parser *p); /* fails at the current token */
struct node *parser_node(struct parser *p, enum node_type type, uint32_t offset);
struct node *parser_node_ab(struct parser *p, enum node_type type, uint32_t offset, struct node *a,
                            struct node *b);

/* parse.c: an expression without a comma at its top; a property name */
struct node *parse_assigned(struct parser *p);
struct node *parse_key(struct parser *p);

/* parse_fn.c */
struct node *parse_arrow_body(struct parser *p, struct node *arrow);
/* At "(": an arrow function; NULL, with nothing taken, when this is something else. */
struct node *try_arrow(struct parser *p);

#endif
